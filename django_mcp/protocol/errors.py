"""The errors MCP sends over the wire: each class knows its code, its HTTP status and its data.

    ProtocolError                            any code, given with ``code=``
    ├── ParseError                           -32700, 400
    ├── InvalidRequest                       -32600, 400   .id
    ├── MethodNotFound                       -32601, 404   .method
    ├── InvalidParams                        -32602, 400
    │   └── ResourceNotFound                 -32002 or -32602, as the revision says   .uri
    ├── InternalError                        -32603, 200
    ├── HeaderMismatch                       -32020, 400
    ├── MissingRequiredClientCapability      -32021, 400   .required
    ├── UnsupportedProtocolVersion           -32022, 400   .requested, .supported
    └── UrlElicitationRequired               -32042, 200   .elicitations   (2025-11-25 only)

This module owns the codes and the shape of an error object. Writing the message around it belongs
to ``jsonrpc``; turning other exceptions into one of these belongs to ``server.dispatch``; whether
an era uses the HTTP status is decided by the transports.

Sources: 2026-07-28, basic/index#error-codes and basic/transports/streamable-http#server-validation;
2025-11-25, client/elicitation#url-elicitation-required-error and server/resources#error-handling.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from .revisions import Revision


class ProtocolError(Exception):
    """An error the other side is told about, as it is.

    ``message`` and ``data`` go over the wire unchanged, so neither may hold a secret or a stack
    trace. ``data=None`` means that the error object has no ``data``. A class of the tree brings its
    own ``code`` and ``status``; for a code of your own, construct this class with ``code=`` and a
    number outside -32768 to -32000, which JSON-RPC and MCP keep for themselves (2026-07-28,
    basic/index#error-codes).
    """

    code: int = -32603
    status: int = 200

    def __init__(
        self,
        message: str,
        *,
        data: Any = None,
        code: int | None = None,
        status: int | None = None,
    ) -> None:
        super().__init__(message)
        self.message = message
        self.data = data
        if code is not None:
            self.code = code
        if status is not None:
            self.status = status

    def to_wire(self) -> dict[str, Any]:
        """The JSON-RPC error object: ``code``, ``message`` and, if there is any, ``data``."""
        wire: dict[str, Any] = {"code": self.code, "message": self.message}
        if self.data is not None:
            wire["data"] = self.data
        return wire

    def __repr__(self) -> str:
        data = "" if self.data is None else f", data={self.data!r}"
        return f"{type(self).__name__}({self.message!r}, code={self.code}{data})"

    def _data_field(self, name: str) -> Any:
        # Data that came over the wire may have any shape.
        return self.data.get(name) if isinstance(self.data, Mapping) else None


class ParseError(ProtocolError):
    """The bytes received are not JSON that this side accepts."""

    code = -32700
    status = 400


class InvalidRequest(ProtocolError):
    """The JSON received is not a JSON-RPC message, or is not acceptable at this moment.

    ``id`` is the id of the message if it could be read, so that the answer can carry it.
    """

    code = -32600
    status = 400

    # A class attribute, so that an instance made by from_wire() has it too.
    id: str | int | None = None

    def __init__(self, message: str, *, data: Any = None, id: str | int | None = None) -> None:
        super().__init__(message, data=data)
        self.id = id


class MethodNotFound(ProtocolError):
    """The method does not exist, or not in this revision, or not in this direction."""

    code = -32601
    status = 404

    def __init__(self, method: str) -> None:
        super().__init__(f"Method not found: {method}", data=method)

    @property
    def method(self) -> str | None:
        """The method asked for, if the error names it."""
        return self.data if isinstance(self.data, str) else None


class InvalidParams(ProtocolError):
    """The params do not fit the method, or name something that does not exist."""

    code = -32602
    status = 400


class ResourceNotFound(InvalidParams):
    """No resource has this URI, or the caller may not know of it.

    The code is the revision's: -32002 up to 2025-11-25, -32602 from 2026-07-28 on
    (server/resources#error-handling).
    """

    def __init__(self, uri: str, revision: Revision) -> None:
        super().__init__(
            f"Resource not found: {uri}", data={"uri": uri}, code=revision.resource_not_found
        )

    @property
    def uri(self) -> str | None:
        """The URI asked for, if the error names it."""
        uri = self._data_field("uri")
        return uri if isinstance(uri, str) else None


class InternalError(ProtocolError):
    """Something went wrong that is not the caller's fault; the message does not say what."""

    code = -32603
    status = 200

    def __init__(self, message: str = "Internal error", *, data: Any = None) -> None:
        super().__init__(message, data=data)


class HeaderMismatch(ProtocolError):
    """An HTTP header is missing, malformed, or does not say what the body says."""

    code = -32020
    status = 400

    def __init__(self, message: str) -> None:
        super().__init__(f"Header mismatch: {message}")


class MissingRequiredClientCapability(ProtocolError):
    """The request needs capabilities that the client did not declare, or that are of no use here.

    ``required`` has the shape of ClientCapabilities and holds only what is missing; ``message``
    says something else than that it was not declared.
    """

    code = -32021
    status = 400

    def __init__(self, required: Mapping[str, Any], message: str | None = None) -> None:
        names = ", ".join(required) or "none named"
        super().__init__(
            message or f"The client did not declare a capability this request needs: {names}",
            data={"requiredCapabilities": dict(required)},
        )

    @property
    def required(self) -> dict[str, Any]:
        """The missing capabilities; empty if the error does not name them."""
        required = self._data_field("requiredCapabilities")
        return required if isinstance(required, dict) else {}


class UnsupportedProtocolVersion(ProtocolError):
    """The request speaks a revision that this server does not serve.

    ``supported`` may hold names or ``Revision`` values, in the order in which they are to be sent.
    """

    code = -32022
    status = 400

    def __init__(self, requested: str, supported: Iterable[object]) -> None:
        names = [str(revision) for revision in supported]
        super().__init__(
            f"Unsupported protocol version: {requested}. Use one of: {', '.join(names)}",
            data={"supported": names, "requested": requested},
        )

    @property
    def requested(self) -> str | None:
        """The version asked for, if the error names it."""
        requested = self._data_field("requested")
        return requested if isinstance(requested, str) else None

    @property
    def supported(self) -> list[str]:
        """The versions the server offers instead; empty if the error does not name them."""
        supported = self._data_field("supported")
        if not isinstance(supported, list):
            return []
        return [name for name in supported if isinstance(name, str)]


class UrlElicitationRequired(ProtocolError):
    """The user must visit the given URLs before the request can be answered.

    Only in 2025-11-25 (client/elicitation#url-elicitation-required-error). ``elicitations`` are
    the wire params of ``elicitation/create`` in mode ``url``.
    """

    code = -32042
    status = 200

    def __init__(
        self,
        elicitations: Sequence[Mapping[str, Any]],
        message: str = "This request needs the user to visit a URL first",
    ) -> None:
        super().__init__(message, data={"elicitations": [dict(item) for item in elicitations]})

    @property
    def elicitations(self) -> list[dict[str, Any]]:
        """What the user is asked to do; empty if the error does not say."""
        elicitations = self._data_field("elicitations")
        if not isinstance(elicitations, list):
            return []
        return [item for item in elicitations if isinstance(item, dict)]


_BY_CODE: dict[int, type[ProtocolError]] = {
    cls.code: cls
    for cls in (
        ParseError,
        InvalidRequest,
        MethodNotFound,
        InvalidParams,
        InternalError,
        HeaderMismatch,
        MissingRequiredClientCapability,
        UnsupportedProtocolVersion,
        UrlElicitationRequired,
    )
}
# Up to 2025-11-25 a missing resource had a code of its own; clients keep accepting it
# (2026-07-28, server/resources#error-handling).
_BY_CODE[-32002] = ResourceNotFound


def from_wire(error: object) -> ProtocolError:
    """The exception that an error object received from the other side stands for.

    A code of the tree gives its class, any other code a plain ``ProtocolError`` with that code.
    Never raises: what is malformed in the object is replaced by code -32603 or a message that says
    so. The instance's ``status`` says nothing about the HTTP response that carried it.
    """
    if not isinstance(error, Mapping):
        return ProtocolError("The other side sent a malformed error", data=error)
    code = error.get("code")
    if not isinstance(code, int) or isinstance(code, bool):
        code = InternalError.code
    message = error.get("message")
    if not isinstance(message, str):
        message = "The other side sent an error without a message"
    data = error.get("data")
    cls = _BY_CODE.get(code, ProtocolError)
    if cls is InvalidParams and isinstance(data, Mapping) and isinstance(data.get("uri"), str):
        cls = ResourceNotFound
    # The classes' own constructors write the message; here it is given.
    exception = cls.__new__(cls, message)
    ProtocolError.__init__(exception, message, data=data, code=code)
    return exception
