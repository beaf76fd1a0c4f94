"""What GET opens: a stream of what concerns no call, or the rest of a stream that broke.

A client listens to a session on one connection at a time; a newer one takes the place of an older
one, wherever that is. What it is sent there are changes, each kept in the log of events, so that a
client that comes back hears what it missed. A stream that broke is resumed from the log by any
process; while the call behind it still runs, its process tells of every event it adds.

Source: 2025-11-25, basic/transports#listening-for-messages-from-the-server and
#resumability-and-redelivery.
"""

from __future__ import annotations

import asyncio
import json
import logging
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from typing import Any, Final

from ...protocol import jsonrpc, sse
from ...protocol.errors import InternalError, ProtocolError
from ...server.broker import Sought
from ...server.events import (
    Event,
    EventLog,
    EventTaken,
    NoEvents,
    event_id,
    is_of_call,
    new_stream,
    read_id,
)
from ...server.exchange import Caller
from ...server.server import MCPServer
from ...server.sessions import Session
from ...server.telling import Listener, tell
from ..staying import Stay
from .call_streams import RETRY
from .guard import Refusal
from .responses import Response
from .types import Channel, Refused

logger = logging.getLogger("django_mcp")

#: Seconds without news after which the process that runs a call is asked whether it still does,
#: and how often it is asked before it counts as dead.
SEEK_AFTER: Final = 2.0
SEEK_TIMES: Final = 3


class CallLost(InternalError):
    """The process that ran a call has ended, or cannot be reached."""

    code = -32000


class Connection(Listener):
    """One connection a client opened with GET."""

    def __init__(self, channel: Channel, keep_alive: float) -> None:
        super().__init__()
        self.response = Response(channel, self.give_way, keep_alive)
        self.response.look_after()

    async def turn_out(self, refused: Refused) -> None:
        """Close: the client is let in no longer, and is told so when it comes back."""
        self.give_way()

    @property
    def is_open(self) -> bool:
        """False once the client has gone or has another connection for this."""
        return self.response.connected and super().is_open


@asynccontextmanager
async def _connected(channel: Channel, keep_alive: float, stay: Stay) -> AsyncIterator[Connection]:
    """A connection for as long as something is written to it, and its end whatever happens."""
    connection = Connection(channel, keep_alive)
    stay.begin(connection.turn_out)
    try:
        yield connection
    except asyncio.CancelledError:
        if not connection.response.connected:
            raise
        # Not the client going away but the process going down: the stream ends as any other.
    except Exception:
        if not connection.response.is_stream:
            raise
        # The response has begun, and cannot become another one.
        logger.exception("A stream that a client opened broke off")
    finally:
        stay.end()
        connection.response.stop()
    await connection.response.end()


# --------------------------------------------------------------------------------------- listening


async def listen(
    server: MCPServer, session: Session, stay: Stay, channel: Channel, keep_alive: float
) -> None:
    """Send the client of a session what changes, until it goes away, the session ends, or it is let
    in no longer."""
    async with _connected(channel, keep_alive, stay) as connection:
        with server.hub.listening(session.key, connection):
            await _tell(server, session, stay.caller, connection, None)


class _OwnStream:
    """A stream of what concerns no call, which this process writes."""

    def __init__(self, log: EventLog, session: Session, response: Response) -> None:
        self._log = log
        self._session = session
        self._response = response
        self._name = new_stream(of_call=False)
        self._position = -1

    async def begin(self) -> None:
        id = await self._keep(b"")
        if id is not None and self._session.revision.priming_event:
            await self._response.write(sse.encode(b"", id=id, retry=RETRY))
        else:
            await self._response.comment()

    async def send(self, method: str, params: dict[str, Any]) -> None:
        body = jsonrpc.notification_bytes(method, params)
        id = await self._keep(body)
        await self._response.write(sse.encode(body, id=id))

    async def _keep(self, body: bytes) -> str | None:
        if not self._log.keeps:
            return None
        event = Event(self._position + 1, body)
        try:
            await self._log.append(self._session.key, self._name, [event])
        except Exception:
            logger.exception("An event of a stream could not be kept")
            self._log = NoEvents()
            return None
        self._position += 1
        return event_id(self._name, self._position)


