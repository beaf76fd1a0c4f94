"""When those who stay are asked again, on a loop whose clock jumps to whatever is next."""

from __future__ import annotations

import asyncio
import gc
import selectors
import weakref
from collections.abc import Awaitable, Callable, Coroutine
from contextvars import ContextVar
from typing import Any

import pytest

from django_mcp import Principal
from django_mcp.server.exchange import Caller
from django_mcp.transports.http.types import Refused
from django_mcp.transports.staying import AT_ONCE, DOUBTS, EVERY, PATIENCE, Stay, Stays

ANNA = Caller(Principal(id="user:1"))


class Clockwork(asyncio.SelectorEventLoop):
    """A loop on which no time passes but what is waited for."""

    def __init__(self) -> None:
        self.now = 0.0
        super().__init__(_Jumping(self))

    def time(self) -> float:
        return self.now


class _Jumping(selectors.DefaultSelector):
    def __init__(self, loop: Clockwork) -> None:
        super().__init__()
        self._loop = loop

    def select(self, timeout: float | None = None) -> Any:
        ready = super().select(0)
        if not ready and timeout:
            self._loop.now += timeout
        return ready


def on_clockwork(test: Callable[..., Coroutine[Any, Any, None]]) -> Callable[[], None]:
    """Run an async test on such a loop."""

    def run() -> None:
        with asyncio.Runner(loop_factory=Clockwork) as runner:
            runner.run(test())

    run.__name__, run.__doc__ = test.__name__, test.__doc__
    return run


def now() -> float:
    return asyncio.get_running_loop().time()


class Guest:
    """Somebody who stays, when they were asked, and why they were turned out."""

    def __init__(self, stays: Stays, answer: Callable[[], Awaitable[Caller]] | None = None) -> None:
        self.asked: list[float] = []
        self.refused: Refused | None = None
        self.out_at = 0.0
        self._answer = answer
        self.stay: Stay = stays.stay(ANNA, self._ask)
        self.stay.begin(self._turn_out)

    async def _ask(self) -> Caller:
        self.asked.append(now())
        return ANNA if self._answer is None else await self._answer()

    async def _turn_out(self, refused: Refused) -> None:
        self.refused, self.out_at = refused, now()
        self.stay.end()


async def fails() -> Caller:
    raise OSError("the database is away")


async def hangs() -> Caller:
    await asyncio.Event().wait()
    return ANNA


@on_clockwork
async def test_one_who_stays_is_asked_again_and_again() -> None:
    guest = Guest(Stays(30))
    await asyncio.sleep(100)

    assert guest.asked == pytest.approx([30, 60, 90])
    assert guest.stay.caller is ANNA


@on_clockwork
async def test_nobody_is_asked_who_has_gone_or_never_is() -> None:
    gone, never = Guest(Stays(30)), Guest(Stays(0))
    gone.stay.end()
    gone.stay.end()
    await asyncio.sleep(1000)

    assert (gone.asked, never.asked) == ([], [])


@on_clockwork
async def test_one_who_goes_while_they_are_asked_is_not_turned_out() -> None:
    async def refused_later() -> Caller:
        await asyncio.sleep(1)
        raise Refused

    guest = Guest(Stays(30), refused_later)
    await asyncio.sleep(30.5)
    guest.stay.end()
    await asyncio.sleep(100)

    assert (len(guest.asked), guest.refused) == (1, None)
    assert len(asyncio.all_tasks()) == 1


@on_clockwork
async def test_a_thousand_who_came_at_once_are_asked_at_an_even_pace() -> None:
    stays = Stays(EVERY)
    guests = [Guest(stays) for _ in range(1000)]
    assert len(asyncio.all_tasks()) == 1, "nobody has a task of their own"
    await asyncio.sleep(10 * EVERY)

    times = sorted(at for guest in guests for at in guest.asked)
    in_one_second = max(sum(at <= other < at + 1 for other in times) for at in times[::50])
    assert in_one_second <= 2 * 1000 / EVERY + 1
    for guest in guests:
        gaps = [b - a for a, b in zip([0.0, *guest.asked], guest.asked, strict=False)]
        assert min(gaps) >= EVERY - 0.001
        assert max(gaps) <= 1.5 * EVERY + 0.1


