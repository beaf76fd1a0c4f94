"""Bytes in and out of two descriptors of this process, without ever blocking the event loop.

Owns how each kind of descriptor is waited for: pipes and sockets by the loop, everything else that
can make a reader wait (a terminal, a file on a slow disk) in a thread of its own. What the bytes
say is `stdio`.
"""

from __future__ import annotations

import asyncio
import os
import stat
import threading
from abc import ABC, abstractmethod
from collections import deque
from contextlib import suppress
from itertools import islice
from typing import Final

#: Bytes that are read at a time, and bytes that may wait here to be written.
CHUNK: Final = 64 * 1024
MAX_UNWRITTEN: Final = 64 * 1024
#: Pieces that are written at a time.
_AT_ONCE: Final = 64


class DescriptorStreams:
    """What comes in at one descriptor and goes out at another; the streams of `stdio.Stdio`.

    A context manager, made in the running event loop. The descriptors stay open, and are left as
    they were found.
    """

    def __init__(self, incoming: int, outgoing: int) -> None:
        # Both may be of one socket, so this has to be known before anything changes.
        self._blocking = {
            descriptor: os.get_blocking(descriptor)
            for descriptor in (incoming, outgoing)
            if _polls(descriptor)
        }
        for descriptor in self._blocking:
            os.set_blocking(descriptor, False)
        self._in: _Input = (_PolledInput if _polls(incoming) else _ThreadedInput)(incoming)
        self._out: _Output = (_PolledOutput if _polls(outgoing) else _PlainOutput)(outgoing)

    def __enter__(self) -> DescriptorStreams:
        return self

    def __exit__(self, *exc_info: object) -> None:
        self._in.close()
        self._out.close()
        for descriptor, blocks in self._blocking.items():
            os.set_blocking(descriptor, blocks)

    async def read(self) -> bytes:
        """The next bytes there are; b"" at the end, and once reading was stopped."""
        return await self._in.read()

    def stop(self) -> None:
        """Read no more: who waits for input has come to its end."""
        self._in.stop()

    async def write(self, data: bytes) -> None:
        """Write, in order; returns when there is room for more. Raises OSError once nobody
        reads."""
        await self._out.write(data)

    async def flush(self) -> None:
        """Return once everything is written; raises OSError once nobody reads."""
        await self._out.flush()


def _polls(descriptor: int) -> bool:
    """True where the loop can wait for a descriptor, and it may be told not to block.

    Whether it blocks is a property of what is open, not of the descriptor: a terminal would be
    changed for everything else that is open on it.
    """
    if os.name != "posix":
        return False
    mode = os.fstat(descriptor).st_mode
    return stat.S_ISFIFO(mode) or stat.S_ISSOCK(mode)


class _Input(ABC):
    """Bytes for one reader, who waits for `_found`."""

    def __init__(self, descriptor: int) -> None:
        self._descriptor = descriptor
        self._loop = asyncio.get_running_loop()
        self._found: asyncio.Future[bytes] | None = None
        self._stopped = False

    async def read(self) -> bytes:
        if self._stopped:
            return b""
        self._found = self._loop.create_future()
        self._seek()
        return await self._found

    def stop(self) -> None:
        self._stopped = True
        self._find(b"")

    def close(self) -> None:
        self._stopped = True

    @property
    def _is_awaited(self) -> bool:
        return self._found is not None and not self._found.done()

    def _find(self, found: bytes | OSError) -> None:
        if self._found is None or self._found.done():
            return
        if isinstance(found, OSError):
            self._found.set_exception(found)
        else:
            self._found.set_result(found)

    @abstractmethod
    def _seek(self) -> None:
        """Have `_find` called with what comes next."""


class _PolledInput(_Input):
    """Read by the loop, as soon as there is anything; does not block."""

    def __init__(self, descriptor: int) -> None:
        super().__init__(descriptor)
        self._is_watched = False

    def _seek(self) -> None:
        # Begun once: to begin and to end it for every message would cost more than reading one.
        if not self._is_watched:
            self._is_watched = True
            self._loop.add_reader(self._descriptor, self._on_readable)

    def _on_readable(self) -> None:
        if not self._is_awaited:
            self._unwatch()  # There is no room for more.
            return
        try:
            self._find(os.read(self._descriptor, CHUNK))
        except BlockingIOError:
            return
        except OSError as error:
            self._find(error)

    def _unwatch(self) -> None:
        if self._is_watched:
            self._is_watched = False
            self._loop.remove_reader(self._descriptor)

    def close(self) -> None:
        super().close()
        self._unwatch()


