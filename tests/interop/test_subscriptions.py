"""What one client changes another hears of: by subscriptions/listen, or on its session's stream."""

from __future__ import annotations

import asyncio
import uuid
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from typing import Any

import mcp_types as types
import pytest
from mcp import Client, MCPError
from mcp.client.subscriptions import (
    PromptsListChanged,
    ResourcesListChanged,
    ResourceUpdated,
    ToolsListChanged,
)
from mcp_types import Implementation

from .conftest import LEGACY
from .servers import Relay, Servers, Site, Wire

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


# What a session is told of, on the stream it opens with GET


class News:
    """The notifications a client is sent, and whoever waits for the next."""

    def __init__(self) -> None:
        self._queue: asyncio.Queue[Any] = asyncio.Queue()

    async def __call__(self, message: Any) -> None:
        await self._queue.put(message)

    async def next(self) -> tuple[str, str | None]:
        """Method and URI of the next one."""
        message = await self._queue.get()
        return message.method, getattr(message.params, "uri", None)


@asynccontextmanager
async def listener(site: Site, news: News) -> AsyncIterator[Client]:
    """A client of a session that listens already."""
    wire = Wire()
    async with site.client(PATH, mode=LEGACY, wire=wire, message_handler=news) as client:
        await wire.until_opened()
        yield client


async def test_a_session_is_told_of_every_list_that_changes(stateful: Site, name: str) -> None:
    news = News()
    async with listener(stateful, news) as client:
        assert name not in await names(client)
        await client.call_tool("add_tool", {"name": name})
        assert await news.next() == ("notifications/tools/list_changed", None)
        assert name in await names(client)
        await client.call_tool("add_prompt", {"name": name})
        assert await news.next() == ("notifications/prompts/list_changed", None)
        await client.call_tool("add_resource", {"uri": f"memo://{name}"})
        assert await news.next() == ("notifications/resources/list_changed", None)


@pytest.mark.filterwarnings("ignore::mcp.shared.exceptions.MCPDeprecationWarning")
async def test_a_session_is_told_of_the_resources_it_follows(stateful: Site) -> None:
    news = News()
    async with listener(stateful, news) as client, stateful.client(PATH) as changer:
        for uri in ["memo://a", "memo://☕", "memo://things/7"]:
            assert await client.subscribe_resource(uri) == types.EmptyResult()
            await changer.call_tool("touch", {"uri": uri})
            assert await news.next() == ("notifications/resources/updated", uri)
        assert await client.unsubscribe_resource("memo://a") == types.EmptyResult()
        await changer.call_tool("touch", {"uri": "memo://a"})
        await changer.call_tool("touch", {"uri": "memo://things/8"})
        await changer.call_tool("touch", {"uri": "memo://☕"})
        # In order: had one of the others been sent, it would come first.
        assert await news.next() == ("notifications/resources/updated", "memo://☕")


@pytest.mark.filterwarnings("ignore::mcp.shared.exceptions.MCPDeprecationWarning")
async def test_a_session_cannot_follow_what_is_not_there(stateful: Site) -> None:
    async with stateful.client(PATH, mode=LEGACY) as client:
        with pytest.raises(MCPError) as caught:
            await client.subscribe_resource("memo://nope")

    assert caught.value.code == -32002
    assert caught.value.data == {"uri": "memo://nope"}


async def test_every_session_is_told(stateful: Site, name: str) -> None:
    news = [News() for _ in range(10)]
    async with AsyncExitStack() as stack:
        clients = [await stack.enter_async_context(listener(stateful, each)) for each in news]
        await clients[0].call_tool("add_tool", {"name": name})
        heard = [await each.next() for each in news]

    assert heard == [("notifications/tools/list_changed", None)] * 10


async def test_a_session_goes_on_listening_when_its_connection_breaks(
    stateful: Site, name: str
) -> None:
    news, wire = News(), Wire()
    async with (
        Relay(stateful) as relay,
        stateful.client(
            PATH, mode=LEGACY, wire=wire, port=relay.port, message_handler=news
        ) as client,
    ):
        await wire.until_opened()
        await client.call_tool("add_tool", {"name": name})
        assert await news.next() == ("notifications/tools/list_changed", None)
        relay.cut()
        await wire.until_opened(2)
        await client.call_tool("remove_tool", {"name": name})
        assert await news.next() == ("notifications/tools/list_changed", None)

    assert wire.opened[1] is not None


async def test_a_server_without_streams_has_no_subscriptions(servers: Servers) -> None:
    async with servers.get("wsgi").client(PATH) as client:
        with pytest.raises(MCPError) as caught:
            async with client.listen(tools_list_changed=True):
                pass

    assert caught.value.code == -32601
