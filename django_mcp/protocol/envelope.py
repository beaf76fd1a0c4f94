"""The envelope of a stateless request: what `_meta` and the headers must say, checked rung by rung.

Owns the order of the checks of revision 2026-07-28 and nothing else. What a transport checks before
a message exists (Origin, media types, size) is `transports.http.guard`; how a header value is
encoded is `headers`; whether the method exists is `methods`, asked later: a bad envelope is refused
before an unknown method is.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import lru_cache
from typing import Any, Final

from . import revisions
from .errors import HeaderMismatch, InvalidParams, UnsupportedProtocolVersion
from .headers import MCP_METHOD, MCP_NAME, MCP_PROTOCOL_VERSION, decode_value
from .jsonrpc import Request
from .revisions import Revision

PREFIX: Final = "io.modelcontextprotocol/"
PROTOCOL_VERSION: Final = PREFIX + "protocolVersion"
CLIENT_INFO: Final = PREFIX + "clientInfo"
CLIENT_CAPABILITIES: Final = PREFIX + "clientCapabilities"
LOG_LEVEL: Final = PREFIX + "logLevel"
SERVER_INFO: Final = PREFIX + "serverInfo"
SUBSCRIPTION_ID: Final = PREFIX + "subscriptionId"

#: Names of headers that are kept decoded; they come from outside, and the same ones over and over.
MAX_NAMES: Final = 256

#: The parameter that `Mcp-Name` mirrors (2026-07-28,
#: basic/transports/streamable-http#standard-request-headers).
NAMED: Final[Mapping[str, str]] = {
    "tools/call": "name",
    "prompts/get": "name",
    "resources/read": "uri",
}


def is_enveloped(request: Request) -> bool:
    """True where a request carries its version itself, whatever the version is."""
    meta = request.params.get("_meta")
    return isinstance(meta, dict) and PROTOCOL_VERSION in meta


def open_envelope(
    request: Request, headers: Mapping[str, str] | None, supported: Sequence[Revision]
) -> Revision:
    """Return the revision `request` is made in, or raise the error of the first rung that does not
    hold; its `_meta` is then what the revision asks for.

    `headers` is None on a transport that has none; `supported` are the revisions served here,
    newest first.

    Raises InvalidParams, HeaderMismatch or UnsupportedProtocolVersion (2026-07-28,
    basic/index#_meta and basic/transports/streamable-http#server-validation).
    """
    meta: Any = request.params.get("_meta")
    try:
        version, capabilities = meta[PROTOCOL_VERSION], meta[CLIENT_CAPABILITIES]
    except (TypeError, KeyError, IndexError):
        raise _incomplete(meta, supported) from None
    if not isinstance(version, str):
        raise InvalidParams(f"params._meta: {PROTOCOL_VERSION} must be a string.")
    if not isinstance(capabilities, dict):
        raise InvalidParams(f"params._meta: {CLIENT_CAPABILITIES} must be an object.")
    if headers is not None:
        _check_headers(request, version, headers)
    revision = revisions.find(version)
    if revision is None or not revision.enveloped or revision not in supported:
        raise UnsupportedProtocolVersion(version, supported)
    return revision


def _incomplete(meta: object, supported: Sequence[Revision]) -> InvalidParams:
    if not isinstance(meta, dict):
        # A client that only knows initialize has no other way to learn what would work
        # (2026-07-28, basic/versioning#backward-compatibility-with-initialization-based-versions).
        return InvalidParams(
            f"params._meta is missing: every request carries {PROTOCOL_VERSION} and "
            f"{CLIENT_CAPABILITIES} in it. This server speaks {', '.join(map(str, supported))}."
        )
    missing = [key for key in (PROTOCOL_VERSION, CLIENT_CAPABILITIES) if key not in meta]
    return InvalidParams(f"params._meta lacks {' and '.join(missing)}.")


def _check_headers(request: Request, version: str, headers: Mapping[str, str]) -> None:
    declared = headers.get(MCP_PROTOCOL_VERSION)
    if declared != version:
        raise _mismatch("MCP-Protocol-Version", declared, version)
    method = headers.get(MCP_METHOD)
    if method != request.method:
        raise _mismatch("Mcp-Method", method, request.method)
    parameter = NAMED.get(method)
    if parameter is None:
        return
    # A body without the value is refused later for what it lacks, with the better message.
    value = request.params.get(parameter)
    name = headers.get(MCP_NAME)
    if isinstance(value, str) and (name is None or _decoded(name) != value):
        raise _mismatch("Mcp-Name", name, value)


_decoded = lru_cache(MAX_NAMES)(decode_value)


def _mismatch(name: str, header: str | None, body: str) -> HeaderMismatch:
    if header is None:
        return HeaderMismatch(f"{name} is missing; the body says {_short(body)}.")
    return HeaderMismatch(f"{name} says {_short(header)}, the body says {_short(body)}.")


def _short(value: str) -> str:
    return repr(value if len(value) <= 100 else value[:97] + "...")
