"""The strings of puppets: the test's end of the tool `puppet` in `tests.processes.site.mcp`.

A puppet does what it is told and says when that is done, so that a test waits for what happens and
never for time to pass.
"""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any, Final

HOST: Final = "127.0.0.1"
#: Seconds after which what a test waits for does not happen any more.
PATIENCE: Final = 30.0


class Puppet:
    """A call that runs in one of the processes."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._reader = reader
        self._writer = writer

    def begin(self, word: str, said: str = "") -> None:
        """Have it do something that ends only when something else has happened."""
        self._writer.write(json.dumps([word, said]).encode() + b"\n")

    async def done(self) -> Any:
        """What came of what it began."""
        word, what = json.loads(await self._line())
        assert word == "done", word
        return what

    async def do(self, word: str, said: str = "") -> Any:
        """Have it do something, and wait until that is done."""
        self.begin(word, said)
        return await self.done()

    async def say(self, *lines: str) -> None:
        """Have it send log lines."""
        for line in lines:
            await self.do("say", line)

    def answer(self, text: str) -> None:
        """Have it return."""
        self.begin("return", text)

    async def is_cancelled(self) -> bool:
        """Wait until the call has ended; True where that is because it was cancelled."""
        try:
            return bool(await self._line()) and not await self._line()
        except ConnectionError:
            return False

    def let_go(self) -> None:
        """Close the connection."""
        self._writer.close()

    async def _line(self) -> bytes:
        async with asyncio.timeout(PATIENCE):
            return await self._reader.readline()


class Strings:
    """Where puppets call, on the port `port`."""

    def __init__(self) -> None:
        self.port = 0
        self._calling: asyncio.Queue[Puppet] = asyncio.Queue()
        self._puppets: list[Puppet] = []

    async def taken(self) -> Puppet:
        """The next puppet that calls."""
        async with asyncio.timeout(PATIENCE):
            return await self._calling.get()

    async def accept(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Take the strings of a puppet that calls."""
        puppet = Puppet(reader, writer)
        self._puppets.append(puppet)
        await self._calling.put(puppet)

    def let_go(self) -> None:
        """Close every connection."""
        for puppet in self._puppets:
            puppet.let_go()


@asynccontextmanager
async def strings() -> AsyncIterator[Strings]:
    """Strings for the puppets of one test, which are let go of at its end."""
    held = Strings()
    server = await asyncio.start_server(held.accept, HOST, 0)
    held.port = server.sockets[0].getsockname()[1]
    try:
        yield held
    finally:
        server.close()
        held.let_go()
