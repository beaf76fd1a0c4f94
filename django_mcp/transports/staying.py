"""Who stays is asked again: what a token has opened does not outlive the token.

Owns when somebody who is connected, or whose call runs, is asked again who they are, how many of
them at a time, and what the answer means. How they are asked is handed in; what ends with a stay is
known to what is open: `wire`, `http.stateless`, `http.stateful`, `http.listening`.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable
from contextvars import Context
from typing import Final
from weakref import WeakKeyDictionary

from ..protocol.errors import ProtocolError
from ..server.exchange import Caller
from .http.types import Refused

logger = logging.getLogger("django_mcp")

#: Seconds after which somebody is asked again.
EVERY: Final = 30.0
#: Who is asked at a time on one event loop. Each may need a thread and a connection meanwhile, of
#: those that let new requests in.
AT_ONCE: Final = 16
#: Seconds that an answer may take.
PATIENCE: Final = 10.0
#: How often in a row there may be no answer before a stay ends. A database that is away takes
#: nobody's rights, but must not keep them for ever either.
DOUBTS: Final = 10
#: Seconds that what is cancelled has to end, before it is left to itself.
LAST_WORDS: Final = 5.0

#: Says who the caller is now; raises Refused, or ProtocolError with the status of a refusal, where
#: they are let in no longer.
Ask = Callable[[], Awaitable[Caller]]
#: Ends what is open, and tells its client why as far as it can.
TurnOut = Callable[[Refused], Awaitable[None]]

_TOO_MANY_REQUESTS: Final = 429


class Stay:
    """Somebody who is connected, or whose call runs, for as long as they like.

    `caller` is who they are now.
    """

    __slots__ = ("caller",)

    def __init__(self, caller: Caller) -> None:
        self.caller = caller

    def begin(self, turn_out: TurnOut) -> None:
        """From now on, call `turn_out` once where they may stay no longer."""
        return None

    def end(self) -> None:
        """They have gone, or have their answer. May be called more than once."""
        return None


class Stays:
    """How those who come in at one place stay; they are asked again every `every` seconds, or
    never where that is 0."""

    def __init__(self, every: float = EVERY) -> None:
        self._every = every
        self._rounds: WeakKeyDictionary[asyncio.AbstractEventLoop, _Round] = WeakKeyDictionary()

    def stay(self, caller: Caller, ask: Ask) -> Stay:
        """The stay of `caller`, which has yet to begin."""
        return _Asked(caller, ask, self._round) if self._every > 0 else Stay(caller)

    def _round(self) -> _Round:
        loop = asyncio.get_running_loop()
        found = self._rounds.get(loop)
        if found is None:
            found = self._rounds[loop] = _Round(self._every)
        return found


class _Asked(Stay):
    """A stay that depends on the answer to who they are."""

    __slots__ = ("_round_of", "ask", "doubts", "due", "round", "task", "turn_out")

    turn_out: TurnOut

    def __init__(self, caller: Caller, ask: Ask, round_of: Callable[[], _Round]) -> None:
        super().__init__(caller)
        self.ask = ask
        self._round_of = round_of
        self.round: _Round | None = None
        self.due = 0.0
        self.doubts = 0
        self.task: asyncio.Task[None] | None = None

    def begin(self, turn_out: TurnOut) -> None:
        self.turn_out = turn_out
        self.round = self._round_of()
        self.round.add(self)

    def end(self) -> None:
        round, self.round = self.round, None
        if round is not None:
            round.remove(self)


class _Round:
    """Asks those who stay on one event loop, one after the other, for ever.

    Nobody is asked sooner than `every` seconds after the last time. Of many who are due at the same
    moment, as after a restart, the last is asked half of that later: one timer goes through all of
    them at an even pace. The loop itself is not kept here, so that it can end.
    """

    def __init__(self, every: float) -> None:
        self._every = every
        self._staying: dict[_Asked, None] = {}
        self._asking: set[asyncio.Task[None]] = set()
        self._pace = every
        self._is_timed = False
        self._is_in_doubt = False

    def add(self, stay: _Asked) -> None:
        """Ask `stay` when it is due, after all who are here already."""
        stay.due = asyncio.get_running_loop().time() + self._every
        self._staying[stay] = None
        if not self._is_timed and not self._asking:
            self._go_on_at(stay.due)

    def remove(self, stay: _Asked) -> None:
        """Ask `stay` no more."""
        self._staying.pop(stay, None)
        # The one that is turned out ends while it is.
        if stay.task is not None and stay.task is not asyncio.current_task():
            stay.task.cancel()

    def _go_on_at(self, when: float) -> None:
        self._is_timed = True
        # In a context of its own: that of whoever happens to be served now is none of the others'.
        asyncio.get_running_loop().call_at(when, self._go_on, context=Context())

    def _go_on(self) -> None:
        """Ask the first in line, if it is due; then come back for the next."""
        self._is_timed = False
        first = next(iter(self._staying), None)
        if first is None:
            return  # Whoever comes next sets the timer.
        now = asyncio.get_running_loop().time()
        if first.due > now:
            self._pace = self._every
            self._go_on_at(first.due)
        elif len(self._asking) < AT_ONCE:
            # No slower until all are asked who are due, however many are turned out meanwhile.
            self._pace = min(self._pace, self._every / 2 / len(self._staying))
            self._begin(first)
            self._go_on_at(now + self._pace)
        # Otherwise with the next answer.

    def _begin(self, stay: _Asked) -> None:
        del self._staying[stay]
        stay.task = asyncio.get_running_loop().create_task(self._ask(stay))
        self._asking.add(stay.task)
        stay.task.add_done_callback(self._asked)

    def _asked(self, task: asyncio.Task[None]) -> None:
        self._asking.discard(task)
        if not self._is_timed:
            self._go_on()

    async def _ask(self, stay: _Asked) -> None:
        refused = await self._refusal_of(stay)
        if stay.round is None:
            return  # It has ended meanwhile.
        if refused is None:
            stay.task = None
            self.add(stay)
            return
        try:
            await stay.turn_out(refused)
        except Exception:
            logger.exception("A caller who may stay no longer could not be told so")

    async def _refusal_of(self, stay: _Asked) -> Refused | None:
        """Why somebody may stay no longer; None where they may."""
        refused: Refused | None = None
        try:
            async with asyncio.timeout(PATIENCE):
                caller = await stay.ask()
        except asyncio.CancelledError as error:
            task = asyncio.current_task()
            if task is None or task.cancelling():
                raise
            # The authentication has awaited something that was cancelled.
            return self._doubt(stay, error)
        except (Refused, ProtocolError) as error:
            if not 400 <= error.status < 500 or error.status == _TOO_MANY_REQUESTS:
                return self._doubt(stay, error)
            refused = error if isinstance(error, Refused) else Refused(error.status, str(error))
        except Exception as error:
            return self._doubt(stay, error)
        else:
            if caller.principal.id == stay.caller.principal.id:
                stay.caller, stay.doubts = caller, 0
            else:
                refused = Refused()
        self._is_in_doubt = False
        return refused

    def _doubt(self, stay: _Asked, error: BaseException) -> Refused | None:
        """There was no answer, and there will be another attempt, up to a point."""
        stay.doubts += 1
        if not self._is_in_doubt:
            self._is_in_doubt = True
            logger.error(
                "It cannot be told whether those who are connected may stay; they are asked again, "
                "and each is disconnected who cannot be told %d times in a row",
                DOUBTS,
                exc_info=error,
            )
        if stay.doubts < DOUBTS:
            return None
        return Refused(503, "For too long it could not be told who sent this: send it again.")
