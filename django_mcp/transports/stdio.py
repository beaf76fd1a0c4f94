"""stdio: one client on two streams, a message on each line, in whichever era it begins.

Owns what lines are (where one ends, how long it may be, that an empty one says nothing), and the
choice of the era: the first request that opens one decides, for as long as the streams are open.
What is said then is `duplex` or `enveloped`; how bytes get in and out of a process is
`descriptors`.

Source: 2026-07-28, basic/transports/stdio and
basic/versioning#backward-compatibility-with-initialization-based-versions; 2025-11-25,
basic/transports#stdio.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import suppress
from dataclasses import dataclass
from typing import Final, NamedTuple, Protocol

from ..protocol import jsonrpc
from ..protocol.envelope import is_enveloped, open_envelope
from ..protocol.errors import InvalidRequest, ProtocolError
from ..protocol.handshake import INITIALIZE, PING
from ..protocol.jsonrpc import MAX_DEPTH, Request
from ..protocol.revisions import Era
from ..server.conversations import new_session
from ..server.server import MCPServer
from ..server.sessions import OneSession, new_id
from .duplex import Duplex
from .enveloped import Enveloped
from .http.guard import MAX_BODY
from .http.types import Refused
from .staying import Stay

#: What a session remembers of being opened here.
TRANSPORT: Final = "stdio"
DISCOVER: Final = "server/discover"
#: Seconds that calls have to end once there is no more input, before they are cancelled; what is
#: cancelled has, and what is written then has. A host waits for two before it ends the process.
GRACE: Final = 1.0
LAST_WORDS: Final = 0.3


class Streams(Protocol):
    """What a client writes, and where it reads."""

    async def read(self) -> bytes:
        """The next bytes there are, as many as came together; b"" at the end."""

    async def write(self, data: bytes) -> None:
        """Write; returns when there is room for more, and raises OSError once nobody reads."""

    async def flush(self) -> None:
        """Return once everything is written; raises OSError once nobody reads."""


class LineTooLong(ProtocolError):
    """A line is longer than a message may be."""

    code = InvalidRequest.code


class _Opening(NamedTuple):
    """The line that decided, and what for."""

    line: bytes
    era: Era


@dataclass(frozen=True, kw_only=True)
class Stdio:
    """One server for one client. Called with the streams, it serves them to the end of input.

    `stay` is that of who has begun the process. `max_body` is in bytes, `max_depth` in levels of
    JSON, `grace` in seconds: how long calls go on after the end of input.
    """

    server: MCPServer
    stay: Stay
    max_body: int = MAX_BODY
    max_depth: int = MAX_DEPTH
    grace: float = GRACE

    async def __call__(self, streams: Streams) -> Refused | None:
        """Serve `streams` until there is no more input, or nobody reads any more; or until who has
        begun the process may stay no longer, and then return why."""
        incoming = lines(streams.read, self.max_body)
        with suppress(OSError):
            opening = await self._opening(incoming, streams)
            if opening is None:
                return None
            connection = self._connection(opening.era, streams)
            async with connection.opened():
                await connection.run(_with(opening.line, incoming))
            with suppress(TimeoutError, OSError):
                async with asyncio.timeout(LAST_WORDS):
                    await streams.flush()
            return connection.refused
        return None

    def _connection(self, era: Era, streams: Streams) -> Duplex | Enveloped:
        async def write(body: bytes) -> None:
            await streams.write(body + b"\n")

        if era is Era.STATELESS:
            return Enveloped(
                self.server,
                self.stay,
                write,
                patience=None,
                max_depth=self.max_depth,
                grace=self.grace,
                last_words=LAST_WORDS,
            )
        return Duplex(
            self.server,
            self.stay,
            OneSession(new_session(self.server, self.stay.caller, new_id(), TRANSPORT)),
            write,
            is_kept=False,
            patience=None,
            max_depth=self.max_depth,
            grace=self.grace,
            last_words=LAST_WORDS,
        )

    # What comes before the era is known

    async def _opening(
        self, incoming: AsyncIterator[bytes | ProtocolError], streams: Streams
    ) -> _Opening | None:
        """The first line that opens an era, None where there is none; others are answered."""
        async for line in incoming:
            id = None
            try:
                if isinstance(line, ProtocolError):
                    raise line
                message = jsonrpc.parse(line, max_depth=self.max_depth)
                if isinstance(message, list):
                    raise _not_begun("a batch")
                if not isinstance(message, Request):
                    continue  # There is nothing yet that it could be about.
                id = message.id
                era = self._era_of(message)
                if era is not None:
                    return _Opening(line, era)
                await streams.write(jsonrpc.result_bytes(id, {}) + b"\n")
            except ProtocolError as error:
                if isinstance(error, InvalidRequest) and error.id is not None:
                    id = error.id
                await streams.write(jsonrpc.error_bytes(id, error) + b"\n")
        return None

    def _era_of(self, request: Request) -> Era | None:
        """The era that a request opens, None for a ping; raises ProtocolError for any other.

        A probe that asks for a revision which is not served opens none: what it is told may well
        lead its client to the other one.
        """
        if request.method == INITIALIZE:
            return Era.STATEFUL
        if request.method == DISCOVER or is_enveloped(request):
            open_envelope(request, None, self.server.revisions)
            return Era.STATELESS
        if request.method == PING:
            return None
        raise _not_begun(request.method)


def _not_begun(what: str) -> InvalidRequest:
    return InvalidRequest(
        f"{what} cannot be served: {INITIALIZE} comes first, or a request that carries its version "
        f"in _meta, such as {DISCOVER}."
    )


async def _with(
    first: bytes, rest: AsyncIterator[bytes | ProtocolError]
) -> AsyncIterator[bytes | ProtocolError]:
    yield first
    async for line in rest:
        yield line


async def lines(
    read: Callable[[], Awaitable[bytes]], limit: int
) -> AsyncIterator[bytes | ProtocolError]:
    """The lines of what is read, without their ends and without those that are empty.

    In place of a line of more than `limit` bytes there is an error, and no more than that many are
    kept of it. The last line needs no end.
    """
    kept = bytearray()
    size = 0
    while True:
        data = await read()
        # At the end of input there is one more line: what was left.
        *ends, rest = data.split(b"\n") if data else (b"", b"")
        for end in ends:
            size += len(end)
            line = bytes(kept + end) if kept else end
            if size > limit:
                yield LineTooLong(
                    f"The line is longer than {limit} bytes, which is the most a message may have."
                )
            elif line and not line.isspace():
                yield line
            kept, size = bytearray(), 0
        if not data:
            return
        size += len(rest)
        if size > limit:
            kept = bytearray()
        else:
            kept += rest
