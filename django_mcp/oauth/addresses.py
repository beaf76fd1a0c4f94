"""The URLs that authorization is about: of MCP endpoints, of their metadata, and of the issuer.

A URL of an endpoint is compared in one form, `canonical`. Where a document has to repeat what a
client asked for letter by letter, it does so itself; see `metadata`.
"""

from __future__ import annotations

import re
from typing import Any, Final, NamedTuple
from urllib.parse import quote, unquote, urlsplit

from django.http import HttpRequest as DjangoRequest
from django.urls import reverse

from ..endpoints import address_of
from ..transports.http.types import HttpRequest
from . import conf
from .models import LONGEST_RESOURCE
from .redirects import LOOPBACK

#: Where documents about a URL of this host are, by what they describe (RFC 9728, RFC 8414).
RESOURCE_DOCUMENTS: Final = "/.well-known/oauth-protected-resource"
SERVER_DOCUMENTS: Final = "/.well-known/oauth-authorization-server"

_DEFAULT_PORTS: Final = {"http": 80, "https": 443}
#: Characters of a path that are written as they are (RFC 3986, section 3.3).
_SAFE: Final = "/:@!$&'()*+,;=~-._"
_ODD: Final = re.compile(r"[\s\x00-\x20\x7f\\]|%00|%2f|%5c", re.IGNORECASE)


class Site(NamedTuple):
    """Where the project is served: scheme and authority, and what it is served under, without a
    slash at the end."""

    origin: str
    prefix: str


def canonical(url: str) -> str | None:
    """`url` in the one form in which endpoints are compared; None for what can be none.

    Scheme and host in lower case, no default port, no slash at the end (2026-07-28,
    basic/authorization#canonical-server-uri).
    """
    if len(url) > LONGEST_RESOURCE or not url.isascii() or _ODD.search(url):
        return None
    try:
        parts = urlsplit(url)
        host, port = parts.hostname, parts.port
    except ValueError:
        return None
    if parts.scheme not in _DEFAULT_PORTS or not host or "@" in parts.netloc:
        return None
    if "?" in url or "#" in url or any(part in (".", "..") for part in parts.path.split("/")):
        return None
    authority = f"[{host}]" if ":" in host else host
    if port is not None and port != _DEFAULT_PORTS[parts.scheme]:
        authority += f":{port}"
    path = quote(unquote(parts.path), safe=_SAFE).rstrip("/")
    return f"{parts.scheme}://{authority}{path}"


def resource_of(request: HttpRequest) -> str | None:
    """The endpoint that a request was made to; None where nobody could name it."""
    return canonical(address_of(request).origin + quote(request.path, safe=_SAFE, errors="replace"))


def resource_document_of(request: HttpRequest) -> str:
    """Where it says who issues tokens for the endpoint that a request was made to."""
    prefix = _prefix_of(request)
    path = request.path.removeprefix(prefix)
    origin = address_of(request).origin
    return origin + quote(prefix + RESOURCE_DOCUMENTS + path, safe=_SAFE, errors="replace")


def _prefix_of(request: HttpRequest) -> str:
    """What the application is served under, without a slash at the end."""
    native: Any = request.native
    given = native.get("root_path") if isinstance(native, dict) else None
    if given is None and isinstance(native, DjangoRequest):
        given = native.META.get("SCRIPT_NAME")
    prefix = (given or "").rstrip("/")
    return prefix if request.path.startswith(f"{prefix}/") else ""


def origin_of(request: DjangoRequest) -> str:
    """The scheme and authority that a request of Django's was made to."""
    return f"{request.scheme}://{request.get_host()}"


def site_of(request: DjangoRequest) -> Site:
    """Where the project is served, as who made a request of Django's sees it."""
    return Site(origin_of(request), request.META.get("SCRIPT_NAME", "").rstrip("/"))


def issuer_of(request: DjangoRequest) -> str:
    """What the authorization server of this project is called, letter by letter."""
    return conf.get().issuer or origin_of(request) + issuer_path()


def issuer_path() -> str:
    """The path below which the authorization server has its endpoints."""
    return reverse("django_mcp_oauth:authorize").removesuffix("/authorize")


def endpoint_of(request: DjangoRequest, name: str) -> str:
    """The URL of an endpoint of the authorization server."""
    issuer = urlsplit(issuer_of(request))
    return f"{issuer.scheme}://{issuer.netloc}{reverse(f'django_mcp_oauth:{name}')}"


def authorization_servers(request: DjangoRequest) -> list[str]:
    """The issuers that clients are told of: those that are named, or the identity providers, or
    this project."""
    options = conf.get()
    named = options.authorization_servers or options.identity_providers
    return list(named) or [issuer_of(request)]


def is_safe(url: str) -> bool:
    """True where nobody on the way reads what is sent to `url`: https, or this computer."""
    parts = urlsplit(url)
    return parts.scheme == "https" or parts.hostname in LOOPBACK
