"""The five protocol revisions, as records of named facts.

This module owns their names, their order, their era and the facts that other code asks for by
name instead of comparing dates. Which methods a revision has is in methods.py, which fields its
messages have is on the fields (types/), and how a connection agrees on one is in handshake.py and
envelope.py.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum
from functools import total_ordering
from typing import Any


class Era(Enum):
    """How client and server come to know each other."""

    STATEFUL = "stateful"
    """A handshake (`initialize`), then a session that remembers it."""

    STATELESS = "stateless"
    """Every request carries its revision and the client's capabilities in `_meta`."""


@total_ordering
@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Revision:
    """One published revision of the protocol; ordered by date, and one object for each.

    Two revisions are equal only when they are the same object, so that they are cheap keys;
    copying and unpickling give the very same object back.
    """

    name: str
    era: Era

    batches: bool = False
    """A message may be an array of messages (2025-03-26, basic/index#batching)."""

    resumable: bool = False
    """A broken stream goes on from `Last-Event-ID`
    (2025-11-25, basic/transports#resumability-and-redelivery)."""

    priming_event: bool = False
    """A stream opens with an empty event, so that it can be resumed from its start
    (2025-11-25, basic/transports#sending-messages-to-the-server)."""

    version_header: bool = True
    """HTTP requests name the revision in `MCP-Protocol-Version`
    (2025-06-18, basic/transports#protocol-version-header)."""

    resource_not_found: int = -32002
    """The error code of a missing resource (2026-07-28, server/resources#error-handling)."""

    progress_message: bool = True
    """A step of progress may say what is being done
    (2025-03-26, basic/utilities/progress#progress-flow)."""

    elicitation_modes: bool = False
    """A question to the user says whether it is a form or a URL
    (2025-11-25, client/elicitation#elicitation-requests)."""

    url_elicitation_error: bool = False
    """A request may fail with -32042 until the user has opened a URL
    (2025-11-25, client/elicitation#url-elicitation-required-error)."""

    any_json_structured_content: bool = False
    """`structuredContent` and `outputSchema` may describe any JSON value, not objects alone
    (2026-07-28, server/tools#structured-content)."""

    result_type: bool = False
    """Every result says whether it is complete (2026-07-28, basic/index#responses)."""

    enveloped: bool = False
    """Every request carries its revision and the client's capabilities in `_meta`
    (2026-07-28, basic/index#_meta)."""

    def __lt__(self, other: object) -> bool:
        if not isinstance(other, Revision):
            return NotImplemented
        return self.name < other.name  # the names are ISO dates

    def __str__(self) -> str:
        return self.name

    def __repr__(self) -> str:
        return f"<Revision {self.name}>"

    def __reduce__(self) -> tuple[Any, ...]:
        return (find, (self.name,))


V2024_11_05 = Revision(
    name="2024-11-05",
    era=Era.STATEFUL,
    version_header=False,
    progress_message=False,
)

V2025_03_26 = Revision(
    name="2025-03-26",
    era=Era.STATEFUL,
    version_header=False,
    batches=True,
    resumable=True,
)

V2025_06_18 = Revision(
    name="2025-06-18",
    era=Era.STATEFUL,
    resumable=True,
)

V2025_11_25 = Revision(
    name="2025-11-25",
    era=Era.STATEFUL,
    resumable=True,
    priming_event=True,
    elicitation_modes=True,
    url_elicitation_error=True,
)

V2026_07_28 = Revision(
    name="2026-07-28",
    era=Era.STATELESS,
    elicitation_modes=True,
    resource_not_found=-32602,
    any_json_structured_content=True,
    result_type=True,
    enveloped=True,
)

REVISIONS: tuple[Revision, ...] = (
    V2024_11_05,
    V2025_03_26,
    V2025_06_18,
    V2025_11_25,
    V2026_07_28,
)
"""All of them, oldest first."""

LATEST = V2026_07_28
LATEST_STATEFUL = V2025_11_25

_BY_NAME = {revision.name: revision for revision in REVISIONS}


def find(name: object) -> Revision | None:
    """Give the revision of that name, or None for anything else, whatever its type."""
    return _BY_NAME.get(name) if isinstance(name, str) else None


def negotiate(requested: str) -> Revision:
    """Give the revision that answers an `initialize` asking for `requested`.

    The same one if it is known and has a handshake, otherwise the newest that has one; the client
    decides whether it can live with that (2025-11-25, basic/lifecycle#version-negotiation).
    """
    revision = find(requested)
    if revision is None or revision.era is not Era.STATEFUL:
        return LATEST_STATEFUL
    return revision


def names(era: Era | None = None) -> list[str]:
    """List the names of the revisions, newest first; with `era`, only of that era."""
    return [r.name for r in reversed(REVISIONS) if era is None or r.era is era]
