"""Facts about the other side of an exchange, whichever era told us.

The rest of the server reads facts and never asks for the era: what a session remembers and what an
envelope repeats on every request become the same value here.
"""

from __future__ import annotations

from typing import Any, Final

from ..protocol import codec, revisions
from ..protocol.envelope import CLIENT_CAPABILITIES, CLIENT_INFO, LOG_LEVEL
from ..protocol.errors import InvalidParams, UnsupportedProtocolVersion
from ..protocol.revisions import V2025_03_26, Era, Revision
from ..protocol.types import ClientCapabilities, Implementation
from ..protocol.values import value
from .sessions import Session

#: RFC 5424 severities, least severe first (2026-07-28, server/utilities/logging).
LOG_LEVELS: Final = (
    "debug",
    "info",
    "notice",
    "warning",
    "error",
    "critical",
    "alert",
    "emergency",
)

#: What a client is sent that has a session and never said (2025-11-25, server/utilities/logging:
#: the server decides).
DEFAULT_LOG_LEVEL: Final = "info"


@value
class Peer:
    """The client as this exchange knows it.

    `log_level` is the least severe level it wants to receive, None for none at all.
    """

    revision: Revision
    info_on_the_wire: Any
    capabilities_on_the_wire: dict[str, Any]
    log_level: str | None

    @property
    def info(self) -> Implementation | None:
        """Name and version as the client reports them; never a reason to trust it.

        None where it reports none, or nothing that could be one.
        """
        try:
            return codec.decode(Implementation, self.info_on_the_wire, self.revision)
        except InvalidParams:
            return None

    @property
    def capabilities(self) -> ClientCapabilities:
        """What the client declared that it can do."""
        declared = self.capabilities_on_the_wire
        return codec.decode(ClientCapabilities, declared, self.revision, at="capabilities")

    def wants_log(self, level: str) -> bool:
        """True where a log line of `level` may be sent."""
        wanted = self.log_level
        return wanted is not None and LOG_LEVELS.index(level) >= LOG_LEVELS.index(wanted)


def from_envelope(revision: Revision, meta: dict[str, Any]) -> Peer:
    """Build the peer of one stateless request from its `_meta`, which `open_envelope` has checked;
    raises InvalidParams for an unknown log level."""
    level = meta.get(LOG_LEVEL)
    if level is not None and level not in LOG_LEVELS:
        raise InvalidParams(f"params._meta: {LOG_LEVEL} must be one of {', '.join(LOG_LEVELS)}.")
    return Peer(revision, meta.get(CLIENT_INFO), meta[CLIENT_CAPABILITIES], level)


def from_session(session: Session) -> Peer:
    """Build the peer of one request of a session."""
    level = session.log_level or DEFAULT_LOG_LEVEL
    return Peer(session.revision, session.client_info, dict(session.capabilities), level)


def unremembered(version: str | None) -> Peer:
    """Build the peer of a request outside of any session, of a client that has initialized.

    `version` is what it says in MCP-Protocol-Version; without that it is 2025-03-26 (2025-11-25,
    basic/transports#protocol-version-header). What it can do, nobody knows any more.
    """
    revision = revisions.find(version or V2025_03_26.name)
    if revision is None or revision.era is not Era.STATEFUL:
        raise UnsupportedProtocolVersion(str(version), revisions.names())
    return Peer(revision, None, {}, None)
