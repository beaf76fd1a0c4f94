"""The official SDK 1.x, in an environment of its own: every feature, and the whole of what it saw.

What it does is `sdk_1x/driver.py`. One run of it goes through everything on one server.
"""

from __future__ import annotations

import base64
import json
import subprocess
from copy import deepcopy
from pathlib import Path
from typing import Any

import pytest

from .conftest import LEGACY, structured
from .servers import Servers
from .site.mcp import PNG

DRIVER = Path(__file__).with_name("sdk_1x") / "driver.py"
#: Seconds the driver may take for everything.
PATIENCE = 120.0


@pytest.fixture(scope="module", params=["daphne", "uvicorn"])
def seen(request: pytest.FixtureRequest, servers: Servers, sdk_1x: Path) -> Any:
    """What every step of the driver saw of the project on this server."""
    return drive(sdk_1x, servers.get(request.param).url("").rstrip("/"))


def drive(python: Path, base: str, transport: str = "mcp", *steps: str, env: Any = None) -> Any:
    """Run the driver against the endpoints below the URL `base`; without `steps`, all of them."""
    ran = subprocess.run(
        [str(python), str(DRIVER), base, transport, *steps],
        env=env,
        capture_output=True,
        text=True,
        timeout=PATIENCE,
        check=False,
    )
    assert ran.returncode == 0, ran.stderr
    return json.loads(ran.stdout)


def said(value: Any) -> dict[str, Any]:
    """The whole result of a tool that returned `value`."""
    written = json.dumps(value, separators=(",", ":"), ensure_ascii=False)
    return {
        "content": [{"type": "text", "text": value if isinstance(value, str) else written}],
        "structuredContent": structured(LEGACY, value),
        "isError": False,
    }


def test_it_initializes(seen: Any) -> None:
    assert seen["initialize"] == {
        "protocolVersion": "2025-11-25",
        "capabilities": {
            "logging": {},
            "prompts": {"listChanged": True},
            "resources": {"subscribe": True, "listChanged": True},
            "tools": {"listChanged": True},
            "completions": {},
        },
        "serverInfo": {
            "name": "interop",
            "title": "Interoperation ☕",
            "version": "1.0",
            "websiteUrl": "https://example.com/interop",
        },
        "instructions": "Ask for anything, 何でも.",
    }


def test_either_side_pings_the_other(seen: Any) -> None:
    assert seen["ping"] == [{}, said(True)]


def test_it_lists_everything_page_by_page(seen: Any) -> None:
    ten = range(10)
    assert seen["lists"] == {
        "tools": [f"tool-{number}" for number in ten],
        "resources": [f"memo://{number}" for number in ten],
        "resourceTemplates": [f"memo://{number}/{{path}}" for number in ten],
        "prompts": [f"prompt-{number}" for number in ten],
    }


def test_it_calls_tools(seen: Any) -> None:
    book = {"title": "Emma", "authors": [], "genre": "novel", "tags": {}}
    blob = base64.b64encode(b"\x00").decode()
    file = {"uri": "file:///data.bin", "mimeType": "application/octet-stream", "blob": blob}
    integer = {"type": "integer"}
    assert seen["tools"] == {
        "add": {
            "name": "add",
            "description": "Add two numbers.",
            "inputSchema": {
                "type": "object",
                "properties": {"a": integer, "b": integer},
                "additionalProperties": False,
                "required": ["a", "b"],
            },
            "outputSchema": {
                "type": "object",
                "properties": {"result": integer},
                "required": ["result"],
            },
            "annotations": {"readOnlyHint": True, "idempotentHint": True, "openWorldHint": False},
        },
        "integer": said(3),
        "object": said({"a": 2, "b": 1}),
        "list": said([book, book]),
        "blocks": {
            "content": [
                {"type": "text", "text": "first"},
                {
                    "type": "image",
                    "data": base64.b64encode(PNG).decode(),
                    "mimeType": "image/png",
                },
                {"type": "resource", "resource": file},
            ],
            "isError": False,
        },
        "refused": {"content": [{"type": "text", "text": "no more ☕"}], "isError": True},
        "wrong": True,
        "unknown": {"code": -32602, "message": "Unknown tool: nope"},
    }


