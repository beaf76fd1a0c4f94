"""Requests as they should be, and the ways to spoil them.

`seeds()` are good requests with every method and every field in them; the strategies take them
apart. Hypothesis shrinks what it finds, so each step is a small one.
"""

from __future__ import annotations

import base64
import copy
import json
from collections.abc import Iterator
from typing import Any

from hypothesis import strategies as st

from django_mcp.protocol.headers import encode_value
from django_mcp.server import pagination
from tests.doors import META, NAMED, VERSION, envelope

CAPABILITIES: dict[str, Any] = {
    "elicitation": {"form": {}, "url": {}},
    "sampling": {"tools": {}, "context": {}},
    "roots": {"listChanged": True},
    "experimental": {"x": {}},
    "extensions": {"com.example/x": {"a": 1}},
}
FULL_META: dict[str, Any] = {
    META + "clientInfo": {
        "name": "fuzz",
        "version": "1",
        "title": "T",
        "websiteUrl": "https://example.com",
        "icons": [{"src": "https://example.com/i.png", "mimeType": "image/png", "sizes": ["1x1"]}],
    },
    META + "logLevel": "debug",
    "progressToken": "p-1",
    "traceparent": "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01",
    "com.example/own": {"a": [1, None]},
}
PERSON: dict[str, Any] = {
    "name": "Ada",
    "born": "1815-12-10",
    "seen": "2026-01-01T00:00:00Z",
    "key": "7a3c2d1e-0000-4000-8000-000000000000",
    "price": "1.50",
    "height": 1.7,
    "colour": "red",
    "pets": [{"kind": "cat", "lives": 3}, {"kind": "dog", "tricks": ["sit"]}],
    "home": {"street": "S", "numbers": [1, "b"]},
    "friends": [{"name": "Bob", "friends": []}],
    "notes": {"a": 1, "b": "c", "d": None},
}
ANSWERS: dict[str, Any] = {
    "form": {"action": "accept", "content": {"value": "x"}},
    "url": {"action": "accept"},
    "model": {
        "role": "assistant",
        "content": {"type": "text", "text": "t"},
        "model": "m",
        "stopReason": "endTurn",
    },
    "roots": {"roots": [{"uri": "file:///a", "name": "a"}]},
    "question-1": {"action": "accept", "content": {"value": 1}},
}


def request(method: str, params: dict[str, Any] | None = None) -> dict[str, Any]:
    """A whole request, with every optional field of an envelope."""
    return envelope(method, params, capabilities=CAPABILITIES, meta=FULL_META)


def call(name: str, arguments: dict[str, Any], **more: Any) -> dict[str, Any]:
    return request("tools/call", {"name": name, "arguments": arguments, **more})


def cursor(kind: str, index: int, key: str) -> str:
    """A cursor as a list gives it."""
    return pagination.encode(kind, index, key)


