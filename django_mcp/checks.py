"""System checks: what is wrong with a project's servers, said before the first client meets it.

E001  DJANGO_MCP has an unknown key or a value of the wrong type
E002  DJANGO_MCP names something that cannot be imported
E003  two servers have the same name
E004  a view that is a tool cannot be served
E005  a prompt or a resource is made of a template that is not there, or has a mistake in it
E006  throttles are to be counted in a cache that is not in CACHES
W001  no route leads to the default server
W002  a tool has no description
W003  a server has nothing to offer
W004  outside DEBUG, the endpoint has no authentication, and so refuses every request
W005  the endpoint is open to everybody (with `check --deploy`)
W006  sessions are to be kept in a database, and there is none
W007  sessions are kept where other processes do not see them (with `check --deploy`)
W008  processes of the project do not hear of each other (with `check --deploy`)
W009  a component asks for a permission that no model has
W010  calls are to be kept in a database, or servers closed in one, and there is none
W011  throttles are counted where other processes do not see it (with `check --deploy`)
W012  a throttle, or what is kept of arguments, names a tool that no server has
"""

from __future__ import annotations

import difflib
from collections import Counter
from collections.abc import Iterator
from typing import Any

from django.apps import apps
from django.conf import settings
from django.contrib.auth import get_permission_codename
from django.core.checks import CheckMessage, Error, Tags, Warning, register
from django.core.handlers.asgi import ASGIHandler
from django.db import connections, router
from django.template import TemplateDoesNotExist, TemplateSyntaxError
from django.template.loader import get_template
from django.urls import URLResolver, get_resolver
from django.utils.module_loading import import_string

from . import conf
from .backends.channel_layer import is_shared
from .backends.stores import NAMED
from .default import MCPServer, servers
from .exposure.templates import missing, rendered
from .permissions import codenames
from .server.access import AccessRule

OPEN = "django_mcp.authentication.anonymous"


@register(Tags.compatibility)
def check_settings(app_configs: Any, **kwargs: Any) -> list[CheckMessage]:
    """E001 and E002."""
    given = getattr(settings, "DJANGO_MCP", {})
    wrong = [
        Error(message, hint=hint, id="django_mcp.E001") for message, hint in conf.problems(given)
    ]
    return [*wrong, *(() if wrong else _imports(conf.get()))]


def _imports(options: conf.Settings) -> Iterator[CheckMessage]:
    named = [
        ("AUTHENTICATION", options.authentication),
        ("LIFESPAN", options.lifespan),
        ("SESSIONS", None if options.sessions in NAMED else options.sessions),
        *(("MIDDLEWARE", value) for value in options.middleware),
    ]
    for key, value in named:
        if not isinstance(value, str):
            continue
        try:
            found = import_string(value)
        except ImportError as error:
            yield Error(
                f"DJANGO_MCP[{key!r}]: {value!r} cannot be imported.",
                hint=str(error),
                id="django_mcp.E002",
            )
        else:
            if not callable(found):
                yield Error(
                    f"DJANGO_MCP[{key!r}]: {value!r} is not callable.", id="django_mcp.E002"
                )


@register(Tags.security)
def check_authentication(app_configs: Any, **kwargs: Any) -> list[CheckMessage]:
    """W004. No error: tests run outside DEBUG, and the endpoint itself stays shut."""
    if settings.DEBUG or conf.problems(getattr(settings, "DJANGO_MCP", {})):
        return []
    if conf.get().authentication is not None:
        return []
    return [
        Warning(
            "The MCP endpoint has no authentication, so it refuses every request.",
            hint='Set DJANGO_MCP["AUTHENTICATION"] to a callable that turns a request into a '
            f'Principal, or to "{OPEN}" if everybody may use every tool.',
            id="django_mcp.W004",
        )
    ]


