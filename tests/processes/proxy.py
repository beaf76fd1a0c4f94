"""A reverse proxy that deals requests out to several servers, one each in turn.

It remembers nothing of a client: the next request goes to the next server, whatever it belongs to.
Each request has a connection of its own on both sides. After the head of the request, bytes are
passed on as they come, both ways, so that streams stay streams; where one side is gone, the other
one is told at once.
"""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Coroutine, Iterator, Sequence
from contextlib import contextmanager, suppress
from typing import Any, Final

HOST: Final = "127.0.0.1"
#: Bytes of the longest head of a request, and of one piece of what is passed on.
LONGEST_HEAD: Final = 64 * 1024
PIECE: Final = 64 * 1024
#: Seconds the proxy may take to begin, or to end.
PATIENCE: Final = 30.0

_NO_SERVER: Final = b"HTTP/1.1 502 Bad Gateway\r\nContent-Length: 0\r\nConnection: close\r\n\r\n"


@contextmanager
def proxy(ports: Sequence[int]) -> Iterator[int]:
    """The port of a proxy for the servers at `ports`, which runs meanwhile in its own thread."""
    loop = asyncio.new_event_loop()
    thread = threading.Thread(target=loop.run_forever, name="proxy")
    thread.start()

    def run(what: Coroutine[Any, Any, Any]) -> Any:
        return asyncio.run_coroutine_threadsafe(what, loop).result(PATIENCE)

    try:
        dealing = asyncio.start_server(Proxy(ports).serve, HOST, 0, limit=LONGEST_HEAD)
        server = run(dealing)
        yield server.sockets[0].getsockname()[1]
        run(_end(server))
    finally:
        loop.call_soon_threadsafe(loop.stop)
        thread.join(PATIENCE)
        loop.close()


async def _end(server: asyncio.Server) -> None:
    server.close()
    others = asyncio.all_tasks() - {asyncio.current_task()}
    for task in others:
        task.cancel()
    await asyncio.gather(*others, return_exceptions=True)


class Proxy:
    """Deals requests out to the servers at `ports`, in their order."""

    def __init__(self, ports: Sequence[int]) -> None:
        self._ports = ports
        self._dealt = 0

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Pass on one request and its response."""
        try:
            with suppress(OSError, asyncio.IncompleteReadError, asyncio.LimitOverrunError):
                head = await reader.readuntil(b"\r\n\r\n")
                await self._pass_on(head, reader, writer)
        finally:
            await _close(writer)

    async def _pass_on(
        self, head: bytes, reader: asyncio.StreamReader, writer: asyncio.StreamWriter
    ) -> None:
        upstream = await self._connect()
        if upstream is None:
            writer.write(_NO_SERVER)
            return
        answer, to_server = upstream
        try:
            to_server.write(closing(head))
            # Whichever side ends first: there is one request, and its connections end with it.
            await _first_of(_pump(reader, to_server), _pump(answer, writer))
        finally:
            await _close(to_server)

    async def _connect(self) -> tuple[asyncio.StreamReader, asyncio.StreamWriter] | None:
        """A connection to the server whose turn it is, or to the next one that is there."""
        for _ in self._ports:
            port = self._ports[self._dealt % len(self._ports)]
            self._dealt += 1
            with suppress(OSError):
                return await asyncio.open_connection(HOST, port)
        return None


def closing(head: bytes) -> bytes:
    """The head of a request, saying that the connection is closed after the response."""
    request, *headers = head.removesuffix(b"\r\n\r\n").split(b"\r\n")
    hop = (b"connection:", b"keep-alive:")
    kept = [header for header in headers if not header.lower().startswith(hop)]
    return b"\r\n".join([request, *kept, b"Connection: close", b"", b""])


async def _pump(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    """Pass on what comes, until nothing more does."""
    with suppress(OSError):
        while piece := await reader.read(PIECE):
            writer.write(piece)
            await writer.drain()


async def _first_of(*both: Coroutine[Any, Any, None]) -> None:
    """Return when the first of both has ended, and end the other."""
    tasks = [asyncio.ensure_future(each) for each in both]
    try:
        await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)


async def _close(writer: asyncio.StreamWriter) -> None:
    """Close a connection, once what was written to it is sent."""
    writer.close()
    with suppress(OSError):
        await writer.wait_closed()
