"""Messages and headers: both kinds of clients are understood, and what they send arrives."""

from __future__ import annotations

import re
from contextlib import suppress
from dataclasses import dataclass
from typing import Any, Final

from ...protocol.envelope import SERVER_INFO
from ...protocol.headers import LAST_EVENT_ID, MCP_SESSION_ID
from .findings import Report, shortened
from .visiting import CLIENT, ENVELOPED, HANDSHAKEN, Answer, Unreached, Visitor

_MISSING: Final = re.compile(r"Header mismatch: (\S+) is missing")
#: Bytes of a body that the endpoint itself takes in any case are left of the limit.
ROOM: Final = 4096


@dataclass(frozen=True, slots=True, kw_only=True)
class Opened:
    """A session that was opened, None where the server keeps none; and who the server is."""

    session: str | None
    server: str | None


def check_newest(answer: Answer, report: Report) -> str | None:
    """Whether `answer` is one to server/discover; return the name of the server."""
    result = answer.result
    if result is not None:
        report.ok("messages", f"Clients of {ENVELOPED.name} are answered (server/discover).")
        info = (result.get("_meta") or {}).get(SERVER_INFO) or {}
        return str(info["name"]) if "name" in info else None
    missing = _MISSING.search(answer.error_text)
    if missing is not None:
        report.wrong(
            "headers",
            f"The header {shortened(missing[1])} was sent, and did not arrive.",
            "The proxy takes it away: have it pass on every header whose name begins with Mcp-.",
        )
    elif answer.status == 421:
        report.wrong(
            "host",
            "The server does not answer to this host name (421).",
            "Add it to ALLOWED_HOSTS, or have the proxy pass the Host header on.",
        )
    elif answer.status == 406:
        report.wrong(
            "headers", "The Accept header did not arrive as it was sent (406).", _AS_THEY_ARE
        )
    elif answer.status == 415:
        report.wrong(
            "headers", "The Content-Type did not arrive as it was sent (415).", _AS_THEY_ARE
        )
    elif answer.error.get("code") == -32601:
        report.note("messages", f"The server does not speak {ENVELOPED.name}.")
    else:
        text = shortened(answer.error_text or f"status {answer.status}")
        report.wrong("messages", f"server/discover fails: {text}", "Look at the server's log.")
    return None


_AS_THEY_ARE: Final = "The proxy changes it: have it pass headers on as they are."


async def open_session(visitor: Visitor, keeps: bool, report: Report) -> Opened:
    """Begin as clients with a handshake do; `keeps` says whether the settings keep sessions."""
    params = {"protocolVersion": HANDSHAKEN.name, "capabilities": {}, "clientInfo": CLIENT}
    try:
        answer = await visitor.in_session(None, "initialize", params)
    except Unreached as error:
        report.wrong("messages", f"initialize: {error}.", "Look at the server's log.")
        return Opened(session=None, server=None)
    if answer.result is None:
        text = shortened(answer.error_text or f"status {answer.status}")
        advice = "Look at the log of the server: the database may be away, or not migrated."
        report.wrong("messages", f"initialize fails: {text}", advice)
        return Opened(session=None, server=None)
    report.ok("messages", f"Clients of {HANDSHAKEN.name} are answered (initialize).")
    info: Any = answer.result.get("serverInfo") or {}
    session = answer.headers.get(MCP_SESSION_ID)
    if session is None:
        if keeps:
            report.wrong(
                "headers",
                "initialize is answered without Mcp-Session-Id, and the settings keep sessions.",
                "The proxy takes the header out of the response: have it pass on every header "
                "whose name begins with Mcp-.",
            )
        else:
            report.note("sessions", "The server keeps no sessions (SESSIONS is None).")
    elif not await _is_known(visitor, session, report):
        session = None
    return Opened(session=session, server=info.get("name"))


