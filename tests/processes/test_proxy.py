"""The proxy: it deals in turn, keeps nothing back, and tells each side that the other has left."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from .proxy import HOST, closing, proxy
from .strings import PATIENCE

REQUEST = b"POST /mcp HTTP/1.1\r\nHost: here\r\nContent-Length: 2\r\n\r\n{}"
BEGINNING = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n"

Connection = tuple[asyncio.StreamReader, asyncio.StreamWriter]


class Upstream:
    """A server that does nothing by itself."""

    def __init__(self) -> None:
        self.port = 0
        self.connections: asyncio.Queue[Connection] = asyncio.Queue()
        self.writers: list[asyncio.StreamWriter] = []

    async def accept(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.writers.append(writer)
        await self.connections.put((reader, writer))

    async def request(self) -> tuple[bytes, asyncio.StreamReader, asyncio.StreamWriter]:
        """The next request that comes, and the connection it came on."""
        reader, writer = await self.connections.get()
        return await reader.readuntil(b"{}"), reader, writer


@asynccontextmanager
async def upstream() -> AsyncIterator[Upstream]:
    one = Upstream()
    server = await asyncio.start_server(one.accept, HOST, 0)
    one.port = server.sockets[0].getsockname()[1]
    try:
        yield one
    finally:
        server.close()
        for writer in one.writers:
            writer.close()


@asynccontextmanager
async def client(port: int) -> AsyncIterator[Connection]:
    """A connection to the proxy on which one request was sent."""
    reader, writer = await asyncio.open_connection(HOST, port)
    writer.write(REQUEST)
    try:
        yield reader, writer
    finally:
        writer.close()


async def test_each_request_goes_to_the_next_server() -> None:
    async with asyncio.timeout(PATIENCE), upstream() as one, upstream() as two:
        with proxy([one.port, two.port]) as port:
            for server in (one, two, one, two):
                async with client(port):
                    head, *_ = await server.request()

                assert head.startswith(b"POST /mcp HTTP/1.1\r\nHost: here\r\n")
                assert b"\r\nConnection: close\r\n\r\n{}" in head


async def test_what_is_written_comes_at_once() -> None:
    async with asyncio.timeout(PATIENCE), upstream() as one:
        with proxy([one.port]) as port:
            async with client(port) as (reader, _):
                _, _, writer = await one.request()
                for piece in (BEGINNING, b"3\r\none\r\n", b"3\r\ntwo\r\n"):
                    writer.write(piece)
                    # The next piece is written only when this one has arrived.
                    assert await reader.readexactly(len(piece)) == piece


async def test_a_server_hears_that_its_client_has_gone() -> None:
    async with asyncio.timeout(PATIENCE), upstream() as one:
        with proxy([one.port]) as port:
            async with client(port):
                _, reader, _ = await one.request()

            assert await reader.read() == b""


async def test_a_client_hears_that_its_server_has_gone() -> None:
    async with asyncio.timeout(PATIENCE), upstream() as one:
        with proxy([one.port]) as port:
            async with client(port) as (reader, _):
                _, _, writer = await one.request()
                writer.write(BEGINNING)
                writer.close()

                assert await reader.read() == BEGINNING


async def test_a_server_that_is_not_there_loses_its_turn() -> None:
    async with asyncio.timeout(PATIENCE), upstream() as gone:
        port_of_nobody = gone.port
    async with asyncio.timeout(PATIENCE), upstream() as one:
        with proxy([port_of_nobody, one.port]) as port:
            async with client(port):
                await one.request()
        with proxy([port_of_nobody]) as port:
            async with client(port) as (reader, _):
                assert (await reader.read()).startswith(b"HTTP/1.1 502 ")


def test_a_connection_is_closed_after_its_response() -> None:
    head = b"GET / HTTP/1.1\r\nConnection: keep-alive\r\nKeep-Alive: 5\r\nHost: here\r\n\r\n"

    assert closing(head) == b"GET / HTTP/1.1\r\nHost: here\r\nConnection: close\r\n\r\n"
