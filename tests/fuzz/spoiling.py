"""The ways to spoil a good request: its values, its members, its text, its headers, its path."""

from __future__ import annotations

import copy
import json
from collections.abc import Iterator
from typing import Any

from hypothesis import strategies as st

from tests.doors import META, VERSION

from .requests import headers_of, headers_of_session, of_sessions
from .values import (
    INSERTED,
    NAMES,
    ODD,
    PARTS,
    SEGMENTS,
    header_values,
    odd_values,
    texts,
)

# ----------------------------------------------------------------------------------------- members

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


# ------------------------------------------------------------------------------------------- texts


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


# ---------------------------------------------------------------------------------------- sessions

#: Good messages of each revision with sessions.
OF_SESSIONS = {
    revision: of_sessions(revision)
    for revision in ("2024-11-05", "2025-03-26", "2025-06-18", "2025-11-25")
}
#: Ids of events: none, malformed, and of streams there are none of.
_LAST = ["", "x", "c-1", "c0123456789abcdef-0", "g0123456789abcdef-1", "c" * 70_000, "\xff", "0"]


@st.composite
def conversations(draw: st.DrawFn, session: str, revision: str) -> Any:
    """What a client of a session sends: HTTP methods, headers and messages, good and spoiled."""
    return [draw(_turn(session, revision)) for _ in range(draw(st.integers(1, 4)))]


@st.composite
def _turn(draw: st.DrawFn, session: str, revision: str) -> Any:
    method = draw(st.sampled_from(["POST"] * 7 + ["GET", "GET", "DELETE"]))
    ids = st.sampled_from([session] * 6 + [session[:-1], session + "x", session.upper()])
    id = draw(ids | st.none() | header_values)
    version = draw(st.sampled_from([revision] * 6 + [None, VERSION, *OF_SESSIONS]) | header_values)
    headers = headers_of_session(id, version)
    if not draw(st.integers(0, 5)):
        headers += [draw(st.sampled_from(headers))]
    if method == "GET":
        headers = [pair for pair in headers if pair[0] not in ("accept", "content-type")]
        headers.append(("accept", "text/event-stream"))
    if draw(st.booleans()):
        headers.append(("last-event-id", draw(st.sampled_from(_LAST) | header_values)))
    good = OF_SESSIONS[revision]
    one = st.sampled_from(good) | spoiled(good)
    message = draw(one | one | st.lists(one | odd_values(), max_size=4))
    return method, headers, message


# ------------------------------------------------------------------------------- methods and paths

http_methods = st.sampled_from(
    ["POST", "GET", "HEAD", "PUT", "DELETE", "OPTIONS", "PATCH", "TRACE", "CONNECT", "post", "X"]
)
_segments = st.sampled_from(SEGMENTS) | st.text(max_size=10)
#: Half of them below a server's path, or nearly.
paths = st.tuples(st.lists(_segments, max_size=4), st.booleans()).map(
    lambda drawn: "/" + "/".join([*drawn[0], "mcp"] if drawn[1] else drawn[0])
)
