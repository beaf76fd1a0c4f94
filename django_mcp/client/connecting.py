"""Which conversation there is with a server: opened, found to be in which era, and opened anew.

Owns the choice between the eras as a client makes it, what is remembered of it, and what happens
when a session or a process is gone. The specification's order of attempts: a stateless probe, then
a handshake on the same way, then the older way, where the transport has one.

Source: 2026-07-28, basic/versioning#backward-compatibility-with-initialization-based-versions,
basic/transports/stdio#backward-compatibility and
basic/transports/streamable-http#backward-compatibility.
"""

from __future__ import annotations

import asyncio
import logging
from collections import OrderedDict
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from typing import Any, Final, Protocol, TypeAlias

from ..protocol import types as t
from ..protocol.errors import (
    HeaderMismatch,
    MissingRequiredClientCapability,
    UnsupportedProtocolVersion,
)
from ..protocol.revisions import Revision
from .callbacks import Callbacks
from .channels import Channel, Inbox
from .errors import (
    ClientError,
    ConnectionFailed,
    ConnectionLost,
    InvalidAnswer,
    RequestTimedOut,
    ServerError,
    UnexpectedStatus,
    is_about_http,
)
from .finishing import finish
from .line import Line, Timing
from .stateful import Stateful
from .stateless import Stateless

logger = logging.getLogger("django_mcp.client")

Speech: TypeAlias = Stateful | Stateless

#: Seconds that a server on a pipe may take to answer what it may never have heard of.
PROBE_TIMEOUT: Final = 10.0
#: Servers whose revision is remembered.
MOST_REMEMBERED: Final = 256
#: What only a server of the stateless era says.
MODERN: Final = (UnsupportedProtocolVersion, HeaderMismatch, MissingRequiredClientCapability)


class Transport(Protocol):
    """A way to one server, which can be gone again and again.

    `key` names the server beyond one connection, where it has such a name: what is found out about
    it is remembered under that.
    """

    @property
    def key(self) -> str | None:
        """The server's name for as long as this process lives; None for none."""

    async def open(self, inbox: Inbox) -> Channel:
        """Open a channel. Raises ConnectionFailed."""

    def older(self) -> Transport | None:
        """Where the server might be if it is not here; None for nowhere else."""


@dataclass(frozen=True, kw_only=True)
class Options:
    """What does not change while a client lives. `revisions` are those it speaks, newest first."""

    callbacks: Callbacks
    info: t.Implementation
    revisions: Sequence[Revision]
    opening: Timing
    tell: Callable[[str, dict[str, Any]], Awaitable[None] | None]

    @property
    def stateless(self) -> list[Revision]:
        return [revision for revision in self.revisions if revision.enveloped]

    @property
    def stateful(self) -> list[Revision]:
        return [revision for revision in self.revisions if not revision.enveloped]


# What was found out about servers; a wrong memory costs one more attempt.
_remembered: OrderedDict[str, str] = OrderedDict()


def forget(key: str | None = None) -> None:
    """Forget what was found out about one server, or about all of them."""
    if key is None:
        _remembered.clear()
    else:
        _remembered.pop(key, None)


class _Opening:
    """A conversation that is being opened, and how many wait for it."""

    def __init__(self, task: asyncio.Task[Speech]) -> None:
        self.task = task
        self.awaited = 0


