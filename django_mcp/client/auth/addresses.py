"""Keeping requests out of private networks (2026-07-28, security best practices: SSRF).

The URLs of discovery come from the other side. A name in one of them may lead to a machine that
only this one reaches: a database, a cloud's metadata service. So the name is resolved here, every
address it has is looked at, and the connection goes to the address that was looked at, whatever the
name leads to a moment later. TLS still proves the name.
"""

from __future__ import annotations

import socket
from collections.abc import Collection
from ipaddress import IPv4Address, IPv6Address, ip_address, ip_network

import anyio
import httpx

from .errors import UnsafeURL
from .urls import PORTS

#: Networks in which the last four bytes of an address are an IPv4 address (RFC 6052, RFC 4291).
_EMBEDDING = (ip_network("64:ff9b::/96"), ip_network("::/96"))
#: Not listed as private, and yet not public: a cloud's own service, and translation made locally.
_REFUSED = (ip_network("168.63.129.16/32"), ip_network("64:ff9b:1::/48"), ip_network("fec0::/10"))


def is_public(address: str) -> bool:
    """Whether a literal address is one of the open Internet, also once translated to IPv4."""
    ip = ip_address(address.partition("%")[0])
    if isinstance(ip, IPv6Address) and (inner := _embedded(ip)) is not None:
        return is_public(str(inner))
    refused = any(ip in network for network in _REFUSED if network.version == ip.version)
    return ip.is_global and not ip.is_multicast and not refused


def _embedded(ip: IPv6Address) -> IPv4Address | None:
    if ip.ipv4_mapped is not None:
        return ip.ipv4_mapped
    if ip.sixtofour is not None:
        return ip.sixtofour
    if ip.teredo is not None:
        return ip.teredo[1]
    if any(ip in network for network in _EMBEDDING):
        return IPv4Address(int(ip) & 0xFFFFFFFF)
    return None


class PublicTransport(httpx.AsyncBaseTransport):
    """Sends requests to public addresses only, through `inner`.

    Hosts in `trusted` are reached wherever they are; `loopback=True` lets requests to this machine
    pass too. Raises UnsafeURL for every other private address. Proxies are not used.
    """

    def __init__(
        self,
        inner: httpx.AsyncBaseTransport | None = None,
        *,
        trusted: Collection[str] = (),
        loopback: bool = False,
    ) -> None:
        self._inner = inner if inner is not None else httpx.AsyncHTTPTransport()
        self._trusted = frozenset(host.lower() for host in trusted)
        self._loopback = loopback

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        host = request.url.raw_host.decode("ascii")
        if host.lower() in self._trusted:
            return await self._inner.handle_async_request(request)
        addresses = await self._resolve(request, host)
        for address in addresses[:-1]:
            try:
                return await self._send(request, host, address)
            except httpx.ConnectError:
                continue
        return await self._send(request, host, addresses[-1])

    async def aclose(self) -> None:
        await self._inner.aclose()

    async def _send(self, request: httpx.Request, host: str, address: str) -> httpx.Response:
        pinned = httpx.Request(
            request.method,
            request.url.copy_with(host=address),
            # The Host header is among them.
            headers=request.headers,
            stream=request.stream,
            extensions={**request.extensions, "sni_hostname": host},
        )
        return await self._inner.handle_async_request(pinned)

    async def _resolve(self, request: httpx.Request, host: str) -> list[str]:
        """The addresses of `host`. One that may not be reached spoils them all."""
        port = request.url.port or PORTS.get(request.url.scheme)
        try:
            answers = await anyio.getaddrinfo(host, port, type=socket.SOCK_STREAM)
        except OSError as error:
            raise httpx.ConnectError(f"{host} has no address: {error}", request=request) from error
        addresses = list(dict.fromkeys(str(answer[4][0]) for answer in answers))
        for address in addresses:
            if not self._welcome(address):
                url = str(request.url.copy_with(query=None))
                raise UnsafeURL(
                    f"{host!r} leads to {address}, which is not an address of the open Internet."
                    " Nothing is sent there. If you know the server and it is meant to be inside,"
                    " pass allow_private=True.",
                    url=url,
                )
        if not addresses:
            raise httpx.ConnectError(f"{host} has no address", request=request)
        return addresses

    def _welcome(self, address: str) -> bool:
        inside = self._loopback and ip_address(address.partition("%")[0]).is_loopback
        return inside or is_public(address)
