"""Which server is mounted where, and over which transport."""

from __future__ import annotations

from typing import Any

import pytest
from channels.routing import URLRouter
from django.core.exceptions import ImproperlyConfigured
from django.urls import path

from django_mcp import MCPServer
from django_mcp.authentication import anonymous
from django_mcp.routing import MCPRouter, mcp_consumer, mount
from tests.lines import KINDS, OVER_HTTP, SocketLine, StreamLine, nobody


@pytest.fixture
def server() -> MCPServer:
    return MCPServer("test")


@pytest.mark.parametrize("other", ["http", "sse"])
@pytest.mark.parametrize("route", ["mcp", "orgs/<slug:org>/mcp"])
def test_two_servers_at_one_route_are_refused(server: MCPServer, route: str, other: Any) -> None:
    mounts = [mount(route, server), mount(f"/{route}/", server, transport=other)]
    with pytest.raises(ImproperlyConfigured, match="Two MCP servers are mounted at"):
        MCPRouter(mounts, nobody)


def test_an_unknown_transport_is_refused_with_those_there_are(server: MCPServer) -> None:
    with pytest.raises(ImproperlyConfigured, match=r"'ws'; there are 'http', 'sse', 'websocket'"):
        MCPRouter([mount("mcp", server, transport="ws")], nobody)  # type: ignore[arg-type]


async def test_http_and_websocket_may_share_a_route(server: MCPServer) -> None:
    mounts = [
        mount("line", server, transport=kind, authenticate=anonymous)
        for kind in ("sse", "websocket")
    ]
    router = MCPRouter(mounts, nobody)
    for line in (StreamLine(router, {}), SocketLine(router, {})):
        await line.connect()
        assert (await line.initialize())["serverInfo"]["name"] == "test"
        await line.leave()


@pytest.mark.parametrize("kind", OVER_HTTP)
async def test_a_router_of_the_projects_own_leads_to_each_transport(
    server: MCPServer, kind: Any
) -> None:
    consumer = mcp_consumer(server, transport=kind, authenticate=anonymous)
    line = KINDS[kind](URLRouter([path("line", consumer)]), {})
    await line.connect()
    assert (await line.initialize())["serverInfo"]["name"] == "test"
    await line.leave()


async def test_a_prefix_is_taken_off_whole(server: MCPServer) -> None:
    router = MCPRouter([mount("line", server, transport="sse", authenticate=anonymous)], nobody)
    line = StreamLine(router, {})
    assert await line.open("/pre/line", root_path="/pre") == 200
    await line.leave()
    line = StreamLine(router, {})
    assert await line.open("/prefix/line", root_path="/pre") == 404
    await line.ended()