class Connection:
    """The conversation with one server, whichever it is at the moment."""

    def __init__(self, transport: Transport, options: Options) -> None:
        self._transport = transport
        self._options = options
        self._speech: Speech | None = None
        self._opening: _Opening | None = None
        self._ending: set[asyncio.Task[None]] = set()
        self._is_closed = False
        self.log_level: str | None = None

    @property
    def key(self) -> str | None:
        """The server's name beyond one connection; None for none."""
        return self._transport.key

    async def current(self) -> Speech:
        """The conversation, opened if there is none or if the last one is over."""
        return await self.after(None)

    async def after(self, lost: Speech | None) -> Speech:
        """The conversation that follows on `lost`, which many may ask for: it is opened once."""
        if self._is_closed:
            raise ConnectionLost("The client is closed: make another one.")
        speech = self._speech
        if speech is not None and speech is not lost and speech.line.lost is None:
            return speech
        if self._opening is None:
            work = asyncio.get_running_loop().create_task(self._replace(speech))
            self._opening = _Opening(work)
        return await self._opened(self._opening)

    async def _opened(self, opening: _Opening) -> Speech:
        """What is being opened; where all are cancelled who wait for it, so is that."""
        opening.awaited += 1
        try:
            await asyncio.wait({opening.task})
        except asyncio.CancelledError:
            if opening.awaited == 1 and not opening.task.done():
                # Whoever comes next begins anew.
                self._opening = None
                await finish(_end(opening.task))
            raise
        finally:
            opening.awaited -= 1
        if opening.task.cancelled():
            raise ConnectionLost("The client was closed.")
        return opening.task.result()

    async def _replace(self, speech: Speech | None) -> Speech:
        try:
            self._speech = None
            if speech is not None:
                await self._end_line(speech.line)
            self._speech = await self._open()
            return self._speech
        finally:
            if self._opening is not None and self._opening.task is asyncio.current_task():
                self._opening = None

    async def _end_line(self, line: Line) -> None:
        if not line.is_waiting:
            await line.close(politely=False)
            return
        # What the server began before it forgot the session it may still answer.
        task = asyncio.get_running_loop().create_task(line.close_when_idle())
        self._ending.add(task)
        task.add_done_callback(self._ending.discard)

    async def close(self) -> None:
        """End the conversation, for good, even where the caller is cancelled."""
        self._is_closed = True
        await finish(self._close())

    async def _close(self) -> None:
        if self._opening is not None:
            await _end(self._opening.task)
        for task in list(self._ending):
            await _end(task)
        if self._speech is not None:
            await self._speech.close()

    # Opening

    async def _open(self) -> Speech:
        transport: Transport | None = self._transport
        failed: ClientError | None = None
        while transport is not None:
            try:
                speech = await self._open_by(transport)
            except UnexpectedStatus as error:
                # 2026-07-28, basic/transports/streamable-http#httpsse-transport-2024-11-05
                if failed is not None or error.status not in (400, 404, 405):
                    raise failed or error from None
                failed, transport = error, transport.older()
                continue
            except ClientError:
                if failed is not None:
                    raise failed from None
                raise
            self._transport = transport
            return speech
        raise failed or ConnectionFailed("There is no way to the server.")

    async def _open_by(self, transport: Transport) -> Speech:
        known = _remembered.get(transport.key or "")
        stateful = {revision.name for revision in self._options.stateful}
        if self._options.stateless and known not in stateful:
            speech: Speech | None = await self._probe(transport)
            if speech is None:
                speech = await self._begin_session(transport)
        else:
            try:
                speech = await self._begin_session(transport)
            except (ServerError, UnexpectedStatus):
                if known is None or not self._options.stateless:
                    raise
                # It was another server that was remembered.
                forget(transport.key)
                return await self._open_by(transport)
        if transport.key is not None:
            _remembered[transport.key] = speech.revision.name
            _remembered.move_to_end(transport.key)
            while len(_remembered) > MOST_REMEMBERED:
                _remembered.popitem(last=False)
        return speech

    async def _probe(self, transport: Transport) -> Speech | None:
        """The conversation in the era the server is in; None where only a new way leads to it."""
        line = await self._line(transport)
        try:
            if line.channel.needs_session:
                return await self._shake_hands(line)
            return await self._ask_for_era(line)
        except ConnectionLost:
            await line.close(politely=False)
            # Older servers end when something else comes before initialize.
            if line.channel.has_headers or not self._options.stateful:
                raise
            return None
        except BaseException:
            await line.close(politely=False)
            raise

    async def _ask_for_era(self, line: Line) -> Speech:
        speech = self._stateless(line)
        timing = None if line.channel.has_headers else Timing(timeout=PROBE_TIMEOUT)
        is_slow = False
        try:
            if await self._is_stateless(speech, timing or self._options.opening):
                return speech
        except (ServerError, UnexpectedStatus, RequestTimedOut, InvalidAnswer) as error:
            self._must_be_older(error, line.channel)
            is_slow = isinstance(error, RequestTimedOut)
        try:
            return await self._shake_hands(line)
        except ServerError as error:
            # It may have been busy with its start, and not older.
            if not (is_slow and isinstance(error.error, MODERN)):
                raise
            speech = self._stateless(line)
            if not await self._is_stateless(speech, self._options.opening):
                raise
            return speech

    async def _is_stateless(self, speech: Stateless, timing: Timing) -> bool:
        """Ask the server what it speaks; `speech` is then in the newest revision of both sides."""
        served = (await speech.discover(timing)).supported_versions
        common = [each for each in self._options.stateless if each.name in served]
        if common:
            speech.revision = common[0]
        elif not any(each.name in served for each in self._options.stateful):
            raise ConnectionFailed(_nothing_common(served, self._options.revisions))
        return bool(common)

    def _must_be_older(self, error: ClientError, channel: Channel) -> None:
        """Raise the error of a probe, unless it tells of an older server that can be spoken to."""
        if not self._options.stateful:
            raise error
        if isinstance(error, UnexpectedStatus):
            if is_about_http(error.status):
                raise error
        elif isinstance(error, RequestTimedOut):
            # An HTTP server answers something.
            if channel.has_headers:
                raise error
        elif isinstance(error, ServerError) and isinstance(error.error, MODERN):
            served = getattr(error.error, "supported", [])
            if not any(each.name in served for each in self._options.stateful):
                raise error

    async def _begin_session(self, transport: Transport) -> Speech:
        line = await self._line(transport)
        try:
            return await self._shake_hands(line)
        except BaseException:
            await line.close(politely=False)
            raise

    async def _shake_hands(self, line: Line) -> Speech:
        if not self._options.stateful:
            ours = ", ".join(map(str, self._options.revisions))
            raise ConnectionFailed(f"There is no way to speak {ours} to such a server.")
        speech = Stateful(
            line,
            self._options.callbacks,
            self._options.info,
            self._options.stateful,
            log_level=self.log_level,
        )
        await speech.open(self._options.opening)
        return speech

    def _stateless(self, line: Line) -> Stateless:
        return Stateless(
            line,
            self._options.callbacks,
            self._options.info,
            self._options.stateless,
            log_level=self.log_level,
        )

    async def _line(self, transport: Transport) -> Line:
        line = Line(self._options.tell)
        line.channel = await transport.open(line)
        return line


async def _end(task: asyncio.Task[Any]) -> None:
    """Cancel a task, and return once it has ended, however it does."""
    task.cancel()
    await asyncio.wait({task})
    if not task.cancelled():
        task.exception()


def _nothing_common(served: list[str], spoken: Sequence[Revision]) -> str:
    theirs = ", ".join(name[:20] for name in served[:10]) or "nothing"
    return f"The server speaks {theirs}, and this client {', '.join(map(str, spoken))}."
