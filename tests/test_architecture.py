"""Which way the doors open: the rules between the modules of the package, held with ``ast`` alone.

The tables come first and are what one edits; the checker reads them; the tests run the checker over
the package, and over small wrong trees to see each rule refuse. Style is ruff's business and types
are mypy's; what stands here is only what neither of them can say.
"""

from __future__ import annotations

import ast
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import cache, cached_property
from pathlib import Path

import pytest

PACKAGE = "django_mcp"
REPOSITORY = Path(__file__).resolve().parent.parent

# ------------------------------------------------------------------------------------- the tables

#: Rooms from the inside out. A room imports rooms of an earlier row, its neighbours and itself.
#: "" is ``django_mcp/__init__.py``.
LEVELS = (
    ("protocol",),
    ("server",),
    ("transports", "client", "extensions"),
    ("conf", "pages"),
    # Servers elsewhere that a project is a client of: an app that needs no server of its own.
    ("remote",),
    ("models", "signals"),
    ("backends", "permissions", "authentication"),
    # What a server of Django's inherits.
    ("exposure",),
    # A server and a client of it, in one process; a server that is a client of another.
    ("memory", "proxy"),
    # The default server has the implementations plugged in, so it stands above them.
    ("default",),
    # Names for what the rooms below hold, for users to import.
    ("questions", "types"),
    ("oauth", "endpoints"),
    ("", "management", "migrations", "admin", "apps", "checks", "urls", "routing", "testing"),
    # Imported by pytest before there are settings.
    ("pytest_plugin",),
)
LEVEL = {room: level for level, row in enumerate(LEVELS) for room in row}

#: Rooms that import less than their level would allow. How a message arrives, the other side of the
#: wire and the extensions do not know of each other.
ROOMS_WELCOME = {
    "transports": {"server", "protocol"},
    "client": {"protocol"},
    "extensions": {"server", "protocol"},
    "remote": {"client", "conf", "pages"},
}

#: What a value of the wire is made of.
VALUES = {"pydantic", "pydantic_core", "typing_extensions"}

#: Distributions a part of the package may import beside the standard library. The first row whose
#: path fits decides; a module no row fits may import any runtime dependency.
DISTRIBUTIONS_WELCOME = (
    # referencing is the part of jsonschema that decides where a "$ref" may lead.
    ("protocol/json_schema/", VALUES | {"jsonschema", "referencing"}),
    ("protocol/", VALUES),
    ("server/", VALUES | {"anyio"}),
    # Signing is optional, and in a module that nothing else imports.
    ("client/auth/signing.py", {"jwt"}),
    ("client/transports/websocket.py", {"websockets"}),
    ("client/transports/network.py", {"httpcore", "aiohappyeyeballs"}),
    ("client/transports/http_client.py", {"httpcore", "httpx"}),
    ("client/transports/pool.py", {"httpcore"}),
    ("client/", VALUES | {"httpx", "anyio"}),
    ("transports/http/views.py", {"django", "asgiref", "anyio"}),
    ("transports/http/consumers.py", {"channels", "asgiref", "anyio"}),
    ("transports/", {"anyio"}),
    ("remote/", {"django", "asgiref", "pydantic", "httpx", "cryptography"}),
    ("pages.py", {"django"}),
    ("pytest_plugin.py", {"pytest", "asgiref"}),
)

#: Distributions only some parts of the package may import; None: no part may, it is for the tests.
DISTRIBUTIONS_KEPT: dict[str, str | tuple[str, ...] | None] = {
    "mcp": None,
    "mcp_types": None,
    "oauth2_provider": "oauth/",
    "cryptography": "remote/sealing.py",
    # Optional: a project has them, or does without.
    "rest_framework": "exposure/rest_framework/",
    "ninja": "exposure/ninja.py",
    "jwt": ("client/auth/signing.py", "oauth/external/keys.py", "oauth/external/signed.py"),
    "websockets": "client/transports/websocket.py",
}

#: The standard library's own doors to the outside.
SOCKETS = {
    "http.client",
    "http.server",
    "select",
    "selectors",
    "socket",
    "socketserver",
    "sqlite3",
    "ssl",
    "urllib.request",
}
STANDARD_LIBRARY_REFUSED = (
    (
        "protocol/",
        SOCKETS | {"asyncio", "concurrent", "multiprocessing", "subprocess", "threading"},
    ),
    ("server/", SOCKETS),
)