@register(Tags.security, deploy=True)
def check_open_endpoint(app_configs: Any, **kwargs: Any) -> list[CheckMessage]:
    """W005, with `check --deploy`."""
    if conf.problems(getattr(settings, "DJANGO_MCP", {})):
        return []
    if conf.get().authentication != OPEN:
        return []
    return [
        Warning(
            "The MCP endpoint is open: everybody who reaches it may use every tool.",
            hint="That was asked for; silence this check if it is right.",
            id="django_mcp.W005",
        )
    ]


@register(Tags.security, deploy=True)
def check_channel_layer(app_configs: Any, **kwargs: Any) -> list[CheckMessage]:
    """W008, with `check --deploy`. How many processes there will be is not known here."""
    if conf.problems(getattr(settings, "DJANGO_MCP", {})):
        return []
    alias = conf.get().channel_layer
    if is_shared(alias):
        return []
    return [
        Warning(
            f"The channel layer {alias!r} is not shared between processes: with more than one "
            "process, questions, cancellations, resumed streams and change notifications reach "
            "only the process they arrive at.",
            hint='Install channels-redis, and set CHANNEL_LAYERS = {"'
            f'{alias}": {{"BACKEND": "channels_redis.core.RedisChannelLayer", "CONFIG": '
            '{"hosts": ["redis://localhost:6379/0"]}}}. With one process there is nothing to do: '
            "silence this check.",
            id="django_mcp.W008",
        )
    ]


@register
def check_sessions(app_configs: Any, **kwargs: Any) -> list[CheckMessage]:
    """W006."""
    if conf.problems(getattr(settings, "DJANGO_MCP", {})) or conf.get().sessions != "database":
        return []
    alias = router.db_for_write(apps.get_model("django_mcp", "Session"))
    if connections.settings[alias]["ENGINE"] != "django.db.backends.dummy":
        return []
    return [
        Warning(
            "MCP sessions are to be kept in the database, and DATABASES has none for them.",
            hint='Set DJANGO_MCP["SESSIONS"] to "cache" or "memory", or to None for a server '
            "without sessions.",
            id="django_mcp.W006",
        )
    ]


@register(deploy=True)
def check_sessions_are_shared(app_configs: Any, **kwargs: Any) -> list[CheckMessage]:
    """W007, with `check --deploy`. How many processes there will be is not known here."""
    if conf.problems(getattr(settings, "DJANGO_MCP", {})):
        return []
    if conf.get().sessions == "memory":
        return [
            Warning(
                "MCP sessions are to be kept in the memory of each process, where no other process "
                "knows them.",
                hint='Set DJANGO_MCP["SESSIONS"] to "database". With one process there is nothing '
                "to do: silence this check.",
                id="django_mcp.W007",
            )
        ]
    if conf.get().sessions != "cache":
        return []
    alias = conf.get().sessions_cache
    backend = settings.CACHES.get(alias, {}).get("BACKEND", "")
    if backend and not backend.endswith((".LocMemCache", ".DummyCache")):
        return []
    what = f"{backend}, which other processes do not share" if backend else "not in CACHES"
    return [
        Warning(
            f"MCP sessions are to be kept in the cache {alias!r}, which is {what}.",
            hint='Name a cache that all processes share in DJANGO_MCP["SESSIONS_CACHE"], or set '
            'DJANGO_MCP["SESSIONS"] to "database".',
            id="django_mcp.W007",
        )
    ]


@register
def check_calls_are_kept(app_configs: Any, **kwargs: Any) -> list[CheckMessage]:
    """W010."""
    if conf.problems(getattr(settings, "DJANGO_MCP", {})):
        return []
    wanted = {"AUDIT": "Call", "KILL_SWITCH": "Switch"}
    return [
        Warning(
            f"DJANGO_MCP[{key!r}] is True, and DATABASES has no database for that.",
            hint="Configure one, or take the setting away.",
            id="django_mcp.W010",
        )
        for key, model in wanted.items()
        if getattr(conf.get(), key.lower()) is True and not _has_database(model)
    ]


def _has_database(model: str) -> bool:
    alias = router.db_for_write(apps.get_model("django_mcp", model))
    return bool(connections.settings[alias]["ENGINE"] != "django.db.backends.dummy")


