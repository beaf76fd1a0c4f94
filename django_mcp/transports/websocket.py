"""WebSocket: one socket, one session, one JSON-RPC message in each text frame.

Owns what is said in the words of WebSocket: who may open a socket, which frames are taken, and with
which code a socket is closed. The protocol has no such transport of its own, but lets others be
added (2025-11-25, basic/transports#custom-transports); the subprotocol is the one the first SDKs
used. What is said on the socket is `transports.duplex`.

Source: RFC 6455.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Collection
from contextlib import suppress
from dataclasses import dataclass
from typing import Final, Protocol

from ..protocol import jsonrpc
from ..server.conversations import new_session
from ..server.sessions import OneSession, new_id
from .duplex import Duplex
from .http.entrance import Entrance
from .http.guard import Refusal
from .http.responses import WRITE_TIMEOUT
from .http.types import JSON, Disconnected, HttpRequest, ReplyHeaders
from .staying import Stay

SUBPROTOCOL: Final = "mcp"
#: What a session remembers of being opened here.
TRANSPORT: Final = "websocket"
#: Seconds a client has to take the news that the socket is closed.
LAST_WORDS: Final = 1.0

#: Why a socket is closed (RFC 6455, section 7.4.1).
GOING_AWAY: Final = 1001
UNSUPPORTED_DATA: Final = 1003
POLICY_VIOLATION: Final = 1008
MESSAGE_TOO_BIG: Final = 1009
INTERNAL_ERROR: Final = 1011


class Closed(Exception):
    """The client sent what ends the socket, with this code and these words."""

    def __init__(self, code: int, reason: str) -> None:
        super().__init__(reason)
        self.code = code
        self.reason = reason


class Socket(Protocol):
    """A socket that a client asks for, and that is open once it was accepted.

    Each method raises Disconnected once the client has gone.
    """

    @property
    def offered(self) -> Collection[str]:
        """The subprotocols the client can speak."""

    async def asked_for(self) -> None:
        """Return once the client waits for an answer."""

    async def accept(self, subprotocol: str) -> None:
        """Open the socket."""

    async def refuse(self, status: int, headers: ReplyHeaders, body: bytes) -> None:
        """Answer the request for a socket with a response in its place."""

    async def receive(self) -> str | bytes:
        """The next frame, text or binary."""

    async def send(self, text: str) -> None:
        """Write a text frame."""

    async def close(self, code: int, reason: str = "") -> None:
        """Close the socket."""


@dataclass(kw_only=True)
class WebSocketEndpoint(Entrance):
    """One server at one URL, over WebSocket. Called with the request for a socket, and the socket.

    Sessions are kept by their sockets alone: no other process, and no store, knows of them.
    """

    async def __call__(self, request: HttpRequest, socket: Socket) -> None:
        """Serve the socket to its end. Raises nothing but a cancellation."""
        try:
            await socket.asked_for()
            connection = await self._admit(request, socket)
            async with connection.opened():
                await socket.accept(SUBPROTOCOL)
                code, reason = await self._run(connection, socket)
        except Disconnected:
            return
        except Exception as error:
            await self._refuse(socket, error)
            return
        with suppress(Disconnected, TimeoutError):
            async with asyncio.timeout(LAST_WORDS):
                await socket.close(code, reason)

    async def _refuse(self, socket: Socket, error: Exception) -> None:
        refusal, headers = self.refusal_of(error)
        body = jsonrpc.error_bytes(None, refusal)
        with suppress(Disconnected):
            await socket.refuse(refusal.status, [JSON, *headers], body)

    async def _admit(self, request: HttpRequest, socket: Socket) -> Duplex:
        """The connection of a client that may open a socket; raises what turns another away."""
        address = self.guard.check_source(request)
        caller = await self.caller_of(request, address)
        if SUBPROTOCOL not in socket.offered:
            raise Refusal(
                f"Sec-WebSocket-Protocol must offer {SUBPROTOCOL!r}, which is what is spoken here.",
                status=400,
            )
        return self._connection(self.stay_of(request, address, caller), socket)

    def _connection(self, stay: Stay, socket: Socket) -> Duplex:
        return Duplex(
            self.server,
            stay,
            OneSession(new_session(self.server, stay.caller, new_id(), TRANSPORT)),
            lambda body: socket.send(body.decode()),
            is_kept=False,
            patience=WRITE_TIMEOUT,
            max_depth=self.max_depth,
        )

    async def _run(self, connection: Duplex, socket: Socket) -> tuple[int, str]:
        """Carry the session; returns why the socket is to be closed."""
        try:
            await connection.run(self._messages(socket))
        except Closed as closed:
            return closed.code, closed.reason
        except Exception as error:
            self.refusal_of(error)
            return INTERNAL_ERROR, ""
        if connection.refused is not None:
            return POLICY_VIOLATION, "You are let in no longer: authenticate anew."
        return GOING_AWAY, ""

    async def _messages(self, socket: Socket) -> AsyncIterator[bytes]:
        """What the client sends, until it goes away; raises Closed for what is no message."""
        while True:
            try:
                frame = await socket.receive()
            except Disconnected:
                return
            if isinstance(frame, bytes):
                raise Closed(UNSUPPORTED_DATA, "Send each message as a text frame.")
            # Half of a surrogate pair becomes what is no UTF-8, and is refused as that.
            body = frame.encode("utf-8", "surrogatepass")
            if len(body) > self.guard.max_body:
                raise Closed(MESSAGE_TOO_BIG, f"A message may have {self.guard.max_body} bytes.")
            yield body
