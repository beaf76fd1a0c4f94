"""The client that the suite's client scenarios look at: `python -m tests.conformance.client URL`.

The suite starts it with the URL of its server, and tells it by the environment which scenario it
plays: MCP_CONFORMANCE_SCENARIO, MCP_CONFORMANCE_PROTOCOL_VERSION, and for some of them
MCP_CONFORMANCE_CONTEXT, a JSON object. A scenario is a function here, written with the public API
as an application would. One without a function lists the tools and calls the first. Those that
begin with "auth/" do the same with the authentication of `client_auth`.

It exits with 0 where everything came out as the scenario has it.
"""

from __future__ import annotations

import asyncio
import json
import os
import sys
from collections.abc import Awaitable, Callable
from typing import Any, TypeAlias

import httpx

from django_mcp.client import Client, ClientError
from django_mcp.client.auth import OAuthError
from django_mcp.protocol.errors import ProtocolError

Scenario: TypeAlias = Callable[[Client, dict[str, Any]], Awaitable[None]]

SCENARIOS: dict[str, Scenario] = {}


def scenario(name: str) -> Callable[[Scenario], Scenario]:
    """Have the function play the scenario `name`."""

    def register(play: Scenario) -> Scenario:
        SCENARIOS[name] = play
        return play

    return register


async def first_tool(client: Client, context: dict[str, Any]) -> None:
    """List the tools, and call the first."""
    tools = await client.list_tools()
    if tools:
        await client.call_tool(tools[0].name)


@scenario("initialize")
async def initialize(client: Client, context: dict[str, Any]) -> None:
    await client.list_tools()


@scenario("tools_call")
async def tools_call(client: Client, context: dict[str, Any]) -> None:
    await client.list_tools()
    await client.call_tool("add_numbers", {"a": 5, "b": 3})


@scenario("elicitation-sep1034-client-defaults")
async def elicitation_defaults(client: Client, context: dict[str, Any]) -> None:
    await client.list_tools()
    await client.call_tool("test_client_elicitation_defaults")


@scenario("sse-retry")
async def sse_retry(client: Client, context: dict[str, Any]) -> None:
    await client.list_tools()
    await client.call_tool("test_reconnection")


@scenario("sep-2322-client-request-state")
async def request_state(client: Client, context: dict[str, Any]) -> None:
    await client.list_tools()
    for name in ("echo_state", "unrelated", "no_state", "no_result_type"):
        await client.call_tool(f"test_mrtr_{name}")


@scenario("http-standard-headers")
async def standard_headers(client: Client, context: dict[str, Any]) -> None:
    """Use everything that the server has."""
    for tool in await client.list_tools():
        await client.call_tool(tool.name)
    if client.server_capabilities.resources is not None:
        for resource in await client.list_resources():
            await client.read_resource(resource.uri)
    if client.server_capabilities.prompts is not None:
        for prompt in await client.list_prompts():
            await client.get_prompt(prompt.name)


@scenario("http-custom-headers")
async def custom_headers(client: Client, context: dict[str, Any]) -> None:
    await client.list_tools()
    for call in context["toolCalls"]:
        await client.call_tool(call["name"], call["arguments"])


@scenario("http-invalid-tool-headers")
async def invalid_tool_headers(client: Client, context: dict[str, Any]) -> None:
    for tool in await client.list_tools():
        await client.call_tool(tool.name, {"region": "eu"})


@scenario("json-schema-ref-no-deref")
async def no_dereferencing(client: Client, context: dict[str, Any]) -> None:
    await client.list_tools()


@scenario("json-schema-2020-12-preservation")
async def schema_preserved(client: Client, context: dict[str, Any]) -> None:
    schemas = {tool.name: tool.input_schema for tool in await client.list_tools()}
    await client.call_tool("json_schema_echo", {"schema": schemas["json_schema_2020_12_tool"]})


async def authentication(name: str, url: str, context: dict[str, Any]) -> httpx.Auth | None:
    """How the client of the scenario comes to its tokens; None where it needs none."""
    if not name.startswith("auth/"):
        return None
    # Not all of what it imports is needed by the other scenarios, which are played without it.
    from . import client_auth

    return await client_auth.authentication(name, url, context)


async def main(url: str) -> int:
    """Play the scenario of the environment; the exit status is 0 where it came out."""
    name = os.environ["MCP_CONFORMANCE_SCENARIO"]
    version = os.environ.get("MCP_CONFORMANCE_PROTOCOL_VERSION")
    context = json.loads(os.environ.get("MCP_CONFORMANCE_CONTEXT", "{}"))
    try:
        async with Client(
            url,
            auth=await authentication(name, url, context),
            revisions=[version] if version else None,
            name="conformance-client",
            on_elicit=lambda question: True,
            on_sample=lambda request: "A sample.",
            roots=["file:///tmp"],
        ) as client:
            await SCENARIOS.get(name, first_tool)(client, context)
    except (ClientError, OAuthError, ProtocolError, httpx.HTTPError) as error:
        print(f"{type(error).__name__}: {error}", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(asyncio.run(main(sys.argv[-1])))
