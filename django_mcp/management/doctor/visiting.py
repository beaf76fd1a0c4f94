"""A client that looks closely: one request on each connection, and every answer as it came.

Redirects are not followed, and headers of the caller's go to the URL of the endpoint alone. What an
answer means is for the other modules to say.
"""

from __future__ import annotations

import asyncio
import json
import re
import socket
import ssl
import time
import zlib
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field
from functools import cached_property
from itertools import count
from typing import Any, Final
from urllib.parse import SplitResult, urlsplit

import httpx

from ...protocol import sse
from ...protocol.envelope import CLIENT_CAPABILITIES, CLIENT_INFO, PROTOCOL_VERSION
from ...protocol.headers import MCP_METHOD, MCP_PROTOCOL_VERSION, MCP_SESSION_ID
from ...protocol.revisions import REVISIONS

#: The newest revision of those whose requests carry everything, and of those with a handshake.
ENVELOPED: Final = next(r for r in reversed(REVISIONS) if r.enveloped)
HANDSHAKEN: Final = next(r for r in reversed(REVISIONS) if not r.enveloped)

CLIENT: Final = {"name": "django-mcp-doctor", "version": "1"}
#: Bytes of an answer that are read.
LONGEST_ANSWER: Final = 1024 * 1024
_BOTH: Final = "application/json, text/event-stream"
_TITLE: Final = re.compile(r"<title[^>]*>(.*?)</title>", re.IGNORECASE | re.DOTALL)


class Unreached(Exception):
    """There was no answer; `reason` is one of the keys of `reaching.ADVICE`."""

    def __init__(self, reason: str, text: str) -> None:
        super().__init__(text)
        self.reason = reason


@dataclass(frozen=True, slots=True, kw_only=True)
class Answer:
    """A whole response. `message` is the JSON-RPC message in it, or the last one of a stream."""

    status: int
    headers: Mapping[str, str]
    text: str
    seconds: float
    certificate: Mapping[str, Any] = field(default_factory=dict)

    @property
    def media_type(self) -> str:
        return self.headers.get("content-type", "").partition(";")[0].strip().lower()

    @property
    def is_html(self) -> bool:
        return self.media_type in {"text/html", "application/xhtml+xml"}

    @property
    def title(self) -> str:
        """The title of a page."""
        found = _TITLE.search(self.text)
        return " ".join(found[1].split()) if found else ""

    @property
    def asks_to_log_in(self) -> bool:
        """True for a page with a field for a password."""
        return self.is_html and re.search(r"type=[\"']?password", self.text, re.I) is not None

    @property
    def message(self) -> dict[str, Any] | None:
        text = self.text
        if self.media_type == "text/event-stream":
            events = sse.Decoder().feed(text.encode())
            text = events[-1].data.decode(errors="replace") if events else ""
        with suppress(ValueError, RecursionError):
            found = json.loads(text)
            if isinstance(found, dict) and found.get("jsonrpc") == "2.0":
                return found
        return None

    @property
    def result(self) -> dict[str, Any] | None:
        found = (self.message or {}).get("result")
        return found if isinstance(found, dict) else None

    @property
    def error(self) -> dict[str, Any]:
        """The JSON-RPC error, empty where it is none."""
        found = (self.message or {}).get("error")
        return found if isinstance(found, dict) else {}

    @property
    def error_text(self) -> str:
        return str(self.error.get("message", ""))


class Stream:
    """A response that goes on: what has come of it, and when."""

    def __init__(self) -> None:
        self.status = 0
        self.headers: Mapping[str, str] = {}
        self.data = b""
        self.ended = asyncio.Event()
        self._changed = asyncio.Event()
        self._inflating: Any = None
        self.task: asyncio.Task[None] | None = None

    @property
    def is_stream(self) -> bool:
        return self.headers.get("content-type", "").startswith("text/event-stream")

    def take(self, piece: bytes) -> None:
        if self._inflating is not None:
            piece = self._inflating.decompress(piece, LONGEST_ANSWER)
        self.data = (self.data + piece)[-LONGEST_ANSWER:]
        self._changed.set()

    def begun(self, status: int, headers: Mapping[str, str]) -> None:
        self.status, self.headers = status, headers
        if headers.get("content-encoding", "") in {"gzip", "deflate"}:
            self._inflating = zlib.decompressobj(zlib.MAX_WBITS | 32)
        self._changed.set()

    def end(self) -> None:
        self.ended.set()
        self._changed.set()

    async def until(self, what: bytes, seconds: float) -> bool:
        """True once `what` has come; False where it has not after `seconds`, or never will."""
        with suppress(TimeoutError):
            async with asyncio.timeout(seconds):
                while what not in self.data or not self.data:
                    if self.ended.is_set():
                        return False
                    self._changed.clear()
                    await self._changed.wait()
                return True
        return False

    async def until_ended(self, seconds: float) -> bool:
        """True once the response is over; False where it is not after `seconds`."""
        with suppress(TimeoutError):
            async with asyncio.timeout(seconds):
                await self.ended.wait()
                return True
        return False


