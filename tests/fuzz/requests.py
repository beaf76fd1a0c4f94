"""Requests as they should be: every method, every field, every part of the server under fuzz."""

from __future__ import annotations

import json
from typing import Any

from django_mcp.protocol.headers import encode_value
from django_mcp.server import pagination
from tests.doors import META, NAMED, VERSION, envelope

from .values import KEY

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
    "key": KEY,
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
        request("resources/read", {"uri": f"fuzz://people/{KEY}.json#f"}),
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


def of_sessions(revision: str) -> list[dict[str, Any]]:
    """Good messages of a revision with sessions: every method, and what is not answered."""
    known = {"name": "fuzz", "version": "1"}
    opening = {"protocolVersion": revision, "capabilities": {"roots": {}}, "clientInfo": known}
    texts = {"text": "t"}
    said = {"name": "talk", "arguments": {"data": {"a": 1}, "message": "m", "steps": 2}}
    requests_ = [
        ("initialize", opening),
        ("ping", {}),
        ("logging/setLevel", {"level": "debug"}),
        ("tools/list", {"cursor": cursor("tools", 2, "raw")}),
        ("tools/call", {"name": "say", "arguments": texts}),
        ("tools/call", {**said, "_meta": {"progressToken": "p"}}),
        ("tools/call", {"name": "ask", "arguments": {"what": "w"}}),
        ("resources/read", {"uri": "fuzz://years/1999"}),
        ("resources/subscribe", {"uri": "fuzz://text"}),
        ("resources/unsubscribe", {"uri": "fuzz://text"}),
        ("prompts/get", {"name": "review", "arguments": {"book": "B", "stars": "3"}}),
    ]
    silent = [
        ("notifications/initialized", {}),
        ("notifications/cancelled", {"requestId": 1, "reason": "r"}),
        ("notifications/progress", {"progressToken": 1, "progress": 0.5}),
        ("notifications/roots/list_changed", {}),
    ]
    return [
        *({"jsonrpc": "2.0", "id": 1, "method": m, "params": p} for m, p in requests_),
        *({"jsonrpc": "2.0", "method": m, "params": p} for m, p in silent),
        {"jsonrpc": "2.0", "id": "q", "params": {}, "result": {"roots": []}},
        {"jsonrpc": "2.0", "id": "q", "params": {}, "error": {"code": 1, "message": "m"}},
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


def headers_of_session(session: str | None, version: str | None) -> list[tuple[str, str]]:
    """The headers of a message in a session."""
    found = {
        "host": "testserver",
        "content-type": "application/json",
        "accept": "application/json, text/event-stream",
        "mcp-session-id": session,
        "mcp-protocol-version": version,
    }
    return [(name, value) for name, value in found.items() if value is not None]


def _carried(value: str) -> str:
    try:
        return encode_value(value)
    except ValueError:  # a lone surrogate, which no header can carry
        return _latin(value)


def _latin(text: str) -> str:
    return text.encode("latin-1", "replace").decode("latin-1")
