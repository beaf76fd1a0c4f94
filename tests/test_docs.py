"""The documentation, held against the code: examples run, tables are whole, links lead somewhere.

What is run. Every block fenced as ```python must compile. A block whose first statement is an
import is executed, as a module of its own, inside the example project and with an empty default
server; `<!-- not run: reason -->` on the line above the fence is the only way out of that. On the
pages of `PROJECTS` a block whose first line names a file (`# library/mcp.py`) is put at the end of
that file of a fresh project instead, and the project's own tests must pass.
"""

from __future__ import annotations

import ast
import inspect
import json
import os
import re
import subprocess
import sys
from dataclasses import MISSING, Field, dataclass, fields
from pathlib import Path
from typing import Any
from urllib.parse import unquote

import pytest

import django_mcp
from django_mcp import MCPServer, checks, conf
from django_mcp.protocol import errors as protocol_errors
from django_mcp.server import errors as server_errors
from django_mcp.server.calls import CallRecord
from django_mcp.server.server import MCPServer as PlainServer

CLONE = Path(__file__).resolve().parent.parent
DOCS = CLONE / "docs"
PAGES = [CLONE / "README.md", *sorted(DOCS.rglob("*.md"))]
REFERENCE = DOCS / "reference"

#: Pages that build a project, with the apps it has, and whether the page installs and routes them.
PROJECTS = {
    "docs/tutorial/first-server.md": (["library"], True),
    "docs/howto/authenticate.md": (["accounts"], False),
    "docs/howto/test-your-tools.md": (["shop"], False),
}


def name_of(page: Path) -> str:
    return page.relative_to(CLONE).as_posix()


# ------------------------------------------------------------------------------- reading a page


@dataclass(frozen=True, kw_only=True)
class Block:
    """A fenced block: where it stands, what it is written in, what it says."""

    page: Path
    line: int
    language: str
    code: str
    excused: bool

    @property
    def label(self) -> str:
        return f"{name_of(self.page)}:{self.line}"

    @property
    def file(self) -> str | None:
        """The file that the first line names."""
        found = re.match(r"# ([\w./-]+\.py)\n", self.code)
        return found[1] if found else None


def blocks_of(page: Path) -> list[Block]:
    blocks: list[Block] = []
    lines = page.read_text(encoding="utf-8").splitlines()
    begin: int | None = None
    for number, line in enumerate(lines):
        if not line.startswith("```"):
            continue
        if begin is None:
            begin = number
            continue
        above = lines[begin - 1] if begin else ""
        blocks.append(
            Block(
                page=page,
                line=begin + 1,
                language=lines[begin].removeprefix("```").strip(),
                code="\n".join(lines[begin + 1 : number]) + "\n",
                excused=re.fullmatch(r"<!-- not run: .+ -->", above) is not None,
            )
        )
        begin = None
    assert begin is None, f"{name_of(page)}:{begin}: a block is not closed"
    return blocks


def prose_of(page: Path) -> str:
    """The page without its fenced blocks."""
    return re.sub(r"^```.*?^```$", "", page.read_text(encoding="utf-8"), flags=re.M | re.S)


def rows_of(page: Path) -> list[list[str]]:
    """The rows of a page's tables, each a list of its cells."""
    lines = [line for line in prose_of(page).splitlines() if line.startswith("|")]
    written = [line for line in lines if not set(line) <= set("|-: ")]
    return [[cell.strip() for cell in line.strip("|").split("|")] for line in written]


def anchors_of(page: Path) -> set[str]:
    """The anchors that headings have on the usual hosts."""
    headings = re.findall(r"^#+ (.+)$", prose_of(page), flags=re.M)
    return {re.sub(r"[^\w\- ]", "", h.lower()).replace(" ", "-") for h in headings}


PYTHON = [block for page in PAGES for block in blocks_of(page) if block.language == "python"]


def in_project(block: Block) -> bool:
    return name_of(block.page) in PROJECTS and block.file is not None


def runs(block: Block) -> bool:
    statements = ast.parse(block.code).body
    starts = bool(statements) and isinstance(statements[0], ast.Import | ast.ImportFrom)
    return starts and not block.excused and not in_project(block)


# ----------------------------------------------------------------------------------- the examples


@pytest.mark.parametrize("block", PYTHON, ids=lambda block: block.label)
def test_an_example_is_python(block: Block) -> None:
    compile(block.code, block.label, "exec")