def test_it_hears_of_progress(seen: Any) -> None:
    assert seen["progress"] == [[step, 3, f"step {step} ☺"] for step in (1, 2, 3)]


def test_it_gets_log_lines_from_the_level_it_sets(seen: Any) -> None:
    lines = [
        ["debug", "fine", None],
        ["info", {"any": ["json", 1]}, "talk"],
        ["warning", "careful", None],
        ["error", "broken ☹", None],
    ]
    assert seen["log"] == [lines[1:], lines[3:], lines]


FORM = {
    "type": "object",
    "properties": {
        "name": {
            "type": "string",
            "title": "Name",
            "description": "How to call you",
            "minLength": 1,
        },
        "age": {"type": "integer", "title": "Age", "minimum": 0, "default": 30},
        "height": {"type": "number", "title": "Height"},
        "member": {"type": "boolean", "title": "Member", "default": False},
        "shelf": {"type": "string", "title": "Shelf", "enum": ["top", "bottom"], "default": "top"},
        "likes": {
            "type": "array",
            "title": "Likes",
            "items": {"type": "string", "enum": ["novel", "essay"]},
            "default": [],
        },
    },
    "required": ["name"],
}


def test_it_answers_every_kind_of_question(seen: Any) -> None:
    reader = {
        "name": "Zoë",
        "age": 30,
        "height": None,
        "member": False,
        "shelf": "top",
        "likes": [],
    }
    everything = {"form": 5, "url": "accept", "model": "m-1", "roots": ["file:///home/zoe"]}
    questions = deepcopy(seen["questions"])
    assert questions["asked"][2].pop("elicitationId")
    assert questions == {
        "found": {
            "form": said({"action": "accept", "data": reader}),
            "thread": said("Zoë"),
            "url": said("accept"),
            "model": said("in short"),
            "roots": said(["file:///home/zoe home"]),
            "prompt": {
                "description": "A prompt that asks first.",
                "messages": [
                    {"role": "user", "content": {"type": "text", "text": "Write to Zoë."}}
                ],
            },
            "resource": {
                "contents": [
                    {"uri": "memo://private", "mimeType": "text/plain", "text": "here it is"}
                ]
            },
        },
        "asked": [
            {"mode": "form", "message": "Who are you? ☺", "requestedSchema": FORM},
            {"mode": "form", "message": "Who are you?", "requestedSchema": FORM},
            {"mode": "url", "message": "Pay, please", "url": "https://pay.example.com/?amount=7"},
            {
                "messages": [{"role": "user", "content": {"type": "text", "text": "Sum up: much"}}],
                "systemPrompt": "Be brief",
                "temperature": 0.5,
                "maxTokens": 20,
            },
            {
                "mode": "form",
                "message": "Whom?",
                "requestedSchema": {
                    "type": "object",
                    "properties": {"value": {"type": "string"}},
                    "required": ["value"],
                },
            },
            {
                "mode": "form",
                "message": "Show it?",
                "requestedSchema": {"type": "object", "properties": {}},
            },
        ],
        "everything": said(everything),
    }


def test_it_is_told_that_its_user_has_been_elsewhere(seen: Any) -> None:
    error, told = deepcopy(seen["required"])
    (elicitation,) = error["data"]["elicitations"]
    id = elicitation.pop("elicitationId")
    assert error == {
        "code": -32042,
        "message": "Pay first, please",
        "data": {
            "elicitations": [
                {
                    "mode": "url",
                    "message": "Pay first, please",
                    "url": "https://pay.example.com/first",
                }
            ]
        },
    }
    assert told == {
        "jsonrpc": "2.0",
        "method": "notifications/elicitation/complete",
        "params": {"elicitationId": id},
    }