@register(Tags.caches)
def check_throttles(app_configs: Any, **kwargs: Any) -> list[CheckMessage]:
    """E006."""
    if conf.problems(getattr(settings, "DJANGO_MCP", {})):
        return []
    alias = conf.get().throttle_cache
    if not conf.get().throttles or alias in settings.CACHES:
        return []
    return [
        Error(
            f"Throttles are to be counted in the cache {alias!r}, which is not in CACHES.",
            hint=f"Name one of {', '.join(map(repr, settings.CACHES))} in "
            'DJANGO_MCP["THROTTLE_CACHE"].',
            id="django_mcp.E006",
        )
    ]


@register(Tags.caches, deploy=True)
def check_throttles_are_shared(app_configs: Any, **kwargs: Any) -> list[CheckMessage]:
    """W011, with `check --deploy`. How many processes there will be is not known here."""
    if conf.problems(getattr(settings, "DJANGO_MCP", {})) or not conf.get().throttles:
        return []
    alias = conf.get().throttle_cache
    backend = settings.CACHES.get(alias, {}).get("BACKEND", "")
    if not backend.endswith((".LocMemCache", ".DummyCache")):
        return []
    return [
        Warning(
            f"Throttles are counted in the cache {alias!r}, which is {backend}: each process "
            "counts for itself, or nobody does.",
            hint='Name a cache that all processes share in DJANGO_MCP["THROTTLE_CACHE"]. With one '
            "process and LocMemCache there is nothing to do: silence this check.",
            id="django_mcp.W011",
        )
    ]


@register
def check_tools_that_are_named(app_configs: Any, **kwargs: Any) -> list[CheckMessage]:
    """W012."""
    if conf.problems(getattr(settings, "DJANGO_MCP", {})):
        return []
    options = conf.get()
    named = [("THROTTLES", scope[5:]) for scope in options.throttles if scope.startswith("tool:")]
    if not isinstance(options.audit_arguments, str):
        named += [("AUDIT_ARGUMENTS", name) for name in options.audit_arguments if name != "*"]
    known = {member.key for server in servers() for member in (*server.tools, *server.prompts)}
    return [
        Warning(
            f"DJANGO_MCP[{key!r}] names the tool {name!r}, which no server has.",
            hint=_did_you_mean(name, known) or "Correct the name, or take it away.",
            id="django_mcp.W012",
        )
        for key, name in named
        if name not in known
    ]


@register
def check_components(app_configs: Any, **kwargs: Any) -> list[CheckMessage]:
    """E003, W002 and W003."""
    counts = Counter(server.name for server in servers())
    messages: list[CheckMessage] = [
        Error(
            f"{count} MCP servers are called {name!r}.",
            hint="Give each a name of its own: what is sealed for one would be taken by the other.",
            id="django_mcp.E003",
        )
        for name, count in counts.items()
        if count > 1
    ]
    for server in servers():
        server.waiting.settle()
        kinds = (server.tools, server.resources, server.resource_templates, server.prompts)
        if not any(len(kind) for kind in kinds):
            messages.append(
                Warning(
                    f"The MCP server {server.name!r} has no tools, resources or prompts.",
                    hint="Write an mcp.py in an installed app: from django_mcp import tool.",
                    id="django_mcp.W003",
                )
            )
        messages.extend(
            Warning(
                f"The tool {tool.key!r} of the MCP server {server.name!r} has no description.",
                hint="Write a docstring: it is all the model knows of when to call it.",
                id="django_mcp.W002",
            )
            for tool in server.tools
            if not tool.definition.description
        )
    return messages


@register
def check_permissions(app_configs: Any, **kwargs: Any) -> list[CheckMessage]:
    """W009, without the database: models know what permissions they will have."""
    known = set(_permissions())
    return [
        Warning(
            f"{what} of the MCP server {server.name!r} asks for the permission {codename!r}, which "
            "no model has: nobody but superusers may use it.",
            hint=_did_you_mean(codename, known) + "Silence this check if a migration creates the "
            "permission, or an authentication backend of yours knows it.",
            id="django_mcp.W009",
        )
        for server in servers()
        for what, rule in _rules(server)
        for codename in codenames(rule)
        if codename not in known
    ]


