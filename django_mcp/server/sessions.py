"""What a server remembers of a client between two messages: the session, and who keeps it.

A session is data, so that any process can serve the next message of it: nothing in it is a
connection or a future. Owns the value, the interface of a store, and two stores: in memory, and one
that keeps nothing. The ones on Django's database and cache are in `backends`.

A session that lives on one connection is kept by that connection, with a store behind it or none.

Sessions are kept under a digest of their id. The id itself is the client's: who reads the store, a
backup or the admin learns none.
"""

from __future__ import annotations

import base64
import hashlib
import re
import secrets
import threading
import time
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any, Final, Protocol

from ..protocol.errors import InvalidParams, ProtocolError
from ..protocol.handshake import Handshake, Stage
from ..protocol.revisions import Revision
from .access import ANONYMOUS

#: Seconds after which a session nobody uses ends, and after which any session does.
IDLE_LIFETIME: Final = 24 * 3600.0
ABSOLUTE_LIFETIME: Final = 30 * 24 * 3600.0
#: Open sessions of one server, and those of one principal among them. Callers without a name are
#: one principal, and share a larger part.
MAX_SESSIONS: Final = 10_000
MAX_OF_ONE: Final = 100
MAX_OF_ANONYMOUS: Final = 5_000
#: Seconds for which `used` may be out of date.
USED_PRECISION: Final = 60.0
#: Resources one session may follow, and characters of their URIs together: a session is read for
#: every request, with all of them.
MAX_FOLLOWED: Final = 1_000
MAX_FOLLOWED_TEXT: Final = 100_000
#: The last URLs the user was sent to that a session remembers.
MAX_ELICITED: Final = 20

_LONGEST_ID: Final = 128
_LONGEST_OWNER: Final = 255
#: What JSON can carry and databases refuse: NUL, and half of a surrogate pair.
_UNSTORABLE: Final = re.compile("[\x00\ud800-\udfff]")


class TooManySessions(ProtocolError):
    """The server has as many sessions open as it keeps."""

    code = -32000
    status = 503


class StoreUnavailable(ProtocolError):
    """What keeps the sessions is away; the request may be sent again."""

    code = -32000
    status = 503


@dataclass(frozen=True, slots=True, kw_only=True)
class Session:
    """One client that has initialized, as data.

    `owner` is the principal that opened it, as `owner_of` has it, `place` what the endpoint's URL
    said then; no other principal and no other place may use it. `followed` are the URIs of the
    resources whose changes the client wants to hear of, `elicited` marks of the URLs its user was
    sent to. `user` is the account it is opened for, while it is opened: who keeps a name for people
    to read takes it from there. Times are seconds since the epoch.
    """

    key: str
    server: str
    owner: str
    place: str
    revision: Revision
    client_info: Mapping[str, Any]
    capabilities: Mapping[str, Any]
    stage: Stage = Stage.OPENED
    log_level: str | None = None
    followed: frozenset[str] = frozenset()
    elicited: tuple[str, ...] = ()
    created: float = field(default_factory=time.time)
    used: float = field(default_factory=time.time)
    user: Any = field(default=None, compare=False, repr=False)

    @property
    def handshake(self) -> Handshake:
        """The machine of the connection, at the stage this session is at."""
        return Handshake(self.stage, self.revision)

    def followed_with(self, uri: str) -> Session:
        """The session following `uri` too; raises InvalidParams where it follows too many."""
        if uri in self.followed:
            return self
        if len(self.followed) >= MAX_FOLLOWED:
            raise InvalidParams(
                f"This session follows {MAX_FOLLOWED:,} resources already, and no more are "
                "allowed: unsubscribe from one first."
            )
        if sum(map(len, self.followed)) + len(uri) > MAX_FOLLOWED_TEXT:
            raise InvalidParams(
                "The URIs this session follows may have "
                f"{MAX_FOLLOWED_TEXT:,} characters together, and with this one would have more: "
                "unsubscribe from one first."
            )
        return replace(self, followed=self.followed | {uri})


