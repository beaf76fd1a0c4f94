"""Which texts of the package are marked for translation, and which catalogs there are of them.

Marked texts are found without gettext's programs, which need not be installed: in Python by the
names under which Django's functions were imported, in templates by Django's own parser. A catalog
is read strictly: what stands in none of ours is an error.
"""

from __future__ import annotations

import ast
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from typing import Any, NamedTuple

from django.template import Engine, Template
from django.templatetags.i18n import BlockTranslateNode, TranslateNode

PACKAGE = Path(__file__).resolve().parent.parent / "django_mcp"

#: The apps that have texts; the first is around the others.
APPS = {
    "django_mcp": PACKAGE,
    "django_mcp.oauth": PACKAGE / "oauth",
    "django_mcp.remote": PACKAGE / "remote",
}
#: Each function: the places of the context, the text, and its plural among the arguments.
FUNCTIONS: dict[str, tuple[int | None, int, int | None]] = {
    **dict.fromkeys(("gettext", "gettext_lazy", "gettext_noop"), (None, 0, None)),
    **dict.fromkeys(("ngettext", "ngettext_lazy"), (None, 0, 1)),
    **dict.fromkeys(("pgettext", "pgettext_lazy"), (0, 1, None)),
    **dict.fromkeys(("npgettext", "npgettext_lazy"), (0, 1, 2)),
}


class Text(NamedTuple):
    """A text as it is looked up."""

    context: str | None
    text: str
    plural: str | None = None


@dataclass(kw_only=True)
class Entry:
    """A text in a catalog, and its translation: one, or one for each form of the plural."""

    text: Text
    forms: Sequence[str]
    flags: Sequence[str] = ()


# --------------------------------------------------------------------------------- marked texts


def files_of(app: str, suffix: str) -> list[Path]:
    """The files of an app that are not those of an app inside of it."""
    root = APPS[app]
    inner = [each for each in APPS.values() if each != root and each.is_relative_to(root)]
    return [
        path
        for path in sorted(root.rglob(f"*{suffix}"))
        if not any(path.is_relative_to(each) for each in inner)
    ]


@cache
def marked(app: str) -> frozenset[Text]:
    """Every text of an app that is marked for translation."""
    found: set[Text] = set()
    for path in files_of(app, ".py"):
        found.update(in_python(path.read_text(), str(path)))
    for path in files_of(app, ".html"):
        found.update(in_template(path.read_text()))
    return frozenset(found)


def in_python(source: str, name: str = "") -> Iterator[Text]:
    """The texts that a module marks; one that is not a constant could not be found by anybody."""
    tree = ast.parse(source)
    known = {
        alias.asname or alias.name: FUNCTIONS[alias.name]
        for node in ast.walk(tree)
        if isinstance(node, ast.ImportFrom)
        for alias in node.names
        if alias.name in FUNCTIONS
    }
    for node in ast.walk(tree):
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id in known:
            yield Text(
                *(
                    None if place is None else _constant(node.args[place], name)
                    for place in known[node.func.id]
                )
            )


def _constant(node: ast.expr, name: str) -> str:
    assert isinstance(node, ast.Constant), f"{name}:{node.lineno} marks what is not a constant."
    assert isinstance(node.value, str)
    return node.value


def parsed(source: str) -> Any:
    template: Any = Template(source, engine=Engine.get_default())
    return template.nodelist


def in_template(source: str) -> Iterator[Text]:
    """The texts that a template marks."""
    nodes = parsed(source)
    for node in nodes.get_nodes_by_type(TranslateNode):
        text = node.filter_expression.var.literal.replace("%", "%%")
        yield Text(_context_of(node), text)
    for node in nodes.get_nodes_by_type(BlockTranslateNode):
        text, _ = node.render_token_list(node.singular)
        plural = node.render_token_list(node.plural)[0] if node.plural else None
        yield Text(_context_of(node), text, plural)


def _context_of(node: Any) -> str | None:
    return node.message_context and str(node.message_context.var)


# ------------------------------------------------------------------------------------- catalogs


def catalog_of(app: str, language: str) -> Path:
    """The text of a catalog; what is compiled of it lies beside it."""
    return APPS[app] / "locale" / language / "LC_MESSAGES" / "django.po"


def languages_of(app: str) -> set[str]:
    return {path.name for path in (APPS[app] / "locale").iterdir()}


@dataclass
class _Draft:
    flags: list[str] = field(default_factory=list)
    fields: dict[str, str] = field(default_factory=dict)


@cache
def read(path: Path) -> list[Entry]:
    """The entries of a catalog but its header; fails for what it does not understand."""
    return [_entry(_drafted(block)) for block in path.read_text().strip().split("\n\n")][1:]


def _drafted(block: str) -> _Draft:
    draft, keyword = _Draft(), ""
    for line in block.splitlines():
        if line.startswith("#,"):
            draft.flags += [flag.strip() for flag in line[2:].split(",")]
        elif line.startswith('"'):
            draft.fields[keyword] += ast.literal_eval(line)
        elif not line.startswith("#") or line.startswith("#~"):
            keyword, _, quoted = line.partition(" ")
            assert keyword not in draft.fields, line
            draft.fields[keyword] = ast.literal_eval(quoted)
    return draft


def _entry(draft: _Draft) -> Entry:
    fields = dict(draft.fields)
    text = Text(fields.pop("msgctxt", None), fields.pop("msgid"), fields.pop("msgid_plural", None))
    expected = [f"msgstr[{n}]" for n in range(len(fields))] if text.plural else ["msgstr"]
    assert list(fields) == expected, text
    return Entry(text=text, forms=list(fields.values()), flags=draft.flags)