def seeds() -> list[dict[str, Any]]:
    """Good requests; every method, every tool, prompt and template of the server."""
    review = {"type": "ref/prompt", "name": "review", "title": "R"}
    year = {"type": "ref/resource", "uri": "fuzz://years/{year}"}
    typed = {"name": "book", "value": "A"}
    listening = {
        "toolsListChanged": True,
        "promptsListChanged": True,
        "resourcesListChanged": False,
        "resourceSubscriptions": ["fuzz://text", "fuzz://years/7"],
    }
    return [
        request("server/discover", {}),
        request("tools/list", {}),
        request("tools/list", {"cursor": cursor("tools", 2, "raw")}),
        request("prompts/list", {"cursor": cursor("prompts", 0, "gone")}),
        request("resources/list", {"cursor": cursor("resources", 1, "fuzz://text")}),
        request("resources/templates/list", {}),
        call("enrol", {"person": PERSON, "others": [PERSON]}),
        call("enrol_in_a_thread", {"person": PERSON}),
        call("raw", {"tree": {"branches": [{"a": 1}]}, "either": 1, "many": [1], "x-a": True}),
        call("raw", {"pattern": "aab", "either": "2026-01-01", "tree": {}}),
        call("echo", {"value": {"a": [1, None]}, "text": "t", "number": 1.5, "whole": 1}),
        call("say", {"text": "t"}),
        call("talk", {"data": {"a": 1}, "message": "m", "steps": 2}),
        call("route", {"region": "eu", "shard": 1, "dry": True}),
        call("ask", {"what": "w"}),
        request("resources/read", {"uri": "fuzz://text"}),
        request("resources/read", {"uri": "fuzz://bytes"}),
        request("resources/read", {"uri": "fuzz://years/1999"}),
        request("resources/read", {"uri": "fuzz://files/a/b%20c"}),
        request("resources/read", {"uri": "fuzz://parts/a/b?limit=2&flag=true"}),
        request("resources/read", {"uri": f"fuzz://people/{PERSON['key']}.json#f"}),
        request("resources/read", {"uri": "fuzz://ask"}),
        request("prompts/get", {"name": "review", "arguments": {"book": "B", "stars": "3"}}),
        request("prompts/get", {"name": "review", "arguments": {"book": "B", "extra": '{"a":1}'}}),
        request("prompts/get", {"name": "☕", "arguments": {"sugar": "1.5"}}),
        request("prompts/get", {"name": "asking", "arguments": {"about": "A"}}),
        request("completion/complete", {"ref": review, "argument": typed}),
        request(
            "completion/complete",
            {"ref": review, "argument": typed, "context": {"arguments": {"stars": "1"}}},
        ),
        request("completion/complete", {"ref": year, "argument": {"name": "year", "value": "1"}}),
        request("completion/complete", {"ref": year, "argument": {"name": "no", "value": ""}}),
        request("subscriptions/listen", {"notifications": listening}),
        {
            "jsonrpc": "2.0",
            "method": "notifications/cancelled",
            "params": {"requestId": 1, "reason": "r", "_meta": {META + "protocolVersion": VERSION}},
        },
    ]


def headers_of(message: Any) -> list[tuple[str, str]]:
    """The headers that fit `message`, as far as it can be made out: to get past their checks."""
    found = {
        "host": "testserver",
        "content-type": "application/json",
        "accept": "application/json, text/event-stream",
        "mcp-protocol-version": VERSION,
    }
    params = message.get("params") if isinstance(message, dict) else None
    params = params if isinstance(params, dict) else {}
    meta = params.get("_meta")
    if isinstance(meta, dict):
        version = meta.get(META + "protocolVersion")
        found["mcp-protocol-version"] = _latin(version) if isinstance(version, str) else VERSION
    if isinstance(message, dict) and isinstance(message.get("method"), str):
        found["mcp-method"] = _latin(message["method"])
        name = params.get(NAMED.get(message["method"], ""))
        if isinstance(name, str):
            found["mcp-name"] = _carried(name)
    arguments = params.get("arguments")
    if params.get("name") == "route" and isinstance(arguments, dict):
        for key in ("region", "shard", "dry"):
            if arguments.get(key) is not None:
                value = arguments[key]
                text = value if isinstance(value, str) else json.dumps(value)
                found[f"mcp-param-{key}"] = _carried(text)
    return list(found.items())


def _carried(value: str) -> str:
    try:
        return encode_value(value)
    except ValueError:  # a lone surrogate, which no header can carry
        return _latin(value)


def _latin(text: str) -> str:
    return text.encode("latin-1", "replace").decode("latin-1")


# ----------------------------------------------------------------------------------------- values

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


# ------------------------------------------------------------------------------ spoiling a message

Place = tuple[Any, ...]


def places(value: Any, above: Place = ()) -> Iterator[Place]:
    """The paths to everything inside `value`."""
    if isinstance(value, dict):
        items: Any = value.items()
    elif isinstance(value, list):
        items = enumerate(value[:20])
    else:
        return
    for key, inner in items:
        yield (*above, key)
        yield from places(inner, (*above, key))


def at(value: Any, place: Place) -> Any:
    for key in place:
        value = value[key]
    return value


