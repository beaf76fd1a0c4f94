"""What several processes share: this one is another process of the project, and takes part.

A session that was opened through the deployment must be where this process looks for it, and a
change that this process tells of must reach the streams of the others. Where it does not, the
processes of the deployment, or this one, have other settings.
"""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from contextlib import AsyncExitStack
from typing import Final

from ... import conf
from ...server.broker import Change
from ...server.server import MCPServer
from ...server.sessions import key_of
from .findings import Report
from .visiting import Stream, Unreached, Visitor

#: Requests, and streams, that are spread over whatever processes there are.
REQUESTS: Final = 8
STREAMS: Final = 4


async def check_sessions(visitor: Visitor, session: str, report: Report) -> None:
    """Each request of a session, on a connection of its own, finds it."""
    lost = 0
    for _ in range(REQUESTS):
        try:
            answer = await visitor.in_session(session, "ping")
        except Unreached as error:
            report.wrong("processes", f"ping: {error}.", "Look at the server's log.")
            return
        lost += answer.status == 404
    if lost:
        report.wrong(
            "processes",
            f"{lost} of {REQUESTS} requests found a process that does not know the session.",
            'Set SESSIONS of DJANGO_MCP to "database" or to a cache that the processes share; '
            '"memory" is for one process.',
        )
    else:
        report.ok("processes", f"Each of {REQUESTS} connections found the session.")


async def check_store(server: MCPServer, session: str, report: Report) -> None:
    """The session is where this process would look for it, unless each process has its own."""
    if conf.get().sessions == "memory":
        return
    key = key_of(session)
    try:
        found = None if key is None else await server.sessions.find(key)
    except Exception as error:
        report.wrong(
            "processes",
            f"This process cannot look for sessions: {type(error).__name__}.",
            "Run the command where the server runs, with its settings and its environment.",
        )
        return
    if found is None:
        report.wrong(
            "processes",
            "A session of the deployment is not where the settings of this process keep them.",
            "The deployment has another database or cache, or keeps sessions in memory: give all "
            "processes the same settings and the same environment.",
        )
    else:
        report.ok("processes", "The deployment keeps sessions where this process finds them.")


async def check_changes(visitor: Visitor, server: MCPServer, report: Report) -> None:
    """A change that this process tells of reaches every stream."""
    if not server.broker.reaches_others:
        report.note(
            "processes",
            "The settings have no channel layer that processes share, so each is on its own.",
            "With more than one process, configure one: docs/howto/several-processes.md.",
        )
        return
    async with AsyncExitStack() as stack:
        streams = [await stack.enter_async_context(visitor.listening()) for _ in range(STREAMS)]
        begun = await _all_say(streams, b"acknowledged", visitor.timeout)
        if not all(begun):
            return  # Which was found before.
        try:
            await asyncio.wait_for(server.broker.send(Change("tools")), visitor.timeout)
        except Exception as error:
            report.wrong(
                "processes",
                f"This process cannot tell others of a change: {type(error).__name__}.",
                "Look at CHANNEL_LAYERS, and whether what it names can be reached from here.",
            )
            return
        heard = await _all_say(streams, b"list_changed", visitor.timeout)
    if all(heard):
        report.ok("processes", f"A change told by this process reached {STREAMS} streams at once.")
        return
    report.wrong(
        "processes",
        f"A change told by this process reached {sum(heard)} of {STREAMS} streams.",
        "The processes do not hear of each other: questions, cancellations and changes get lost. "
        "Give all of them the same CHANNEL_LAYERS, SECRET_KEY and name of the server.",
    )


async def _all_say(streams: Sequence[Stream], what: bytes, seconds: float) -> list[bool]:
    """Of each stream, whether `what` came within `seconds`."""
    return await asyncio.gather(*(stream.until(what, seconds) for stream in streams))
