"""The four lists, page by page."""

from __future__ import annotations

import base64
import json
from typing import Any

import pytest

from django_mcp import MCPServer
from tests.conversations.talk import by_name
from tests.doors import Door, envelope

LISTS = {
    "tools/list": "tools",
    "prompts/list": "prompts",
    "resources/list": "resources",
    "resources/templates/list": "resourceTemplates",
}


@pytest.fixture
def server() -> MCPServer:
    """A server with seven of everything, three to a page."""
    server = MCPServer("test", version="1.0", page_size=3)
    for number in range(7):
        server.add_tool(lambda: None, f"n{number}")
        server.add_prompt(lambda: "", f"n{number}")
        server.add_resource(f"x://{number}", "", name=f"n{number}")
        server.resource(f"x://{number}/{{a}}", name=f"n{number}")(_echo)
    return server


def _echo(a: str) -> str:
    raise NotImplementedError


async def paging(door: Door, method: str, cursor: str | None = None) -> tuple[list[str], Any]:
    """The names on one page, and the cursor to the next."""
    result = (await door.call(method, {} if cursor is None else {"cursor": cursor})).result
    assert (result["resultType"], result["ttlMs"]) == ("complete", 0)
    return [member["name"] for member in result[LISTS[method]]], result.get("nextCursor")


@pytest.mark.parametrize("method", LISTS)
async def test_a_list_comes_page_by_page_until_there_is_no_cursor(door: Door, method: str) -> None:
    first, after_first = await paging(door, method)
    second, after_second = await paging(door, method, after_first)
    third, after_third = await paging(door, method, after_second)

    assert (first, second, third) == (["n0", "n1", "n2"], ["n3", "n4", "n5"], ["n6"])
    assert after_third is None


async def test_a_page_that_holds_the_rest_is_the_last(door: Door, server: MCPServer) -> None:
    server.remove_tool("n6")

    _, cursor = await paging(door, "tools/list")

    assert await paging(door, "tools/list", cursor) == (["n3", "n4", "n5"], None)


async def test_what_is_removed_or_added_meanwhile_skips_and_repeats_nothing(
    door: Door, server: MCPServer
) -> None:
    _, cursor = await paging(door, "tools/list")
    server.remove_tool("n0")
    server.add_tool(lambda: None, "n7")

    second, cursor = await paging(door, "tools/list", cursor)
    third, cursor = await paging(door, "tools/list", cursor)

    assert (second, third, cursor) == (["n3", "n4", "n5"], ["n6", "n7"], None)


async def test_a_cursor_outlives_the_item_it_names(door: Door, server: MCPServer) -> None:
    _, cursor = await paging(door, "tools/list")
    server.remove_tool("n2")

    assert (await paging(door, "tools/list", cursor))[0] == ["n3", "n4", "n5"]


async def test_a_cursor_behind_the_end_leads_to_an_empty_page(
    door: Door, server: MCPServer
) -> None:
    _, cursor = await paging(door, "tools/list")
    for number in range(2, 7):
        server.remove_tool(f"n{number}")

    assert await paging(door, "tools/list", cursor) == ([], None)


def _forged(value: Any) -> str:
    return base64.urlsafe_b64encode(json.dumps(value).encode()).decode().rstrip("=")


@pytest.mark.parametrize(
    "cursor",
    [
        "",
        "x",
        "nope nope",
        "ünï",
        _forged(None),
        _forged([]),
        _forged({"a": 1, "b": 2, "c": 3}),
        _forged(["prompts", 2, "n2"]),
        _forged(["tools", -1, "n2"]),
        _forged(["tools", True, "n2"]),
        _forged(["tools", 2.0, "n2"]),
        _forged(["tools", 2, None]),
        _forged(["tools", 2, "n2", "more"]),
        "W" * 100_000,
    ],
)
async def test_a_cursor_that_is_not_ours_is_invalid(door: Door, cursor: str) -> None:
    reply = await door.call("tools/list", {"cursor": cursor})

    assert (reply.status, reply.error["code"]) == (400, -32602)
    assert "cursor" in reply.error["message"]


async def test_a_cursor_that_is_no_text_is_invalid(door: Door) -> None:
    reply = await door.call("tools/list", {"cursor": 5})

    assert (reply.status, reply.error["code"]) == (400, -32602)


@pytest.mark.parametrize("kind", ["consumer", "view", "wsgi"])
async def test_pages_are_full_of_what_the_caller_may_see(
    server: MCPServer, guarded: Any, kind: str
) -> None:
    for number in range(0, 7, 2):
        server.remove_tool(f"n{number}")
        server.add_tool(
            lambda: None, f"n{number}", permission=lambda principal: principal.id == "name:ada"
        )
    door = guarded(by_name, kind)

    async def names(caller: str) -> list[list[str]]:
        pages, params = [], {}
        while True:
            reply = await door.post(envelope("tools/list", params), x_caller=caller)
            pages.append([tool["name"] for tool in reply.result["tools"]])
            if "nextCursor" not in reply.result:
                return pages
            params = {"cursor": reply.result["nextCursor"]}

    assert await names("ada") == [["n1", "n3", "n5"], ["n0", "n2", "n4"], ["n6"]]
    assert await names("bob") == [["n1", "n3", "n5"]]


async def test_the_page_size_is_a_setting(settings: Any) -> None:
    settings.DJANGO_MCP = {"PAGE_SIZE": 2}

    assert MCPServer("test").page_size == 2