def _permissions() -> Iterator[str]:
    for model in apps.get_models():
        options = model._meta
        for action in options.default_permissions:
            yield f"{options.app_label}.{get_permission_codename(action, options)}"
        for codename, _ in options.permissions:
            yield f"{options.app_label}.{codename}"


def _rules(server: MCPServer) -> Iterator[tuple[str, AccessRule | None]]:
    """Each rule of `server`, with the words for what it guards."""
    server.waiting.settle()
    for kind, members in (
        ("tool", server.tools),
        ("resource", server.resources),
        ("resource template", server.resource_templates),
        ("prompt", server.prompts),
    ):
        for member in members:
            yield f"The {kind} {member.key!r}", member.rule
    for (target, argument), completion in server.completions.items():
        yield f"The completion of {argument!r} of {target!r}", completion.rule
    if server.any_completion is not None:
        yield "The completion", server.any_completion.rule


def _did_you_mean(name: str, known: set[str]) -> str:
    nearest = difflib.get_close_matches(name, sorted(known), 1)
    return f"Did you mean {nearest[0]!r}? " if nearest else ""


@register(Tags.templates)
def check_templates(app_configs: Any, **kwargs: Any) -> list[CheckMessage]:
    """E005. What a template includes is seen only when it is rendered."""
    messages: list[CheckMessage] = []
    for server in servers():
        for kind, members in (
            ("resource", server.resources),
            ("resource template", server.resource_templates),
            ("prompt", server.prompts),
        ):
            for member in members:
                name = rendered(member.callee)
                problem = None if name is None else _template_problem(name)
                if problem is not None:
                    what = f"The {kind} {member.key!r} of the MCP server {server.name!r}"
                    messages.append(Error(f"{what}: {problem}", id="django_mcp.E005"))
    return messages


def _template_problem(name: str) -> str | None:
    try:
        get_template(name)
    except TemplateDoesNotExist as error:
        return missing(name, error)
    except TemplateSyntaxError as error:
        return f"The template {name!r} has a mistake in it: {error}"
    return None


@register(Tags.urls)
def check_views(app_configs: Any, **kwargs: Any) -> list[CheckMessage]:
    """E004: what was registered by its URL, and could not be built once the URLs were there."""
    messages: list[CheckMessage] = []
    for server in servers():
        server.waiting.settle()
        messages.extend(
            Error(
                f"The tool {name!r} of the MCP server {server.name!r} is left out.",
                hint=reason,
                id="django_mcp.E004",
            )
            for name, reason in server.waiting.failed.items()
        )
    return messages


@register(Tags.urls)
def check_routes(app_configs: Any, **kwargs: Any) -> list[CheckMessage]:
    """W001: neither the ASGI application nor the URLconf leads to a server."""
    if _routed_by_asgi() or any(_views(get_resolver())):
        return []
    return [
        Warning(
            "No route leads to the MCP server.",
            hint="In asgi.py: from django_mcp.routing import get_asgi_application; or in urls.py: "
            'path("", include("django_mcp.urls")).',
            id="django_mcp.W001",
        )
    ]


def _routed_by_asgi() -> bool:
    dotted = getattr(settings, "ASGI_APPLICATION", None)
    if not dotted:
        return False
    try:
        application = import_string(dotted)
    except Exception:
        return True  # Whatever is wrong there, Django says it better.
    # A router of the project's own may lead anywhere; Django's handler leads to the URLconf only.
    return not isinstance(application, ASGIHandler)


def _views(resolver: URLResolver) -> Iterator[bool]:
    for pattern in resolver.url_patterns:
        if isinstance(pattern, URLResolver):
            yield from _views(pattern)
        elif hasattr(pattern.callback, "mcp_endpoint"):
            yield True