@dataclass(frozen=True, slots=True, kw_only=True)
class Change:
    """What is to become of a session; what is None stays as it is.

    `revision`, `client_info` and `capabilities` are what `initialize` settles, of a session that
    was there before.
    """

    stage: Stage | None = None
    revision: Revision | None = None
    client_info: Mapping[str, Any] | None = None
    capabilities: Mapping[str, Any] | None = None
    log_level: str | None = None
    follow: str | None = None
    unfollow: str | None = None
    elicit: str | None = None

    def made_to(self, session: Session) -> Session:
        """The session as it is then; raises InvalidParams where that is not allowed."""
        if self.stage is not None:
            session = replace(session, stage=self.stage)
        if self.revision is not None:
            session = replace(session, revision=self.revision)
        if self.client_info is not None:
            session = replace(session, client_info=self.client_info)
        if self.capabilities is not None:
            session = replace(session, capabilities=self.capabilities)
        if self.log_level is not None:
            session = replace(session, log_level=self.log_level)
        if self.follow is not None:
            session = session.followed_with(self.follow)
        if self.unfollow is not None:
            session = replace(session, followed=session.followed - {self.unfollow})
        if self.elicit is not None:
            others = [mark for mark in session.elicited if mark != self.elicit]
            session = replace(session, elicited=(*others, self.elicit)[-MAX_ELICITED:])
        return session


@dataclass(frozen=True, slots=True, kw_only=True)
class Limits:
    """How long sessions live, in seconds, and how many there may be."""

    idle: float = IDLE_LIFETIME
    absolute: float = ABSOLUTE_LIFETIME
    of_server: int = MAX_SESSIONS
    of_one: int = MAX_OF_ONE
    of_anonymous: int = MAX_OF_ANONYMOUS

    def of(self, owner: str) -> int:
        """How many sessions this principal may have open."""
        return self.of_anonymous if owner == ANONYMOUS.id else self.of_one

    def is_over(self, created: float, used: float, now: float) -> bool:
        """True where a session has come to the end of its time."""
        return now - used > self.idle or now - created > self.absolute


class SessionStore(Protocol):
    """Keeps sessions, for every process that serves them."""

    keeps: bool
    """False where no session is kept, so that none has an id."""

    async def open(self, session: Session) -> None:
        """Keep a new session.

        A principal that has as many as it may gives up the one it has not used for longest. Raises
        TooManySessions where the server keeps no more.
        """

    async def find(self, key: str) -> Session | None:
        """The session under `key`, None where there is none or its time is over.

        Counts as a use of it, which is written down to within `USED_PRECISION` seconds.
        """

    async def change(self, key: str, change: Change) -> Session | None:
        """Change a session, whoever else does at the same time, and return what it is now.

        None where it has ended. Raises what `Change.made_to` does.
        """

    async def end(self, key: str) -> bool:
        """End a session; False where there is none."""

    async def alive(self, keys: frozenset[str]) -> frozenset[str]:
        """Those of `keys` whose session has not ended, which counts as a use of them."""

    async def clear(self) -> int:
        """Remove what is over, and return how many sessions that were."""


def new_id() -> str:
    """An id for a session: 256 random bits in visible ASCII (2025-11-25,
    basic/transports#session-management)."""
    return secrets.token_urlsafe(32)


def key_of(id: str) -> str | None:
    """What the session with this id is kept under; None for what can be no id of ours."""
    if not id or len(id) > _LONGEST_ID or not id.isascii() or not id.isprintable():
        return None
    digest = hashlib.sha256(id.encode("ascii")).digest()
    return base64.urlsafe_b64encode(digest).decode("ascii").rstrip("=")


def owner_of(principal: str) -> str:
    """What a session remembers of the id of a principal: the id, or a digest of a long one."""
    if len(principal) <= _LONGEST_OWNER and principal.isprintable():
        return principal
    digest = hashlib.sha256(principal.encode("utf-8", "surrogatepass")).hexdigest()
    return f"sha256:{digest}"