def every_odd_value(good: list[dict[str, Any]]) -> Iterator[dict[str, Any]]:
    """Each of the good messages with each odd value in each place of its params, one at a time."""
    seen: set[str] = set()
    for seed in good:
        params = seed["params"]
        target = str(params.get("name") or params.get("uri") or params.get("ref"))
        for place in places(params):
            # What all requests have in common is spoiled where it is made use of.
            if place[0] == "_meta" and target not in ("talk", "ask"):
                continue
            where = f"{seed['method']} {target} {place}"
            if where not in seen:
                seen.add(where)
                yield from (_with(seed, place, value) for value in ODD)


def _with(seed: dict[str, Any], place: Place, value: Any) -> dict[str, Any]:
    message = copy.deepcopy(seed)
    *above, key = place
    at(message["params"], tuple(above))[key] = value
    return message


@st.composite
def spoiled(draw: st.DrawFn, good: list[dict[str, Any]]) -> Any:
    """One of the good messages, changed in one to three places, most often inside the params."""
    message: Any = copy.deepcopy(draw(st.sampled_from(good)))
    deep = draw(st.integers(0, 2))
    for _ in range(draw(st.integers(1, 3))):
        every = [
            place
            for place in places(message)
            if not deep or (place[0] == "params" and len(place) > 1 and place[1] != "_meta")
        ]
        if not every:
            break
        *above, key = draw(st.sampled_from(every))
        _spoil(draw, at(message, tuple(above)), key, message, every)
        if not isinstance(message.get("params"), dict):
            break
    return message


def _spoil(draw: st.DrawFn, holder: Any, key: Any, message: Any, every: list[Place]) -> None:
    how = draw(st.sampled_from(["odd", "odd", "odd", "drop", "rename", "add", "wrap", "swap"]))
    if how == "odd":
        holder[key] = draw(odd_values())
    elif how == "drop":
        del holder[key]
    elif how == "wrap":
        holder[key] = [holder[key]] if draw(st.booleans()) else {"value": holder[key]}
    elif how == "swap":
        holder[key] = copy.deepcopy(at(message, draw(st.sampled_from(every))))
    elif isinstance(holder, list):
        holder.append(draw(odd_values()))
    elif how == "rename":
        holder[draw(texts)] = holder.pop(key)
    else:
        holder[draw(texts | st.sampled_from(["_meta", "id", "cursor", "task"]))] = draw(
            odd_values()
        )


@st.composite
def shaken(draw: st.DrawFn, good: list[dict[str, Any]]) -> Any:
    """One of the good messages with any number of its values replaced, wherever they stand."""
    message: Any = copy.deepcopy(draw(st.sampled_from(good)))
    params = message["params"]
    if "uri" in params:
        params["uri"] = draw(uris)
        return message
    kept = {"_meta", "name"}
    inside = [place for place in places(params) if place[0] not in kept]
    leaves = [place for place in inside if not isinstance(at(params, place), dict | list)]
    chosen = draw(st.integers(0, 2 ** len(leaves) - 1))
    for number, (*above, key) in enumerate(leaves):
        if chosen >> number & 1:
            at(params, tuple(above))[key] = draw(odd_values())
    return message


PARTS = [
    *("a", "7", "..", "%2e%2e", "%2F", "%", "%zz", "%C3", "☕", "", "/", "?", "&", "=", "#"),
    *("limit", "flag", "true", "1e5", "nan", "9" * 400, "json", ".", ";", ",", "+", "\ud800"),
    *("\x00", "{", "*", PERSON["key"]),
]
_parts = st.sampled_from(PARTS)
uris = st.builds(
    lambda begin, parts: begin + "".join(parts),
    st.sampled_from(
        ["years/", "files/", "parts/", "parts", "parts?", "people/", "ask", "text", "years"]
    ).map("fuzz://".__add__)
    | st.sampled_from(["", "fuzz:", "FUZZ://years/", "file:///", "fuzz://parts/a?limit="]),
    st.lists(_parts | texts, max_size=8),
)


