"""Processes of `manage.py mcp_stdio`, and the client that starts one and talks to it."""

from __future__ import annotations

import asyncio
import itertools
import json
import os
import signal
import sys
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any, Final

from tests.lines import Line

REPOSITORY: Final = Path(__file__).resolve().parent.parent
SITE: Final = "tests.conversations.stdio_site.settings"
#: Seconds after which what never happens fails a test: a process has to start meanwhile.
PATIENCE: Final = 30.0
#: Bytes of the longest line that is expected.
_LONGEST: Final = 32 * 1024 * 1024

VERSION: Final = "io.modelcontextprotocol/protocolVersion"
CAPABILITIES: Final = "io.modelcontextprotocol/clientCapabilities"
INFO: Final = "io.modelcontextprotocol/clientInfo"


def command(*arguments: str) -> list[str]:
    """What starts a server, with the interpreter of the tests."""
    return [sys.executable, "-W", "default", "-m", "django", "mcp_stdio", *arguments]


def environment(settings: str = SITE, **more: str) -> dict[str, str]:
    """The environment of a server of the project that `settings` names."""
    return {
        **os.environ,
        "DJANGO_SETTINGS_MODULE": settings,
        "PYTHONPATH": str(REPOSITORY),
        "PYTHONUNBUFFERED": "",
        **more,
    }


class Piped(Line):
    """A process, and its client. What it writes to standard error is in a file."""

    process: asyncio.subprocess.Process

    def __init__(self, log: Path) -> None:
        super().__init__(_nobody, {})
        self._log = log

    async def start(self, *arguments: str, settings: str = SITE, **variables: str) -> None:
        with self._log.open("wb") as log:
            self.process = await asyncio.create_subprocess_exec(
                *command(*arguments),
                stdin=asyncio.subprocess.PIPE,
                stdout=asyncio.subprocess.PIPE,
                stderr=log,
                cwd=REPOSITORY,
                env=environment(settings, **variables),
                limit=_LONGEST,
            )

    @property
    def log(self) -> str:
        """What it has written to standard error so far."""
        return self._log.read_text(errors="replace")

    async def send(self, body: bytes) -> None:
        await self.write(body + b"\n")

    async def write(self, data: bytes) -> None:
        """Write, whatever it is."""
        assert self.process.stdin is not None
        self.process.stdin.write(data)
        async with asyncio.timeout(PATIENCE):
            await self.process.stdin.drain()

    async def hear(self) -> Any:
        line = await self.line()
        assert line.endswith(b"\n"), line
        message = json.loads(line)
        assert message["jsonrpc"] == "2.0", message
        return message

    async def line(self) -> bytes:
        """The next line; raises EOFError, with what was logged, where there will be none."""
        assert self.process.stdout is not None
        async with asyncio.timeout(PATIENCE):
            line = await self.process.stdout.readline()
        if not line:
            raise EOFError(self.log)
        return line

    async def until(self, id: Any) -> tuple[list[Any], Any]:
        """Everything up to the answer to the request `id`, and that."""
        before: list[Any] = []
        while (message := await self.hear()).get("id") != id or "method" in message:
            before.append(message)
        return before, message

    # The end

    def close(self) -> None:
        """Write nothing more."""
        assert self.process.stdin is not None
        self.process.stdin.close()

    def ask_to_end(self) -> None:
        """What a supervisor sends first."""
        self.process.send_signal(signal.SIGTERM)

    async def rest(self) -> list[Any]:
        """Whatever else it says until it ends."""
        messages = []
        try:
            while True:
                messages.append(await self.hear())
        except EOFError:
            return messages

    async def status(self) -> int:
        """The exit status, as soon as there is one."""
        async with asyncio.timeout(PATIENCE):
            return await self.process.wait()


class Stateless(Piped):
    """A client of 2026-07-28, whose every request has an envelope."""

    capabilities: Mapping[str, Any] = {}

    async def say(self, message: Any) -> None:
        if isinstance(message, dict) and "id" in message and "method" in message:
            params = {**message.get("params", {})}
            params["_meta"] = {**envelope(self.capabilities), **params.get("_meta", {})}
            message = {**message, "params": params}
        await super().say(message)


def envelope(capabilities: Mapping[str, Any] | None = None) -> dict[str, Any]:
    """What a request of 2026-07-28 says of itself."""
    return {
        VERSION: "2026-07-28",
        INFO: {"name": "test", "version": "1"},
        CAPABILITIES: dict(capabilities or {}),
    }


_numbers = itertools.count(1)


@asynccontextmanager
async def piped(
    directory: Path, *arguments: str, kind: type[Piped] = Piped, **options: Any
) -> AsyncIterator[Any]:
    """A process that was started, and is ended if it has not by then."""
    line = kind(directory / f"{next(_numbers)}.log")
    await line.start(*arguments, **options)
    try:
        yield line
    finally:
        if line.process.returncode is None:
            line.process.kill()
            await line.process.wait()
        line.close()


async def _nobody(*args: Any) -> None:
    raise AssertionError("There is no application in this process.")
