"""The pages about authorization, held against the code."""

from __future__ import annotations

import ast
import inspect
import re
from dataclasses import MISSING, fields
from pathlib import Path
from types import SimpleNamespace

from django_mcp.oauth import checks, conf
from django_mcp.oauth.identity_providers import IdentityProvider
from tests.test_docs import DOCS, blocks_of, default_of, prose_of, rows_of

REFERENCE = DOCS / "reference" / "oauth.md"
HOW_TO = DOCS / "howto" / "oauth.md"
PROVIDERS = DOCS / "reference" / "identity-providers.md"
HOW_TO_PROVIDERS = DOCS / "howto" / "external-identity-provider.md"


def test_the_settings_are_documented_with_their_defaults() -> None:
    rows = {
        row[0].strip("`"): row[1]
        for row in rows_of(REFERENCE)
        if len(row) == 3 and re.fullmatch(r"`[A-Z_]+`", row[0])
    }
    assert rows.keys() == {each.name.upper() for each in fields(conf.Settings)}
    for each in fields(conf.Settings):
        written = rows[each.name.upper()]
        if each.name == "scopes":
            assert re.findall(r"`([^`]+)`", written) == list(default_of(each))
        else:
            assert ast.literal_eval(written.strip("`")) == default_of(each), each.name
        assert each.default is not MISSING or each.default_factory is not MISSING


def test_what_may_be_said_of_a_provider_is_documented_with_its_defaults() -> None:
    written = {
        row[0].strip("`"): ast.literal_eval(row[1].strip("`"))
        for row in rows_of(PROVIDERS)
        if len(row) == 3 and re.fullmatch(r"`[A-Z_]+`", row[0])
    }
    own = [each for each in fields(IdentityProvider) if each.name != "issuer"]
    assert written == {each.name.upper(): default_of(each) for each in own}


def test_the_checks_are_documented() -> None:
    documented = re.findall(r"`django_mcp_oauth\.([EW]\d{3})`", prose_of(REFERENCE))
    docstring = re.findall(r"^([EW]\d{3})  ", checks.__doc__ or "", flags=re.M)
    emitted = re.findall(r'id=f"\{ID\}\.([EW]\d{3})"', inspect.getsource(checks))

    assert documented == docstring == sorted(set(emitted))


def test_the_settings_of_examples_are_settings() -> None:
    found = 0
    namespace = {"os": SimpleNamespace(environ={"IDP_SECRET": "secret"})}
    for page in (REFERENCE, HOW_TO, PROVIDERS, HOW_TO_PROVIDERS):
        for block in blocks_of(page):
            if block.language != "python":
                continue
            for node in ast.walk(ast.parse(block.code)):
                if isinstance(node, ast.Assign) and ast.unparse(node.targets[0]) == conf.SETTING:
                    found += 1
                    assert conf.problems(eval(ast.unparse(node.value), namespace)) == []
    assert found


def test_the_table_of_attacks_names_tests_that_are_there() -> None:
    here = Path(__file__).parent
    table = (here / "README.md").read_text(encoding="utf-8")
    for file, test in re.findall(r"`(test_\w+\.py)::(test_\w+)`", table):
        assert f"def {test}(" in (here / file).read_text(encoding="utf-8"), (file, test)
    numbers: set[int] = set()
    for first, last in re.findall(r"(?:^\| |, )(\d+)(?:\u2013(\d+))?(?=[ ,|])", table, flags=re.M):
        numbers |= set(range(int(first), int(last or first) + 1))
    assert set(range(1, 100)) <= numbers
