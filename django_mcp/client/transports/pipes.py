"""One connection on which whole messages go both ways: a process, a socket, a server in memory.

Owns the order of what is written, what happens to requests when such a connection ends, and that
nobody who stops waiting leaves half a message behind. How a message becomes bytes on the way, and
how the way is made, is the pipe's.
"""

from __future__ import annotations

import asyncio
import logging
from collections import deque
from collections.abc import Mapping
from contextlib import suppress
from typing import Final, Protocol

from ...protocol import jsonrpc
from ...protocol.errors import InvalidRequest, ProtocolError
from ...protocol.jsonrpc import RequestId
from ..channels import Inbox, Outgoing
from ..errors import ConnectionLost

logger = logging.getLogger("django_mcp.client")

#: Bytes of messages that may wait to be written; who sends more waits for room.
MOST_WAITING: Final = 1024 * 1024


class Pipe(Protocol):
    """A way for whole messages, in order."""

    async def read(self) -> bytes:
        """The next message that comes; raises ConnectionLost where there will be none."""

    async def write(self, body: bytes) -> None:
        """Write a message; returns when there is room for more. Raises ConnectionLost."""

    async def close(self, *, politely: bool) -> None:
        """End it: as its protocol has it if `politely`, else at once. Never raises."""


class PipeChannel:
    """A channel on a pipe."""

    leaving_cancels = False
    has_headers = False

    def __init__(self, pipe: Pipe, inbox: Inbox) -> None:
        self._pipe = pipe
        self._inbox = inbox
        self._waiting: deque[bytes] = deque()
        self._size = 0
        self._filled = asyncio.Event()
        self._emptied = asyncio.Event()
        self._lost: ConnectionLost | None = None
        loop = asyncio.get_running_loop()
        self._tasks = [loop.create_task(self._read()), loop.create_task(self._write())]

    async def send(self, outgoing: Outgoing) -> None:
        # One task writes: a sender that is cancelled has sent everything or nothing.
        while self._lost is None and self._waiting and self._size >= MOST_WAITING:
            self._emptied.clear()
            await self._emptied.wait()
        if self._lost is not None:
            raise self._lost
        self._waiting.append(outgoing.body)
        self._size += len(outgoing.body)
        self._filled.set()

    def leave(self, id: RequestId) -> None:
        return None

    def settle(self, headers: Mapping[str, str]) -> None:
        return None

    def listen(self) -> None:
        return None  # It comes on the same way.

    async def close(self, *, politely: bool = True) -> None:
        reading, writing = self._tasks
        if politely and self._lost is None:
            await self._written()
        writing.cancel()
        await self._pipe.close(politely=politely)
        reading.cancel()
        await asyncio.wait(self._tasks)

    async def _written(self) -> None:
        """Return once what was sent is written, within a moment."""
        with suppress(TimeoutError):
            async with asyncio.timeout(1):
                while self._waiting and self._lost is None:
                    self._emptied.clear()
                    await self._emptied.wait()

    async def _read(self) -> None:
        try:
            while True:
                self._take(await self._pipe.read())
        except ConnectionLost as error:
            self._lose(error)
        except Exception as error:
            logger.exception("A connection to a server failed")
            self._lose(ConnectionLost(f"The connection failed: {type(error).__name__}"))

    def _take(self, body: bytes) -> None:
        try:
            found = jsonrpc.parse(body)
        except ProtocolError as error:
            # As what a library prints in between.
            logger.warning("The server wrote what is no message: %s", error)
            return
        for message in found if isinstance(found, list) else (found,):
            if isinstance(message, InvalidRequest):
                logger.warning("A member of a batch is no message: %s", message)
            else:
                self._inbox.take(message)

    async def _write(self) -> None:
        try:
            while True:
                while not self._waiting:
                    self._filled.clear()
                    await self._filled.wait()
                body = self._waiting[0]
                await self._pipe.write(body)
                self._waiting.popleft()
                self._size -= len(body)
                self._emptied.set()
        except ConnectionLost as error:
            self._lose(error)

    def _lose(self, error: ConnectionLost) -> None:
        if self._lost is None:
            self._lost = error
            self._emptied.set()
            self._inbox.lose(error)