#: The modules that ask for the era of a revision. The first defines it, the next two choose by it,
#: the last turns it into facts.
ERA_ASKED_IN = {
    "protocol/revisions.py",
    "transports/http/endpoint.py",
    "transports/stdio.py",
    "server/peer.py",
}
ERA_NAMES = {"Era", "era", "STATEFUL", "STATELESS"}

#: Imports that cannot stand at the top: (module, what it imports) and the reason.
_LATER = "servers are made before the models of the apps are loaded, and most expose nothing"
_ADMIN = "the admin is set up in every process, and few show its pages"
_ASKED = "40 ms, before the first answer, that are for who asks"
LATE_IMPORTS: dict[tuple[str, str], str] = {
    ("testing/live.py", "daphne.server.Server"): "importing it installs a reactor",
    ("testing/live.py", "twisted.internet.reactor"): "importing it installs a reactor",
    ("pytest_plugin.py", "django_mcp.testing.client.Client"): "there are no settings yet",
    ("pytest_plugin.py", "django_mcp.testing.live.LiveServer"): "there are no settings yet",
    ("pytest_plugin.py", "asgiref.sync.async_to_sync"): "pytest loads it whatever is tested",
    (
        "default.py",
        "django_mcp.memory.MemoryTransport",
    ): "servers are rarely clients, and httpx is big",
    ("apps.py", "django_mcp.checks"): "checks register themselves, once the app registry is there",
    (
        "oauth/apps.py",
        "django_mcp.oauth.checks",
    ): "checks register themselves, once the app registry is there",
    (
        "oauth/external/verifying.py",
        "django_mcp.oauth.external.signed.Signatures",
    ): "projects may do without it",
    (
        "remote/apps.py",
        "django_mcp.remote.checks",
    ): "checks register themselves, once the app registry is there",
    ("exposure/registration.py", "django_mcp.exposure.models.options.ModelResource"): _LATER,
    ("exposure/registration.py", "django_mcp.exposure.models.registry.expose"): _LATER,
    ("exposure/registration.py", "django_mcp.exposure.models.registry.add_query_tool"): _LATER,
    ("exposure/registration.py", "django_mcp.exposure.models.changes.notify_changed"): _LATER,
    ("__init__.py", ".exposure.models.options"): _LATER,
    (
        "server/schemas.py",
        "django_mcp.protocol.json_schema.checker.Checker",
    ): "35 ms that few servers need",
    (
        "server/schemas.py",
        "django_mcp.protocol.json_schema.checker.InvalidSchema",
    ): "35 ms that few servers need",
    (
        "client/outputs.py",
        "django_mcp.protocol.json_schema.checker.Checker",
    ): "35 ms that not every client needs",
    (
        "client/outputs.py",
        "django_mcp.protocol.json_schema.checker.InvalidSchema",
    ): "35 ms that not every client needs",
    (
        "client/outputs.py",
        "django_mcp.protocol.json_schema.budgets.Spent",
    ): "35 ms that not every client needs",
    (
        "client/transports/endpoint.py",
        "django_mcp.client.transports.http_client.new_client",
    ): "40 ms that only who calls a server needs",
    ("admin/calls.py", "django_mcp.admin.export.csv_response"): _ADMIN,
    ("admin/calls.py", "django_mcp.admin.inspector"): _ADMIN,
    ("admin/calls.py", "django_mcp.admin.summary"): _ADMIN,
    ("exposure/form_kinds.py", "django_mcp.exposure.form_questions.question_of"): _ASKED,
    ("server/questions.py", "django_mcp.server.forms.form"): _ASKED,
    ("exposure/registration.py", "django_mcp.exposure.views.tools"): "only where a view is a tool",
    ("exposure/registration.py", "django_mcp.exposure.admin_actions"): _LATER,
    ("exposure/registration.py", "django_mcp.permissions.all_of"): _LATER,
    (
        "client/transports/websocket.py",
        "websockets.asyncio.client",
    ): "projects may do without it",
    (
        "client/transports/websocket.py",
        "websockets.exceptions",
    ): "projects may do without it",
    (
        "exposure/views/sources.py",
        "django_mcp.exposure.rest_framework.serializers",
    ): "projects may do without it",
    (
        "exposure/views/tools.py",
        "django_mcp.exposure.rest_framework.views",
    ): "projects may do without it",
    ("exposure/views/tools.py", "django_mcp.exposure.ninja"): "projects may do without it",
    (
        "exposure/requests.py",
        "django.contrib.auth.models.AnonymousUser",
    ): "it imports models, and projects may do without django.contrib.auth",
    ("exposure/registration.py", "django_mcp.exposure.forms.form_tool"): _LATER,
    ("exposure/registration.py", "django_mcp.exposure.templates.template_prompt"): _LATER,
    ("exposure/registration.py", "django_mcp.exposure.templates.template_resource"): _LATER,
}