@on_clockwork
async def test_an_authentication_that_is_slow_is_asked_so_many_times_at_once_and_no_more() -> None:
    running, most = 0, 0

    async def slowly() -> Caller:
        nonlocal running, most
        running += 1
        most = max(most, running)
        await asyncio.sleep(5)
        running -= 1
        return ANNA

    stays = Stays(30)
    guests = [Guest(stays, slowly) for _ in range(100)]
    await asyncio.sleep(300)

    assert most == AT_ONCE
    assert min(len(guest.asked) for guest in guests) >= 4


@on_clockwork
async def test_an_answer_that_never_comes_keeps_nobody_from_being_asked() -> None:
    stays = Stays(30)
    hanging = [Guest(stays, hangs) for _ in range(2 * AT_ONCE)]
    other = Guest(stays)
    await asyncio.sleep(30 + 15 + 2 * PATIENCE)

    assert len(other.asked) >= 1
    assert [guest.refused for guest in hanging] == [None] * len(hanging)


@on_clockwork
async def test_doubt_ends_a_stay_after_so_many_times_in_a_row() -> None:
    stays = Stays(30)
    away, kept = True, Guest(stays)

    async def on_and_off() -> Caller:
        nonlocal away
        away = not away
        return await fails() if away else ANNA

    in_doubt, now_and_then = Guest(stays, fails), Guest(stays, on_and_off)
    await asyncio.sleep(3600)

    assert in_doubt.refused is not None
    assert in_doubt.refused.status == 503
    assert len(in_doubt.asked) == DOUBTS
    assert in_doubt.out_at <= 1.5 * DOUBTS * 30
    assert (kept.refused, now_and_then.refused) == (None, None)


@on_clockwork
async def test_one_who_may_not_stay_is_out_within_a_minute_with_a_thousand_others() -> None:
    stays, is_revoked = Stays(EVERY), False

    async def until_revoked() -> Caller:
        if is_revoked:
            raise Refused
        return ANNA

    guests = [Guest(stays, until_revoked) for _ in range(1000)]
    await asyncio.sleep(100)
    is_revoked = True
    await asyncio.sleep(60)

    assert {guest.out_at <= 160 for guest in guests if guest.refused} == {True}
    assert [guest for guest in guests if guest.refused is None] == []
    assert len(asyncio.all_tasks()) == 1


@on_clockwork
async def test_an_authentication_that_awaited_something_cancelled_is_in_doubt() -> None:
    async def cancelled() -> Caller:
        raise asyncio.CancelledError

    guest = Guest(Stays(30), cancelled)
    await asyncio.sleep(65)

    assert (len(guest.asked), guest.refused) == (2, None)


@on_clockwork
async def test_who_cannot_be_turned_out_keeps_nobody_from_being_asked() -> None:
    stays = Stays(30)

    async def refused() -> Caller:
        raise Refused

    async def breaks(refused: Refused) -> None:
        raise RuntimeError("the line is dead")

    stays.stay(ANNA, refused).begin(breaks)
    other = Guest(stays)
    await asyncio.sleep(100)

    assert len(other.asked) == 3


@on_clockwork
async def test_nobody_is_asked_in_the_context_of_another() -> None:
    name: ContextVar[str] = ContextVar("name", default="nobody")
    seen: list[str] = []

    async def look() -> Caller:
        seen.append(name.get())
        return ANNA

    name.set("anna")
    Guest(Stays(30), look)
    await asyncio.sleep(70)

    assert seen == ["nobody", "nobody"]


def test_a_loop_that_has_ended_is_not_kept() -> None:
    stays = Stays(30)

    async def stay() -> weakref.ref[asyncio.AbstractEventLoop]:
        Guest(stays)
        return weakref.ref(asyncio.get_running_loop())

    loop = asyncio.run(stay())
    gc.collect()
    assert loop() is None
