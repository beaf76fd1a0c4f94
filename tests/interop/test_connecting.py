"""How a client finds the endpoint and what it learns there: paths, hosts, capabilities."""

from __future__ import annotations

import mcp_types as types
import pytest

from .conftest import KINDS, LEGACY, MODERN, structured
from .servers import Servers, Site, has_ipv6

PREFIX = "/some/prefix"


async def test_a_client_that_asks_learns_what_the_server_is(site: Site) -> None:
    async with site.client() as client:
        assert client.protocol_version == MODERN
        assert client.instructions == "Ask for anything, 何でも."
        info = client.server_info
        assert info is not None
        assert (info.name, info.title, info.version, info.website_url) == (
            "interop",
            "Interoperation ☕",
            "1.0",
            "https://example.com/interop",
        )


async def test_a_server_promises_changes_where_it_can_tell_of_them(site: Site) -> None:
    async with site.client() as client:
        capabilities = client.server_capabilities
        promised = True if site.streams else None
        assert capabilities == types.ServerCapabilities(
            tools=types.ToolsCapability(list_changed=promised),
            prompts=types.PromptsCapability(list_changed=promised),
            resources=types.ResourcesCapability(list_changed=promised, subscribe=promised),
            completions=types.CompletionsCapability(),
            logging=types.LoggingCapability() if promised else None,
        )


async def test_a_client_that_does_not_ask_is_served_all_the_same(site: Site) -> None:
    async with site.client(mode=MODERN) as client:
        result = await client.call_tool("add", {"a": 1, "b": 2})
        assert result.structured_content == 3
        assert result.meta is not None
        assert result.meta["io.modelcontextprotocol/serverInfo"]["name"] == "interop"


async def test_a_path_may_end_with_a_slash(site: Site, mode: str) -> None:
    async with site.client("mcp/", mode=mode) as client:
        result = await client.call_tool("add", {"a": 1, "b": 2})
        assert result.structured_content == structured(mode, 3)


async def test_two_servers_stand_side_by_side(site: Site, mode: str) -> None:
    async with (
        site.client("mcp", mode=mode) as first,
        site.client("other/mcp", mode=mode) as second,
    ):
        names = {tool.name for tool in (await first.list_tools()).tools}
        others = {tool.name for tool in (await second.list_tools()).tools}
        assert "add" in names
        assert others == {"tool-0", "tool-1", "tool-2"}
        assert (await second.call_tool("tool-7")).structured_content == structured(mode, 7)
        assert (await first.call_tool("where")).structured_content["server"] == "interop"


async def test_what_stands_in_the_path_reaches_the_function(site: Site, mode: str) -> None:
    async with site.client("orgs/acme-2/years/1999/mcp", mode=mode) as client:
        result = await client.call_tool("where")
        assert result.structured_content["url_kwargs"] == {"org": "acme-2", "year": 1999}


async def test_a_function_knows_who_calls(site: Site, mode: str) -> None:
    async with site.client(mode=mode) as client:
        result = await client.call_tool("where", meta={"example.com/trace": "t-1"})
        assert result.structured_content == {
            "url_kwargs": {},
            "version": "2025-11-25" if mode == LEGACY else MODERN,
            "client": "mcp",
            "server": "interop",
            "host": f"127.0.0.1:{site.port}",
            "meta": "t-1",
        }


@pytest.mark.parametrize("kind", KINDS)
async def test_a_project_may_be_served_below_a_prefix(
    servers: Servers, kind: str, mode: str
) -> None:
    site = servers.get(kind, prefix=PREFIX)
    async with site.client(mode=mode) as client:
        result = await client.call_tool("add", {"a": 1, "b": 2})
        assert result.structured_content == structured(mode, 3)
    async with site.client("orgs/acme/years/7/mcp", mode=mode) as client:
        result = await client.call_tool("where")
        assert result.structured_content["url_kwargs"] == {"org": "acme", "year": 7}


@pytest.mark.skipif(not has_ipv6(), reason="this machine has no IPv6 loopback")
@pytest.mark.parametrize("kind", KINDS)
async def test_a_host_may_be_an_ipv6_address(servers: Servers, kind: str, mode: str) -> None:
    site = servers.get(kind, host="::1")
    async with site.client(mode=mode) as client:
        result = await client.call_tool("where")
        assert result.structured_content["host"] == f"[::1]:{site.port}"