LONGEST_MODULE = 450

# ------------------------------------------------------------------------------------ the checker


@dataclass(frozen=True, kw_only=True)
class Import:
    """One imported name, absolute, with the line it stands on."""

    name: str
    line: int
    at_top: bool

    @property
    def distribution(self) -> str:
        return self.name.partition(".")[0]

    @property
    def room(self) -> str:
        """The room of this package that is imported; "" where a name of the package itself is."""
        room = self.name.partition(".")[2].partition(".")[0]
        return room if room in LEVEL else ""

    def is_of(self, modules: set[str]) -> bool:
        return any(self.name == module or self.name.startswith(f"{module}.") for module in modules)


@dataclass(frozen=True, kw_only=True)
class Module:
    """One file of the package: where it is, and what the rules ask about it."""

    path: str
    source: str

    @cached_property
    def tree(self) -> ast.Module:
        return ast.parse(self.source, filename=self.path)

    @property
    def room(self) -> str:
        first = self.path.partition("/")[0].removesuffix(".py")
        return "" if first == "__init__" else first

    @property
    def package(self) -> list[str]:
        """The dotted name of the package the module is in, which relative imports start from."""
        return [PACKAGE, *self.path.split("/")[:-1]]

    def at(self, line: int) -> str:
        return f"{PACKAGE}/{self.path}:{line}"

    @cached_property
    def imports(self) -> list[Import]:
        return [
            Import(name=name, line=getattr(node, "lineno", 0), at_top=at_top)
            for node, at_top in walk(self.tree)
            for name in imported_names(node, self.package)
        ]


def walk(node: ast.AST, at_top: bool = True) -> Iterator[tuple[ast.AST, bool]]:
    """Every node, and whether it belongs to the module itself: not to a function or a class."""
    own = (ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef, ast.Lambda)
    for child in ast.iter_child_nodes(node):
        yield child, at_top
        yield from walk(child, at_top and not isinstance(child, own))


def imported_names(node: ast.AST, package: list[str]) -> Iterator[str]:
    match node:
        case ast.Import():
            yield from (alias.name for alias in node.names)
        case ast.ImportFrom():
            start = package[: len(package) - node.level + 1] if node.level else []
            base = [*start, *([node.module] if node.module else [])]
            yield from (".".join([*base, alias.name]) for alias in node.names)
        case ast.Call(
            func=ast.Name(id="import_module" | "__import__") | ast.Attribute(attr="import_module"),
            args=[ast.Constant(value=str(name)), *_],
        ):
            yield name


def directions(module: Module) -> Iterator[str]:
    """A room imports what lies further in, and its neighbours."""
    if module.room not in LEVEL:
        yield f"{module.at(1)}: the room {module.room!r} has no row in LEVELS; give it one"
        return
    inner = {room for room, level in LEVEL.items() if level <= LEVEL[module.room]}
    welcome = ROOMS_WELCOME.get(module.room, inner) | {module.room}
    for found in module.imports:
        if found.distribution == PACKAGE and found.room not in welcome:
            yield (
                f"{module.at(found.line)}: imports {found.name}, which lies outside of"
                f" {module.room or PACKAGE!r}; have it handed in, or move the code"
            )


def distributions(module: Module) -> Iterator[str]:
    """A part of the package imports only the dependencies its row grants."""
    granted = first_fit(module, DISTRIBUTIONS_WELCOME)
    for found in module.imports:
        name = found.distribution
        if name == PACKAGE or name in sys.stdlib_module_names:
            continue
        if granted is not None and name not in granted:
            yield (
                f"{module.at(found.line)}: imports {found.name}, but beside the standard library"
                f" this part imports only {', '.join(sorted(granted))}"
            )
        if name in DISTRIBUTIONS_KEPT:
            keeper = DISTRIBUTIONS_KEPT[name]
            if keeper is None:
                yield f"{module.at(found.line)}: imports {found.name}, which is for the tests only"
            elif not module.path.startswith(keeper):
                keepers = (keeper,) if isinstance(keeper, str) else keeper
                yield (
                    f"{module.at(found.line)}: imports {found.name}, which only"
                    f" {', '.join(f'{PACKAGE}/{each}' for each in keepers)} may"
                )


