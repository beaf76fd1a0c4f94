"""What is asked of the servers: a row for each scenario, its requests, and what a right answer is.

Every request is one of revision 2026-07-28, with all of its headers, or belongs to a session of
2025-11-25. How requests are sent in numbers is `load`. What does not travel over HTTP is `pipes`.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, Final

from .site.database import NOTES, body

REVISION: Final = "2026-07-28"
STATEFUL: Final = "2025-11-25"
#: What every addition comes to, so that one sentinel fits all answers.
SUM: Final = 1_000_000
META: Final = {
    "io.modelcontextprotocol/protocolVersion": REVISION,
    "io.modelcontextprotocol/clientInfo": {"name": "bench", "version": "1.0"},
    "io.modelcontextprotocol/clientCapabilities": {},
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Scenario:
    """A kind of request. `params` makes the params of the request with a number from 1 to `NOTES`.

    With `sessions` there are as many, which the requests belong to in turn, and which are opened
    before; a scenario whose requests are whole `lives` of sessions opens its own. `reference` is
    the server that the others are compared with.

    `sentinel` is in the body of every right answer; `verify` looks at one result closely, and
    raises ValueError for a wrong one. `tools` is how many tools the servers have, `connections` how
    many at least are open. `floor` is True where the bare consumer's fixed answer passes too.
    """

    name: str
    method: str
    params: Callable[[int], dict[str, Any]]
    sentinel: str
    verify: Callable[[int, dict[str, Any]], None]
    tools: int = 3
    connections: int = 0
    floor: bool = False
    sessions: int = 0
    lives: bool = False
    reference: str = "sdk"

    def message(self, number: int) -> dict[str, Any]:
        """The JSON-RPC request with that number."""
        params = self.params(number)
        if not self.sessions:
            params = {**params, "_meta": META}
        return {"jsonrpc": "2.0", "id": number, "method": self.method, "params": params}

    def headers(self, number: int, sessions: Sequence[str] = ()) -> dict[str, str]:
        """The HTTP headers of the request with that number."""
        if self.sessions:
            return session_headers(sessions[number % len(sessions)])
        named = {} if "name" not in (params := self.params(number)) else params
        return {
            "Content-Type": "application/json",
            "Accept": "application/json, text/event-stream",
            "MCP-Protocol-Version": REVISION,
            "Mcp-Method": self.method,
            **({"Mcp-Name": named["name"]} if named else {}),
        }

    def request(self, number: int, port: int, sessions: Sequence[str] = ()) -> bytes:
        """The whole HTTP request with that number."""
        content = json.dumps(self.message(number), separators=(",", ":")).encode()
        headers = {
            "Host": f"127.0.0.1:{port}",
            **self.headers(number, sessions),
            "Content-Length": str(len(content)),
        }
        lines = "".join(f"{name}: {value}\r\n" for name, value in headers.items())
        return b"POST /mcp HTTP/1.1\r\n" + lines.encode() + b"\r\n" + content


#: What opens a session, and what a client says next.
INITIALIZE: Final = {
    "jsonrpc": "2.0",
    "id": 1,
    "method": "initialize",
    "params": {
        "protocolVersion": STATEFUL,
        "capabilities": {},
        "clientInfo": {"name": "bench", "version": "1.0"},
    },
}
INITIALIZED: Final = {"jsonrpc": "2.0", "method": "notifications/initialized"}


def session_headers(session: str | None = None) -> dict[str, str]:
    """The HTTP headers of a request that belongs to a session, or opens one."""
    headers = {
        "Content-Type": "application/json",
        "Accept": "application/json, text/event-stream",
    }
    if session is None:
        return headers
    return {**headers, "MCP-Protocol-Version": STATEFUL, "Mcp-Session-Id": session}


def _call(name: str, **arguments: Any) -> dict[str, Any]:
    return {"name": name, "arguments": arguments}


def _structured(result: dict[str, Any]) -> Any:
    """What a call returned, in an object of its own or not, after the text said the same."""
    if result.get("isError"):
        raise ValueError("the tool failed")
    found = result["structuredContent"]
    if isinstance(found, dict) and found.keys() == {"result"}:
        found = found["result"]
    if json.loads(result["content"][0]["text"]) != found:
        raise ValueError("text and structured content differ")
    return found


def _sum(number: int, result: dict[str, Any]) -> None:
    if _structured(result) != SUM:
        raise ValueError(f"the sum is not {SUM}")


def _note(number: int, result: dict[str, Any]) -> None:
    wanted = {"id": number, "title": f"Note number {number}", "body": body(number)}
    if _structured(result) != wanted:
        raise ValueError("it is another note")


def _list(number: int, result: dict[str, Any]) -> None:
    names = {tool["name"] for tool in result["tools"]}
    if len(names) != 100 or not {"add", "tool_000", "tool_096"} <= names:
        raise ValueError(f"{len(names)} tools, and not the right ones")
    if any("inputSchema" not in tool for tool in result["tools"]):
        raise ValueError("a tool has no schema")


_SCENARIOS: Final = (
    Scenario(
        name="add",
        method="tools/call",
        params=lambda number: _call("add", a=number, b=SUM - number),
        sentinel=str(SUM),
        verify=_sum,
        floor=True,
    ),
    Scenario(
        name="session",
        method="tools/call",
        params=lambda number: _call("add", a=number, b=SUM - number),
        sentinel=str(SUM),
        verify=_sum,
        sessions=16,
        reference="sdk-sessions",
    ),
    Scenario(
        name="lives",
        method="tools/call",
        params=lambda number: _call("add", a=number, b=SUM - number),
        sentinel=str(SUM),
        verify=_sum,
        sessions=1,
        lives=True,
        reference="sdk-sessions",
    ),
    Scenario(
        name="note",
        method="tools/call",
        params=lambda number: _call("get_note", id=number),
        sentinel="note-sentinel",
        verify=_note,
    ),
    Scenario(
        name="list",
        method="tools/list",
        params=lambda number: {},
        sentinel="tool_096",
        verify=_list,
        tools=100,
    ),
    Scenario(
        name="slow",
        method="tools/call",
        params=lambda number: _call("slow", ms=20, token=SUM),
        sentinel=str(SUM),
        verify=_sum,
        connections=64,
    ),
)
SCENARIOS: Final = {scenario.name: scenario for scenario in _SCENARIOS}
#: Requests prepared for one run; they are sent over and over.
REQUESTS: Final = NOTES
