"""tools/list and tools/call."""

from __future__ import annotations

import asyncio
from typing import Any

from ...protocol.headers import check_param_headers
from ...protocol.types import (
    CallToolRequestParams,
    CallToolResult,
    ListToolsResult,
    PaginatedRequestParams,
)
from ..components import Tool
from ..context import Context
from ..dispatch import Result, unknown
from ..errors import TimedOut
from ..exchange import Exchange
from ..results import declared_data, tool_result
from .listing import page


async def list_tools(exchange: Exchange, params: PaginatedRequestParams) -> Result:
    """2026-07-28, server/tools#listing-tools."""
    return await page(exchange, exchange.server.tools, params.cursor, ListToolsResult)


async def call(exchange: Exchange, params: CallToolRequestParams) -> Result:
    """2026-07-28, server/tools#calling-tools.

    What the caller may not use is unknown to them; that is settled before anything is validated.
    """
    server = exchange.server
    tool = server.tools.find(params.name)
    if tool is None:
        raise unknown(exchange)
    if tool.rule is not None and not await exchange.allows(tool.rule):
        raise unknown(exchange)
    exchange.require_scopes(tool)
    given = params.arguments or {}
    if tool.param_headers:
        _check_headers(exchange, tool, given)
    exchange.may_ask(params.name, given, params.input_responses, params.request_state)
    kwargs = tool.arguments.validate(given)
    callee, output, revision = tool.callee, tool.output, exchange.peer.revision
    context = exchange.context if callee.context is not None else None
    if tool.timeout is None:
        value = await callee.call(server.workers, context, kwargs)
    else:
        value = await _in_time(exchange, tool, context, kwargs)
    any_json = revision.any_json_structured_content
    if server.middleware or not output.declared or type(value) is CallToolResult:
        return tool_result(value, output, any_json)
    dumped = value if type(value) is output.exact else declared_data(value, output)
    structured = output.wrap(dumped, any_json)
    frame = server.frames.find(revision, exchange.caller.origin, structured=structured is not None)
    return frame.fill(dumped, structured)


def _check_headers(exchange: Exchange, tool: Tool, given: dict[str, Any]) -> None:
    headers = exchange.caller.headers
    if headers is not None and exchange.peer.revision.enveloped:
        check_param_headers(tool.param_headers, given, headers)


async def _in_time(
    exchange: Exchange, tool: Tool, context: Context | None, kwargs: dict[str, Any]
) -> Any:
    limit = asyncio.timeout(tool.timeout)
    try:
        async with limit:
            return await tool.callee.call(exchange.server.workers, context, kwargs)
    except TimeoutError:
        if not limit.expired():
            raise  # The function's own, which nobody foresaw.
        raise TimedOut(f"{tool.key} did not finish within {tool.timeout:g} seconds.") from None