async def _tell(
    server: MCPServer,
    session: Session,
    caller: Caller,
    connection: Connection,
    last: tuple[str, int] | None,
) -> None:
    """Write what the client missed since the event `last`, and then what changes."""
    log: EventLog = server.events if session.revision.resumable else NoEvents()
    stream = _OwnStream(log, session, connection.response)

    async def begin() -> None:
        if last is not None:
            name, after = last
            for event in await log.read(session.key, name, after) or ():
                await connection.response.write(_written(name, event))
        await stream.begin()

    await tell(server, session, caller, connection, stream.send, server.sessions, begin)


# ---------------------------------------------------------------------------------------- resuming


async def resume(
    server: MCPServer,
    session: Session,
    stay: Stay,
    last: str,
    channel: Channel,
    keep_alive: float,
) -> None:
    """Go on with a stream after the event `last`.

    Raises Refusal where that is no event of this session, or none that is still kept.
    """
    place = read_id(last)
    if place is None or not session.revision.resumable:
        raise _unknown_event()
    name, after = place
    if await server.events.read(session.key, name, after) is None:
        raise _unknown_event()
    async with _connected(channel, keep_alive, stay) as connection:
        if is_of_call(name):
            with server.hub.following(session.key, name, connection):
                await _follow(server, session.key, name, after, connection)
        else:
            with server.hub.listening(session.key, connection):
                await _tell(server, session, stay.caller, connection, place)


async def _follow(
    server: MCPServer, key: str, name: str, after: int, connection: Connection
) -> None:
    """Write the events of a call's stream after the one at `after`, to the last."""
    log = server.events
    silent = 0
    # Nothing may come for a long time, and a response has to begin.
    await connection.response.comment()
    while connection.is_open:
        news = await log.read(key, name, after)
        if news is None:
            return  # Too old by now: the client hears so when it comes back.
        for event in news:
            await connection.response.write(_written(name, event))
            after = event.position
            silent = 0
        if news and news[-1].is_last:
            return
        if not news and await _is_over(log, key, name, after):
            return
        if await connection.news(SEEK_AFTER):
            silent = 0
            continue
        silent += 1
        if await _is_lost(server, key, name, silent):
            await _report_lost(log, key, name)


async def _is_over(log: EventLog, key: str, name: str, after: int) -> bool:
    """True where the event at `after` is the last one, or nothing is kept any more."""
    ends = await log.ends(key, name)
    return ends is None or (ends[1].is_last and ends[1].position <= after)


async def _is_lost(server: MCPServer, key: str, name: str, silent: int) -> bool:
    """True where nobody runs the call behind a stream, after `silent` times without news."""
    hub = server.hub
    if hub.is_writing(key, name):
        return False
    if not server.broker.reaches_others:
        return True
    server.broker.publish(Sought(key, name))
    return silent > SEEK_TIMES


async def _report_lost(log: EventLog, key: str, name: str) -> None:
    """Have a stream end with errors in place of the answers that will not come."""
    ends = await log.ends(key, name)
    if ends is None or ends[1].is_last or ends[0].position != 0:
        return
    error = CallLost("The process that ran this call has ended, or cannot be reached.")
    ids = json.loads(ends[0].data)
    position = ends[1].position
    events = [
        Event(position + number, jsonrpc.error_bytes(id, error), number == len(ids))
        for number, id in enumerate(ids, 1)
    ]
    with suppress(EventTaken):
        await log.append(key, name, events)


def _written(name: str, event: Event) -> bytes:
    return sse.encode(event.data, id=event_id(name, event.position))


def _unknown_event() -> ProtocolError:
    return Refusal(
        "Last-Event-ID names no event of this session that is still kept: open the stream without "
        "it, and send again what was not answered.",
        status=400,
    )
