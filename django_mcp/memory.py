"""A client and a server in one process, with nothing between them but their messages.

Owns the two streams in memory, and who the client is there. Everything else is what a client at the
other end of `mcp_stdio` would meet: the same bytes, the same order, both eras.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Callable
from typing import Final, Never

from .client.channels import Inbox
from .client.connecting import Transport
from .client.errors import ConnectionLost
from .client.transports.pipes import PipeChannel
from .server.access import LOCAL, Principal
from .server.exchange import Caller
from .server.server import MCPServer
from .transports.staying import Stay
from .transports.stdio import Stdio

#: Bytes that may wait in each direction.
ROOM: Final = 1024 * 1024
#: Seconds that calls have to end once the client has gone.
GRACE: Final = 1.0


class MemoryTransport:
    """A server in this process, called as `principal`."""

    key = None

    def __init__(self, server: MCPServer, principal: Principal = LOCAL) -> None:
        self.server = server
        self._principal = principal

    async def open(self, inbox: Inbox) -> PipeChannel:
        return PipeChannel(_Pipe(self.server, self._principal), inbox)

    def older(self) -> Transport | None:
        return None


class _Stream:
    """Bytes on their way in one direction, no more of them than there is room for."""

    def __init__(self) -> None:
        self._pieces: deque[bytes] = deque()
        self._size = 0
        self._is_closed = False
        self._changed = asyncio.Condition()

    async def put(self, data: bytes) -> bool:
        """Add bytes as soon as there is room; False where nobody will take them."""
        async with self._changed:
            await self._changed.wait_for(lambda: self._is_closed or self._size < ROOM)
            if self._is_closed:
                return False
            self._pieces.append(data)
            self._size += len(data)
            self._changed.notify_all()
            return True

    async def get(self) -> bytes:
        """The next piece; b"" where there will be none."""
        async with self._changed:
            await self._changed.wait_for(lambda: self._is_closed or bool(self._pieces))
            if not self._pieces:
                return b""
            piece = self._pieces.popleft()
            self._size -= len(piece)
            self._changed.notify_all()
            return piece

    async def close(self) -> None:
        async with self._changed:
            self._is_closed = True
            self._changed.notify_all()


class _ServerStreams:
    """What the server has of the two streams."""

    def __init__(self, incoming: _Stream, outgoing: _Stream) -> None:
        self._incoming, self._outgoing = incoming, outgoing

    async def read(self) -> bytes:
        return await self._incoming.get()

    async def write(self, data: bytes) -> None:
        if not await self._outgoing.put(data):
            raise BrokenPipeError("The client has gone.")

    async def flush(self) -> None:
        return None


class _Pipe:
    """A pipe to a server that runs in a task of its own."""

    def __init__(self, server: MCPServer, principal: Principal) -> None:
        self._to_server, self._to_client = _Stream(), _Stream()
        endpoint = Stdio(server=server, stay=Stay(Caller(principal)), grace=GRACE)
        streams = _ServerStreams(self._to_server, self._to_client)
        self._serving = asyncio.get_running_loop().create_task(self._serve(endpoint, streams))

    async def _serve(self, endpoint: Stdio, streams: _ServerStreams) -> None:
        try:
            await endpoint(streams)
        finally:
            await self._to_client.close()

    async def carry(self, take: Callable[[bytes], None]) -> Never:
        # The server writes a message at a time.
        while line := await self._to_client.get():
            take(line)
        raise ConnectionLost("The server ended the connection.")

    def write_now(self, body: bytes) -> bool:
        return False

    async def write(self, body: bytes) -> None:
        if not await self._to_server.put(body + b"\n"):
            raise ConnectionLost("The server ended the connection.")

    async def close(self, *, politely: bool) -> None:
        await self._to_server.close()
        if not politely:
            self._serving.cancel()
        await self._to_client.close()
        await asyncio.wait({self._serving})
