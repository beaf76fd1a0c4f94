"""completion/complete: what the value of a prompt's argument or a template's parameter may become."""

from __future__ import annotations

from ...protocol.errors import InvalidParams
from ...protocol.types import CompleteRequestParams, CompleteResult, PromptReference
from ..access import allows
from ..completions import complete as find_values
from ..dispatch import Result
from ..exchange import Exchange


async def complete(exchange: Exchange, params: CompleteRequestParams) -> Result:
    """2026-07-28, server/utilities/completion. A reference to what the caller may not use is as
    unknown as one to nothing; an argument nobody completes has no values."""
    server, ref = exchange.server, params.ref
    is_prompt = isinstance(ref, PromptReference)
    exchange.target = ref.name if is_prompt else ref.uri
    collection = server.prompts if is_prompt else server.resource_templates
    member = collection.find(exchange.target)
    if member is None or not await allows(member.rule, exchange.caller.principal):
        kind = "prompt" if is_prompt else "resource template"
        raise InvalidParams(f"Unknown {kind}: {exchange.target}")
    return CompleteResult(completion=await find_values(exchange, params))
