"""prompts/list and prompts/get."""

from __future__ import annotations

from ...protocol.errors import InvalidParams
from ...protocol.types import GetPromptRequestParams, ListPromptsResult, PaginatedRequestParams
from ..dispatch import Result, unknown
from ..errors import InvalidArguments
from ..exchange import Exchange
from ..results import prompt_result
from .listing import page


async def list_prompts(exchange: Exchange, params: PaginatedRequestParams) -> Result:
    """2026-07-28, server/prompts#listing-prompts."""
    return await page(exchange, exchange.server.prompts, params.cursor, ListPromptsResult)


async def get(exchange: Exchange, params: GetPromptRequestParams) -> Result:
    """2026-07-28, server/prompts#getting-a-prompt; raises InvalidParams for arguments that do not
    fit, since a prompt's result has no place for an error."""
    exchange.target = params.name
    prompt = exchange.server.prompts.find(params.name)
    if prompt is None or not await exchange.allows(prompt.rule):
        raise unknown(exchange)
    exchange.require_scopes(prompt)
    given = params.arguments or {}
    exchange.may_ask(params.name, given, params.input_responses, params.request_state)
    try:
        kwargs = prompt.arguments.validate(given)
    except InvalidArguments as error:
        raise InvalidParams(str(error)) from None
    context = exchange.context if prompt.callee.context is not None else None
    value = await prompt.callee.call(exchange.server.workers, context, kwargs)
    return prompt_result(value, prompt.definition.description)
