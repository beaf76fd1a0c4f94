"""The order in which a deployment is looked at; what cannot be seen without another is left out."""

from __future__ import annotations

from typing import Final

from ... import conf
from ...default import servers
from ...server.server import MCPServer
from . import admission, processes, reaching, speaking, streaming
from .findings import Report
from .visiting import Visitor

#: Bytes that are sent at most, to see whether a large body arrives.
LARGEST_BODY: Final = 8 * 1024 * 1024


async def examine(visitor: Visitor, report: Report, *, idle: float) -> None:
    """Look at the endpoint that `visitor` speaks to; `idle` seconds at a stream."""
    first = await reaching.first_contact(visitor, report)
    if first is None:
        return
    if first.status != 421:
        await reaching.check_hosts(visitor, report)
        await reaching.check_origins(visitor, tuple(conf.get().allowed_origins), report)
    answer = await admission.check_admission(visitor, first, report)
    if answer is None:
        return
    name = speaking.check_newest(answer, report)
    if answer.status == 421:
        return
    await speaking.check_size(visitor, min(conf.get().max_body_bytes, LARGEST_BODY), report)
    server = _server_called(name)
    keeps = server.sessions.keeps if server is not None else conf.get().sessions is not None
    opened = await speaking.open_session(visitor, keeps, report)
    name = name or opened.server
    server = _server_called(name)
    if server is None and name is not None:
        report.note(
            "processes",
            f"The server there is called {name!r}, and none of this project is.",
            "Run the command in the project that is served, to see what its processes share.",
        )
    at_once: bool | None = None
    if answer.result is not None:
        at_once = await streaming.check_listening(visitor, conf.get().keep_alive, idle, report)
    await _examine_session(visitor, opened.session, server, at_once, report)
    if at_once and answer.result is not None and server is not None:
        await processes.check_changes(visitor, server, report)


async def _examine_session(
    visitor: Visitor,
    session: str | None,
    server: MCPServer | None,
    at_once: bool | None,
    report: Report,
) -> None:
    if session is None:
        if at_once is False:
            streaming.buffered(visitor, report)
        return
    await processes.check_sessions(visitor, session, report)
    if server is not None and not report.is_wrong("database", "cache"):
        await processes.check_store(server, session, report)
    if at_once is not False:
        await speaking.check_last_event_id(visitor, session, report)
    if await streaming.check_session_stream(visitor, session, report):
        await speaking.end_session(visitor, session, report)


def _server_called(name: str | None) -> MCPServer | None:
    return next((each for each in servers() if each.name == name), None)