def standard_library(module: Module) -> Iterator[str]:
    """The inner rooms leave the outside alone, asyncio included where there is nothing to await."""
    refused = first_fit(module, STANDARD_LIBRARY_REFUSED)
    for found in module.imports:
        if refused is not None and found.is_of(refused):
            yield f"{module.at(found.line)}: imports {found.name}, which is I/O; leave it outside"


def imports_at_the_top(module: Module) -> Iterator[str]:
    """An import is a statement of the module, unless LATE_IMPORTS has the reason why not."""
    for found in module.imports:
        if not found.at_top and (module.path, found.name) not in LATE_IMPORTS:
            yield (
                f"{module.at(found.line)}: imports {found.name} inside a function or class; move it"
                " to the top, or give the reason in LATE_IMPORTS"
            )


def length(module: Module) -> Iterator[str]:
    """A module is read in one sitting."""
    lines = len(module.source.splitlines())
    if lines > LONGEST_MODULE:
        yield f"{module.at(lines)}: {lines} lines, at most {LONGEST_MODULE}; divide it"


def era(module: Module) -> Iterator[str]:
    """The era of a revision is asked for in four modules; elsewhere a named fact is."""
    if module.path in ERA_ASKED_IN:
        return
    for node in ast.walk(module.tree):
        match node:
            case ast.Attribute(attr=name) | ast.Name(id="Era" as name) | ast.alias(name=name):
                pass
            case ast.Call(func=ast.Name(id="getattr"), args=[_, ast.Constant(value=str(name)), *_]):
                pass
            case _:
                continue
        if name in ERA_NAMES:
            yield (
                f"{module.at(getattr(node, 'lineno', 0))}: asks for the era ({name}); give the"
                " Revision or the Peer a fact with a name, and read that"
            )


Rule = Callable[[Module], Iterator[str]]
RULES: tuple[Rule, ...] = (
    directions,
    distributions,
    standard_library,
    imports_at_the_top,
    length,
    era,
)


def first_fit(module: Module, rows: tuple[tuple[str, set[str]], ...]) -> set[str] | None:
    return next((names for path, names in rows if module.path.startswith(path)), None)


def modules(root: Path) -> Iterator[Module]:
    """Every Python file under *root*, the directory of the package."""
    for path in sorted(root.rglob("*.py")):
        yield module_of(path.relative_to(root).as_posix(), path.read_text(encoding="utf-8"))


@cache
def module_of(path: str, source: str) -> Module:
    """One of them; each is parsed once for all rules."""
    return Module(path=path, source=source)


def violations(root: Path, rule: Rule) -> list[str]:
    return [line for module in modules(root) for line in rule(module)]


# ----------------------------------------------------------------------------------- the package


@pytest.mark.parametrize("rule", RULES, ids=lambda rule: rule.__name__)
def test_the_package_keeps(rule: Rule) -> None:
    found = violations(REPOSITORY / PACKAGE, rule)
    assert not found, "\n".join(found)


def test_every_late_import_on_the_list_is_there_and_has_its_reason() -> None:
    late = {
        (module.path, found.name)
        for module in modules(REPOSITORY / PACKAGE)
        for found in module.imports
        if not found.at_top
    }
    assert set(LATE_IMPORTS) <= late
    assert all(reason.strip() for reason in LATE_IMPORTS.values())


# ----------------------------------------------------------------------------------- the checker