def test_it_reads_resources(seen: Any) -> None:
    def text(uri: str, text: str) -> dict[str, Any]:
        return {"contents": [{"uri": uri, "mimeType": "text/plain", "text": text}]}

    assert seen["resources"] == {
        "text": text("memo://text", "Remember the milk."),
        "bytes": 344,  # 256 bytes in Base64
        "template": text("memo://notes/1999/todo", "1999: todo"),
        "missing": {
            "code": -32002,
            "message": "Resource not found: memo://nope",
            "data": {"uri": "memo://nope"},
        },
    }


def test_it_hears_what_changes(seen: Any) -> None:
    def told(method: str, **params: str) -> dict[str, Any]:
        message = {"jsonrpc": "2.0", "method": f"notifications/{method}"}
        return {**message, "params": params} if params else message

    assert seen["changes"] == [
        told("resources/updated", uri="memo://a"),
        told("tools/list_changed"),
        told("prompts/list_changed"),
        told("resources/list_changed"),
    ]


def test_it_gets_prompts_and_completions(seen: Any) -> None:
    description = "A prompt whose name no header can carry as it is."
    assert seen["prompts"] == {
        "listed": {
            "name": "☕ break",
            "title": "A break",
            "description": description,
            "arguments": [
                {"name": "with_whom", "required": True},
                {"name": "minutes", "required": False},
            ],
        },
        "got": {
            "description": description,
            "messages": [
                {
                    "role": "user",
                    "content": {"type": "text", "text": "A break of 5 minutes with Zoë?"},
                },
                {"role": "assistant", "content": {"type": "text", "text": "Gladly."}},
            ],
        },
        "missing": {"code": -32602, "message": "Unknown prompt: nope"},
        "author": {"completion": {"values": ["Austen", "Atwood"], "total": 2, "hasMore": False}},
        "year": {
            "completion": {
                "values": [str(year) for year in range(1990, 2000)],
                "total": 10,
                "hasMore": False,
            }
        },
    }


def test_it_cancels_a_call(seen: Any) -> None:
    assert seen["cancellation"] == {
        "answer": [{"code": -32800, "message": "The request was cancelled"}],
        "ended": "cancelled",
    }


def test_it_comes_back_for_an_answer_that_takes_long(seen: Any) -> None:
    assert seen["polling"] == [[1, 2], [said("now")]]


def test_another_connection_resumes_a_call(seen: Any) -> None:
    params = {"progressToken": "it", "progress": 2}
    missed = {"jsonrpc": "2.0", "method": "notifications/progress", "params": params}
    assert seen["resumption"] == [[missed], said("now")]


def test_a_session_ends_by_its_client_or_otherwise(seen: Any) -> None:
    # The last is the client's own word for a 404.
    assert seen["termination"] == [404, 200, {"code": 32600, "message": "Session terminated"}]


# The transport of 2024-11-05

#: The steps that are about neither streamable HTTP alone nor a server that has no URL for this.
OF_EVERY_TRANSPORT = (
    "initialize",
    "ping",
    "tools",
    "progress",
    "log",
    "questions",
    "required",
    "resources",
    "changes",
    "prompts",
)


@pytest.mark.parametrize("kind", ["daphne", "uvicorn"])
def test_it_sees_the_same_over_http_sse(servers: Servers, sdk_1x: Path, kind: str) -> None:
    base = servers.get(kind).url("").rstrip("/")
    over_sse = drive(sdk_1x, base, "sse", *OF_EVERY_TRANSPORT)

    assert comparable(over_sse) == comparable(drive(sdk_1x, base, "mcp", *OF_EVERY_TRANSPORT))


def comparable(seen: Any) -> Any:
    """What was seen without the ids that no two sessions share."""
    if isinstance(seen, list):
        return [comparable(item) for item in seen]
    if isinstance(seen, dict):
        return {key: comparable(value) for key, value in seen.items() if key != "elicitationId"}
    return seen
