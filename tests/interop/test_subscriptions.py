"""subscriptions/listen: what one client changes, another hears of."""

from __future__ import annotations

import uuid
from contextlib import AsyncExitStack

import pytest
from mcp import Client, MCPError
from mcp.client.subscriptions import (
    PromptsListChanged,
    ResourcesListChanged,
    ResourceUpdated,
    ToolsListChanged,
)
from mcp_types import Implementation

from .servers import Servers, Site

PATH = "changing/mcp"


@pytest.fixture
def name() -> str:
    """A name nobody else uses on the same server."""
    return f"new-{uuid.uuid4().hex}"


async def names(client: Client) -> set[str]:
    return {tool.name for tool in (await client.list_tools()).tools}


async def test_a_changed_list_is_told_and_fetched(
    streaming: Site, stateless: str, name: str
) -> None:
    async with (
        streaming.client(PATH, mode=stateless) as listener,
        streaming.client(PATH) as changer,
        listener.listen(tools_list_changed=True) as subscription,
    ):
        assert subscription.honored.tools_list_changed is True
        assert name not in await names(listener)
        await changer.call_tool("add_tool", {"name": name})
        assert await anext(subscription) == ToolsListChanged()
        assert name in await names(listener)
        await changer.call_tool("remove_tool", {"name": name})
        assert await anext(subscription) == ToolsListChanged()
        assert name not in await names(listener)


async def test_every_list_is_told_of(streaming: Site, name: str) -> None:
    async with (
        streaming.client(PATH) as client,
        client.listen(
            tools_list_changed=True, prompts_list_changed=True, resources_list_changed=True
        ) as subscription,
    ):
        await client.call_tool("add_prompt", {"name": name})
        assert await anext(subscription) == PromptsListChanged()
        await client.call_tool("add_resource", {"uri": f"memo://{name}"})
        assert await anext(subscription) == ResourcesListChanged()
        await client.call_tool("add_tool", {"name": name})
        assert await anext(subscription) == ToolsListChanged()


@pytest.mark.parametrize("uri", ["memo://a", "memo://☕", "memo://things/7"])
async def test_an_updated_resource_is_told_of(streaming: Site, stateless: str, uri: str) -> None:
    async with (
        streaming.client(PATH, mode=stateless) as listener,
        streaming.client(PATH) as changer,
        listener.listen(resource_subscriptions=[uri]) as subscription,
    ):
        assert subscription.honored.resource_subscriptions == [uri]
        await changer.call_tool("touch", {"uri": uri})
        assert await anext(subscription) == ResourceUpdated(uri=uri)


async def test_nobody_hears_of_what_they_did_not_ask_for(streaming: Site, name: str) -> None:
    async with (
        streaming.client(PATH) as client,
        client.listen(resource_subscriptions=["memo://a"]) as subscription,
    ):
        await client.call_tool("add_tool", {"name": name})
        await client.call_tool("touch", {"uri": "memo://☕"})
        await client.call_tool("touch", {"uri": "memo://a"})
        # In order: had one of the others been sent, it would come first.
        assert await anext(subscription) == ResourceUpdated(uri="memo://a")


async def test_what_is_not_there_cannot_be_followed(streaming: Site) -> None:
    async with (
        streaming.client(PATH) as client,
        client.listen(resource_subscriptions=["memo://a", "memo://nope"]) as subscription,
    ):
        assert subscription.honored.resource_subscriptions == ["memo://a"]


async def test_many_listen_at_once(streaming: Site, name: str) -> None:
    async with streaming.client(PATH) as client, AsyncExitStack() as stack:
        subscriptions = [
            await stack.enter_async_context(client.listen(tools_list_changed=True))
            for _ in range(20)
        ]
        await client.call_tool("add_tool", {"name": name})
        heard = [await anext(subscription) for subscription in subscriptions]

    assert heard == [ToolsListChanged()] * 20


async def test_a_server_notices_who_stops_listening(streaming: Site, name: str) -> None:
    async with (
        streaming.client(PATH, client_info=Implementation(name=name, version="1")) as listener,
        streaming.client(PATH) as other,
    ):
        async with listener.listen(tools_list_changed=True) as subscription:
            key = f"{name} subscriptions/listen {subscription.subscription_id}"
        outcome = await other.call_tool("sign", {"key": key})

    assert outcome.content[0].text == "cancelled"


async def test_a_server_without_streams_has_no_subscriptions(servers: Servers) -> None:
    async with servers.get("wsgi").client(PATH) as client:
        with pytest.raises(MCPError) as caught:
            async with client.listen(tools_list_changed=True):
                pass

    assert caught.value.code == -32601
