"""Values, pieces of text, headers and paths that are rarely what is expected, as tables."""

from __future__ import annotations

import base64
import copy
from typing import Any

from hypothesis import strategies as st

from django_mcp.server import pagination
from tests.doors import VERSION

#: The key of somebody the server knows.
KEY = "7a3c2d1e-0000-4000-8000-000000000000"

# ------------------------------------------------------------------------------------------- JSON

#: Any character at all, lone surrogates included: JSON can write them as escapes.
letters = st.characters(exclude_categories=())
texts = st.text(letters, max_size=20)
ODD: list[Any] = [
    None,
    True,
    False,
    0,
    -1,
    -0.0,
    1.5,
    1e308,
    5e-324,
    2**31,
    2**53 + 1,
    2**63,
    -(2**64),
    10**400,
    "",
    " ",
    "a",
    "\x00",
    "\ud800",
    "\udfff\ud800",
    "💣",
    "\u202e\u2028\ufeff\uffff",
    "a\r\nset-cookie: x",
    "../../etc/passwd",
    "%00%ff%c3%28",
    "fuzz://files/../x",
    "fuzz://parts/" + "a/" * 500,
    "fuzz://years/" + "9" * 5000,
    "fuzz://[",
    "//",
    "{",
    "A" * 20_000,
    "(" * 100,
    "NaN",
    "Infinity",
    "1e999",
    "null",
    "[]",
    '{"a":',
    VERSION,
    "2025-11-25",
    "0001-01-01",
    "9999-12-31T23:59:60+99:99",
    "P1Y",
    "1_000",
    "=?base64?////?=",
    "=?base64?/w==?=",
    pagination.encode("tools", 0, "enrol"),
    pagination.encode("tools", 10**30, ""),
    base64.urlsafe_b64encode(rb'["tools",-1,"\ud800"]').decode(),
    base64.urlsafe_b64encode(rb'["tools",0,"\ud800"]').decode(),
    "W1tbW1tbW1tbW1tbW1tb" * 500,
    "debug",
    "accept",
    [],
    {},
    [[]],
    [None],
    [{}, {}],
    {"": None},
    {"__class__": "x", "__proto__": {}},
    {"$ref": "#/$defs/tree"},
    {"_meta": {}},
    {"type": "text"},
    {"type": "object", "properties": {}},
    {"action": "accept", "content": {}},
    {"kind": "cat"},
    [1] * 1000,
    {str(number): number for number in range(300)},
]
json_values = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats(allow_nan=False, allow_infinity=False)
    | texts,
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(texts, inner, max_size=4),
    max_leaves=8,
)


@st.composite
def odd_values(draw: st.DrawFn) -> Any:
    """A value that is rarely what is expected."""
    kind = draw(st.integers(0, 9))
    if kind < 7:
        return copy.deepcopy(draw(st.sampled_from(ODD)))
    if kind < 9:
        return draw(json_values)
    return nested(draw(st.integers(1, 80)), draw(st.booleans()))


def nested(depth: int, in_lists: bool) -> Any:
    value: Any = "deep"
    for _ in range(depth):
        value = [value] if in_lists else {"friends": value}
    return value


# -------------------------------------------------------------------------------------- the tables

#: Put into the text of a body.
INSERTED = [
    b"\x00",
    b"\xff\xfe",
    b"\xed\xa0\x80",
    b"\xef\xbb\xbf",
    b"NaN",
    b"-Infinity",
    b"1e999",
    b"9" * 5000,
    b"[" * 200,
    b'{"a":' * 70,
    b'"',
    b"\\",
    b"\\ud83d",
    b"\\u0000",
    b"}",
    b"]",
    b",",
    b":",
    b"//",
    b"/**/",
    b"\r\n\r\n",
    b'"id":2,',
    b'"method":"tools/list",',
    b"  \t\n",
    b"\x0b\x0c\xa0",
    b"0x1F",
    b"01",
    b"+1",
    b"true",
    b"undefined",
]

#: Put together to URIs of resources.
PARTS = [
    *("a", "7", "..", "%2e%2e", "%2F", "%", "%zz", "%C3", "☕", "", "/", "?", "&", "=", "#"),
    *("limit", "flag", "true", "1e5", "nan", "9" * 400, "json", ".", ";", ",", "+", "\ud800"),
    *("\x00", "{", "*", KEY),
]

#: Put together to paths.
SEGMENTS = [
    "mcp",
    "orgs",
    "years",
    "rest",
    "",
    ".",
    "..",
    "a-b_1",
    "7",
    "-7",
    "9" * 5000,
    "٣",
    "☕",
    "%",
    "<script>alert(1)</script>",
    "a b",
    "a;b",
    "\x00",
    "{x}",
    "a" * 5000,
    "mcp\n",
]

NAMES = [
    "host",
    "origin",
    "content-type",
    "content-length",
    "accept",
    "mcp-protocol-version",
    "mcp-method",
    "mcp-name",
    "mcp-param-region",
    "mcp-param-shard",
    "mcp-param-dry",
    "mcp-session-id",
    "last-event-id",
    "authorization",
    "cookie",
    "x-forwarded-host",
    "x-forwarded-proto",
    "transfer-encoding",
    "content-encoding",
    "expect",
    "x-http-method-override",
]
VALUES = [
    "",
    " ",
    ",",
    ";",
    "*/*",
    "*/*;q=",
    "application/json;q=nan",
    "application/json;q=" + "9" * 500,
    "application/json, text/event-stream;q=0.0000",
    "text/html",
    "application/json; charset=utf-16",
    "testserver",
    "testserver:99999999999",
    "testserver:",
    "[::1",
    "[::1]:x",
    "user@testserver",
    "evil.example.com",
    "http://testserver",
    "http://",
    "null",
    "http://[",
    VERSION,
    f"{VERSION}, {VERSION}",
    "2025-11-25",
    "tools/call",
    "TOOLS/CALL",
    "route",
    "eu",
    "true",
    "1",
    "1.0",
    "01",
    "1e3",
    "9" * 5000,
    "-",
    "0",
    "=?base64?cm91dGU=?=",
    "=?base64?cm91dGU?=",
    "=?base64??=",
    "=?base64?=",
    "=?BASE64?/w==?=",
    "=?base64?" + "A" * 4000 + "?=",
    "chunked",
    "gzip",
    "100-continue",
    "Bearer " + "x" * 5000,
    "Basic !!!",
    "sessionid=1; sessionid=2",
    "x" * 70_000,
    "\xff\xfe",
    "\xe2\x98\x95",
    "a\tb",
]
#: Whatever a byte can hold; a server would not let line breaks through.
header_values = st.sampled_from(VALUES) | st.text(
    st.characters(max_codepoint=255, exclude_characters="\r\n\x00"), max_size=30
)
