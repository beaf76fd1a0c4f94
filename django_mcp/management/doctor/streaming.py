"""Streams: what the server writes at once must arrive at once.

The first event of a stream is written as soon as it is opened: the acknowledgement of
subscriptions/listen, and the first event of a session's stream. Where nothing has come after a
while, the session is ended on another connection, which ends its stream. What comes then was held
back by somebody on the way; so slowness is not taken for buffering.
"""

from __future__ import annotations

from .findings import Report
from .visiting import Stream, Unreached, Visitor

_BUFFERING = (
    "Something on the way collects what is written before it passes it on. nginx: proxy_buffering "
    "off, and no proxy_ignore_headers X-Accel-Buffering; others have an option of their own. Do "
    "not compress text/event-stream."
)


async def check_listening(
    visitor: Visitor, keep_alive: float, idle: float, report: Report
) -> bool | None:
    """Whether subscriptions/listen is answered at once; None where it is not served."""
    async with visitor.listening() as stream:
        came = await stream.until(b"\n\n", visitor.timeout)
        if stream.status and not stream.is_stream:
            if stream.status in {200, 400, 404}:
                report.note(
                    "streaming",
                    f"subscriptions/listen is not served ({stream.status}), as under WSGI: clients "
                    "do not hear of changes.",
                )
            else:
                report.wrong(
                    "streaming",
                    f"subscriptions/listen is refused ({stream.status}).",
                    "Look at the server's log.",
                )
            return None
        _check_headers(stream, report)
        if came:
            report.ok("streaming", "The first event of a stream comes at once.")
            await _check_idle(stream, keep_alive, idle, report)
            return True
        if stream.ended.is_set():
            report.wrong(
                "streaming", "A stream ends before its first event.", "Look at the proxy's log."
            )
            return None
        return False


async def check_session_stream(visitor: Visitor, session: str, report: Report) -> bool:
    """Whether the stream of a session begins at once. Ends the session where it does not, and
    returns False."""
    async with visitor.listening(session=session) as stream:
        if await stream.until(b"\n\n", visitor.timeout):
            if stream.is_stream:
                _check_headers(stream, report)
                report.ok("streaming", "The stream of a session begins at once.")
            elif stream.status != 405:
                report.wrong(
                    "streaming",
                    f"GET, which opens the stream of a session, is answered with {stream.status}.",
                    "Have the proxy let GET through with its Accept header.",
                )
            return True
        if stream.status == 405:
            return True  # As under WSGI, which was said.
        try:
            await visitor.ask("DELETE", visitor.of_session(session))
        except Unreached:
            return False
        if await stream.until(b"\n\n", visitor.timeout):
            report.wrong(
                "streaming",
                "Streams are buffered: the first event came only when the stream was over.",
                _BUFFERING,
            )
        else:
            report.wrong(
                "streaming",
                f"A stream brings nothing: no first event within {visitor.timeout:g} s, nor at its "
                "end.",
                _BUFFERING,
            )
        return False


def buffered(visitor: Visitor, report: Report) -> None:
    """Say that streams do not begin, where there was no session to see why."""
    report.wrong(
        "streaming",
        f"The first event of a stream, which is written at once, did not come in "
        f"{visitor.timeout:g} s.",
        _BUFFERING,
    )


def _check_headers(stream: Stream, report: Report) -> None:
    encoding = stream.headers.get("content-encoding", "identity")
    if encoding != "identity":
        report.wrong(
            "streaming",
            f"Streams are compressed ({encoding}).",
            "Do not compress text/event-stream (nginx: take it out of gzip_types): events wait "
            "until there is enough to compress.",
        )
    if "no-transform" not in stream.headers.get("cache-control", ""):
        report.note(
            "streaming",
            "Streams come without Cache-Control: no-transform, which the server sends.",
            "The proxy sets a header of its own; others on the way may change streams then.",
        )


async def _check_idle(stream: Stream, keep_alive: float, idle: float, report: Report) -> None:
    if idle <= 0:
        return
    if await stream.until_ended(idle):
        report.wrong(
            "idle",
            f"A stream on which little happens was cut off within {idle:g} s.",
            f"Have the proxy wait longer than KEEP_ALIVE, which is {keep_alive:g} s (nginx: "
            "proxy_read_timeout), or lower KEEP_ALIVE of DJANGO_MCP.",
        )
    else:
        report.ok("idle", f"A stream on which little happens is open after {idle:g} s.")
