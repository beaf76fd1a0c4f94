"""System checks: what keeps people from authorizing a client, and what is not safe to run with.

E001  DJANGO_MCP_OAUTH has an unknown key or a value of the wrong type
E002  DJANGO_MCP_OAUTH names something that cannot be imported
E003  the URLs of authorization are not included, or not at the root of the site
E004  the pages of authorization lack a middleware or the templates they need
E005  outside DEBUG, tokens are issued or taken over plain http
W001  a scope that something needs has no words for people
W002  nobody can log in: LOGIN_URL leads nowhere
W003  SESSION_COOKIE_SAMESITE keeps users logged out when a client sends them
W004  no endpoint takes tokens
W005  requests are counted where other processes do not see it (with `check --deploy`)
W006  the issuer depends on what host a request names (with `check --deploy`)
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Any
from urllib.parse import urlsplit

from django.conf import settings
from django.core.checks import CheckMessage, Error, Tags, Warning, register
from django.shortcuts import resolve_url
from django.template import TemplateDoesNotExist
from django.template.loader import get_template
from django.urls import NoReverseMatch, Resolver404, get_script_prefix, resolve, reverse
from django.utils.module_loading import import_string

from .. import conf as core_conf
from ..default import servers
from . import conf, resources
from .addresses import RESOURCE_DOCUMENTS
from .redirects import LOOPBACK

ID = "django_mcp_oauth"

_MIDDLEWARE = (
    "django.contrib.sessions.middleware.SessionMiddleware",
    "django.contrib.auth.middleware.AuthenticationMiddleware",
)


def _is_readable() -> bool:
    return not conf.problems(getattr(settings, conf.SETTING, {}))


@register(Tags.compatibility)
def check_settings(app_configs: Any, **kwargs: Any) -> list[CheckMessage]:
    """E001 and E002."""
    wrong = conf.problems(getattr(settings, conf.SETTING, {}))
    if wrong:
        return [Error(message, hint=hint, id=f"{ID}.E001") for message, hint in wrong]
    return list(_imports(conf.get().verifiers))


def _imports(paths: Iterable[str]) -> Iterator[CheckMessage]:
    for path in paths:
        try:
            import_string(path)
        except ImportError as error:
            yield Error(
                f"{conf.SETTING}['VERIFIERS']: {path!r} cannot be imported.",
                hint=str(error),
                id=f"{ID}.E002",
            )


@register(Tags.urls)
def check_urls(app_configs: Any, **kwargs: Any) -> list[CheckMessage]:
    """E003, W002 and W004."""
    if not _is_readable():
        return []
    try:
        found = reverse("django_mcp_oauth:protected-resource")
    except NoReverseMatch:
        found = ""
    if found != get_script_prefix().rstrip("/") + RESOURCE_DOCUMENTS:
        where = f"are included at {found!r}" if found else "are not included"
        return [
            Error(
                f"The URLs of MCP authorization {where}: clients look for "
                f"{RESOURCE_DOCUMENTS} at the root of the host.",
                hint='In the root URLconf: path("", include("django_mcp.oauth.urls")).',
                id=f"{ID}.E003",
            )
        ]
    return [*_login(), *_endpoints()]


def _login() -> Iterator[CheckMessage]:
    url = resolve_url(settings.LOGIN_URL)
    if urlsplit(url).netloc:
        return  # Of another site, which may know.
    try:
        resolve(urlsplit(url).path)
    except Resolver404:
        yield Warning(
            f"Nobody can log in to authorize a client: LOGIN_URL is {settings.LOGIN_URL!r}, which "
            "leads nowhere.",
            hint='Set LOGIN_URL to a page of yours, for example "admin:login", or include '
            "django.contrib.auth.urls.",
            id=f"{ID}.W002",
        )


def _endpoints() -> Iterator[CheckMessage]:
    named = core_conf.get().authentication
    if named == "django_mcp.oauth.authentication.bearer" or any(resources.paths()):
        return
    yield Warning(
        "django_mcp.oauth is installed, and no MCP endpoint takes its tokens.",
        hint='Set DJANGO_MCP["AUTHENTICATION"] to "django_mcp.oauth.authentication.bearer", or '
        "give it as `authenticate` where a server is mounted.",
        id=f"{ID}.W004",
    )


@register(Tags.compatibility)
def check_pages(app_configs: Any, **kwargs: Any) -> list[CheckMessage]:
    """E004."""
    missing = [f"the middleware {name}" for name in _MIDDLEWARE if not _has_middleware(name)]
    try:
        get_template("django_mcp_oauth/authorize.html")
    except TemplateDoesNotExist:
        missing.append('a template engine with "APP_DIRS": True')
    return [
        Error(
            f"The pages on which users authorize clients need {what}.",
            hint="See what `startproject` writes into MIDDLEWARE and TEMPLATES.",
            id=f"{ID}.E004",
        )
        for what in missing
    ]


def _has_middleware(name: str) -> bool:
    """True where it is there, or one that inherits from it."""
    wanted = import_string(name)
    for path in settings.MIDDLEWARE:
        try:
            found = import_string(path)
        except ImportError:
            continue  # Django says so itself.
        if found is wanted or (isinstance(found, type) and issubclass(found, wanted)):
            return True
    return False


@register(Tags.security)
def check_transport(app_configs: Any, **kwargs: Any) -> list[CheckMessage]:
    """E005 and W003."""
    if not _is_readable():
        return []
    options = conf.get()
    messages: list[CheckMessage] = []
    if not settings.DEBUG:
        messages += [
            Error(
                f"{issuer!r} issues tokens over plain http, where anybody on the way reads them.",
                hint="Serve it over https, and name it so in "
                f"{conf.SETTING} (ISSUER, AUTHORIZATION_SERVERS).",
                id=f"{ID}.E005",
            )
            for issuer in (options.issuer, *options.authorization_servers)
            if issuer and not _is_safe(issuer)
        ]
    if settings.SESSION_COOKIE_SAMESITE == "Strict":
        messages.append(
            Warning(
                'SESSION_COOKIE_SAMESITE is "Strict": whoever a client sends here looks logged '
                "out, and has to log in each time.",
                hint='Set it to "Lax", which is Django\'s default.',
                id=f"{ID}.W003",
            )
        )
    return messages


def _is_safe(url: str) -> bool:
    parts = urlsplit(url)
    return parts.scheme == "https" or parts.hostname in LOOPBACK


@register
def check_scopes(app_configs: Any, **kwargs: Any) -> list[CheckMessage]:
    """W001."""
    if not _is_readable():
        return []
    options = conf.get()
    needed = {
        scope: f"{conf.SETTING}[{key!r}]"
        for key, scopes in (
            ("READ_SCOPES", options.read_scopes),
            ("WRITE_SCOPES", options.write_scopes),
            ("BASE_SCOPES", options.base_scopes),
            ("IMPLIED_SCOPES", [s for implied in options.implied_scopes.values() for s in implied]),
        )
        for scope in scopes
    }
    for server in servers():
        server.waiting.settle()
        for component in resources.components(server):
            for scope in component.scopes or ():
                needed.setdefault(scope, f"{component.key!r} of the MCP server {server.name!r}")
    return [
        Warning(
            f"The scope {scope!r}, which {who} names, has no words: users are asked for it by its "
            "name.",
            hint=f'Add it to {conf.SETTING}["SCOPES"]: {{{scope!r}: "Lend books in your name"}}.',
            id=f"{ID}.W001",
        )
        for scope, who in needed.items()
        if scope not in options.scopes
    ]


@register(Tags.security, deploy=True)
def check_cache(app_configs: Any, **kwargs: Any) -> list[CheckMessage]:
    """W005, with `check --deploy`. How many processes there will be is not known here."""
    backend = settings.CACHES.get(core_conf.get().throttle_cache, {}).get("BACKEND", "")
    if not backend.endswith((".LocMemCache", ".DummyCache")):
        return []
    return [
        Warning(
            f"Registrations and fetches are counted in the cache {backend}, which other processes "
            "do not share: with several, strangers may do more than the limits say.",
            hint="Have a cache that all processes share, and name it in "
            'DJANGO_MCP["THROTTLE_CACHE"]. With one process there is nothing to do: silence this '
            "check.",
            id=f"{ID}.W005",
        )
    ]


@register(Tags.security, deploy=True)
def check_issuer(app_configs: Any, **kwargs: Any) -> list[CheckMessage]:
    """W006, with `check --deploy`."""
    if not _is_readable() or conf.get().issuer or conf.get().authorization_servers:
        return []
    hosts = settings.ALLOWED_HOSTS
    if len(hosts) == 1 and not hosts[0].startswith((".", "*")):
        return []
    return [
        Warning(
            f"The issuer of tokens is named after the host of each request, and ALLOWED_HOSTS is "
            f"{hosts!r}: clients that come by another name take it for another issuer.",
            hint=f'Set {conf.SETTING}["ISSUER"], for example to "https://example.com/oauth".',
            id=f"{ID}.W006",
        )
    ]
