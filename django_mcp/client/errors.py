"""What a client's calls raise.

    ClientError
    ├── ConnectionFailed        the server cannot be reached, or does not speak MCP
    │   └── UnexpectedStatus    it answers with an HTTP status that is none  .status
    ├── ConnectionLost          the connection ended before the answer came
    │   └── SessionLost         the server forgot the session                .was_refused
    ├── RequestTimedOut         no answer, and no progress, in its time      .method, .seconds
    ├── ServerError             the server answered with an error            .code, .message, .data
    ├── ToolFailed              a tool said that it failed                   .result
    ├── InvalidAnswer           what came is not what the protocol says
    │   └── OutputMismatch      it does not fit the tool's output schema     .result
    └── NotSupported            this server, or its revision, does not have it

A message names the server, the method or the value, and never a token or a header.
"""

from __future__ import annotations

from copy import copy
from typing import TYPE_CHECKING, Any, Self

from ..protocol.errors import ProtocolError

if TYPE_CHECKING:
    from .results import ToolResult


class ClientError(Exception):
    """Something went wrong between this client and a server."""


class ConnectionFailed(ClientError):
    """The server cannot be reached, or what answers there does not speak MCP."""


class UnexpectedStatus(ConnectionFailed):
    """The server answers with an HTTP status that is no answer of the protocol."""

    def __init__(self, status: int, message: str) -> None:
        super().__init__(message)
        self.status = status


def is_about_http(status: int) -> bool:
    """Whether a status tells of something that is not the protocol's: who asks, how often, and
    that the server is unwell."""
    return status in (401, 403, 407, 429) or status >= 500


class ConnectionLost(ClientError):
    """The connection ended before the answer came; whether the server did what it was asked is
    not known."""

    def again(self) -> Self:
        """The same for somebody else: whoever raises it leaves traces in it."""
        return copy(self)


class SessionLost(ConnectionLost):
    """The session, or the connection that it was, is gone.

    `was_refused` is True where the server did not look at the request, which can then be sent again
    without being done twice.
    """

    def __init__(self, message: str, *, was_refused: bool = False) -> None:
        super().__init__(message)
        self.was_refused = was_refused


class RequestTimedOut(ClientError):
    """There was no answer, and no progress that counts, in the time given."""

    def __init__(self, method: str, seconds: float, what: str = "no answer") -> None:
        super().__init__(
            f"{method}: {what} within {seconds:g} s. Give the request more time with timeout= or "
            "total_timeout=."
        )
        self.method = method
        self.seconds = seconds


class ServerError(ClientError):
    """The server answered a request with an error of the protocol.

    `error` is that error, of the class its code stands for (`protocol.errors`). It is not raised as
    itself: inside a tool it would be handed on to that tool's own caller, with all it says.
    """

    def __init__(self, error: ProtocolError) -> None:
        super().__init__(f"{error.message} ({error.code})")
        self.error = error

    @property
    def code(self) -> int:
        """The JSON-RPC code."""
        return self.error.code

    @property
    def message(self) -> str:
        """What the server says is wrong."""
        return self.error.message

    @property
    def data(self) -> Any:
        """What the server adds to it; None for nothing."""
        return self.error.data


class ToolFailed(ClientError):
    """A tool answered that it failed; `result` is the whole answer."""

    def __init__(self, name: str, result: ToolResult[Any]) -> None:
        super().__init__(
            f"The tool {name!r} failed: {result.text[:2000] or 'it says nothing more'}"
        )
        self.result = result


class InvalidAnswer(ClientError):
    """What the server sent is not what the protocol says should be there."""


class OutputMismatch(InvalidAnswer):
    """A tool's structured content does not fit the tool's output schema."""

    def __init__(self, message: str, result: ToolResult[Any]) -> None:
        super().__init__(message)
        self.result = result


class NotSupported(ClientError):
    """The server does not have the feature, or its revision of the protocol does not."""
