"""stdio: a server that the client starts, a message on each line of its input and its output.

Owns the process: what it is started with, what it says on standard error, how it and everything it
started ends, and how soon it is started again. What is said on its streams is the conversation's.

Source: 2026-07-28, basic/transports/stdio; 2025-11-25, basic/transports#stdio and
basic/lifecycle#shutdown.
"""

from __future__ import annotations

import asyncio
import hashlib
import json
import logging
import os
import shutil
import subprocess
import sys
from collections.abc import Callable, Mapping, Sequence
from typing import Final, Protocol, TypeAlias

from ..channels import Inbox
from ..connecting import Transport
from ..errors import ConnectionFailed
from .pipes import PipeChannel
from .process import Process

logger = logging.getLogger("django_mcp.client")

#: Bytes that one message may have.
LARGEST: Final = 16 * 1024 * 1024
#: Seconds after which a process that ends is one that worked.
LONG_ENOUGH: Final = 10.0
#: Processes in a row that may end sooner before there is a pause: one that is asked what it does
#: not know ends, and is started again.
MOST_AT_ONCE: Final = 2
#: Seconds of the first pause, and the longest that becomes.
FIRST_PAUSE: Final = 0.5
LONGEST_PAUSE: Final = 10.0

#: What a server has of this process's environment: nothing that may be a secret.
INHERITED: Final = (
    (
        "APPDATA",
        "HOMEDRIVE",
        "HOMEPATH",
        "LOCALAPPDATA",
        "PATH",
        "PATHEXT",
        "PROCESSOR_ARCHITECTURE",
        "SYSTEMDRIVE",
        "SYSTEMROOT",
        "TEMP",
        "USERNAME",
        "USERPROFILE",
    )
    if sys.platform == "win32"
    else ("HOME", "LOGNAME", "PATH", "SHELL", "TERM", "USER")
)


class Writable(Protocol):
    """A text file."""

    def write(self, text: str, /) -> object:
        """Write a text."""


StandardError: TypeAlias = Callable[[str], object] | Writable | None


class StdioTransport:
    """A server that `command` starts: a program and its arguments, which no shell looks at.

    `env` is added to the few variables of `INHERITED`, `cwd` is the directory it runs in. `stderr`
    is given every line the server writes to standard error, a function without its line break, a
    text file with it; it must not block. In either case the last lines are in the error that tells
    of the server's end. `largest` is in bytes, of one message.
    """

    def __init__(
        self,
        command: Sequence[str],
        *,
        env: Mapping[str, str] | None = None,
        cwd: str | os.PathLike[str] | None = None,
        stderr: StandardError = None,
        largest: int = LARGEST,
    ) -> None:
        if isinstance(command, str) or not command:
            raise ValueError(
                f"A command is a list of a program and its arguments, not {command!r}: "
                '["python", "server.py"].'
            )
        self.command = [os.fspath(part) for part in command]
        self.env = dict(env or {})
        self.cwd = cwd
        self.stderr = stderr
        self.largest = largest
        self._ended_early = 0

    @property
    def key(self) -> str | None:
        # What is in it may be secret, and is not needed.
        what = json.dumps([self.command, str(self.cwd), sorted(self.env.items())])
        return f"stdio {hashlib.sha256(what.encode()).hexdigest()}"

    async def open(self, inbox: Inbox) -> PipeChannel:
        await asyncio.sleep(self._pause())
        loop = asyncio.get_running_loop()
        began = loop.time()

        def ended() -> None:
            lasted = loop.time() - began
            self._ended_early = self._ended_early + 1 if lasted < LONG_ENOUGH else 0

        process = Process(tell=self._tell, ended=ended, largest=self.largest)
        env = environment() | self.env
        try:
            await loop.subprocess_exec(
                lambda: process,
                *self._command(env),
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=subprocess.PIPE,
                env=env,
                cwd=self.cwd,
                # A group of its own can be ended as a whole, and is not interrupted with this one.
                start_new_session=sys.platform != "win32",
            )
        except (OSError, ValueError) as error:
            raise ConnectionFailed(
                f"The server could not be started with {self.command[0]!r}: {error}"
            ) from error
        return PipeChannel(process, inbox)

    def older(self) -> Transport | None:
        return None

    def _command(self, env: Mapping[str, str]) -> list[str]:
        if sys.platform == "win32":
            # There, only a shell finds "npx", which is npx.cmd.
            found = shutil.which(self.command[0], path=env.get("PATH"))
            return [found or self.command[0], *self.command[1:]]
        return self.command

    def _pause(self) -> float:
        """Seconds before it is started: longer for each that ended at once."""
        beyond = self._ended_early - MOST_AT_ONCE
        return min(FIRST_PAUSE * 2.0 ** (beyond - 1), LONGEST_PAUSE) if beyond > 0 else 0

    def _tell(self, line: str) -> None:
        logger.debug("%s: %s", self.command[0], line)
        if self.stderr is None:
            return
        try:
            if callable(self.stderr):
                self.stderr(line)
            else:
                self.stderr.write(f"{line}\n")
        except Exception:
            logger.exception("What is told of standard error failed")


def environment() -> dict[str, str]:
    """The variables that every server has."""
    found = {name: os.environ.get(name, "") for name in INHERITED}
    # Some shells export functions as variables, which others then run.
    return {name: value for name, value in found.items() if value and not value.startswith("()")}
