"""logging/setLevel: which log lines the client of a session is sent."""

from __future__ import annotations

from ...protocol.errors import MethodNotFound
from ...protocol.types import EmptyResult, SetLevelRequestParams
from ..dispatch import Result
from ..exchange import Exchange
from ..sessions import Change


async def set_level(exchange: Exchange, params: SetLevelRequestParams) -> Result:
    """2025-11-25, server/utilities/logging#setting-log-level. Calls that run keep theirs."""
    if exchange.link is None:
        raise MethodNotFound(exchange.request.method)
    await exchange.link.change(Change(log_level=params.level))
    return EmptyResult()