REFUSED = [
    (directions, "protocol/codec.py", "from django_mcp.server import registry"),
    (directions, "protocol/codec.py", "from ..server.registry import Registry"),
    (directions, "protocol/codec.py", "from .. import conf"),
    (directions, "protocol/types/tools.py", "from ...client import Client"),
    (directions, "protocol/codec.py", "from django_mcp import Context"),
    (directions, "server/dispatch.py", "import django_mcp.transports.stdio"),
    (directions, "server/dispatch.py", "from django_mcp.conf import settings"),
    (directions, "server/handlers/tools.py", "from django_mcp.backends.orm import Store"),
    (directions, "transports/stdio.py", "from django_mcp.client import Client"),
    (directions, "transports/http/views.py", "from django_mcp.conf import settings"),
    (directions, "transports/http/views.py", "from django_mcp.default import server"),
    (directions, "client/session.py", "from django_mcp.transports.http.types import HttpRequest"),
    (directions, "client/session.py", "from django_mcp.server.errors import ToolError"),
    (directions, "extensions/tasks.py", "from django_mcp.transports import stdio"),
    (directions, "conf.py", "from django_mcp.models import Session"),
    (directions, "models.py", "from django_mcp.backends import orm"),
    (directions, "default.py", "from .oauth import models"),
    (directions, "permissions.py", "from .default import default_server"),
    (directions, "authentication.py", "from django_mcp.oauth.models import Grant"),
    (directions, "exposure/models.py", "from django_mcp.routing import get_asgi_application"),
    (directions, "exposure/models.py", "from django_mcp import MCPServer"),
    (directions, "remote/clients.py", "from ..default import default_server"),
    (directions, "remote/views.py", "from django_mcp.oauth.pages import page"),
    (directions, "remote/models.py", "from ..server.access import Principal"),
    (directions, "client/client.py", "from ..remote.clients import aget_client"),
    (directions, "protocol/late.py", "def f():\n    from django_mcp import server"),
    (directions, "protocol/typed.py", "if TYPE_CHECKING:\n    from django_mcp.server import peer"),
    (directions, "protocol/hidden.py", "import_module('django_mcp.server.peer')"),
    (directions, "helpers/text.py", "import re"),
    (distributions, "protocol/codec.py", "from django.conf import settings"),
    (distributions, "protocol/codec.py", "import anyio"),
    (distributions, "protocol/codec.py", "import httpx"),
    (distributions, "server/context.py", "from django.db import transaction"),
    (distributions, "server/context.py", "from channels.layers import get_channel_layer"),
    (distributions, "server/context.py", "import httpx"),
    (distributions, "server/schemas.py", "import jsonschema"),
    (distributions, "server/context.py", "__import__('django')"),
    (distributions, "client/http.py", "from django.core.cache import cache"),
    (distributions, "client/http.py", "import channels"),
    (distributions, "checks.py", "import jwt"),
    (distributions, "remote/models.py", "from cryptography.fernet import Fernet"),
    (distributions, "transports/http/endpoint.py", "from django.http import HttpResponse"),
    (distributions, "transports/http/stateful.py", "import channels"),
    (distributions, "transports/http/consumers.py", "from django.http import HttpResponse"),
    (distributions, "transports/http/views.py", "from channels.generic import http"),
    (distributions, "transports/stdio.py", "import django"),
    (distributions, "admin.py", "import mcp"),
    (distributions, "testing.py", "from mcp.client.session import ClientSession"),
    (distributions, "exposure/models.py", "from mcp_types import Tool"),
    (distributions, "checks.py", "import importlib\nimportlib.import_module('mcp.types')"),
    (distributions, "authentication.py", "from oauth2_provider.models import AccessToken"),
    (distributions, "exposure/views.py", "import oauth2_provider"),
    (distributions, "exposure/models.py", "from rest_framework import serializers"),
    (distributions, "exposure/views/tools.py", "import ninja"),
    (standard_library, "protocol/pending.py", "import asyncio"),
    (standard_library, "protocol/pending.py", "from asyncio import Future"),
    (standard_library, "protocol/headers.py", "from urllib import request"),
    (standard_library, "protocol/headers.py", "import http.client"),
    (standard_library, "server/broker.py", "import socket"),
    (standard_library, "server/sessions.py", "import sqlite3"),
    (imports_at_the_top, "conf.py", "def f():\n    import json"),
    (imports_at_the_top, "conf.py", "async def f():\n    if True:\n        from . import models"),
    (imports_at_the_top, "server/context.py", "class C:\n    def f(self):\n        import json"),
    (imports_at_the_top, "server/context.py", "class C:\n    import json"),
    (imports_at_the_top, "apps.py", "def f():\n    import_module('json')"),
    (length, "server/server.py", "\n" * (LONGEST_MODULE + 1)),
    (era, "server/dispatch.py", "from django_mcp.protocol.revisions import Era"),
    (era, "server/dispatch.py", "from django_mcp.protocol.revisions import Era as Age"),
    (era, "server/dispatch.py", "def f(era: 'Age', revisions): return revisions.Era"),
    (era, "protocol/codec.py", "def f(revision): return revision.era"),
    (era, "protocol/codec.py", "def f(Kind): return Kind.STATELESS"),
    (era, "transports/http/stateful.py", "def f(Kind): return Kind.STATEFUL"),
    (era, "client/session.py", "def f(revision): return getattr(revision, 'era')"),
]

