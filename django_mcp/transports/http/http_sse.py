"""HTTP+SSE, the transport of 2024-11-05: a stream from GET, and a POST for each message.

The stream carries whatever the server says, answers included; the session is on it and ends with
it. A message may be posted to any process: the store of sessions tells whether it is the caller's
to post to, and the hub hands it to the process that holds the stream. What is said on the stream is
`transports.duplex`.

Source: 2024-11-05, basic/transports#http-with-sse.
"""

from __future__ import annotations

import logging
from dataclasses import dataclass
from typing import Final
from urllib.parse import parse_qs, quote

from ...protocol import jsonrpc, sse
from ...server.conversations import find, new_session
from ...server.sessions import OneSession, new_id
from ..duplex import Duplex
from .entrance import HttpEntrance, NotServed
from .guard import Address, Refusal, accepts
from .responses import Response
from .types import Channel, HttpRequest

logger = logging.getLogger("django_mcp")

#: What a session remembers of being opened here: no other transport may use it.
TRANSPORT: Final = "sse"
#: Where the URI of a POST has the id of the session.
SESSION_ID: Final = "session_id"
#: Fields a query may have.
_MAX_FIELDS: Final = 50


@dataclass(kw_only=True)
class SseEndpoint(HttpEntrance):
    """One server at one URL, over HTTP+SSE."""

    async def serve(self, request: HttpRequest, channel: Channel) -> None:
        address = self.guard.check_source(request)
        if request.method == "GET":
            await self._open(request, address, channel)
        elif request.method == "POST":
            await self._post(request, address, channel)
        else:
            raise NotServed(
                f"{request.method} is not served here: GET opens a stream, whose first event says "
                "where to POST messages.",
                "GET, POST",
            )

    async def _open(self, request: HttpRequest, address: Address, channel: Channel) -> None:
        """Open a stream, and carry a session on it until the client has gone."""
        caller = await self.caller_of(request, address)
        if not accepts(request.headers.get("accept", "*/*"), "text/event-stream"):
            raise Refusal("Accept must name text/event-stream.", status=406)
        if not self.server.sessions.keeps:
            raise Refusal(
                "This server keeps no sessions, and no message could be told whose it is.",
                status=501,
            )
        id = new_id()
        connection = Duplex(
            self.server,
            self.stay_of(request, address, caller),
            OneSession(new_session(self.server, caller, id, TRANSPORT), self.server.sessions),
            lambda body: response.write(sse.encode(body)),
            is_kept=True,
            patience=None,  # A response has its own.
            max_depth=self.max_depth,
        )
        response = Response(channel, connection.give_way, self.keep_alive)
        async with connection.opened():
            response.look_after()
            await response.write(sse.encode(_uri(request, id), event="endpoint"))
            try:
                await connection.run()
            except Exception:
                logger.exception("A stream of %r broke off", self.server.name)
        await response.end()

    async def _post(self, request: HttpRequest, address: Address, channel: Channel) -> None:
        """Hand a message to the process that holds the stream of its session."""
        caller = await self.caller_of(request, address)
        self.guard.check_content_type(request)
        body = await self.read(request, channel)
        session = await find(self.server, _id_in(request), caller, TRANSPORT)
        # Said here, where there is somebody to hear it. What the message means is for the stream.
        jsonrpc.parse(body, max_depth=self.max_depth)
        await self.server.hub.deliver(session, body.decode())
        await channel.reply(202, [], b"")


def _uri(request: HttpRequest, id: str) -> bytes:
    """Where the client is to POST, as a path: proxies may have changed everything before it."""
    # Two slashes at the beginning would be followed by the name of a host.
    path = "/" + quote(request.path.lstrip("/"), safe="/", errors="replace")
    return f"{path}?{SESSION_ID}={id}".encode()


def _id_in(request: HttpRequest) -> str:
    """The id of the session a message is posted to; raises Refusal where there is not one."""
    try:
        given = parse_qs(request.query, max_num_fields=_MAX_FIELDS).get(SESSION_ID, [])
    except ValueError:
        given = []
    if len(given) != 1:
        raise Refusal(
            "POST to the URI that came as the first event of the stream GET opens: it names the "
            f"session in {SESSION_ID}.",
            status=400,
        )
    return given[0]
