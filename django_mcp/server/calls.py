"""What is recorded of a call: one structured log line, and whoever else listens.

The line goes to the logger `django_mcp.calls` at INFO, without arguments and results: those are the
callers' data. `django_mcp.signals` sends `call_finished` from the same record.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Awaitable, Callable
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    from .exchange import Exchange

call_logger = logging.getLogger("django_mcp.calls")
logger = logging.getLogger("django_mcp")


#: No text of a record is longer: methods, targets and names of clients are the callers' own.
LONGEST_TEXT: Final = 1024


@dataclass(frozen=True, slots=True, kw_only=True)
class CallRecord:
    """One answered request; texts from outside are cut to `LONGEST_TEXT` characters.

    `outcome` is "ok"; "tool_error", a failure that the tool told of; "input_required"; "error", a
    refusal with a JSON-RPC error; "internal_error", an exception nobody foresaw; or "cancelled".
    `code` is the JSON-RPC error code where there is one; `seconds` is wall-clock time.
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
            method=exchange.request.method[:LONGEST_TEXT],
            target=exchange.target[:LONGEST_TEXT],
            principal=exchange.caller.principal.id,
            client=client[:LONGEST_TEXT] if isinstance(client, str) else "",
            revision=exchange.peer.revision.name,
            request_id=exchange.request.id,
            outcome=outcome,
            code=code,
            seconds=time.perf_counter() - started,
        )


#: Is told of a finished call, before the answer is sent.
CallObserver = Callable[[CallRecord], Awaitable[None]]


def is_reported(exchange: Exchange) -> bool:
    """True where anybody wants to know of finished calls."""
    return call_logger.isEnabledFor(logging.INFO) or bool(exchange.server.call_observers())


async def report(exchange: Exchange, outcome: str, code: int | None, started: float) -> None:
    """Log the call and hand its record to the server's observers.

    What an observer raises is logged and does the call no harm. Observers run as the functions of
    the server do, so that their queries have a connection.
    """
    record = CallRecord.of(exchange, outcome, code, started)
    if call_logger.isEnabledFor(logging.INFO):
        extra: dict[str, Any] = {
            f"mcp_{key}": printable(value) if isinstance(value, str) else value
            for key, value in asdict(record).items()
        }
        call_logger.info(
            "%s %s %s in %.1f ms",
            printable(record.method),
            printable(record.target) or "-",
            record.outcome,
            record.seconds * 1000,
            extra=extra,
        )
    for observer in exchange.server.call_observers():
        try:
            await exchange.server.workers.run_async(observer, record)
        except Exception:
            logger.exception("An observer of finished calls failed")


def printable(text: str) -> str:
    """A method or a target for the log: they come from outside, and no line of the log may look
    like another one."""
    return text[:200].encode("unicode_escape").decode("ascii")