class _ThreadedInput(_Input):
    """Read by a thread, which nobody can interrupt, and which ends with the process if need be."""

    def __init__(self, descriptor: int) -> None:
        super().__init__(descriptor)
        self._wanted = threading.Semaphore(0)
        self._thread = threading.Thread(target=self._read, name="django_mcp_input", daemon=True)
        self._thread.start()

    def _seek(self) -> None:
        self._wanted.release()

    def _read(self) -> None:
        found: bytes | OSError = b"-"
        while found:
            self._wanted.acquire()
            if self._stopped:
                return
            try:
                found = os.read(self._descriptor, CHUNK)
            except OSError as error:
                found = error
            with suppress(RuntimeError):  # The loop is closed, and nobody waits.
                self._loop.call_soon_threadsafe(self._find, found)

    def close(self) -> None:
        super().close()
        self._wanted.release()


class _Output(ABC):
    """Bytes for one descriptor, from one writer."""

    def __init__(self, descriptor: int) -> None:
        self._descriptor = descriptor

    @abstractmethod
    async def write(self, data: bytes) -> None: ...

    @abstractmethod
    async def flush(self) -> None: ...

    @abstractmethod
    def close(self) -> None: ...


class _PlainOutput(_Output):
    """Written at once: nobody who reads could make a file or a terminal wait."""

    async def write(self, data: bytes) -> None:
        rest = memoryview(data)
        while rest:
            rest = rest[os.write(self._descriptor, rest) :]

    async def flush(self) -> None:
        return None

    def close(self) -> None:
        return None


class _PolledOutput(_Output):
    """Written as soon as there is room, without blocking. What comes together is written
    together."""

    def __init__(self, descriptor: int) -> None:
        super().__init__(descriptor)
        self._loop = asyncio.get_running_loop()
        self._pieces: deque[bytes | memoryview] = deque()
        self._size = 0
        self._is_watched = False
        self._has_written = False
        self._room: asyncio.Future[None] | None = None
        self._error: OSError | None = None

    async def write(self, data: bytes) -> None:
        self._pieces.append(data)
        self._size += len(data)
        # The first piece goes out at once. Those that follow before the loop turns wait for each
        # other, and for that.
        if not self._has_written:
            self._has_written = True
            self._loop.call_soon(self._go_on)
            self._send()
        await self._until(MAX_UNWRITTEN)

    async def flush(self) -> None:
        await self._until(0)

    async def _until(self, size: int) -> None:
        while self._size > size and self._error is None:
            self._room = self._loop.create_future()
            await self._room
        if self._error is not None:
            raise self._error

    def _go_on(self) -> None:
        self._has_written = False
        if self._pieces and not self._is_watched:
            self._send()

    def _send(self) -> None:
        """Write what there is room for, and have the rest written when there is room again."""
        try:
            self._sent(os.writev(self._descriptor, list(islice(self._pieces, _AT_ONCE))))
        except BlockingIOError:
            pass
        except OSError as error:
            self._error = error
            self._pieces.clear()
        if self._room is not None and not self._room.done():
            self._room.set_result(None)
        self._watch(bool(self._pieces))

    def _sent(self, count: int) -> None:
        self._size -= count
        while self._pieces and count >= len(self._pieces[0]):
            count -= len(self._pieces.popleft())
        if count:
            self._pieces[0] = memoryview(self._pieces[0])[count:]

    def _watch(self, wanted: bool) -> None:
        if wanted and not self._is_watched:
            self._loop.add_writer(self._descriptor, self._send)
        elif self._is_watched and not wanted:
            self._loop.remove_writer(self._descriptor)
        self._is_watched = wanted

    def close(self) -> None:
        self._watch(False)
        self._pieces.clear()
