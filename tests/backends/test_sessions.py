"""What every store of sessions does, wherever it keeps them."""

from __future__ import annotations

import asyncio
import time
from dataclasses import replace
from typing import Any

import pytest

from django_mcp.protocol.errors import InvalidParams
from django_mcp.protocol.handshake import Stage
from django_mcp.protocol.revisions import V2025_03_26, V2025_11_25
from django_mcp.server.access import ANONYMOUS
from django_mcp.server.sessions import (
    MAX_ELICITED,
    MAX_FOLLOWED,
    MAX_FOLLOWED_TEXT,
    USED_PRECISION,
    Change,
    Limits,
    Session,
    TooManySessions,
    key_of,
    new_id,
)
from tests.backends.conftest import Build, Clock

pytestmark = pytest.mark.anyio


def session(owner: str = "user:1", **fields: Any) -> Session:
    """A session that was opened just now."""
    given: dict[str, Any] = {
        "key": key_of(new_id()),
        "server": "library",
        "place": "",
        "revision": V2025_11_25,
        "client_info": {"name": "test", "version": "1"},
        "capabilities": {"roots": {"listChanged": True}},
        "created": time.time(),
        "used": time.time(),
    }
    return Session(owner=owner, **{**given, **fields})


async def opened(store: Any, *owners: str, **fields: Any) -> list[Session]:
    """Sessions of those principals, opened one after the other."""
    sessions = [session(owner, **fields) for owner in owners]
    for each in sessions:
        await store.open(each)
    return sessions


async def alive(store: Any, sessions: list[Session]) -> list[bool]:
    """Which of them are still there."""
    found = await store.alive(frozenset(each.key for each in sessions))
    return [each.key in found for each in sessions]


def same(found: Session | None, expected: Session) -> bool:
    """True where all is the same; a database keeps times to the microsecond."""
    assert found is not None
    assert found.created == pytest.approx(expected.created, abs=1e-5)
    assert found.used == pytest.approx(expected.used, abs=1e-5)
    return replace(found, created=expected.created, used=expected.used) == expected


# What is kept


async def test_a_session_is_found_as_it_was_opened(build: Build) -> None:
    store, _ = build()
    one = session(
        owner="Žofie ☕",
        place="9f86d081884c7d659a2feaa0c55ad015",
        revision=V2025_03_26,
        client_info={"name": "o'\"\\ \u2028 何でも 🦉", "version": "", "x": [1, None, 0.5, {}]},
        capabilities={},
        stage=Stage.READY,
        log_level="warning",
        followed=frozenset({"x://a", "x://ö/b"}),
        elicited=("m2", "m1"),
    )
    await store.open(one)

    assert same(await store.find(one.key), one)
    assert same(await store.find(one.key), one)


async def test_what_was_never_opened_is_not_found(build: Build) -> None:
    store, _ = build()
    await opened(store, "user:1")
    other = session()

    assert await store.find(other.key) is None
    assert await store.change(other.key, Change(stage=Stage.READY)) is None
    assert await store.end(other.key) is False
    assert await store.alive(frozenset({other.key})) == frozenset()
    assert await store.alive(frozenset()) == frozenset()


async def test_a_change_is_seen_by_whoever_looks_next(build: Build) -> None:
    store, _ = build()
    [one] = await opened(store, "user:1")

    for change, fields in [
        (Change(stage=Stage.READY), {"stage": Stage.READY}),
        (Change(log_level="error"), {"log_level": "error"}),
        (Change(follow="x://a"), {"followed": frozenset({"x://a"})}),
        (Change(follow="x://b"), {"followed": frozenset({"x://a", "x://b"})}),
        (Change(unfollow="x://a"), {"followed": frozenset({"x://b"})}),
        (Change(elicit="mark"), {"elicited": ("mark",)}),
        (Change(), {}),
    ]:
        one = replace(one, **fields)  # type: ignore[arg-type]
        changed = await store.change(one.key, change)
        found = await store.find(one.key)
        assert changed == replace(one, created=changed.created, used=changed.used)
        assert found == replace(one, created=found.created, used=found.used)


async def test_changes_at_the_same_moment_are_all_made(build: Build) -> None:
    store, _ = build()
    [one] = await opened(store, "user:1")
    uris = [f"x://{number}" for number in range(20)]

    await asyncio.gather(*(store.change(one.key, Change(follow=uri)) for uri in uris))

    assert (await store.find(one.key)).followed == set(uris)


async def test_one_resource_too_many_is_refused_and_changes_nothing(build: Build) -> None:
    store, _ = build()
    uris = frozenset(f"x://{number}" for number in range(MAX_FOLLOWED))
    [one] = await opened(store, "user:1", followed=uris)

    with pytest.raises(InvalidParams, match="follows 1,000 resources"):
        await store.change(one.key, Change(follow="x://more"))

    assert (await store.find(one.key)).followed == uris