#: Runs the blocks it is given on stdin, and prints what is wrong with which.
RUN_BLOCKS = """
import json, sys, traceback
import django
django.setup()
from django_mcp import default_server
from django_mcp.exposure.models.registry import exposed_on

server = default_server()
failures = {}
for label, code in json.load(sys.stdin):
    for collection in (server.tools, server.resources, server.resource_templates, server.prompts):
        for member in collection:
            collection.remove(member.key)
    exposed_on(server).clear()
    for listing in server.resource_listings.members:
        server.resource_listings.remove(listing.name)
    server.completions.clear()
    server.any_completion = None
    try:
        exec(compile(code, label, "exec"), {"__name__": "documented"})
        server.waiting.settle()
        assert not server.waiting.failed, server.waiting.failed
    except BaseException:
        failures[label] = traceback.format_exc(limit=-2)
    server.waiting.failed.clear()
json.dump(failures, sys.stdout)
"""


def environment(**more: str) -> dict[str, str]:
    kept = {name: value for name, value in os.environ.items() if name != "DJANGO_SETTINGS_MODULE"}
    return {**kept, **more}


def test_every_example_that_begins_with_an_import_runs() -> None:
    chosen = [(block.label, block.code) for block in PYTHON if runs(block)]
    assert chosen
    finished = subprocess.run(
        [sys.executable, "-W", "error", "-c", RUN_BLOCKS],
        input=json.dumps(chosen),
        cwd=CLONE / "example_project",
        env=environment(
            DJANGO_SETTINGS_MODULE="config.settings",
            PYTHONPATH=os.pathsep.join([str(CLONE / "example_project"), str(CLONE)]),
        ),
        capture_output=True,
        text=True,
        timeout=120,
    )
    assert finished.returncode == 0, finished.stderr
    failures: dict[str, str] = json.loads(finished.stdout)
    assert not failures, "\n".join(f"{label}\n{text}" for label, text in failures.items())


def manage(project: Path, *arguments: str) -> str:
    finished = subprocess.run(
        [sys.executable, "-W", "error", "manage.py", *arguments],
        cwd=project,
        env=environment(PYTHONPATH=str(CLONE), DJANGO_SETTINGS_MODULE="mysite.settings"),
        capture_output=True,
        text=True,
        timeout=120,
    )
    output = finished.stdout + finished.stderr
    assert finished.returncode == 0, f"manage.py {' '.join(arguments)}\n{output}"
    return output


def append(file: Path, code: str) -> None:
    with file.open("a", encoding="utf-8") as opened:
        opened.write("\n" + code)


@pytest.mark.parametrize("page", PROJECTS)
def test_the_project_of_a_page_works(page: str, tmp_path: Path) -> None:
    apps, told = PROJECTS[page]
    start = [sys.executable, "-m", "django", "startproject", "mysite", str(tmp_path)]
    subprocess.run(start, check=True, env=environment(), timeout=60)
    for app in apps:
        manage(tmp_path, "startapp", app)
    if not told:
        append(tmp_path / "mysite/settings.py", f"INSTALLED_APPS += {['django_mcp', *apps]!r}\n")
        route = (
            'from django.urls import include\nurlpatterns += [path("", include("django_mcp.urls"))]'
        )
        append(tmp_path / "mysite/urls.py", route + "\n")
    for block in blocks_of(CLONE / page):
        if block.language == "python" and block.file is not None and not block.excused:
            append(tmp_path / block.file, block.code)
    manage(tmp_path, "makemigrations", *apps)
    assert "no issues" in manage(tmp_path, "check")
    assert re.search(r"Ran [1-9]\d* test", manage(tmp_path, "test", "--verbosity=1"))


@pytest.mark.parametrize("block", PYTHON, ids=lambda block: block.label)
def test_settings_in_an_example_are_settings(block: Block) -> None:
    for node in ast.walk(ast.parse(block.code)):
        if isinstance(node, ast.Assign) and "DJANGO_MCP" in [ast.unparse(t) for t in node.targets]:
            namespace = {"os": os, "DEBUG": True, "BASE_DIR": CLONE}
            assert conf.problems(eval(ast.unparse(node.value), namespace)) == []


# ----------------------------------------------------------------------------------- the reference


def test_every_public_name_stands_in_the_reference() -> None:
    text = "\n".join(page.read_text(encoding="utf-8") for page in REFERENCE.glob("*.md"))
    missing = [name for name in django_mcp.__all__ if not re.search(rf"\b{name}\b", text)]
    assert missing == []


def default_of(field: Field[Any]) -> Any:
    return field.default_factory() if field.default_factory is not MISSING else field.default


def test_the_settings_are_documented_with_their_defaults() -> None:
    documented = {
        row[0].strip("`"): ast.literal_eval(row[1].strip("`"))
        for row in rows_of(REFERENCE / "settings.md")
        if len(row) == 3 and re.fullmatch(r"`[A-Z_]+`", row[0])
    }
    assert documented == {f.name.upper(): default_of(f) for f in fields(conf.Settings)}


