"""What is recorded of a call: one structured log line, and whoever else listens.

The line goes to the logger `django_mcp.calls` at INFO, without arguments and results: those are the
callers' data. `django_mcp.signals` sends `call_finished` from the same record.
"""

from __future__ import annotations

import logging
import time
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from .exchange import Exchange

call_logger = logging.getLogger("django_mcp.calls")
logger = logging.getLogger("django_mcp")


@dataclass(frozen=True, slots=True, kw_only=True)
class CallRecord:
    """One answered request. `outcome` is ok, tool_error, input_required, error or cancelled.

    `code` is the JSON-RPC error code of an outcome "error"; `seconds` is wall-clock time.
    """

    server: str
    method: str
    target: str
    principal: str
    client: str
    revision: str
    request_id: str | int
    outcome: str
    code: int | None
    seconds: float

    @classmethod
    def of(cls, exchange: Exchange, outcome: str, code: int | None, started: float) -> CallRecord:
        """The record of `exchange`, which started at `started` on the performance counter."""
        info = exchange.peer.info_on_the_wire
        client = info.get("name") if isinstance(info, dict) else None
        return cls(
            server=exchange.server.name,
            method=exchange.request.method,
            target=exchange.target,
            principal=exchange.caller.principal.id,
            client=client if isinstance(client, str) else "",
            revision=exchange.peer.revision.name,
            request_id=exchange.request.id,
            outcome=outcome,
            code=code,
            seconds=time.perf_counter() - started,
        )


def report(exchange: Exchange, outcome: str, code: int | None, started: float) -> None:
    """Log the call and hand its record to the server's observers, where anybody wants it.

    What an observer raises is logged and does the call no harm.
    """
    observers = exchange.server.call_observers()
    logged = call_logger.isEnabledFor(logging.INFO)
    if not logged and not observers:
        return
    record = CallRecord.of(exchange, outcome, code, started)
    if logged:
        extra: dict[str, Any] = {f"mcp_{key}": value for key, value in asdict(record).items()}
        call_logger.info(
            "%s %s %s in %.1f ms",
            printable(record.method),
            printable(record.target) or "-",
            record.outcome,
            record.seconds * 1000,
            extra=extra,
        )
    for observer in observers:
        try:
            observer(record)
        except Exception:
            logger.exception("An observer of finished calls failed")


def printable(text: str) -> str:
    """A method or a target for the log: they come from outside, and no line of the log may look
    like another one."""
    return text[:200].encode("unicode_escape").decode("ascii")
