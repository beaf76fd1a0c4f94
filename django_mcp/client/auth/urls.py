"""URLs of authorization: which may be used, which are the same, and where documents are.

Strings that identify something, an issuer or a resource, are compared as they are written; here
they only become URLs to ask. Whether an address is inside a private network is the business of
`addresses`.
"""

from __future__ import annotations

from ipaddress import ip_address
from urllib.parse import SplitResult, urlsplit

from .errors import UnsafeURL

PORTS = {"http": 80, "https": 443}
RESOURCE_METADATA = "/.well-known/oauth-protected-resource"
SERVER_METADATA = "/.well-known/oauth-authorization-server"
OPENID_METADATA = "/.well-known/openid-configuration"


def is_loopback(host: str) -> bool:
    """Whether the name or literal address `host` never leaves this machine."""
    if host.rstrip(".").lower() == "localhost":
        return True
    try:
        return ip_address(host).is_loopback
    except ValueError:
        return False


def check_url(url: str, what: str) -> SplitResult:
    """The parts of `url`, which something may be sent to; `what` names it in the message.

    It is https, or http to this machine (2026-07-28, authorization/security-considerations
    #communication-security), and has neither a user nor a fragment. Raises UnsafeURL.
    """
    try:
        parts = urlsplit(url)
        host, _ = parts.hostname, parts.port
    except ValueError:
        raise UnsafeURL(f"{what} is not a URL: {url[:200]!r}.", url=url) from None
    if any(ord(character) <= 32 for character in url):
        raise UnsafeURL(f"{what} has blanks or control characters: {url[:200]!r}.", url=url)
    if not host or parts.scheme not in PORTS:
        raise UnsafeURL(f"{what} is not an http or https URL: {url[:200]!r}.", url=url)
    if parts.username is not None or parts.password is not None:
        raise UnsafeURL(f"{what} has a user name in it; use a URL without one.", url="")
    if parts.fragment:
        raise UnsafeURL(f"{what} has a fragment, which no server sees: {url[:200]!r}.", url=url)
    if parts.scheme == "http" and not is_loopback(host):
        raise UnsafeURL(
            f"{what} is not encrypted: {url[:200]!r}. Only https is used, and http on this machine"
            " alone.",
            url=url,
        )
    return parts


def origin(url: str) -> tuple[str, str, int | None]:
    """Scheme, host and port, made alike."""
    parts = urlsplit(url)
    scheme = parts.scheme.lower()
    return scheme, (parts.hostname or "").lower(), parts.port or PORTS.get(scheme)


def base_url(url: str) -> str:
    """`url` without path: scheme, host in lower case, and a port that is not the usual one."""
    scheme, host, port = origin(url)
    netloc = f"[{host}]" if ":" in host else host
    return f"{scheme}://{netloc}" + ("" if port in (None, PORTS.get(scheme)) else f":{port}")


def canonical_resource(url: str) -> str:
    """The canonical URI of the server at `url` (2026-07-28, authorization#canonical-server-uri).

    A slash stays where it ends a path: it may be significant.
    """
    parts = urlsplit(url)
    path = "" if parts.path == "/" else parts.path
    return base_url(url) + path + (f"?{parts.query}" if parts.query else "")


def resource_metadata_urls(server_url: str) -> tuple[str, ...]:
    """Where a server's metadata may be, in the order to ask: for its path, then for its host."""
    base, path = base_url(server_url), urlsplit(server_url).path.rstrip("/")
    return tuple(dict.fromkeys((f"{base}{RESOURCE_METADATA}{path}", f"{base}{RESOURCE_METADATA}")))


def authorization_server_urls(issuer: str) -> tuple[str, ...]:
    """Where an authorization server's metadata may be, in the order to ask.

    2026-07-28, authorization-server-discovery#authorization-server-metadata-discovery.
    """
    base, path = base_url(issuer), urlsplit(issuer).path.rstrip("/")
    if not path:
        return (f"{base}{SERVER_METADATA}", f"{base}{OPENID_METADATA}")
    return (
        f"{base}{SERVER_METADATA}{path}",
        f"{base}{OPENID_METADATA}{path}",
        f"{base}{path}{OPENID_METADATA}",
    )


def describes(document_url: str, resource: str, server_url: str) -> bool:
    """Whether metadata found at `document_url` about `resource` may be believed for `server_url`.

    `resource` is the server itself (RFC 9728, section 3.3). Or it is a part of the same host that
    the server is in, and the document was found where the metadata of just that part belongs: so
    the owner of the part has written it, and no neighbour of the server.
    """
    try:
        ours, theirs = canonical_resource(server_url), canonical_resource(resource)
        if _without_slash(ours) == _without_slash(theirs):
            return True
        inside = _without_slash(ours).startswith(_without_slash(theirs) + "/")
        return inside and canonical_resource(document_url) == resource_metadata_urls(resource)[0]
    except ValueError:
        return False


def _without_slash(url: str) -> str:
    return url.removesuffix("/")
