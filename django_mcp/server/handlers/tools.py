"""tools/list and tools/call."""

from __future__ import annotations

import asyncio
from typing import Any

from ...protocol.headers import check_param_headers
from ...protocol.types import CallToolRequestParams, ListToolsResult, PaginatedRequestParams
from ..access import allows
from ..components import Tool
from ..context import Context
from ..dispatch import Result
from ..errors import NotFound, ToolError
from ..exchange import Exchange
from ..results import tool_result
from .listing import page


async def list_tools(exchange: Exchange, params: PaginatedRequestParams) -> Result:
    """2026-07-28, server/tools#listing-tools."""
    return await page(exchange, exchange.server.tools, params.cursor, ListToolsResult)


async def call(exchange: Exchange, params: CallToolRequestParams) -> Result:
    """2026-07-28, server/tools#calling-tools.

    What the caller may not use is unknown to them; that is settled before anything is validated.
    """
    exchange.target = params.name
    tool = exchange.server.tools.find(params.name)
    if tool is None or not (
        tool.rule is None or await allows(tool.rule, exchange.caller.principal)
    ):
        raise NotFound(params.name)
    given = params.arguments or {}
    if tool.param_headers:
        _check_headers(exchange, tool, given)
    exchange.may_ask(params.name, given, params.input_responses, params.request_state)
    kwargs = tool.arguments.validate(given)
    context = exchange.context if tool.callee.context is not None else None
    if tool.timeout is None:
        value = await tool.callee.call(exchange.server.workers, context, kwargs)
    else:
        value = await _in_time(exchange, tool, context, kwargs)
    return tool_result(value, tool.output, exchange.peer.revision.any_json_structured_content)


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
        raise ToolError(f"{tool.key} did not finish within {tool.timeout:g} seconds.") from None
