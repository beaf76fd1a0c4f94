"""WebSocket: one socket, a message in each frame.

Owns how a socket is opened and why it is not. The protocol has no such transport of its own; the
subprotocol is the one the first SDKs used. It needs the library `websockets`, which comes with
`django-mcp-channels[websocket]`.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, Final, Never
from urllib.parse import urlsplit

from ...protocol.problems import shown_url
from ..channels import Inbox
from ..connecting import Transport
from ..errors import ConnectionFailed, ConnectionLost, UnexpectedStatus
from .headers import given
from .pipes import PipeChannel

SUBPROTOCOL: Final = "mcp"
#: Bytes that one message may have.
LARGEST: Final = 16 * 1024 * 1024
#: Seconds for a socket to be opened, and to be closed.
OPENING: Final = 10.0
CLOSING: Final = 2.0


class WebSocketTransport:
    """A server at a ws:// or wss:// URL. `headers` go with the request for the socket.

    `ssl` is an `ssl.SSLContext`, for wss:// with certificates of one's own. Raises ImportError
    where `websockets` is not installed.
    """

    def __init__(
        self,
        url: str,
        *,
        headers: Mapping[str, str] | None = None,
        ssl: Any = None,
        largest: int = LARGEST,
    ) -> None:
        if not _is_of_socket(url):
            raise ValueError(f"A WebSocket has a ws:// or wss:// URL, not {shown_url(url)}.")
        try:
            from websockets import exceptions
            from websockets.asyncio import client
        except ImportError as error:
            raise ImportError(
                "WebSocket needs the library websockets: install "
                "django-mcp-channels[websocket], or websockets itself."
            ) from error
        self._connect = client.connect
        self._errors = exceptions
        self.url = url
        self.headers = given(headers)
        self.ssl = ssl
        self.largest = largest

    @property
    def key(self) -> str | None:
        parts = urlsplit(self.url)
        where = parts.netloc.rpartition("@")[2]
        return f"{parts.scheme}://{where}{parts.path}"

    async def open(self, inbox: Inbox) -> PipeChannel:
        host = urlsplit(self.url).hostname
        connect = self._connect(
            self.url,
            subprotocols=[SUBPROTOCOL],  # type: ignore[list-item]
            additional_headers=self.headers,
            max_size=self.largest,
            open_timeout=OPENING,
            close_timeout=CLOSING,
            **({} if self.ssl is None else {"ssl": self.ssl}),
        )
        connect.process_redirect = _not_followed  # type: ignore[method-assign, assignment]
        try:
            socket = await connect
        except self._errors.InvalidStatus as error:
            status = error.response.status_code
            raise UnexpectedStatus(
                status, f"{host} answered the request for a WebSocket with HTTP {status}."
            ) from error
        except (OSError, TimeoutError, self._errors.WebSocketException) as error:
            why = str(error) or type(error).__name__
            raise ConnectionFailed(f"{host} cannot be reached: {why}") from error
        return PipeChannel(_SocketPipe(socket, str(host), self._errors.ConnectionClosed), inbox)

    def older(self) -> Transport | None:
        return None


def _not_followed(error: Exception) -> Exception:
    """A redirect is no way: the headers of the application would go along."""
    return error


class _SocketPipe:
    def __init__(self, socket: Any, host: str, closed: type[Exception]) -> None:
        self._closed = closed
        self._socket = socket
        self._host = host

    async def carry(self, take: Callable[[bytes], None]) -> Never:
        try:
            while True:
                take(await self._socket.recv(decode=False))
        except self._closed as error:
            raise ConnectionLost(f"{self._host} ended the connection: {error}") from None

    def write_now(self, body: bytes) -> bool:
        return False

    async def write(self, body: bytes) -> None:
        try:
            await self._socket.send(body, text=True)
        except self._closed as error:
            raise ConnectionLost(f"{self._host} ended the connection: {error}") from None

    async def close(self, *, politely: bool) -> None:
        if politely:
            await self._socket.close()
        else:
            self._socket.transport.abort()
            await self._socket.wait_closed()


def _is_of_socket(url: str) -> bool:
    try:
        parts = urlsplit(url)
        return parts.scheme in ("ws", "wss") and bool(parts.hostname) and parts.port != 0
    except ValueError:  # A port that is no number, or brackets around no address.
        return False
