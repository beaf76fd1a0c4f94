"""What a project has registered, for whom, where it is served, and what could not be registered.

Owns the values that `mcp_list` prints, and their JSON, which programs read: a key keeps its meaning
from one version to the next. How they look in a terminal is the command's.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Any, Final

from asgiref.sync import async_to_sync
from django.apps import apps
from django.utils.module_loading import module_has_submodule

from ..apps import DjangoMCPConfig
from ..permissions import codenames
from ..protocol import codec
from ..protocol.revisions import REVISIONS
from ..server.access import AccessRule, Principal, allowed
from ..server.server import MCPServer
from .routes import Route

#: Definitions are shown as clients of the newest revision get them.
NEWEST: Final = REVISIONS[-1]


@dataclass(frozen=True, slots=True, kw_only=True)
class Listed:
    """One thing a server offers.

    `kind` is "tool", "resource", "resource template", "prompt" or "listing"; `function` is where
    its code is; `rule` the words of its rule, None where everybody may use it. `visible` is None
    where no user was asked about, and `reason` says why one does not see it.
    """

    kind: str
    name: str
    title: str | None
    description: str | None
    function: str
    rule: str | None
    visible: bool | None = None
    reason: str | None = None
    definition: dict[str, Any]

    def as_json(self, schemas: bool) -> dict[str, Any]:
        found = {
            "kind": self.kind,
            "name": self.name,
            "title": self.title,
            "description": self.description,
            "function": self.function,
            "rule": self.rule,
            "visible": self.visible,
            "reason": self.reason,
        }
        return {**found, "definition": self.definition} if schemas else found


@dataclass(frozen=True, slots=True, kw_only=True)
class ListedServer:
    """A server, where it is served, what it offers, and what was left out of it and why."""

    name: str
    title: str | None
    version: str
    routes: Sequence[Route]
    components: Sequence[Listed]
    left_out: Sequence[tuple[str, str]]

    def as_json(self, schemas: bool) -> dict[str, Any]:
        return {
            "name": self.name,
            "title": self.title,
            "version": self.version,
            "routes": [
                {"path": route.path, "transport": route.transport, "by": route.by}
                for route in self.routes
            ],
            "components": [component.as_json(schemas) for component in self.components],
            "left_out": [{"name": name, "reason": reason} for name, reason in self.left_out],
        }


@dataclass(frozen=True, slots=True, kw_only=True)
class ListedApp:
    """An app with an `mcp.py`, and the traceback of its import where that failed."""

    name: str
    error: str | None

    def as_json(self) -> dict[str, Any]:
        return {"name": self.name, "module": f"{self.name}.mcp", "error": self.error}


def apps_with_mcp() -> list[ListedApp]:
    """The installed apps that have an `mcp.py`."""
    config: Any = apps.get_app_config("django_mcp")
    broken = config.broken if isinstance(config, DjangoMCPConfig) else {}
    return [
        ListedApp(name=app.name, error=broken.get(app.name))
        for app in apps.get_app_configs()
        if app.module is not None and app.label != "django_mcp" and _has_mcp(app.module)
    ]


def _has_mcp(module: Any) -> bool:
    return bool(module_has_submodule(module, "mcp"))


def listed(server: MCPServer, routes: Sequence[Route], principal: Principal | None) -> ListedServer:
    """What `server` offers, and what of it `principal` sees; None asks for nobody."""
    server.waiting.settle()
    found = list(_components(server))
    if principal is not None:
        rules = [rule for _, rule in found]
        verdicts = async_to_sync(allowed)(rules, principal, server.workers)
        components = [
            replace(each, visible=verdict, reason=None if verdict else why_not(rule, principal))
            for (each, rule), verdict in zip(found, verdicts, strict=True)
        ]
    else:
        components = [each for each, _ in found]
    return ListedServer(
        name=server.name,
        title=server.title,
        version=server.version,
        routes=[route for route in routes if route.server is server],
        components=components,
        left_out=list(server.waiting.failed.items()),
    )


def why_not(rule: AccessRule | None, principal: Principal) -> str:
    """Why `rule` does not let `principal` pass, for whoever set it up."""
    if not principal.is_active:
        return "the user is not active"
    words = rule_text(rule) or ""
    user = principal.user
    if user is None:
        return f"needs {words}, and there is no user"
    missing = [name for name in codenames(rule) if not user.has_perm(name)]
    if not missing:
        return f"needs {words}"
    lacks = f"lacks {', '.join(missing)}"
    return lacks if words.startswith("has_permission(") else f"needs {words}; {lacks}"


def rule_text(rule: AccessRule | None) -> str | None:
    """A rule in words: its own text, or that of what it is a method of, or the name of the
    function; None where there is none."""
    if rule is None:
        return None
    for named in (rule, getattr(rule, "__self__", None)):
        kind: Any = type(named)
        if named is not None and kind.__str__ is not object.__str__:
            return str(named)
    return _place_of(rule)


def _components(server: MCPServer) -> Iterator[tuple[Listed, AccessRule | None]]:
    for kind, members in (
        ("tool", server.tools),
        ("resource", server.resources),
        ("resource template", server.resource_templates),
        ("prompt", server.prompts),
    ):
        for member in members:
            definition: Any = member.definition_in(NEWEST)
            shown = Listed(
                kind=kind,
                name=member.key,
                title=definition.title,
                description=definition.description,
                function=_place_of(member.callee.function),
                rule=rule_text(member.rule),
                definition=codec.encode(definition, NEWEST),
            )
            yield shown, member.rule
    for listing in server.resource_listings.members:
        shown = Listed(
            kind="listing",
            name=listing.name,
            title=None,
            description="Resources that are found when they are listed.",
            function=_place_of(listing.callee.function),
            rule=rule_text(listing.rule),
            definition={},
        )
        yield shown, listing.rule


def _place_of(function: Any) -> str:
    """Where a function is, as "module.name"; of anything else, where its type is."""
    function = getattr(function, "func", function)
    named = function if hasattr(function, "__qualname__") else type(function)
    return f"{named.__module__}.{named.__qualname__}"