def test_the_checks_are_documented() -> None:
    documented = re.findall(r"`django_mcp\.([EW]\d{3})`", prose_of(REFERENCE / "checks.md"))
    emitted = re.findall(r"django_mcp\.([EW]\d{3})", inspect.getsource(checks))
    assert sorted(set(documented)) == sorted(set(emitted))
    assert len(documented) == len(set(documented))


def test_the_errors_of_the_wire_are_documented_with_code_and_status() -> None:
    rows = {row[0].strip("`"): row[1:3] for row in rows_of(REFERENCE / "errors.md")}
    tree = vars(protocol_errors).values()
    for cls in (each for each in tree if inspect.isclass(each)):
        if not issubclass(cls, protocol_errors.ProtocolError):
            continue
        if cls in (protocol_errors.ProtocolError, protocol_errors.UrlElicitationRequired):
            continue  # Any code; and the error of a revision that is not served.
        assert rows[cls.__name__] == [f"`{cls.code}`", f"`{cls.status}`"]


def test_the_exceptions_of_functions_are_documented() -> None:
    text = (REFERENCE / "errors.md").read_text(encoding="utf-8")
    public = set(django_mcp.__all__) & set(vars(server_errors))
    assert [name for name in public if f"`{name}`" not in text] == []


@pytest.mark.parametrize(
    ("page", "function"),
    [
        ("tools.md", MCPServer.add_tool),
        ("admin-actions.md", MCPServer.add_admin_action),
        ("forms.md", MCPServer.add_form_tool),
        ("templates.md", MCPServer.add_template_prompt),
        ("templates.md", MCPServer.add_template_resource),
        ("resources.md", PlainServer.resource),
        ("prompts.md", MCPServer.add_prompt),
        ("server.md", PlainServer.__init__),
        ("context.md", django_mcp.Context.sample),
        ("context.md", django_mcp.Context.ask),
        ("tools.md", django_mcp.Image.__init__),
        ("tools.md", django_mcp.File.__init__),
        ("signals.md", CallRecord.__init__),
    ],
    ids=lambda value: value if isinstance(value, str) else value.__qualname__,
)
def test_every_parameter_stands_on_its_page(page: str, function: Any) -> None:
    text = (REFERENCE / page).read_text(encoding="utf-8")
    parameters = inspect.signature(function).parameters.values()
    named = [p.name for p in parameters if p.name != "self" and p.kind is not p.VAR_KEYWORD]
    assert [name for name in named if not re.search(rf"`{name}\b", text)] == []


@pytest.mark.parametrize(
    ("page", "cls"), [("context.md", django_mcp.Context), ("server.md", MCPServer)]
)
def test_every_method_stands_on_its_page(page: str, cls: type) -> None:
    inner = {"answer", "cache_hint", "call_observers", "implementation", "stamp", "completes"}
    text = (REFERENCE / page).read_text(encoding="utf-8")
    names = [name for name, value in inspect.getmembers(cls) if not name.startswith("_")]
    missing = [name for name in names if not re.search(rf"\b{name}\b", text)]
    assert [name for name in missing if cls is not MCPServer or name not in inner] == []


# --------------------------------------------------------------------------------------- the links


LINKS = [
    (page, target)
    for page in PAGES
    for target in re.findall(r"\]\(([^)\s]+)\)", prose_of(page))
    if not re.match(r"[a-z]+:", target)
]


@pytest.mark.parametrize(("page", "target"), LINKS, ids=lambda v: v if isinstance(v, str) else "")
def test_a_link_leads_somewhere(page: Path, target: str) -> None:
    path, _, anchor = target.partition("#")
    found = (page.parent / unquote(path)).resolve() if path else page
    assert found.exists(), f"{name_of(page)} links to {target}"
    if anchor:
        assert anchor in anchors_of(found), f"{name_of(page)} links to {target}"


#: Directories of the clone; what a page mentions in one of them has to be there.
HERE = ("django_mcp", "docs", "tests", "example_project", ".ci")


@pytest.mark.parametrize("page", PAGES, ids=name_of)
def test_a_file_that_is_mentioned_exists(page: Path) -> None:
    text = page.read_text(encoding="utf-8")
    mentioned = re.findall(rf"(?<![\w./-])((?:{'|'.join(HERE)})/[\w./-]+\.\w+)", text)
    assert [path for path in mentioned if not (CLONE / path).exists()] == []


def test_the_index_links_to_every_page() -> None:
    index = DOCS / "index.md"
    linked = {(index.parent / target).resolve() for page, target in LINKS if page == index}
    assert [name_of(page) for page in PAGES[1:] if page != index and page not in linked] == []


def test_nothing_on_a_page_is_left_to_write() -> None:
    marks = re.compile(r"\b(TODO|FIXME|TBD|XXX)\b")
    assert [name_of(page) for page in PAGES if marks.search(page.read_text("utf-8"))] == []
