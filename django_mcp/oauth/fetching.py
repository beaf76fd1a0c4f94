"""Fetches a small JSON document from a URL that a stranger has named, and nothing else.

The stranger may want this server to look at what only it can reach. So: https on its usual port and
a name in DNS, no address; every address that name has must be a public one, and the connection goes
to the one that was looked at; no redirects, no proxies, no credentials, no compression; a small
body, the right type, and one limit of time for all of it.

Source: draft-ietf-oauth-client-id-metadata-document, section 6.5; 2026-07-28,
basic/authorization/security-considerations#client-id-metadata-documents.
"""

from __future__ import annotations

import asyncio
import re
import socket
import ssl
from collections.abc import Coroutine
from functools import cache
from ipaddress import IPv4Address, IPv6Address, ip_address, ip_network
from typing import Any, Final, NamedTuple, TypeVar
from urllib.parse import urlsplit

import httpx

from .documents import NoObject, json_object

T = TypeVar("T")

#: Seconds for everything: the name, the connection, the document.
DEADLINE: Final = 5.0
#: Bytes a document may have; the draft recommends 5 KB.
LARGEST: Final = 16 * 1024
PORT: Final = 443

_HOST: Final = re.compile(r"(?!-)[a-z0-9-]{1,63}(?:\.(?!-)[a-z0-9-]{1,63})+")
_PATH: Final = re.compile(r"/[A-Za-z0-9\-._~!$&'()*+,;=:@%/]+")
_MAX_AGE: Final = re.compile(r"(?:^|[,\s])max-age=(\d{1,9})(?:$|[,\s])")

#: What Python does not take for special, and is: the metadata service of Azure, and addresses that
#: carry one of IPv4 which the network behind a translator leads to.
_NEVER: Final = tuple(
    map(
        ip_network,
        ("168.63.129.16/32", "192.0.0.0/24", "64:ff9b:1::/48", "fec0::/10", "::/96", "2002::/16"),
    )
)
_NAT64: Final = ip_network("64:ff9b::/96")


class CannotFetch(Exception):
    """There is no document to be had; the text says why, without what the other side has sent."""


class Fetched(NamedTuple):
    """A JSON object, and for how many seconds it may be kept; None where that was not said."""

    document: dict[str, Any]
    max_age: int | None


def is_fetchable(url: str) -> bool:
    """True for a URL that a document may be at."""
    if len(url) > 255 or not url.startswith("https://"):
        return False
    try:
        parts = urlsplit(url)
        port = parts.port
    except ValueError:
        return False
    host = parts.netloc.removesuffix(f":{PORT}")
    if port not in (None, PORT) or not _HOST.fullmatch(host) or host.split(".")[-1].isdecimal():
        return False
    if host.endswith((".localhost", ".local", ".internal", ".arpa", ".onion")):
        return False
    if "#" in url or "?" in url or not _PATH.fullmatch(parts.path):
        return False
    return not any(part in (".", "..", "%2e", "%2e%2e") for part in parts.path.lower().split("/"))


def is_public(address: str) -> bool:
    """True for an address that anybody on the internet could reach as well."""
    try:
        parsed: IPv4Address | IPv6Address = ip_address(address.partition("%")[0])
    except ValueError:
        return False
    if isinstance(parsed, IPv6Address):
        inner = parsed.ipv4_mapped or (parsed.teredo[1] if parsed.teredo else None)
        if inner is None and parsed in _NAT64:
            inner = IPv4Address(int(parsed) & 0xFFFFFFFF)
        if inner is not None:
            return is_public(str(inner))
    if any(parsed.version == network.version and parsed in network for network in _NEVER):
        return False
    if parsed.is_multicast or parsed.is_reserved or parsed.is_unspecified or parsed.is_loopback:
        return False
    return parsed.is_global


async def fetch(url: str) -> Fetched:
    """The JSON object at `url`; raises CannotFetch."""
    if not is_fetchable(url):
        raise CannotFetch("its URL is none that a document may be at")
    parts = urlsplit(url)
    host = parts.netloc.removesuffix(f":{PORT}")
    try:
        async with asyncio.timeout(DEADLINE):
            address = await _address_of(host)
            return await _get(address, host, parts.path)
    except TimeoutError:
        raise CannotFetch("its server takes too long") from None
    except (httpx.HTTPError, httpx.InvalidURL, ssl.SSLError, OSError):
        raise CannotFetch("its server cannot be reached, or not safely") from None


def waited_for(asked: Coroutine[Any, Any, T]) -> T:
    """What `asked` returns, in a thread that has no event loop of its own.

    Unlike `asyncio.run`, and what runs on it, this does not wait for a thread in which a name is
    still being looked up when its time is over: a resolver may take as long as it likes.
    """
    loop = asyncio.new_event_loop()
    try:
        return loop.run_until_complete(asked)
    finally:
        loop.run_until_complete(loop.shutdown_asyncgens())
        loop.close()


async def resolve(host: str) -> list[str]:
    """The addresses of a name."""
    loop = asyncio.get_running_loop()
    found = await loop.getaddrinfo(host, PORT, type=socket.SOCK_STREAM)
    return [str(sockaddr[0]) for *_, sockaddr in found]


async def _address_of(host: str) -> str:
    addresses = await resolve(host)
    if not addresses or not all(is_public(address) for address in addresses):
        raise CannotFetch("its host is not a public one")
    return addresses[0]


async def _get(address: str, host: str, path: str) -> Fetched:
    authority = f"[{address}]" if ":" in address else address
    async with (
        httpx.AsyncClient(verify=tls(), follow_redirects=False, trust_env=False) as client,
        client.stream(
            "GET",
            f"https://{authority}:{PORT}{path}",
            headers={"Host": host, "Accept": "application/json", "Accept-Encoding": "identity"},
            extensions={"sni_hostname": host},
            timeout=DEADLINE,
        ) as response,
    ):
        document = await read(response, LARGEST)
        return Fetched(document, _max_age(response.headers.get("cache-control", "")))


async def read(response: httpx.Response, largest: int) -> dict[str, Any]:
    """The JSON object of up to `largest` bytes that is streamed by a response with status 200;
    raises CannotFetch for any other."""
    if response.status_code != 200:
        raise CannotFetch(f"its server answers {response.status_code}")
    media_type = response.headers.get("content-type", "").partition(";")[0].strip().lower()
    if media_type != "application/json" and not media_type.endswith("+json"):
        raise CannotFetch("it is not JSON")
    if response.headers.get("content-encoding", "identity") != "identity":
        raise CannotFetch("it is compressed")
    body = b""
    async for piece in response.aiter_raw(4096):
        body += piece
        if len(body) > largest:
            raise CannotFetch(f"it is larger than {largest} bytes")
    return _object(body)


def _object(body: bytes) -> dict[str, Any]:
    try:
        return json_object(body)
    except NoObject as error:
        raise CannotFetch(f"it {error}") from None


def _max_age(header: str) -> int | None:
    header = header.lower()
    if "no-store" in header or "no-cache" in header:
        return 0
    found = _MAX_AGE.search(header)
    return int(found[1]) if found else None


@cache
def tls() -> ssl.SSLContext:
    """Whom to believe who they are; read from disk once."""
    return ssl.create_default_context()
