"""Programs that run side by side and end together: none is left over, whichever ends first.

Each gets a process group of its own, so that what it starts ends with it, and a Ctrl-C in the
terminal reaches this process alone, which then ends the others in order.
"""

from __future__ import annotations

import os
import queue
import signal
import socket
import subprocess
import threading
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from typing import Any, Final

#: Seconds in which a program may end by itself once it is told to.
GRACE: Final = 5.0
#: Seconds between two looks whether a port is there.
PAUSE: Final = 0.1


@dataclass(frozen=True, slots=True, kw_only=True)
class Ended:
    """A program that has ended: what it is called, and its status; below 0, a signal's number."""

    name: str
    status: int


class SideBySide:
    """The programs that were started, in order; leaving the block ends all of them."""

    def __init__(self) -> None:
        self._running: list[tuple[str, subprocess.Popen[bytes]]] = []
        self._ended: queue.Queue[Ended] = queue.Queue()

    def __enter__(self) -> SideBySide:
        return self

    def __exit__(self, *error: object) -> None:
        for _, process in reversed(self._running):
            _signal(process, signal.SIGTERM)
        deadline = time.monotonic() + GRACE
        for _, process in self._running:
            with suppress(subprocess.TimeoutExpired):
                process.wait(max(deadline - time.monotonic(), 0))
        for _, process in self._running:
            # What a program has started may be there when it itself is not.
            _signal(process, getattr(signal, "SIGKILL", signal.SIGTERM))
            process.wait()

    def start(self, name: str, command: Sequence[str], environment: Mapping[str, str]) -> None:
        """Start a program that reads nothing, and writes where this one does."""
        group: dict[str, Any] = {"start_new_session": True}
        if os.name == "nt":
            group = {"creationflags": getattr(subprocess, "CREATE_NEW_PROCESS_GROUP", 0)}
        process = subprocess.Popen(  # noqa: S603 - the caller's own command
            command, stdin=subprocess.DEVNULL, env={**os.environ, **environment}, **group
        )
        self._running.append((name, process))

        def watch() -> None:
            self._ended.put(Ended(name=name, status=process.wait()))

        threading.Thread(target=watch, daemon=True).start()

    def until_one_ends(self) -> Ended:
        """Return once the first of them has ended."""
        return self._ended.get()

    def until_listening(self, host: str, port: int, seconds: float) -> bool:
        """True once something listens there; False where one of the programs has ended before, or
        nothing does after `seconds`."""
        deadline = time.monotonic() + seconds
        while time.monotonic() < deadline:
            if is_taken(host, port):
                return True
            with suppress(queue.Empty):
                # Put back, for whoever asks which one it was.
                self._ended.put(self._ended.get(timeout=PAUSE))
                return False
        return False


def is_taken(host: str, port: int) -> bool:
    """True where something listens there."""
    try:
        socket.create_connection((host, port), timeout=1).close()
    except OSError:
        return False
    return True


@contextmanager
def interrupted_by_signals() -> Iterator[None]:
    """Have what would end this process at once raise KeyboardInterrupt, as Ctrl-C does; and Ctrl-C
    too, which a shell has a program in the background ignore."""

    def interrupt(number: int, frame: object) -> None:
        raise KeyboardInterrupt

    names = ("SIGINT", "SIGTERM", "SIGHUP")
    numbers = [getattr(signal, name) for name in names if hasattr(signal, name)]
    before = {number: signal.signal(number, interrupt) for number in numbers}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def _signal(process: subprocess.Popen[bytes], number: int) -> None:
    with suppress(ProcessLookupError, PermissionError):
        if os.name == "nt":
            process.terminate()
        else:
            os.killpg(process.pid, number)