def is_storable(value: object) -> bool:
    """True where every database can keep this JSON value."""
    if isinstance(value, str):
        return _UNSTORABLE.search(value) is None
    if isinstance(value, dict):
        return all(is_storable(item) for pair in value.items() for item in pair)
    return not isinstance(value, list) or all(map(is_storable, value))


class NoSessions:
    """Keeps none: `initialize` is answered, and no id is given."""

    keeps = False

    async def open(self, session: Session) -> None:
        return None

    async def find(self, key: str) -> Session | None:
        return None

    async def change(self, key: str, change: Change) -> Session | None:
        return None

    async def end(self, key: str) -> bool:
        return False

    async def alive(self, keys: frozenset[str]) -> frozenset[str]:
        return frozenset()

    async def clear(self) -> int:
        return 0


class InMemorySessions:
    """Keeps them in this process: right for one process, and for tests."""

    keeps = True

    def __init__(self, limits: Limits | None = None) -> None:
        self._limits = limits or Limits()
        self._sessions: dict[str, Session] = {}
        # Under WSGI every request has a thread and an event loop of its own.
        self._lock = threading.RLock()

    async def open(self, session: Session) -> None:
        with self._lock:
            self._clear()
            own = [s for s in self._sessions.values() if s.owner == session.owner]
            if len(own) >= self._limits.of(session.owner):
                del self._sessions[min(own, key=lambda s: s.used).key]
            if len(self._sessions) >= self._limits.of_server:
                raise too_many(self._limits)
            self._sessions[session.key] = replace(session, user=None)

    async def find(self, key: str) -> Session | None:
        with self._lock:
            return self._find(key)

    def _find(self, key: str) -> Session | None:
        session = self._sessions.get(key)
        if session is None:
            return None
        now = time.time()
        if self._limits.is_over(session.created, session.used, now):
            return None
        if now - session.used > USED_PRECISION:
            session = self._sessions[key] = replace(session, used=now)
        return session

    async def change(self, key: str, change: Change) -> Session | None:
        with self._lock:
            session = self._find(key)
            if session is None:
                return None
            changed = self._sessions[key] = change.made_to(session)
            return changed

    async def end(self, key: str) -> bool:
        with self._lock:
            return self._sessions.pop(key, None) is not None

    async def alive(self, keys: frozenset[str]) -> frozenset[str]:
        with self._lock:
            return frozenset({key for key in keys if self._find(key) is not None})

    async def clear(self) -> int:
        with self._lock:
            return self._clear()

    def _clear(self) -> int:
        now = time.time()
        over = [
            s.key for s in self._sessions.values() if self._limits.is_over(s.created, s.used, now)
        ]
        for key in over:
            del self._sessions[key]
        return len(over)


class OneSession:
    """Keeps the session of one connection, which nobody changes but that connection.

    `behind` is the store where others look for the session as well; None where nobody does.
    """

    keeps = True

    def __init__(self, session: Session, behind: SessionStore | None = None) -> None:
        self.now = session
        self._behind = behind
        self._ended = False

    async def open(self, session: Session) -> None:
        self.now = session
        if self._behind is not None:
            await self._behind.open(session)

    async def find(self, key: str) -> Session | None:
        return self.now if key == self.now.key and not self._ended else None

    async def change(self, key: str, change: Change) -> Session | None:
        if await self.find(key) is None:
            return None
        # First here: changes that are made at once come back from the store in any order.
        changed = self.now = change.made_to(self.now)
        if self._behind is not None and await self._behind.change(key, change) is None:
            return None
        return changed

    async def end(self, key: str) -> bool:
        if await self.find(key) is None:
            return False
        self._ended = True
        return self._behind is None or await self._behind.end(key)

    async def alive(self, keys: frozenset[str]) -> frozenset[str]:
        return frozenset({key for key in keys if await self.find(key) is not None})

    async def clear(self) -> int:
        return 0


def too_many(limits: Limits) -> TooManySessions:
    """The refusal of one session more."""
    return TooManySessions(
        f"This server has {limits.of_server:,} sessions open, and keeps no more. Try again later."
    )
