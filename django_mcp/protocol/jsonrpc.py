"""JSON-RPC 2.0: bytes into messages, and messages into bytes.

This module owns the JSON itself (what is refused, how deep it may nest, how it is written) and the
shape of the five things a body can hold: a request, a notification, a result, an error, a batch of
those. Which methods exist belongs to ``methods``, what params and results hold to ``codec``, who
may send a batch to ``revisions``, which answer belongs to which request to ``pending``.

It is on the path of every call, so it uses the standard library's C scanner and encoder, and
``result_bytes`` takes a result that is already written.

Sources: jsonrpc.org/specification; 2026-07-28, basic/index#messages; 2025-03-26,
basic/index#batching.
"""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from itertools import accumulate
from typing import Any, NoReturn, TypeAlias, TypeGuard

from pydantic_core import to_json

from .errors import InvalidRequest, ParseError, ProtocolError
from .values import value

RequestId: TypeAlias = str | int

MAX_DEPTH = 64
MAX_BATCH = 100
LONGEST_ID = 1024


@value
class Request:
    """A call that must be answered. ``params`` is empty where the message has none.

    ``size`` is how many bytes it came in, 0 for one that was not read.
    """

    id: RequestId
    method: str
    params: dict[str, Any]
    size: int = field(default=0, compare=False)


@dataclass(frozen=True, slots=True)
class Notification:
    """A message that must not be answered. ``params`` is empty where the message has none."""

    method: str
    params: dict[str, Any]


@dataclass(frozen=True, slots=True)
class Response:
    """The result of the request with this id."""

    id: RequestId
    result: dict[str, Any]


@dataclass(frozen=True, slots=True)
class ErrorResponse:
    """The failure of the request with this id; ``id`` is None if the other side could not read it.

    ``error`` is the object as received: ``errors.from_wire`` makes an exception of it.
    """

    id: RequestId | None
    error: dict[str, Any]


Message: TypeAlias = Request | Notification | Response | ErrorResponse


# ---------------------------------------------------------------------------------------- reading


def parse(body: bytes, *, max_depth: int = MAX_DEPTH) -> Message | list[Message | InvalidRequest]:
    """The message in ``body``, or the members of the batch in it.

    A member of a batch that is not a message stands in the list as an ``InvalidRequest`` that was
    not raised, since the other members are answered all the same.

    Raises ``ParseError`` for what is not JSON: anything but UTF-8, a byte order mark, ``NaN`` and
    ``Infinity``, a number too big to hold, arrays and objects nested deeper than ``max_depth``.
    Raises ``InvalidRequest`` for JSON that is not a message; its ``id`` is the request's id if
    there is one to answer to. Nothing else is raised, whatever the bytes. The size of ``body`` is
    the caller's to bound.
    """
    if nests_deeper(body, max_depth):
        raise ParseError(f"The body nests arrays and objects deeper than {max_depth} levels")
    value = _read(body)
    if type(value) is dict:
        message = _classify(value, len(body))
        if isinstance(message, InvalidRequest):
            raise message
        return message
    if type(value) is list:
        return _batch(value)
    raise InvalidRequest(f"A message must be a JSON object, not {_kind(value)}")


def _read(body: bytes) -> object:
    # json.loads() would guess UTF-16 and UTF-32 from bytes, and let surrogates pass.
    try:
        text = body.decode("utf-8").strip(" \t\r\n")
    except UnicodeDecodeError as error:
        raise ParseError(f"The body is not UTF-8: byte {error.start} is out of place") from None
    try:
        value, end = _scan(text, 0)
    except (StopIteration, json.JSONDecodeError) as error:
        if text.startswith("\ufeff"):
            raise ParseError("The body starts with a byte order mark; send it without") from None
        if isinstance(error, StopIteration):
            error = json.JSONDecodeError("Expecting value", text, error.value)
        raise ParseError(f"The body is not JSON: {error}") from None
    except ValueError:
        # From int(), which bounds the digits it converts (sys.set_int_max_str_digits).
        raise ParseError("The body holds an integer of too many digits") from None
    except RecursionError:
        raise ParseError("The body nests arrays and objects too deeply") from None
    if end != len(text):
        raise ParseError(f"The body goes on after the JSON value, at character {end}")
    return value