class Visitor:
    """Speaks to the endpoint at `url`, with `headers` wherever it does not come unannounced.

    `timeout` is in seconds, for one answer or for the beginning of one. Not `verify`, a certificate
    is taken from anybody, and `headers` are not sent over such a connection.
    """

    def __init__(
        self, url: str, headers: Mapping[str, str], *, timeout: float, verify: bool = True
    ) -> None:
        self.url = url
        self.parts: SplitResult = urlsplit(url)
        self.timeout = timeout
        self.headers = dict(headers)
        self._verify = verify
        self._numbers = count(1)

    @property
    def origin(self) -> str:
        return f"{self.parts.scheme}://{self.parts.netloc.rpartition('@')[2]}"

    @property
    def is_local(self) -> bool:
        """True where the URL leads to this machine."""
        host = self.parts.hostname or ""
        return host == "localhost" or host.startswith("127.") or host == "::1"

    @cached_property
    def _tls(self) -> ssl.SSLContext:
        """How certificates are judged; to read all the authorities takes long."""
        return httpx.create_ssl_context() if self._verify else _trusting()

    @asynccontextmanager
    async def _client(self) -> AsyncIterator[httpx.AsyncClient]:
        # Nothing is kept: each request is to be able to reach another process.
        limits = httpx.Limits(max_keepalive_connections=0)
        timeout = httpx.Timeout(self.timeout)
        # A proxy that leads out of a network leads to no server on this machine.
        async with httpx.AsyncClient(
            limits=limits, timeout=timeout, verify=self._tls, trust_env=not self.is_local
        ) as client:
            yield client

    # Asking

    async def discover(self, **options: Any) -> Answer:
        """server/discover, as the newest clients begin; options as of `enveloped`."""
        return await self.enveloped("server/discover", **options)

    async def enveloped(
        self,
        method: str,
        params: Mapping[str, Any] | None = None,
        *,
        headers: Mapping[str, str] | None = None,
        announced: bool = True,
        padding: int = 0,
    ) -> Answer:
        """A request that carries everything itself. Not `announced`, nobody says who asks;
        `padding` bytes more are sent."""
        body, own = self._enveloped(method, params, padding)
        return await self.ask("POST", {**own, **(headers or {})}, body, announced=announced)

    async def in_session(
        self, session: str | None, method: str, params: Mapping[str, Any] | None = None
    ) -> Answer:
        """A message of a session; a notification where the method is one."""
        message: dict[str, Any] = {"jsonrpc": "2.0", "method": method, "params": dict(params or {})}
        if not method.startswith("notifications/"):
            message["id"] = next(self._numbers)
        own = {"content-type": "application/json", "accept": _BOTH, **self.of_session(session)}
        return await self.ask("POST", own, json.dumps(message).encode())

    def of_session(self, session: str | None) -> dict[str, str]:
        """The headers that name a session; none before there is one."""
        if session is None:
            return {}
        return {MCP_SESSION_ID: session, MCP_PROTOCOL_VERSION: HANDSHAKEN.name}

    async def ask(
        self,
        method: str,
        headers: Mapping[str, str],
        body: bytes | None = None,
        *,
        url: str | None = None,
        announced: bool = True,
    ) -> Answer:
        """The answer to one request; raises Unreached."""
        sent = {**headers, **(self._own() if announced and url is None else {})}
        began = time.monotonic()
        try:
            async with asyncio.timeout(self.timeout), self._client() as client:
                request = client.build_request(method, url or self.url, headers=sent, content=body)
                response = await client.send(request, stream=True)
                try:
                    text = await _read(response)
                    certificate = _certificate_of(response)
                finally:
                    await response.aclose()
        except (TimeoutError, httpx.HTTPError, httpx.InvalidURL, ssl.SSLError, OSError) as error:
            raise _unreached(error, self.timeout) from None
        return Answer(
            status=response.status_code,
            headers=response.headers,
            text=text,
            seconds=time.monotonic() - began,
            certificate=certificate,
        )

    @asynccontextmanager
    async def listening(self, *, session: str | None = None) -> AsyncIterator[Stream]:
        """A stream of changes while the block runs: of a session, or by subscriptions/listen."""
        if session is None:
            wanted = {"notifications": {"toolsListChanged": True}}
            body, headers = self._enveloped("subscriptions/listen", wanted, 0)
            following = self._follow(stream := Stream(), "POST", headers, body)
        else:
            headers = {"accept": "text/event-stream", **self.of_session(session)}
            following = self._follow(stream := Stream(), "GET", headers, None)
        stream.task = asyncio.get_running_loop().create_task(following)
        try:
            yield stream
        finally:
            stream.task.cancel()
            with suppress(asyncio.CancelledError):
                await stream.task

    async def _follow(
        self, stream: Stream, method: str, headers: Mapping[str, str], body: bytes | None
    ) -> None:
        try:
            async with self._client() as client:
                timeout = httpx.Timeout(None, connect=self.timeout)
                sent = {**headers, **self._own()}
                request = client.build_request(
                    method, self.url, headers=sent, content=body, timeout=timeout
                )
                response = await client.send(request, stream=True)
                stream.begun(response.status_code, response.headers)
                try:
                    # As it comes: what decodes a response may keep something of it back.
                    async for piece in response.aiter_raw():
                        stream.take(piece)
                finally:
                    await response.aclose()
        except (httpx.HTTPError, ssl.SSLError, OSError, zlib.error):
            pass  # It has ended, which is what there is to say of it.
        finally:
            stream.end()

    def _own(self) -> Mapping[str, str]:
        return self.headers if self._verify or self.parts.scheme == "http" else {}

    def _enveloped(
        self, method: str, params: Mapping[str, Any] | None, padding: int
    ) -> tuple[bytes, dict[str, str]]:
        meta: dict[str, Any] = {
            PROTOCOL_VERSION: ENVELOPED.name,
            CLIENT_CAPABILITIES: {},
            CLIENT_INFO: CLIENT,
        }
        if padding:
            meta["django-mcp/padding"] = "x" * padding
        message = {
            "jsonrpc": "2.0",
            "id": next(self._numbers),
            "method": method,
            "params": {**(params or {}), "_meta": meta},
        }
        headers = {
            "content-type": "application/json",
            "accept": _BOTH,
            MCP_PROTOCOL_VERSION: ENVELOPED.name,
            MCP_METHOD: method,
        }
        return json.dumps(message).encode(), headers


