"""completion/complete: what a prompt's argument or a template's parameter may be."""

from __future__ import annotations

from ...protocol.errors import InvalidParams
from ...protocol.types import CompleteRequestParams, CompleteResult, PromptReference
from ..completions import complete as find_values
from ..components import Prompt, ResourceTemplate
from ..dispatch import Result
from ..exchange import Exchange


async def complete(exchange: Exchange, params: CompleteRequestParams) -> Result:
    """2026-07-28, server/utilities/completion. A reference to what the caller may not use is as
    unknown as one to nothing; an argument nobody completes has no values."""
    member: Prompt | ResourceTemplate | None
    if isinstance(params.ref, PromptReference):
        kind, exchange.target = "prompt", params.ref.name
        member = exchange.server.prompts.find(exchange.target)
    else:
        kind, exchange.target = "resource template", params.ref.uri
        member = exchange.server.resource_templates.find(exchange.target)
    if member is None or not await exchange.allows(member.rule):
        raise InvalidParams(f"Unknown {kind}: {exchange.target}")
    exchange.require_scopes(member)
    return CompleteResult(completion=await find_values(exchange, params))