def _finite(literal: str) -> float:
    number = float(literal)
    if not math.isfinite(number):
        raise ParseError(f"The body holds a number too big for a double: {literal[:40]}")
    return number


def _no_constant(literal: str) -> NoReturn:
    raise ParseError(f"The body holds {literal}, which is not JSON")


_decoder: Any = json.JSONDecoder(parse_float=_finite, parse_constant=_no_constant)
# What its raw_decode() calls: gives the value and where that ends, or raises StopIteration.
_scan = _decoder.scan_once

# One byte is found in a tenth of the time it takes to count it.
_ARRAY = ord("[")

_STEPS = bytes.maketrans(b"{[}]", bytes([1, 1, 255, 255]))
_NO_BRACKETS = bytes(byte for byte in range(256) if byte not in b"{[}]")


def nests_deeper(text: bytes, max_depth: int) -> bool:
    """Whether a JSON text has arrays and objects deeper than ``max_depth``.

    Of a text that is no JSON it is only known that reading it as JSON goes no deeper.
    """
    # Most messages have fewer brackets than they may have levels, so that nothing has to be
    # scanned; a bracket inside a string only makes this test less sharp.
    arrays = text.count(b"[") if _ARRAY in text else 0
    if text.count(b"{") + arrays <= max_depth:
        return False
    # Without escapes, every second piece between quotes is inside a string. A backslash outside a
    # string makes this wrong from there on, but the scanner stops there too.
    pieces = text.replace(b"\\\\", b"").replace(b'\\"', b"").split(b'"')
    steps = b"".join(pieces[::2]).translate(_STEPS, _NO_BRACKETS)
    # As signed bytes, 255 is -1.
    return max(accumulate(memoryview(steps).cast("b")), default=0) > max_depth


def _batch(values: list[Any]) -> list[Message | InvalidRequest]:
    if not values:
        raise InvalidRequest("A batch must hold at least one message")
    if len(values) > MAX_BATCH:
        raise InvalidRequest(f"A batch may hold {MAX_BATCH} messages, not {len(values)}")
    return [
        _classify(value, len(dumps_plain(value)))
        if type(value) is dict
        else InvalidRequest(f"A member of a batch must be a JSON object, not {_kind(value)}")
        for value in values
    ]


def _classify(value: dict[str, Any], size: int) -> Message | InvalidRequest:
    """The message in a JSON object of so many bytes, or, not raised, why there is none."""
    if value.get("jsonrpc") != "2.0":
        return InvalidRequest('A message must have "jsonrpc": "2.0"', id=_answerable(value))
    if "method" not in value:
        return _classify_response(value)
    method = value["method"]
    if type(method) is not str:
        return InvalidRequest(
            f"method must be a string, not {_kind(method)}", id=_answerable(value)
        )
    if "result" in value or "error" in value:
        # Read as a request here and as a response elsewhere: neither side may choose.
        return InvalidRequest("A message has either a method or a result or error, not both")
    params = value.get("params", _ABSENT)
    if params is _ABSENT:
        params = {}
    elif type(params) is not dict:
        return InvalidRequest(
            f"params must be an object, not {_kind(params)}", id=_answerable(value)
        )
    if "id" not in value:
        return Notification(method, params)
    request_id = value["id"]
    if not is_id(request_id):
        return InvalidRequest(_no_id(request_id))
    return Request(request_id, method, params, size)


def _classify_response(value: dict[str, Any]) -> Response | ErrorResponse | InvalidRequest:
    # A refused response gets no id: the id is ours, and an answer with it would be taken for the
    # answer to a request of the other side.
    request_id: Any = value.get("id")
    answers = is_id(request_id)
    if "result" in value:
        result = value["result"]
        if "error" in value:
            return InvalidRequest("A response has either a result or an error, not both")
        if not answers:
            return InvalidRequest(f"A result must have the id of a request: {_no_id(request_id)}")
        if type(result) is not dict:
            return InvalidRequest(f"result must be an object, not {_kind(result)}")
        return Response(request_id, result)
    if "error" in value:
        error = value["error"]
        if not answers and request_id is not None:
            return InvalidRequest(_no_id(request_id))
        if type(error) is not dict:
            return InvalidRequest(f"error must be an object, not {_kind(error)}")
        return ErrorResponse(request_id, error)
    return InvalidRequest(
        "A message must have a method, a result or an error", id=_answerable(value)
    )


