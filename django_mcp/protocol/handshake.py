"""The machine of a stateful connection: what may be sent when, and what a message changes.

Owns the order of things up to 2025-11-25: `initialize`, its answer, `notifications/initialized`,
and then everything else, for either side. A machine is rebuilt from what a session remembers (the
revision and the stage) for each message, so it holds nothing that could not be written down: no
request in flight, no connection. Which revision has which method is `methods`; who remembers a
session, `server.sessions`.

Source: 2025-11-25, basic/lifecycle.
"""

from __future__ import annotations

from collections.abc import Mapping
from enum import Enum
from typing import Final

from . import revisions
from .errors import InvalidRequest
from .revisions import Revision

INITIALIZE: Final = "initialize"
INITIALIZED: Final = "notifications/initialized"
PING: Final = "ping"


class Stage(Enum):
    """How far two sides have come to know each other."""

    NEW = "new"
    """Nothing was said yet."""

    OPENED = "opened"
    """`initialize` was answered: the revision is settled, and the client may ask."""

    READY = "ready"
    """The client said `initialized`: the server may ask as well."""

    ENDED = "ended"
    """Nothing more will be said."""


#: Who says what at which stage, and the stage it leads to. What stands in no row changes nothing.
TRANSITIONS: Final[Mapping[tuple[Stage, str, str], Stage]] = {
    (Stage.NEW, "client", INITIALIZE): Stage.OPENED,
    (Stage.OPENED, "client", INITIALIZED): Stage.READY,
    # Said twice, as by a client that was not sure of its first attempt: nothing new.
    (Stage.READY, "client", INITIALIZED): Stage.READY,
}

#: The requests each side may send at a stage; None for every request its revision has.
#: Before `initialized` a server should send none but pings (2025-11-25,
#: basic/lifecycle#initialization).
REQUESTS: Final[Mapping[tuple[Stage, str], frozenset[str] | None]] = {
    (Stage.NEW, "client"): frozenset({INITIALIZE, PING}),
    (Stage.NEW, "server"): frozenset({PING}),
    (Stage.OPENED, "client"): None,
    (Stage.OPENED, "server"): frozenset({PING}),
    (Stage.READY, "client"): None,
    (Stage.READY, "server"): None,
    (Stage.ENDED, "client"): frozenset(),
    (Stage.ENDED, "server"): frozenset(),
}

_REFUSALS: Final[Mapping[Stage, str]] = {
    Stage.NEW: "initialize comes first: nothing but ping is answered before it",
    Stage.OPENED: "the client has not said notifications/initialized yet",
    Stage.ENDED: "the session has ended: start another one with initialize",
}


class Handshake:
    """One connection, as far as it has come. `revision` is None before `initialize`."""

    __slots__ = ("revision", "stage")

    def __init__(self, stage: Stage = Stage.NEW, revision: Revision | None = None) -> None:
        self.stage = stage
        self.revision = revision

    def request(self, sender: str, method: str) -> None:
        """Take note that `sender` ("client" or "server") sends a request.

        Raises InvalidRequest for a request that has no place at this stage, which leaves the
        machine as it was; a second `initialize` is one (2025-11-25, basic/lifecycle).
        """
        allowed = REQUESTS[self.stage, sender]
        if allowed is not None and method not in allowed:
            raise InvalidRequest(f"{method} cannot be served: {_REFUSALS[self.stage]}.")
        if method == INITIALIZE and self.stage is not Stage.NEW:
            raise InvalidRequest(
                "initialize was answered already: a session has one revision to its end. To speak "
                "another, start a new session, without the id of this one."
            )

    def notification(self, sender: str, method: str) -> bool:
        """Take note of a notification; True where it changed the stage."""
        before = self.stage
        self.stage = TRANSITIONS.get((before, sender, method), before)
        return self.stage is not before

    def answered(self, requested: str) -> Revision:
        """`initialize` asking for the version `requested` was answered: settle the revision."""
        self.revision = revisions.negotiate(requested)
        self.stage = TRANSITIONS[Stage.NEW, "client", INITIALIZE]
        return self.revision

    def end(self) -> None:
        """Nothing more will be said."""
        self.stage = Stage.ENDED
