"""System checks: what keeps people from authorizing a client, and what is not safe to run with.

E001  DJANGO_MCP_OAUTH has an unknown key or a value of the wrong type
E002  DJANGO_MCP_OAUTH names something that cannot be imported
E003  the URLs of authorization are not included, or not at the root of the site
E004  the pages of authorization lack a middleware or the templates they need
E005  outside DEBUG, tokens are issued or taken over plain http
E006  an identity provider's signatures cannot be verified without PyJWT
W001  a scope that something needs has no words for people
W002  nobody can log in: LOGIN_URL leads nowhere
W003  SESSION_COOKIE_SAMESITE keeps users logged out when a client sends them
W004  no endpoint takes tokens
W005  requests are counted where other processes do not see it (with `check --deploy`)
W006  the issuer depends on what host a request names (with `check --deploy`)
W007  identity providers are named that nobody asks, or the other way round
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from importlib.util import find_spec
from typing import Any
from urllib.parse import urlsplit

from django.conf import settings
from django.core.checks import CheckMessage, Error, Tags, Warning, register
from django.shortcuts import resolve_url
from django.urls import NoReverseMatch, Resolver404, get_script_prefix, resolve, reverse
from django.utils.module_loading import import_string

from .. import conf as core_conf
from ..default import servers
from ..pages import missing_for
from . import conf, resources
from .addresses import RESOURCE_DOCUMENTS, is_safe

#: Who is asked about the tokens of identity providers.
EXTERNAL = "django_mcp.oauth.external.verify"

ID = "django_mcp_oauth"


def _is_readable() -> bool:
    return not conf.problems(getattr(settings, conf.SETTING, {}))


@register(Tags.compatibility)
def check_settings(app_configs: Any, **kwargs: Any) -> list[CheckMessage]:
    """E001 and E002."""
    wrong = conf.problems(getattr(settings, conf.SETTING, {}))
    if wrong:
        return [Error(message, hint=hint, id=f"{ID}.E001") for message, hint in wrong]
    makers = [each.create_users for each in conf.providers().values()]
    return [
        *_imports("VERIFIERS", conf.get().verifiers),
        *_imports("IDENTITY_PROVIDERS", [path for path in makers if isinstance(path, str)]),
    ]


def _imports(key: str, paths: Iterable[str]) -> Iterator[CheckMessage]:
    for path in paths:
        try:
            import_string(path)
        except ImportError as error:
            yield Error(
                f"{conf.SETTING}[{key!r}]: {path!r} cannot be imported.",
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
    return [
        Error(
            f"The pages on which users authorize clients need {what}.",
            hint="See what `startproject` writes into MIDDLEWARE and TEMPLATES.",
            id=f"{ID}.E004",
        )
        for what in missing_for("django_mcp_oauth/authorize.html")
    ]


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
            if issuer and not is_safe(issuer)
        ]
        messages += _providers_over_http()
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


def _providers_over_http() -> Iterator[CheckMessage]:
    for issuer, provider in conf.providers().items():
        for key in ("issuer", "jwks_url", "introspection_url"):
            url = getattr(provider, key)
            if url and not is_safe(url):
                what = "is" if key == "issuer" else f"has {key.upper()}"
                yield Error(
                    f"The identity provider {issuer!r} {what} reached over plain http, where "
                    "anybody on the way can say whom tokens speak for. Its tokens are refused.",
                    hint="Name URLs that begin with https:// in "
                    f"{conf.SETTING}['IDENTITY_PROVIDERS'].",
                    id=f"{ID}.E005",
                )


@register(Tags.security)
def check_providers(app_configs: Any, **kwargs: Any) -> list[CheckMessage]:
    """E006 and W007."""
    if not _is_readable():
        return []
    providers = conf.providers()
    signing = [each.issuer for each in providers.values() if each.verify_by == "signature"]
    messages: list[CheckMessage] = []
    if signing and not all(map(find_spec, ("jwt", "cryptography"))):
        messages.append(
            Error(
                f"Tokens of {', '.join(signing)} are refused: their signatures cannot be verified "
                "without PyJWT and cryptography.",
                hint='pip install "django-mcp-channels[jwt]"',
                id=f"{ID}.E006",
            )
        )
    asks = EXTERNAL in conf.get().verifiers
    if asks != bool(providers):
        messages.append(
            Warning(
                f"{conf.SETTING} "
                + (
                    f"has {EXTERNAL!r} in VERIFIERS, and no IDENTITY_PROVIDERS."
                    if asks
                    else "has IDENTITY_PROVIDERS, and nobody in VERIFIERS who asks them."
                ),
                hint=f'Have both: "VERIFIERS": [{EXTERNAL!r}, …].',
                id=f"{ID}.W007",
            )
        )
    return messages


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
    if core_conf.problems(getattr(settings, "DJANGO_MCP", {})):
        return []
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
    options = conf.get() if _is_readable() else None
    if options is None or options.issuer or options.authorization_servers:
        return []
    if options.identity_providers:
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
