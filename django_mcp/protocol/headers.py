"""The HTTP headers of MCP: their names, how they carry text, and what `x-mcp-header` asks for.

This module owns the Base64 sentinel and everything about `x-mcp-header`: which annotations are
valid, which header each of them means, and whether the headers of a call say what its arguments
say. Comparing the three standard headers with the body belongs to ``envelope``; that no header
comes twice, and turning bytes into lower-case names and text, belongs to the transports.

Source: 2026-07-28, basic/transports/streamable-http#request-metadata and server/tools#x-mcp-header.
"""

from __future__ import annotations

import base64
import binascii
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Final, Literal

from .errors import HeaderMismatch

MCP_PROTOCOL_VERSION = "mcp-protocol-version"
MCP_METHOD = "mcp-method"
MCP_NAME = "mcp-name"
MCP_PARAM_PREFIX = "mcp-param-"
MCP_SESSION_ID = "mcp-session-id"
LAST_EVENT_ID = "last-event-id"

#: Headers that whoever sends a request writes, and nobody gives along: those that say where it ends
#: and what its connection is for (RFC 9112, section 6; RFC 9110, section 7.6.1), and those that say
#: what the message in it is.
SENDERS_OWN: Final = frozenset(
    {
        "connection",
        "content-length",
        "expect",
        "keep-alive",
        "proxy-connection",
        "te",
        "trailer",
        "transfer-encoding",
        "upgrade",
        MCP_PROTOCOL_VERSION,
        MCP_METHOD,
        MCP_NAME,
        MCP_SESSION_ID,
        LAST_EVENT_ID,
    }
)

ANNOTATION = "x-mcp-header"

# ------------------------------------------------------------------------------------------ values

_PREFIX, _SUFFIX = "=?base64?", "?="

# RFC 9110, 5.5 allows a tab inside a value as well; being a control character it is read, but
# written as Base64.
_PLAIN = re.compile(r"(?:[!-~](?:[ -~]*[!-~])?)?")
_READABLE = re.compile(r"[\t -~]*")


def encode_value(value: str) -> str:
    """``value`` as it goes into a header: itself where that is safe, else the Base64 sentinel.

    Raises ``ValueError`` for a lone surrogate, which has no UTF-8.
    """
    looks_encoded = value.startswith(_PREFIX) and value.endswith(_SUFFIX)
    if _PLAIN.fullmatch(value) and not looks_encoded:
        return value
    try:
        encoded = base64.b64encode(value.encode()).decode()
    except UnicodeEncodeError:
        raise ValueError(f"A lone surrogate cannot go into a header: {_short(value)}") from None
    return f"{_PREFIX}{encoded}{_SUFFIX}"


def decode_value(value: str) -> str:
    """The text that a header carries; the inverse of ``encode_value``.

    Blanks around it do not count (RFC 9110, 5.5). What has not both the prefix and the suffix of
    the sentinel is literal. Raises ``HeaderMismatch`` for characters that a header must not have,
    and for a sentinel that is not canonical Base64 of UTF-8.
    """
    if not _READABLE.fullmatch(value):
        raise HeaderMismatch(
            f"the value {_short(value)} has characters outside visible ASCII, space and tab; "
            "send it Base64-encoded"
        )
    value = value.strip(" \t")
    if not value.startswith(_PREFIX):
        return value
    payload = value[len(_PREFIX) : -len(_SUFFIX)]
    if value != f"{_PREFIX}{payload}{_SUFFIX}":
        return value
    try:
        decoded = base64.b64decode(payload, validate=True)
        # Decoders pass over bits set after the last byte: then two headers would mean one value.
        if base64.b64encode(decoded).decode() == payload:
            return decoded.decode()
    except (binascii.Error, UnicodeDecodeError):
        pass
    raise HeaderMismatch(f"the value {_short(value)} is not canonical Base64 of UTF-8 text")


def _short(value: object) -> str:
    text = repr(value)
    return text if len(text) <= 100 else f"{text[:97]}..."


# ------------------------------------------------------------------------------------- annotations

_TYPES = ("string", "integer", "boolean")
_TOKEN = re.compile(r"[!#$%&'*+\-.^_`|~0-9A-Za-z]+")

# Under these keywords stands data, in which the annotation's name means nothing.
_DATA_KEYWORDS = frozenset({"const", "default", "enum", "example", "examples", "required"})
# Under these, the keys are names that the author chose, and the values are schemas.
_NAMING_KEYWORDS = frozenset(
    {"$defs", "definitions", "dependencies", "dependentSchemas", "patternProperties"}
)

MAX_SCHEMA_DEPTH = 64


@dataclass(frozen=True, slots=True)
class ParamHeader:
    """One argument that is mirrored into a header.

    ``header`` is the full name in lower case, ``path`` leads from the arguments to the value.
    """

    header: str
    path: tuple[str, ...]
    type: Literal["string", "integer", "boolean"]


def param_headers(input_schema: Mapping[str, Any]) -> tuple[ParamHeader, ...]:
    """The headers that a tool's input schema asks for, in the order of the schema.

    Raises ``ValueError`` that names the rule an annotation violates: a client has to leave such a
    tool out, a server should refuse to register it.
    """
    found: dict[str, ParamHeader] = {}
    for path, schema in _annotated(input_schema, (), 0):
        param = _param_header(path, schema)
        first = found.setdefault(param.header, param)
        if first is not param:
            raise ValueError(
                f"{_where(param.path)}: {ANNOTATION} {schema[ANNOTATION]!r} is already taken by "
                f"{_where(first.path)}; names are compared without regard to case"
            )
    return tuple(found.values())