async def _read(response: httpx.Response) -> str:
    """The text of a response, as much of it as is looked at."""
    data = b""
    async for piece in response.aiter_bytes():
        data += piece
        if len(data) >= LONGEST_ANSWER:
            break
    return data.decode("utf-8", "replace")


def _trusting() -> ssl.SSLContext:
    context = ssl.create_default_context()
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    return context


def _certificate_of(response: httpx.Response) -> Mapping[str, Any]:
    stream = response.extensions.get("network_stream")
    found = stream.get_extra_info("ssl_object") if stream is not None else None
    return (found.getpeercert() or {}) if found is not None else {}


def _unreached(error: BaseException, timeout: float) -> Unreached:
    """Why there was no answer, as far down as the reasons go."""
    for cause in _causes(error):
        if isinstance(cause, ssl.SSLCertVerificationError):
            return Unreached("certificate", cause.verify_message or "it cannot be verified")
        if isinstance(cause, ssl.SSLError):
            return Unreached("tls", (cause.reason or "TLS failed").replace("_", " ").lower())
        if isinstance(cause, socket.gaierror):
            return Unreached("name", "the name of the host cannot be resolved")
        if isinstance(cause, ConnectionRefusedError):
            return Unreached("refused", "nothing listens there")
    if isinstance(error, TimeoutError | httpx.TimeoutException):
        return Unreached("timeout", f"no answer within {timeout:g} s")
    if isinstance(error, httpx.RemoteProtocolError | httpx.ReadError | httpx.WriteError):
        return Unreached("closed", "the connection was closed without an answer")
    return Unreached("unreachable", type(error).__name__)


def _causes(error: BaseException | None) -> list[BaseException]:
    found: list[BaseException] = []
    while error is not None and error not in found:
        found.append(error)
        error = error.__cause__ or error.__context__
    return found
