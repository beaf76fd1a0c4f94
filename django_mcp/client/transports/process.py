"""A process that is spoken to: lines in, lines out, and the end of everything it started.

Owns descriptors, signals and what is kept of standard error. Which program it is, and when it is
started again, is `stdio`'s.
"""

from __future__ import annotations

import asyncio
import os
import signal
import subprocess
from collections import deque
from collections.abc import Callable
from contextlib import suppress
from typing import Any, Final, Never, cast

from ..errors import ConnectionLost

#: What has neither process groups nor signals.
WINDOWS: Final = os.name == "nt"
#: Seconds that a server has to end by itself once its input is closed, and once it is asked to.
PATIENCE: Final = 2.0
#: Seconds that the end of its output, and of the process, may be apart.
APART: Final = 0.5
#: Seconds between two looks at processes that are not our own children.
LOOK: Final = 0.02
#: Lines of standard error that are kept, and the characters of one.
MOST_LINES: Final = 20
LONGEST_LINE: Final = 1000

KILL: Final = 9
_IN, _OUT, _ERROR = 0, 1, 2


class Process(asyncio.SubprocessProtocol):
    """A process as a pipe of messages. `tell` is given each line of standard error, `ended` is
    called once the process has ended by itself."""

    def __init__(
        self, *, tell: Callable[[str], None], ended: Callable[[], None], largest: int
    ) -> None:
        self._tell = tell
        self._ended = ended
        self._largest = largest
        #: What it says before anybody listens.
        self._early: list[bytes] = []
        self._take_line: Callable[[bytes], None] = self._early.append
        self._partial = bytearray()
        #: Why there is nothing more to read or to write; None while there is.
        self._over: str | None = None
        self._is_ours = False
        self._is_deaf = False
        self._stopped = asyncio.Event()
        self._has_room = asyncio.Event()
        self._has_room.set()
        self._exited = asyncio.Event()
        self._said_all = asyncio.Event()
        self._closed = asyncio.Event()
        self._errors: deque[str] = deque(maxlen=MOST_LINES)
        self._error = bytearray()
        self._sweeping: asyncio.Task[None] | None = None

    # A pipe

    async def carry(self, take: Callable[[bytes], None]) -> Never:
        # At once, as it is read: to wake somebody for each line takes longer than the line does.
        for line in self._early:
            take(line)
        self._early.clear()
        self._take_line = take
        try:
            await self._stopped.wait()
        finally:
            self._take_line = self._early.append
        raise ConnectionLost(await self._why())

    def write_now(self, body: bytes) -> bool:
        if self._over is not None or self._is_deaf or not self._has_room.is_set():
            return False
        self._pipe(_IN).write(body + b"\n")
        return True

    async def write(self, body: bytes) -> None:
        if self._over is None and not self._is_deaf:
            self._pipe(_IN).write(body + b"\n")
            await self._has_room.wait()
        if self._is_deaf:
            # What it has said before can still be read.
            await self._stopped.wait()
        if self._over is not None:
            raise ConnectionLost(await self._why())

    async def close(self, *, politely: bool) -> None:
        """End the process and everything it started.

        Its input is closed, then it is asked to end, then it is ended (2025-11-25,
        basic/lifecycle#stdio).
        """
        self._is_ours = True
        self._stop("was ended")
        # What still comes is let go, so that nothing keeps it from ending.
        self._partial.clear()
        self._early.clear()
        if not politely and not self._pipe(_IN).is_closing():
            self._pipe(_IN).abort()
        self._pipe(_IN).close()
        if politely:
            await _happens(self._exited, PATIENCE)
        # Once it has ended, its number may be another's.
        if not self._exited.is_set():
            await self._ask_to_end()
            if not await _happens(self._exited, PATIENCE):
                self._signal(KILL)
                await _happens(self._exited, PATIENCE)
        if self._sweeping is not None:
            await asyncio.wait({self._sweeping})
        # A descendant in a session of its own may hold the other ends.
        self._transport.close()
        await _happens(self._closed, PATIENCE)

    # What the event loop says

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast(asyncio.SubprocessTransport, transport)
        self._group: int = self._transport.get_pid()

    def pipe_data_received(self, fd: int, data: bytes) -> None:
        if fd == _OUT:
            self._take(data)
        else:
            self._take_error(data)

    def pipe_connection_lost(self, fd: int, exc: Exception | None) -> None:
        if fd == _ERROR:
            self._said_all.set()
        elif fd == _OUT:
            # The last line may have no end.
            self._put(bytes(self._partial))
            self._stop("closed its standard output")
        else:
            self._is_deaf = True
            self._has_room.set()
            asyncio.get_running_loop().call_later(APART, self._stop, "closed its standard input")

    def process_exited(self) -> None:
        self._exited.set()
        if not self._is_ours:
            self._ended()
        loop = asyncio.get_running_loop()
        # Another process may hold its output, which then does not end.
        loop.call_later(APART, self._stop, "ended")
        self._sweeping = loop.create_task(self._sweep())

    def connection_lost(self, exc: Exception | None) -> None:
        self._closed.set()

    def pause_writing(self) -> None:
        self._has_room.clear()

    def resume_writing(self) -> None:
        self._has_room.set()

    # Lines

    def _take(self, data: bytes) -> None:
        if self._over is not None:
            return
        self._partial += data
        if b"\n" in data:
            *lines, rest = self._partial.split(b"\n")
            self._partial = bytearray(rest)
            for line in lines:
                self._put(bytes(line))
        if len(self._partial) > self._largest:
            self._stop(f"wrote a line of more than {self._largest} bytes")

    def _put(self, line: bytes) -> None:
        if len(line) > self._largest:
            self._stop(f"wrote a line of more than {self._largest} bytes")
        elif line.strip() and self._over is None:
            self._take_line(line)

    def _take_error(self, data: bytes) -> None:
        self._error += data
        *lines, rest = self._error.split(b"\n")
        if len(rest) > LONGEST_LINE:
            lines, rest = [*lines, rest], bytearray()
        self._error = bytearray(rest)
        for line in lines:
            text = line.decode(errors="replace").rstrip("\r")
            self._errors.append(text[:LONGEST_LINE])
            self._tell(text)

    # The end

    def _stop(self, why: str) -> None:
        """Nothing more is read or written."""
        if self._over is None:
            self._over = why
            self._partial.clear()
            self._has_room.set()
            self._stopped.set()

    async def _why(self) -> str:
        """What became of the server, and the last that it said."""
        with suppress(TimeoutError):
            async with asyncio.timeout(APART):
                await self._exited.wait()
                await self._said_all.wait()
        status = self._transport.get_returncode()
        if status is None:
            what = self._over
        elif status < 0:
            what = f"was ended by {_name_of(-status)}"
        else:
            what = f"ended with status {status}"
        rest = [self._error.decode(errors="replace")] if self._error else []
        said = "\n".join([*self._errors, *rest]).strip()
        return f"The server {what}; it said:\n{said}" if said else f"The server {what}."

    async def _ask_to_end(self) -> None:
        if not WINDOWS:
            self._signal(signal.SIGTERM)
            return
        # There is no asking there, and no group: /T is the tree.
        command = ["taskkill", "/F", "/T", "/PID", str(self._group)]
        await asyncio.to_thread(subprocess.run, command, capture_output=True, check=False)

    def _signal(self, number: int) -> bool:
        """Send a signal to every process of the group; False where there is none."""
        if WINDOWS:
            with suppress(ProcessLookupError):
                self._transport.kill()
            return False
        try:
            os.killpg(self._group, number)
        except ProcessLookupError:
            return False
        except PermissionError:
            # Those that became another user's; of a group of zombies, some systems say so too.
            return False
        return True

    async def _sweep(self) -> None:
        """End what the process left behind, now that its group is known to be its own still."""
        if WINDOWS or not self._signal(signal.SIGTERM):
            return
        loop = asyncio.get_running_loop()
        until = loop.time() + PATIENCE
        # No event tells of the end of a process that is not a child.
        while self._signal(0):
            if loop.time() > until:
                self._signal(KILL)
                return
            await asyncio.sleep(LOOK)

    def _pipe(self, fd: int) -> Any:
        return self._transport.get_pipe_transport(fd)


async def _happens(event: asyncio.Event, seconds: float) -> bool:
    """Whether something has happened, or does so within that time."""
    with suppress(TimeoutError):
        async with asyncio.timeout(seconds):
            await event.wait()
    return event.is_set()


def _name_of(number: int) -> str:
    try:
        return signal.Signals(number).name
    except ValueError:
        return f"signal {number}"
