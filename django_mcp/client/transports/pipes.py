"""One connection on which whole messages go both ways: a process, a socket, a server in memory.

Owns the order of what is written, what happens to requests when such a connection ends, and that
nobody who stops waiting leaves half a message behind. How a message becomes bytes on the way, and
how the way is made, is the pipe's.
"""

from __future__ import annotations

import asyncio
import logging
from collections import deque
from collections.abc import Callable, Mapping
from contextlib import suppress
from typing import Final, Never, Protocol

from ...protocol import jsonrpc
from ...protocol.errors import InvalidRequest, ProtocolError
from ...protocol.jsonrpc import RequestId
from ..channels import Inbox, Outgoing
from ..errors import ClientError, ConnectionLost, SessionLost

logger = logging.getLogger("django_mcp.client")

#: Bytes of messages that may wait to be written; who sends more waits for room.
MOST_WAITING: Final = 1024 * 1024
#: Seconds that what was sent may take to be written once the channel is closed.
LAST_WORDS: Final = 1.0


class NotTaken(Exception):
    """A pipe could not carry one message, and others as before; `error` says why."""

    def __init__(self, error: ClientError) -> None:
        super().__init__(str(error))
        self.error = error


class Pipe(Protocol):
    """A way for whole messages, in order."""

    async def carry(self, take: Callable[[bytes], None]) -> Never:
        """Call `take`, which must not raise, with each message that comes; raises ConnectionLost
        where there will be no more."""

    def write_now(self, body: bytes) -> bool:
        """Write a message if that needs no waiting, and cannot fail; False where it is to be
        written with `write`."""

    async def write(self, body: bytes) -> None:
        """Write a message; returns when there is room for more.

        Raises ConnectionLost where nothing can be written any more, and NotTaken.
        """

    async def close(self, *, politely: bool) -> None:
        """End it: as its protocol has it if `politely`, else at once. Never raises.

        Nobody reads or writes by then. Bounded in time, and not cancelled.
        """


class PipeChannel:
    """A channel on a pipe. `needs_session` is the channel's."""

    leaving_cancels = False
    has_headers = False

    def __init__(self, pipe: Pipe, inbox: Inbox, *, needs_session: bool = False) -> None:
        self.needs_session = needs_session
        self._pipe = pipe
        self._inbox = inbox
        self._waiting: deque[Outgoing] = deque()
        self._size = 0
        self._filled = asyncio.Event()
        self._emptied = asyncio.Event()
        self._lost: ConnectionLost | None = None
        loop = asyncio.get_running_loop()
        self._tasks = [loop.create_task(self._read()), loop.create_task(self._write())]

    async def send(self, outgoing: Outgoing) -> None:
        # Where there is nothing to wait for, nobody is woken for it.
        if self._lost is None and not self._waiting and self._pipe.write_now(outgoing.body):
            return
        # One task writes: a sender that is cancelled has sent everything or nothing.
        while self._lost is None and self._waiting and self._size >= MOST_WAITING:
            self._emptied.clear()
            await self._emptied.wait()
        if self._lost is not None:
            raise self._lost.again()
        self._waiting.append(outgoing)
        self._size += len(outgoing.body)
        self._filled.set()

    def leave(self, id: RequestId) -> None:
        return None

    def settle(self, headers: Mapping[str, str]) -> None:
        return None

    def listen(self) -> None:
        return None  # It comes on the same way.

    async def close(self, *, politely: bool = True) -> None:
        if politely and self._lost is None:
            await self._written()
        self._lose(ConnectionLost("The client was closed."))
        for task in self._tasks:
            task.cancel()
        await asyncio.wait(self._tasks)
        await self._pipe.close(politely=politely)

    async def _written(self) -> None:
        """Return once what was sent is written, within a moment."""
        with suppress(TimeoutError):
            async with asyncio.timeout(LAST_WORDS):
                while self._waiting and self._lost is None:
                    self._emptied.clear()
                    await self._emptied.wait()

    async def _read(self) -> None:
        try:
            await self._pipe.carry(self._take)
        except ConnectionLost as error:
            self._lose(error)
        except Exception as error:
            self._break(error)

    def _take(self, body: bytes) -> None:
        try:
            self._take_in(body)
        except ProtocolError as error:
            # As what a library prints in between.
            logger.warning("The server wrote what is no message: %s", error)
        except Exception as error:
            self._break(error)

    def _take_in(self, body: bytes) -> None:
        found = jsonrpc.parse(body)
        for message in found if isinstance(found, list) else (found,):
            if isinstance(message, InvalidRequest):
                logger.warning("A member of a batch is no message: %s", message)
            else:
                self._inbox.take(message, size=len(body))

    async def _write(self) -> None:
        try:
            while True:
                while not self._waiting:
                    self._filled.clear()
                    await self._filled.wait()
                await self._write_one(self._waiting[0])
                self._size -= len(self._waiting.popleft().body)
                self._emptied.set()
        except ConnectionLost as error:
            self._lose(error)
        except Exception as error:
            self._break(error)

    async def _write_one(self, outgoing: Outgoing) -> None:
        try:
            await self._pipe.write(outgoing.body)
        except NotTaken as refused:
            if isinstance(refused.error, SessionLost):
                self._inbox.retire(refused.error.again())
            if outgoing.id is not None:
                self._inbox.fail(outgoing.id, refused.error)
            else:
                logger.warning("A message was not taken by the server: %s", refused)

    def _break(self, error: Exception) -> None:
        logger.error("A connection to a server failed", exc_info=error)
        self._lose(ConnectionLost(f"The connection failed: {type(error).__name__}"))

    def _lose(self, error: ConnectionLost) -> None:
        if self._lost is None:
            self._lost = error
            self._emptied.set()
            self._inbox.lose(error.again())
