"""What the rules of the endpoint see of HTTP: a request, and a channel to answer on.

An adapter translates its framework into these two and contains no rule of its own.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import field
from typing import Any, Final, Protocol

from ...protocol.values import value

ReplyHeaders = list[tuple[bytes, bytes]]


#: Names of headers that are kept as text, and the longest of them; they come from outside.
MAX_NAMES: Final = 256
LONGEST_NAME: Final = 64

NO_NAMES: Final[frozenset[str]] = frozenset()

#: Names of headers with secrets, in the words by which Django knows settings that have some; and
#: what is shown in their place.
_SECRET: Final = re.compile("api|auth|token|key|secret|pass|signature|cookie|session")
HIDDEN: Final = "********************"


class Headers(dict[str, str]):
    """Request headers, names in lower case; `read_headers` makes them.

    `repeated` has the names that were sent more than once; the value is then the last one.
    """

    __slots__ = ("repeated",)

    repeated: frozenset[str]

    def __repr__(self) -> str:
        # What a report of an error shows of a function's variables.
        shown = {name: HIDDEN if _SECRET.search(name) else self[name] for name in self}
        return f"{type(self).__name__}({shown!r})"

    def without(self, name: str) -> Headers:
        """The same, but for one of them."""
        rest = Headers(self)
        rest.repeated = self.repeated
        rest.pop(name, None)
        return rest


def read_headers(raw: Sequence[tuple[bytes, bytes]]) -> Headers:
    """The headers in `raw`, whose names are in lower case."""
    headers = Headers()
    for name, content in raw:
        headers[_names[name]] = content.decode("latin-1")
    headers.repeated = NO_NAMES if len(headers) == len(raw) else _repeated(raw)
    return headers


def _repeated(raw: Sequence[tuple[bytes, bytes]]) -> frozenset[str]:
    counts = Counter(name for name, _ in raw)
    return frozenset(name.decode("latin-1") for name, count in counts.items() if count > 1)


class _Names(dict[bytes, str]):
    """Names of headers as text: the same few come with every request."""

    def __missing__(self, name: bytes) -> str:
        text = name.decode("latin-1")
        if len(self) < MAX_NAMES and len(name) <= LONGEST_NAME:
            self[name] = text
        return text


_names = _Names()


@value
class HttpRequest:
    """A request, its body unread. `native` is the framework's own request object.

    `path` is the client's, with the prefix the application is served under; `query` is what
    follows it, still encoded. `streams` is False where the adapter can write only one whole
    response. Its text has no secrets, so neither `native` nor `query`.
    """

    method: str
    scheme: str
    path: str
    headers: Headers
    url_kwargs: Mapping[str, Any] = field(default_factory=dict)
    client: str | None = None
    native: Any = field(default=None, repr=False)
    streams: bool = True
    query: str = field(default="", repr=False)


class Disconnected(ConnectionError):
    """The client went away."""


class BodyTooLarge(Exception):
    """The body is larger than the endpoint accepts."""


class Channel(Protocol):
    """Where one request is read from and answered."""

    @property
    def connected(self) -> bool:
        """False once the client has gone away."""

    async def read(self, limit: int) -> bytes:
        """The whole body; raises BodyTooLarge beyond `limit` bytes, or Disconnected."""

    def on_disconnect(self, callback: Callable[[], None]) -> None:
        """Call `callback` as soon as it is known that the client went away, until the answer has
        been written."""

    def watch(self) -> None:
        """Find out from now on that the client goes away, where nobody says so by themselves."""

    async def reply(self, status: int, headers: ReplyHeaders, body: bytes) -> None:
        """Write a whole response."""

    async def start(self, status: int, headers: ReplyHeaders) -> None:
        """Begin a response whose body comes in pieces."""

    async def write(self, data: bytes) -> None:
        """Write a piece; returns when the server has taken it."""

    async def end(self) -> None:
        """Finish the response that was begun."""


class Refused(Exception):
    """The request is not let in. Raised by authentication; answered as it is.

    `headers` are added to the response, such as a `WWW-Authenticate` challenge. `attempted` is
    False where no credential was sent at all: that guesses none, and does not count as a failure.
    """

    def __init__(
        self,
        status: int = 401,
        message: str = "Authentication required",
        headers: Mapping[str, str] | None = None,
        *,
        attempted: bool = True,
    ) -> None:
        super().__init__(message)
        self.attempted = attempted
        self.status = status
        self.message = message
        self.headers = dict(headers or {})


JSON: Final = (b"content-type", b"application/json")
EVENT_STREAM: Final[ReplyHeaders] = [
    (b"content-type", b"text/event-stream"),
    (b"cache-control", b"no-cache, no-transform"),
    # Proxies such as nginx would otherwise keep events back
    # (2026-07-28, basic/transports/streamable-http#receiving-messages).
    (b"x-accel-buffering", b"no"),
]
