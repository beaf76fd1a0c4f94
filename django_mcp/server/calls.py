"""What is recorded of a call: one structured log line, and whoever else listens.

The line goes to the logger `django_mcp.calls` at INFO, without arguments and results: those are the
callers' data. `django_mcp.signals` sends `call_finished` from the same record, and a server's
journal keeps it; the one that writes rows is `backends.journal`.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Awaitable, Callable
from dataclasses import asdict
from typing import TYPE_CHECKING, Any, Final, Protocol

from ..protocol.values import value

if TYPE_CHECKING:
    from .exchange import Exchange

call_logger = logging.getLogger("django_mcp.calls")
logger = logging.getLogger("django_mcp")


#: No text of a record is longer: methods, targets and names of clients are the callers' own.
LONGEST_TEXT: Final = 1024


@value
class CallRecord:
    """One answered request; texts from outside are cut to `LONGEST_TEXT` characters.

    `outcome` is "ok"; "tool_error", a failure that the tool told of; "timed_out", a tool that took
    too long; "input_required"; "error", a refusal with a JSON-RPC error; "internal_error", an
    exception nobody foresaw; or "cancelled". `code` is the JSON-RPC error code where there is one;
    `seconds` is wall-clock time. `client_id` is the client the credential was issued to, `client`
    and `client_version` what it says of itself. `session` is the key the session is kept under, ""
    for none. `received` and `sent` are the bytes of the request and of its answer. `correlation`
    is `Exchange.correlation`.
    """

    server: str
    method: str
    target: str
    principal: str
    client: str
    client_version: str
    client_id: str
    session: str
    revision: str
    request_id: str | int
    outcome: str
    code: int | None
    seconds: float
    received: int
    sent: int
    correlation: str

    @classmethod
    def of(
        cls, exchange: Exchange, outcome: str, code: int | None, started: float, sent: int
    ) -> CallRecord:
        """The record of `exchange`, which started at `started` on the performance counter."""
        request, principal = exchange.request, exchange.caller.principal
        info = exchange.peer.info_on_the_wire
        return cls(
            server=exchange.server.name,
            method=request.method[:LONGEST_TEXT],
            target=exchange.target[:LONGEST_TEXT],
            principal=principal.id,
            client=_said(info, "name"),
            client_version=_said(info, "version"),
            client_id=principal.client_id or "",
            session="" if exchange.link is None else exchange.link.session.key,
            revision=exchange.peer.revision.name,
            request_id=request.id,
            outcome=outcome,
            code=code,
            seconds=time.perf_counter() - started,
            received=request.size,
            sent=sent,
            correlation=exchange.correlation,
        )


def _said(info: object, name: str) -> str:
    """What a client says of itself under `name`, which may be anything."""
    said = info.get(name) if isinstance(info, dict) else None
    return said[:LONGEST_TEXT] if isinstance(said, str) else ""


#: Is told of a finished call, before the answer is sent.
CallObserver = Callable[[CallRecord], Awaitable[None]]


class Journal(Protocol):
    """Keeps the records of calls."""

    async def note(self, record: CallRecord, exchange: Exchange) -> None:
        """Take `record` of `exchange`, which has ended. Waits for nothing, and raises nothing."""


def is_reported(exchange: Exchange) -> bool:
    """True where anybody wants to know of finished calls."""
    server = exchange.server
    return (
        server.journal is not None
        or call_logger.isEnabledFor(logging.INFO)
        or bool(server.call_observers())
    )


async def report(
    exchange: Exchange, outcome: str, code: int | None, started: float, sent: int = 0
) -> None:
    """Log the call and hand its record to the server's journal and observers.

    What an observer raises is logged and does the call no harm. Observers run as the functions of
    the server do, so that their queries have a connection.
    """
    record = CallRecord.of(exchange, outcome, code, started, sent)
    journal = exchange.server.journal
    if journal is not None:
        await journal.note(record, exchange)
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