async def test_the_resources_of_a_session_have_only_so_long_uris_together(build: Build) -> None:
    store, _ = build()
    uris = frozenset(f"x://{number:02}".ljust(MAX_FOLLOWED_TEXT // 50, "x") for number in range(50))
    [one] = await opened(store, "user:1", followed=uris)

    with pytest.raises(InvalidParams, match="100,000 characters together"):
        await store.change(one.key, Change(follow="x"))
    again = await store.change(one.key, Change(follow=min(uris)))
    less = await store.change(one.key, Change(unfollow=min(uris)))
    more = await store.change(one.key, Change(follow="x"))

    assert again.followed == uris
    assert (less.followed, more.followed) == (uris - {min(uris)}, uris - {min(uris)} | {"x"})


async def test_of_what_the_user_was_sent_to_the_newest_is_remembered(build: Build) -> None:
    store, _ = build()
    [one] = await opened(store, "user:1")

    for number in range(MAX_ELICITED + 2):
        await store.change(one.key, Change(elicit=f"m{number}"))

    assert (await store.find(one.key)).elicited == tuple(
        f"m{number}" for number in range(2, MAX_ELICITED + 2)
    )


# Endings


async def test_a_session_that_was_ended_is_gone(build: Build) -> None:
    store, _ = build()
    one, other = await opened(store, "user:1", "user:1")

    assert await store.end(one.key) is True

    assert await store.find(one.key) is None
    assert await store.change(one.key, Change(log_level="info")) is None
    assert await store.end(one.key) is False
    assert await alive(store, [one, other]) == [False, True]


async def test_of_two_who_end_a_session_one_did(build: Build) -> None:
    store, _ = build()
    [one] = await opened(store, "user:1")

    ended = await asyncio.gather(store.end(one.key), store.end(one.key))

    assert sorted(ended) == [False, True]


async def test_a_session_nobody_uses_ends(build: Build, clock: Clock) -> None:
    store, _ = build(Limits(idle=1000.0))
    [one] = await opened(store, "user:1")

    clock.forward(999.0)
    assert await store.find(one.key) is not None
    clock.forward(1002.0)

    assert await store.find(one.key) is None
    assert await store.change(one.key, Change(log_level="info")) is None
    assert await alive(store, [one]) == [False]


@pytest.mark.parametrize("use", ["find", "change", "alive"])
async def test_a_use_is_written_down(build: Build, clock: Clock, use: str) -> None:
    store, _ = build(Limits(idle=1000.0))
    [one] = await opened(store, "user:1")

    for _ in range(3):
        clock.forward(900.0)
        if use == "find":
            assert await store.find(one.key) is not None
        elif use == "change":
            assert await store.change(one.key, Change(log_level="info")) is not None
        else:
            assert await alive(store, [one]) == [True]


async def test_when_it_was_used_is_right_to_a_minute(build: Build, clock: Clock) -> None:
    store, _ = build()
    [one] = await opened(store, "user:1")

    for _ in range(5):
        clock.forward(USED_PRECISION / 2 + 5)
        await store.find(one.key)

    found = await store.find(one.key)
    assert clock() - found.used <= USED_PRECISION + 1


async def test_no_session_lives_for_ever(build: Build, clock: Clock) -> None:
    store, _ = build(Limits(idle=1000.0, absolute=2000.0))
    [one] = await opened(store, "user:1")

    for _ in range(4):
        clock.forward(490.0)
        assert await store.find(one.key) is not None
    clock.forward(490.0)

    assert await store.find(one.key) is None


async def test_what_is_over_is_cleared(build: Build, clock: Clock) -> None:
    store, _ = build(Limits(idle=1000.0))
    await opened(store, "user:1", "user:2")
    clock.forward(1002.0)
    [young] = await opened(store, "user:1")

    # A cache has done so by itself.
    assert await store.clear() in (2, 0)

    assert await store.clear() == 0
    assert await alive(store, [young]) == [True]


# Limits


async def test_a_principal_gives_up_the_session_it_has_not_used_for_longest(
    build: Build, clock: Clock
) -> None:
    store, _ = build(Limits(of_one=3))
    [foreign] = await opened(store, "user:2")
    own = []
    for _ in range(3):
        clock.forward(USED_PRECISION + 1)
        own += await opened(store, "user:1")
    clock.forward(USED_PRECISION + 1)
    await store.find(own[0].key)

    own += await opened(store, "user:1")

    assert await alive(store, own) == [True, False, True, True]
    assert await alive(store, [foreign]) == [True]


async def test_callers_without_a_name_have_a_limit_of_their_own(build: Build) -> None:
    store, _ = build(Limits(of_one=1, of_anonymous=2))

    first, second, third = await opened(store, *[ANONYMOUS.id] * 3)

    assert sum(await alive(store, [first, second, third])) == 2
    assert await alive(store, [third]) == [True]


async def test_sessions_opened_at_the_same_moment_keep_the_limit(build: Build) -> None:
    store, _ = build(Limits(of_one=5))
    sessions = [session() for _ in range(12)]

    await asyncio.gather(*(store.open(each) for each in sessions))

    assert sum(await alive(store, sessions)) == 5


async def test_a_server_that_is_full_refuses(build: Build) -> None:
    store, _ = build(Limits(of_server=2, of_one=2))
    if "Cache" in type(store).__name__:
        pytest.skip("a cache does not count")
    own = await opened(store, "user:1", "user:1")

    with pytest.raises(TooManySessions, match="2 sessions open"):
        await store.open(session("user:2"))

    await store.end(own[0].key)
    await store.open(session("user:2"))