ACCEPTED = [
    ("protocol/codec.py", "import json\nimport pydantic\nfrom .errors import ParseError"),
    ("protocol/headers.py", "from http import HTTPStatus\nfrom urllib.parse import quote"),
    ("protocol/types/tools.py", "from ..revisions import V2025_06_18\nfrom . import content"),
    ("protocol/revisions.py", "class Era: STATEFUL = 1\ndef f(r): return r.era is Era.STATEFUL"),
    ("server/peer.py", "from ..protocol.revisions import Era"),
    ("server/dispatch.py", "import asyncio\nimport anyio\nfrom ..protocol import methods"),
    ("protocol/json_schema/checker.py", "import jsonschema\nfrom referencing import Registry"),
    ("client/http.py", "import httpx\nfrom ..protocol import sse"),
    ("client/auth/signing.py", "import jwt"),
    ("transports/stdio.py", "from ..protocol.revisions import Era\nfrom ..server import server"),
    ("transports/http/views.py", "from django.http import HttpResponse\nfrom . import endpoint"),
    ("transports/http/consumers.py", "from channels.consumer import AsyncConsumer"),
    ("conf.py", "from django.conf import settings\nfrom django_mcp.server.server import MCPServer"),
    ("default.py", "from django_mcp.conf import options"),
    ("backends/orm.py", "from django.db import models\nfrom django_mcp.models import Session"),
    ("oauth/models.py", "from oauth2_provider.models import AbstractAccessToken"),
    ("remote/clients.py", "from asgiref.sync import sync_to_async\nfrom ..client import Client"),
    ("remote/sealing.py", "from cryptography.fernet import Fernet"),
    ("exposure/rest_framework/views.py", "from rest_framework import serializers"),
    ("exposure/ninja.py", "from ninja.operation import PathView"),
    ("routing.py", "from .backends import orm\nfrom django_mcp.transports.http import consumers"),
    ("__init__.py", "from django_mcp.default import tool\nfrom .server.server import MCPServer"),
    ("management/commands/mcp_stdio.py", "from django_mcp.transports import stdio"),
    ("apps.py", "try:\n    import json\nexcept ImportError:\n    import pickle"),
    ("server/server.py", "\n" * LONGEST_MODULE),
    ("checks.py", "def latest_era(): return LATEST_STATEFUL, 'Era'"),
]


def write(root: Path, path: str, source: str) -> Path:
    package = root / PACKAGE
    (package / path).parent.mkdir(parents=True, exist_ok=True)
    (package / path).write_text(source, encoding="utf-8")
    return package


@pytest.mark.parametrize(
    ("rule", "path", "source"),
    REFUSED,
    ids=[f"{rule.__name__}-{path}-{number}" for number, (rule, path, _) in enumerate(REFUSED)],
)
def test_a_broken_rule_is_refused_with_the_place(
    tmp_path: Path, rule: Rule, path: str, source: str
) -> None:
    found = violations(write(tmp_path, path, source), rule)
    assert len(found) == 1
    assert found[0].startswith(f"{PACKAGE}/{path}:")


@pytest.mark.parametrize(("path", "source"), ACCEPTED, ids=[path for path, _ in ACCEPTED])
def test_what_the_design_allows_is_accepted(tmp_path: Path, path: str, source: str) -> None:
    package = write(tmp_path, path, source)
    assert [line for rule in RULES for line in violations(package, rule)] == []


def test_a_late_import_on_the_list_is_accepted(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    package = write(tmp_path, "apps.py", "def ready():\n    from django_mcp import checks")
    monkeypatch.setitem(
        LATE_IMPORTS,
        ("apps.py", "django_mcp.checks"),
        "checks read the models, which are not there before ready()",
    )
    assert violations(package, imports_at_the_top) == []


def test_a_package_that_is_not_there_breaks_nothing(tmp_path: Path) -> None:
    assert [line for rule in RULES for line in violations(tmp_path / PACKAGE, rule)] == []