@st.composite
def envelopes(draw: st.DrawFn) -> Any:
    """A message made of members of any type."""
    message: dict[str, Any] = {}
    for key, usual in (
        ("jsonrpc", "2.0"),
        ("id", 1),
        ("method", "tools/call"),
        ("params", None),
        ("result", None),
        ("error", None),
    ):
        choice = draw(st.integers(0, 3))
        if choice == 0:
            message[key] = draw(odd_values())
        elif choice < 3 and (usual is not None or key == "params"):
            message[key] = draw(_params()) if key == "params" else usual
    kind = draw(st.integers(0, 9))
    if kind == 0:
        return [message] * draw(st.integers(0, 3))
    return draw(odd_values()) if kind == 1 else message


@st.composite
def _params(draw: st.DrawFn) -> Any:
    params: dict[str, Any] = {}
    meta: dict[str, Any] = {}
    for key, usual in (
        ("protocolVersion", VERSION),
        ("clientCapabilities", {}),
        ("clientInfo", {"name": "n", "version": "1"}),
        ("logLevel", "info"),
    ):
        if draw(st.integers(0, 5)):
            meta[META + key] = usual if draw(st.integers(0, 2)) else draw(odd_values())
    if not draw(st.integers(0, 3)):
        meta["progressToken"] = draw(odd_values())
    if draw(st.integers(0, 5)):
        params["_meta"] = meta if draw(st.integers(0, 5)) else draw(odd_values())
    for key in ("name", "arguments", "uri", "cursor", "ref", "argument", "notifications"):
        if not draw(st.integers(0, 2)):
            params[key] = draw(odd_values())
    return params


# -------------------------------------------------------------------------------- spoiling the text

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


@st.composite
def bodies(draw: st.DrawFn, good: list[dict[str, Any]]) -> bytes:
    """Random bytes, or the text of a good message with something in it that should not be there."""
    if not draw(st.integers(0, 4)):
        return draw(st.binary(max_size=200))
    ascii_only = draw(st.booleans())
    text = json.dumps(draw(st.sampled_from(good)), ensure_ascii=ascii_only)
    encoding = draw(st.sampled_from(["utf-8", "utf-8", "utf-8", "utf-8", "utf-16", "utf-8-sig"]))
    body = text.encode(encoding)
    for _ in range(draw(st.integers(0, 3))):
        place = draw(st.integers(0, len(body)))
        until = min(len(body), place + draw(st.integers(0, 12)))
        piece = draw(
            st.sampled_from(INSERTED)
            | st.binary(max_size=6)
            | st.just(body[place // 2 : place // 2 + 40])
        )
        body = body[:place] + piece + body[until:]
    return body[: draw(st.integers(0, len(body)))] if not draw(st.integers(0, 5)) else body


# ----------------------------------------------------------------------------------------- headers

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


@st.composite
def headers(draw: st.DrawFn, message: Any) -> list[tuple[str, str]]:
    """The headers of a good message with some taken away, changed, doubled or added."""
    found = headers_of(message)
    for _ in range(draw(st.integers(1, 4))):
        how = draw(st.sampled_from(["drop", "change", "change", "double", "add", "add"]))
        index = draw(st.integers(0, max(0, len(found) - 1)))
        if how == "add" or not found:
            pairs = draw(st.integers(1, 2)) if draw(st.integers(0, 20)) else 300
            name = draw(
                st.sampled_from(NAMES) | st.from_regex(r"[a-z][a-z0-9_.!#-]{0,20}", fullmatch=True)
            )
            found += [(name, draw(header_values))] * pairs
        elif how == "drop":
            del found[index]
        elif how == "change":
            found[index] = (found[index][0], draw(header_values))
        else:
            found.insert(index, found[index])
    return found


# ------------------------------------------------------------------------------- methods and paths

http_methods = st.sampled_from(
    ["POST", "GET", "HEAD", "PUT", "DELETE", "OPTIONS", "PATCH", "TRACE", "CONNECT", "post", "X"]
)
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
_segments = st.sampled_from(SEGMENTS) | st.text(max_size=10)
#: Half of them below a server's path, or nearly.
paths = st.tuples(st.lists(_segments, max_size=4), st.booleans()).map(
    lambda drawn: "/" + "/".join([*drawn[0], "mcp"] if drawn[1] else drawn[0])
)