def _param_header(path: tuple[str, ...] | None, schema: Mapping[str, Any]) -> ParamHeader:
    name = schema[ANNOTATION]
    if not path:
        raise ValueError(
            f"{ANNOTATION} {name!r} must be on a property reached from the root of the schema "
            "through `properties` alone: not on the root, not in items, anyOf, $defs or the like"
        )
    if not isinstance(name, str) or not _TOKEN.fullmatch(name):
        raise ValueError(
            f"{_where(path)}: {ANNOTATION} must be a header name (ASCII letters, digits and "
            f"!#$%&'*+-.^_`|~), not {_short(name)}"
        )
    kind = schema.get("type")
    if kind not in _TYPES:
        raise ValueError(
            f"{_where(path)}: {ANNOTATION} needs one type of string, integer or boolean, "
            f"not {_short(kind)}"
        )
    return ParamHeader(MCP_PARAM_PREFIX + name.lower(), path, kind)


def _where(path: tuple[str, ...]) -> str:
    return _short(".".join(path))


def _annotated(
    schema: object, path: tuple[str, ...] | None, depth: int
) -> Iterator[tuple[tuple[str, ...] | None, Mapping[str, Any]]]:
    """Each schema with an annotation, and its path; None where ``properties`` do not lead to it.

    Keywords of unknown vocabularies are searched like known ones, so that no annotation hides.
    """
    if depth > MAX_SCHEMA_DEPTH:
        raise ValueError(f"The schema is nested deeper than {MAX_SCHEMA_DEPTH} levels")
    if isinstance(schema, list):
        for item in schema:
            yield from _annotated(item, None, depth + 1)
    if not isinstance(schema, Mapping):
        return
    if ANNOTATION in schema:
        yield path, schema
    for keyword, value in schema.items():
        if keyword == "properties" and isinstance(value, Mapping):
            for name, inner in value.items():
                inner_path = None if path is None else (*path, name)
                yield from _annotated(inner, inner_path, depth + 1)
        elif keyword in _NAMING_KEYWORDS and isinstance(value, Mapping):
            for inner in value.values():
                yield from _annotated(inner, None, depth + 1)
        elif keyword not in _DATA_KEYWORDS:
            yield from _annotated(value, None, depth + 1)


# ------------------------------------------------------------------------------------ one tool call

# IEEE 754 doubles hold every integer up to here, so that no peer rounds it.
_MAX_SAFE_INTEGER = 2**53 - 1
_INTEGER = re.compile(r"(-?(?:0|[1-9][0-9]{0,15}))(?:\.0+)?")


def check_param_headers(
    param_headers: tuple[ParamHeader, ...],
    arguments: Mapping[str, Any] | None,
    headers: Mapping[str, str],
) -> None:
    """Return if the headers say what the arguments say; raise ``HeaderMismatch`` otherwise.

    ``headers`` has lower-case names. An argument that is null or absent must have no header, any
    other must have one. Integers are compared as numbers. Headers that no annotation asks for are
    not looked at. Whether an argument has the type of its schema is found out later: here only an
    integer outside the range of doubles is refused.
    """
    for param in param_headers:
        header = headers.get(param.header)
        value = _argument(param.path, arguments)
        if value is None and header is None:
            continue
        if header is None:
            raise HeaderMismatch(f"{_name(param)} is missing, but {_where(param.path)} has a value")
        if value is None:
            raise HeaderMismatch(f"{_name(param)} is sent, but {_where(param.path)} has no value")
        if not _same(decode_value(header), value):
            raise HeaderMismatch(
                f"{_name(param)} header value {_short(header)} does not match "
                f"body value {_short(value)}"
            )


def mirror(
    param_headers: tuple[ParamHeader, ...], arguments: Mapping[str, Any] | None
) -> dict[str, str]:
    """The headers to send with a call of these arguments, by lower-case name.

    An argument that is null, absent or of no type a header can carry has none. Raises
    ``ValueError`` for an integer outside the range of doubles, which must not be sent.
    """
    headers = {}
    for param in param_headers:
        text = _text(_argument(param.path, arguments))
        if text is not None:
            headers[param.header] = encode_value(text)
    return headers


def _argument(path: tuple[str, ...], arguments: Mapping[str, Any] | None) -> Any:
    value: Any = arguments
    for name in path:
        if not isinstance(value, Mapping):
            return None
        value = value.get(name)
    return value


def _name(param: ParamHeader) -> str:
    return param.header.title()


def _text(value: object) -> str | None:
    if isinstance(value, str):
        return value
    if isinstance(value, bool):
        return "true" if value else "false"
    number = _whole(value)
    if number is None:
        return None
    if abs(number) > _MAX_SAFE_INTEGER:
        raise ValueError(
            f"{_short(value)} cannot go into a header: "
            f"integers must be from {-_MAX_SAFE_INTEGER} to {_MAX_SAFE_INTEGER}"
        )
    return str(number)


def _same(text: str, value: object) -> bool:
    if isinstance(value, (str, bool)):
        return text == _text(value)
    number = _whole(value)
    match = _INTEGER.fullmatch(text)
    if number is None or match is None:
        return False
    return int(match[1]) == number and abs(number) <= _MAX_SAFE_INTEGER


def _whole(value: object) -> int | None:
    # JSON Schema counts 42.0 among the integers.
    if isinstance(value, float):
        return int(value) if value.is_integer() else None
    return value if isinstance(value, int) else None