_ABSENT: Any = object()
_KINDS = {dict: "an object", list: "an array", str: "a string", bool: "a boolean"}


def _kind(value: object) -> str:
    return "null" if value is None else _KINDS.get(type(value), "a number")


def is_id(value: object) -> TypeGuard[RequestId]:
    """Whether ``value`` can be the id of a request, or a progress token: they are sent back, so
    they have at most ``LONGEST_ID`` characters or digits."""
    if type(value) is str:
        return len(value) <= LONGEST_ID
    return type(value) is int and -_ID_END < value < _ID_END


_ID_END = 10**LONGEST_ID


def _no_id(value: object) -> str:
    """Why ``value`` is not an id."""
    if type(value) is str or type(value) is int:
        return f"id must have at most {LONGEST_ID} characters"
    return f"id must be a string or an integer, not {_kind(value)}"


def _answerable(value: dict[str, Any]) -> RequestId | None:
    """The id that the answer to a message which cannot be accepted should carry."""
    request_id = value.get("id")
    if not is_id(request_id) or "result" in value or "error" in value:
        return None
    return request_id


# ---------------------------------------------------------------------------------------- writing


_encode = json.JSONEncoder(ensure_ascii=False, allow_nan=False, separators=(",", ":")).encode
_encode_ascii = json.JSONEncoder(allow_nan=False, separators=(",", ":")).encode


def dumps(value: object) -> bytes:
    """``value`` as compact JSON in UTF-8.

    A lone surrogate, which JSON can carry and UTF-8 cannot, is written as its escape. Raises
    ``TypeError`` for a type that JSON does not have, and ``ValueError`` for NaN, an infinite number
    and a value that contains itself.
    """
    try:
        return _encode(value).encode()
    except UnicodeEncodeError:
        return _encode_ascii(value).encode()
    except TypeError as error:
        raise TypeError(f"Cannot be written as JSON: {error}") from None
    except ValueError as error:
        raise ValueError(
            f"Cannot be written as JSON: {error} (JSON has no NaN and no infinite numbers)"
        ) from None
    except RecursionError:
        raise ValueError("Cannot be written as JSON: the value is nested too deeply") from None


def dumps_plain(value: object) -> bytes:
    """What `dumps` writes, in a fraction of the time, for what is known to be plain JSON.

    For anything else nothing is promised: a date becomes a string, and NaN is written as it is.
    """
    try:
        return to_json(value)
    except ValueError:
        # A lone surrogate.
        return dumps(value)


def result_bytes(id: RequestId, result: Mapping[str, Any] | bytes) -> bytes:
    """The answer to the request ``id``; ``result`` is an object, or the JSON of one."""
    written = result if type(result) is bytes else dumps(result)
    name = b"%d" % id if type(id) is int else dumps(id)
    return b"".join((b'{"jsonrpc":"2.0","id":', name, b',"result":', written, b"}"))


def error_bytes(id: RequestId | None, error: ProtocolError) -> bytes:
    """The answer to the request ``id`` that failed; ``None`` if the id could not be read.

    The message then has no ``id``: JSON-RPC's null is not an id that MCP's schema knows
    (2026-07-28, basic/index#error-responses).
    """
    if id is None:
        return b'{"jsonrpc":"2.0","error":%b}' % dumps(error.to_wire())
    return b'{"jsonrpc":"2.0","id":%b,"error":%b}' % (dumps(id), dumps(error.to_wire()))


def request_bytes(id: RequestId, method: str, params: Mapping[str, Any] | None = None) -> bytes:
    """A request; ``params`` that are None or empty are left out."""
    message = {"jsonrpc": "2.0", "id": id, "method": method}
    return dumps({**message, "params": params} if params else message)


def notification_bytes(method: str, params: Mapping[str, Any] | None = None) -> bytes:
    """A notification; ``params`` that are None or empty are left out."""
    message = {"jsonrpc": "2.0", "method": method}
    return dumps({**message, "params": params} if params else message)