async def _is_known(visitor: Visitor, session: str, report: Report) -> bool:
    try:
        answer = await visitor.in_session(session, "notifications/initialized")
    except Unreached as error:
        report.wrong("sessions", f"The next message: {error}.", "Look at the server's log.")
        return False
    if answer.status == 202:
        report.ok("headers", "Mcp-Session-Id comes and goes.")
        return True
    if answer.status == 400 and "Mcp-Session-Id is missing" in answer.error_text:
        report.wrong(
            "headers",
            "The header Mcp-Session-Id was sent, and did not arrive.",
            "The proxy takes it away: have it pass on every header whose name begins with Mcp-.",
        )
        return False
    if answer.status == 404:
        report.wrong(
            "sessions",
            "A session that was just opened is not known to the next request (404).",
            "Several processes keep their sessions apart: set SESSIONS of DJANGO_MCP to "
            '"database", or give all of them the same database.',
        )
        return False
    text = shortened(answer.error_text or f"status {answer.status}")
    report.wrong("sessions", f"The next message of a session fails: {text}", "See the log.")
    return False


async def check_last_event_id(visitor: Visitor, session: str, report: Report) -> None:
    """A stream is resumed by a header, which must arrive: an unknown event is refused."""
    headers = {
        "accept": "text/event-stream",
        LAST_EVENT_ID: "mcp-doctor",
        **visitor.of_session(session),
    }
    try:
        answer = await visitor.ask("GET", headers)
    except Unreached:
        # A stream was opened, and nothing ends it: the header cannot have been there.
        report.wrong(
            "headers",
            "The header Last-Event-ID was sent, and did not arrive: no stream can be resumed.",
            "The proxy takes it away: have it pass headers on as they are.",
        )
        return
    if answer.status == 405 and answer.message is not None:
        report.note("streaming", "The server opens no streams by GET, as under WSGI.")
    elif answer.status in {403, 405, 501}:
        report.wrong(
            "streaming",
            f"GET is refused on the way ({answer.status}), so that no session has a stream.",
            "Have the proxy let GET, POST and DELETE through.",
        )
    elif answer.status == 400:
        report.ok("headers", "Last-Event-ID arrives.")


async def check_size(visitor: Visitor, limit: int, report: Report) -> None:
    """A body of almost `limit` bytes reaches the server, which would take it."""
    try:
        answer = await visitor.enveloped("server/discover", padding=limit - ROOM)
        arrived, too_large = answer.message is not None, answer.status == 413
        status = str(answer.status)
    except Unreached as error:
        # A proxy may hang up in the middle of a body that is too large for it.
        arrived, too_large, status = False, error.reason == "closed", str(error)
    if arrived and not too_large:
        report.ok("size", f"A body of {limit // 1024} KiB arrives.")
    elif arrived:
        report.note("size", f"The running server takes less than {limit} bytes.")
    elif not too_large:
        report.wrong(
            "size",
            f"A body of {limit // 1024} KiB fails on the way ({status}).",
            "Look at the proxy's log: it may have no place to keep a large body (nginx: "
            "client_body_temp_path).",
        )
    else:
        report.wrong(
            "size",
            f"A body of {limit // 1024} KiB, which the server would take, does not arrive "
            f"({status}).",
            f"Raise the limit of the proxy to MAX_BODY_BYTES, {limit} (nginx: "
            "client_max_body_size), or lower the latter.",
        )


async def end_session(visitor: Visitor, session: str, report: Report) -> None:
    """End a session; a proxy must let DELETE through."""
    with suppress(Unreached):
        answer = await visitor.ask("DELETE", visitor.of_session(session))
        if answer.status in {200, 202, 204}:
            report.ok("sessions", "A session is ended by its client (DELETE).")
        elif answer.status in {403, 405, 501} and answer.message is None:
            report.wrong(
                "sessions",
                f"DELETE is refused on the way ({answer.status}), so that clients end no session.",
                "Have the proxy let GET, POST and DELETE through.",
            )
