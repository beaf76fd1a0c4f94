"""Several servers as one: names, routing, servers that are down, and who is asking."""

from __future__ import annotations

import asyncio
import socket
from typing import Any

import pytest

from django_mcp import Context
from django_mcp.client import (
    ClientError,
    ClientGroup,
    ConnectionFailed,
    NotSupported,
    StdioTransport,
    WebSocketTransport,
)
from django_mcp.client.configuration import transports_of
from django_mcp.client.transports.http import HttpTransport
from django_mcp.client.transports.http_sse import SseTransport

from .ways import NEWEST_SESSION, STATELESS, application_of, listening, new_server

eras = pytest.mark.parametrize("revision", [NEWEST_SESSION, STATELESS])


def shop(name: str) -> Any:
    server = new_server(name)

    @server.tool
    async def buy(ctx: Context, what: str) -> str:
        """Buy something, after asking."""
        return f"{what} from {name}" if await ctx.confirm("Sure?") else "nothing"

    @server.resource(f"{name}://price")
    def price() -> str:
        return f"The price of {name}"

    @server.resource(name + "://items/{item}")
    def item(item: str) -> str:
        return f"{item} of {name}"

    @server.completion(name + "://items/{item}", "item")
    def complete_item(typed: str) -> list[str]:
        return [f"{name}-tea"]

    @server.prompt
    def offer(what: str) -> str:
        return f"Offer {what} at {name}."

    @server.completion("offer", "what")
    def complete_what(typed: str) -> list[str]:
        return [f"{name}-coffee"]

    return server


@eras
async def test_everything_of_every_server_is_there_under_one_name(revision: str) -> None:
    asking: list[str] = []

    def agree(server: str, question: Any) -> bool:
        asking.append(server)
        return True

    servers = {"north": shop("north"), "south": shop("south")}
    async with ClientGroup(servers, revisions=[revision], on_elicit=agree) as group:
        assert [tool.name for tool in await group.list_tools()] == ["north_buy", "south_buy"]
        assert [prompt.name for prompt in await group.list_prompts()] == [
            "north_offer",
            "south_offer",
        ]
        assert [each.uri for each in await group.list_resources()] == [
            "north://price",
            "south://price",
        ]
        assert (await group.call_tool("south_buy", {"what": "tea"})).data == "tea from south"
        assert (await group.call_tool("north_buy", {"what": "tea"})).data == "tea from north"
        assert asking == ["south", "north"]


@eras
async def test_what_was_not_listed_yet_is_found(revision: str) -> None:
    servers = {"north": shop("north"), "south": shop("south")}
    async with ClientGroup(servers, revisions=[revision]) as group:
        prompt = await group.get_prompt("south_offer", {"what": "tea"})
        assert prompt.messages[0].content.text == "Offer tea at south."
        assert (await group.read_resource("south://price"))[0].text == "The price of south"
        assert (await group.read_resource("north://items/tea"))[0].text == "tea of north"
        found = await group.complete("what", "", prompt="south_offer")
        assert found.values == ["south-coffee"]
        found = await group.complete("item", "", template="north://items/{item}")
        assert found.values == ["north-tea"]

        with pytest.raises(NotSupported, match="has a tool 'west_buy'"):
            await group.call_tool("west_buy")
        with pytest.raises(NotSupported, match="lists 'west://price'"):
            await group.read_resource("west://price")


async def test_names_are_made_by_the_project() -> None:
    servers = {"north": shop("north"), "south": shop("south")}

    def name_of(server: str, name: str) -> str:
        return f"{name}.{server[0]}" if server == "north" else name

    async with ClientGroup(servers, name_of=name_of) as group:
        assert [tool.name for tool in await group.list_tools()] == ["buy.n", "buy"]


async def test_the_second_of_two_tools_with_one_name_is_left_out(
    caplog: pytest.LogCaptureFixture,
) -> None:
    servers = {"north": shop("north"), "south": shop("south")}
    async with ClientGroup(
        servers, name_of=lambda server, name: name, on_elicit=lambda server, question: True
    ) as group:
        assert [tool.name for tool in await group.list_tools()] == ["buy"]
        assert (await group.call_tool("buy", {"what": "tea"})).data == "tea from north"
    assert "the name is taken" in caplog.text


async def test_a_server_that_is_down_holds_up_nobody_and_is_tried_again() -> None:
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    told: list[tuple[str, ClientError | None]] = []
    back = asyncio.Event()

    def on_status(server: str, error: ClientError | None) -> None:
        told.append((server, error))
        if (server, error) == ("south", None):
            back.set()

    servers = {"north": shop("north"), "south": f"http://127.0.0.1:{port}/mcp"}
    async with ClientGroup(servers, on_status=on_status) as group:
        assert [tool.name for tool in await group.list_tools()] == ["north_buy"]
        assert isinstance(group.failures["south"], ConnectionFailed)
        with pytest.raises(NotSupported, match="Not available at the moment: south"):
            await group.call_tool("south_buy")
        with pytest.raises(ConnectionFailed, match="'south' is not connected"):
            _ = group["south"]

        async with listening(application_of(shop("south")), port=port):
            await back.wait()
            names = [tool.name for tool in await group.list_tools()]
            assert names == ["north_buy", "south_buy"]
            assert group.failures == {}
        assert sorted(server for server, _ in told) == ["north", "south", "south"]


def test_a_configuration_of_a_host_is_read() -> None:
    found = transports_of(
        {
            "mcpServers": {
                "files": {"command": "python", "args": ["files.py"], "env": {"A": "1"}},
                "http": {"url": "https://example.com/mcp", "headers": {"x": "y"}},
                "sse": {"type": "sse", "url": "https://example.com/sse"},
                "ws": {"url": "wss://example.com/ws"},
                "off": {"command": "python", "disabled": True},
            }
        }
    )

    assert {name: type(each) for name, each in found.items()} == {
        "files": StdioTransport,
        "http": HttpTransport,
        "sse": SseTransport,
        "ws": WebSocketTransport,
    }
    files = found["files"]
    assert isinstance(files, StdioTransport)
    assert files.command == ["python", "files.py"]


@pytest.mark.parametrize(
    ("entry", "said"),
    [
        ({}, 'has a "url", or a "command"'),
        ({"url": "https://example.com", "type": "carrier pigeon"}, "'carrier pigeon' is not"),
        ({"url": "ftp://example.com"}, "ftp://example.com"),
        ("python", "is no object"),
    ],
)
def test_an_entry_that_is_wrong_is_named(entry: Any, said: str) -> None:
    with pytest.raises(ValueError, match=r"mcpServers\['x'\]") as caught:
        transports_of({"mcpServers": {"x": entry}})

    assert said in str(caught.value)
