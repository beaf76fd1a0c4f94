"""What every log of events does, wherever it keeps them."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from django_mcp.backends.cache import CacheEvents
from django_mcp.server import events
from django_mcp.server.events import MAX_OF_STREAM, Event, EventTaken, new_stream
from tests.backends.conftest import EVENT_LIFETIME, Build, Clock
from tests.backends.test_sessions import opened

pytestmark = pytest.mark.anyio


async def begun(build: Build, *events: Event) -> tuple[Any, str, str]:
    """A log, a session in it and a stream with `events`."""
    store, log = build()
    [session] = await opened(store, "user:1")
    stream = new_stream(of_call=True)
    if events:
        await log.append(session.key, stream, list(events))
    return log, session.key, stream


FIRST = Event(0, b"[1]")
SECOND = Event(1, '{"text":"何でも 🦉 \\u0000 \\ud800 \x7f"}'.encode())
LAST = Event(2, b"{}" * 40_000, True)


async def test_what_follows_an_event_is_read(build: Build) -> None:
    log, session, stream = await begun(build, FIRST, SECOND)
    await log.append(session, stream, [LAST])

    assert await log.read(session, stream, 0) == [SECOND, LAST]
    assert await log.read(session, stream, 1) == [LAST]
    assert await log.read(session, stream, 2) == []


async def test_a_stream_has_two_ends(build: Build) -> None:
    log, session, stream = await begun(build, FIRST)
    assert await log.ends(session, stream) == (FIRST, FIRST)

    await log.append(session, stream, [SECOND, LAST])

    assert await log.ends(session, stream) == (FIRST, LAST)


async def test_what_is_not_kept_is_not_read(build: Build) -> None:
    log, session, stream = await begun(build, FIRST)

    assert await log.read(session, stream, 1) is None
    for place in [(session, new_stream(of_call=True)), ("x" * 43, stream)]:
        assert await log.read(*place, 0) is None
        assert await log.ends(*place) is None


async def test_a_place_is_taken_once(build: Build) -> None:
    log, session, stream = await begun(build, FIRST, SECOND)

    with pytest.raises(EventTaken):
        await log.append(session, stream, [Event(1, b"another")])

    assert await log.read(session, stream, 0) == [SECOND]


async def test_of_two_writers_at_the_same_moment_one_is_heard(build: Build) -> None:
    log, session, stream = await begun(build, FIRST)

    outcomes = await asyncio.gather(
        *(log.append(session, stream, [Event(1, b"%d" % number)]) for number in range(2)),
        return_exceptions=True,
    )

    assert sorted(type(outcome).__name__ for outcome in outcomes) == ["EventTaken", "NoneType"]
    assert len(await log.read(session, stream, 0)) == 1


async def test_streams_at_the_same_moment_do_not_disturb_each_other(build: Build) -> None:
    log, session, _ = await begun(build)
    streams = [new_stream(of_call=True) for _ in range(10)]

    async def write(stream: str) -> None:
        for position in range(3):
            await log.append(session, stream, [Event(position, stream.encode())])

    await asyncio.gather(*map(write, streams))

    for stream in streams:
        found = await log.read(session, stream, 0)
        assert found == [Event(position, stream.encode()) for position in (1, 2)]


async def test_what_was_forgotten_is_gone(build: Build) -> None:
    store, log = build()
    one, other = await opened(store, "user:1", "user:1")
    stream = new_stream(of_call=True)
    for each in (one, other):
        await log.append(each.key, stream, [FIRST, SECOND])

    await log.forget(one.key)

    assert await log.read(one.key, stream, 0) is None
    assert await log.ends(one.key, stream) is None
    assert await log.read(other.key, stream, 0) == [SECOND]


async def test_of_a_long_stream_the_beginning_and_the_newest_are_kept(build: Build) -> None:
    log, session, stream = await begun(build, FIRST)
    last = MAX_OF_STREAM + 200
    for start in range(1, last + 1, 100):
        events = [Event(position, b"%d" % position) for position in range(start, start + 100)]
        await log.append(session, stream, events)

    assert await log.read(session, stream, 0) is None
    assert await log.read(session, stream, 1) is None
    newest = await log.read(session, stream, last - MAX_OF_STREAM + 1)
    assert [event.position for event in newest] == list(range(last - MAX_OF_STREAM + 2, last + 1))
    assert await log.ends(session, stream) == (FIRST, Event(last, b"%d" % last))


@pytest.mark.parametrize("what", ["events", "bytes"])
async def test_of_a_session_the_newest_of_all_streams_is_kept(
    build: Build, monkeypatch: pytest.MonkeyPatch, what: str
) -> None:
    number, size = (30, 10_000) if what == "events" else (10_000, 30 * 1_000)
    monkeypatch.setattr(events, "MAX_OF_SESSION", number)
    monkeypatch.setattr(events, "MAX_BYTES_OF_SESSION", size)
    monkeypatch.setattr(events, "LOOK_AFTER" if what == "events" else "LOOK_AFTER_BYTES", 1)
    store, log = build()
    if isinstance(log, CacheEvents):
        pytest.skip("A cache has bounds of its own.")
    one, other = [each.key for each in await opened(store, "user:1", "user:1")]
    data = b"x" if what == "events" else b"x" * 1_000
    await log.append(other, "g" + "0" * 16, [Event(0, data), Event(1, data)])
    streams = [new_stream(of_call=True) for _ in range(20)]

    for stream in streams:
        await log.append(one, stream, [Event(place, data) for place in range(3)])

    kept = [stream for stream in streams if await log.read(one, stream, 0) is not None]
    assert kept == streams[10:]
    assert await log.read(other, "g" + "0" * 16, 0) == [Event(1, data)]

    # Of one that grows and grows, what is kept is the beginning, and what can be resumed.
    long = streams[-1]
    for place in range(3, 50):
        await log.append(one, long, [Event(place, data)])
    assert [s for s in streams if await log.ends(one, s) is not None] == [long]
    assert await log.ends(one, long) == (Event(0, data), Event(49, data))
    assert await log.read(one, long, 5) is None
    assert len(await log.read(one, long, 25)) == 24


async def test_old_events_go(build: Build, clock: Clock) -> None:
    log, session, stream = await begun(build, FIRST, SECOND)
    clock.forward(EVENT_LIFETIME + 1)
    fresh = new_stream(of_call=True)
    await log.append(session, fresh, [FIRST])

    # A cache has done so by itself; Redis does not know what time it is here.
    removed = await log.clear()

    assert removed in (2, 0)
    if removed:
        assert await log.ends(session, stream) is None
    assert await log.ends(session, fresh) == (FIRST, FIRST)
