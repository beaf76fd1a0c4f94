"""Sessions in the database: what is left there, who else may be there, and what goes wrong."""

from __future__ import annotations

import asyncio
import logging
from typing import Any

import pytest
from asgiref.sync import sync_to_async
from django.db import IntegrityError, connections

from django_mcp import models
from django_mcp.backends import database as batches_in_database
from django_mcp.backends import event_rows, orm, session_rows
from django_mcp.backends.session_rows import KEPT_AFTER_END, REFUSAL_LASTS
from django_mcp.protocol.handshake import Stage
from django_mcp.server.events import Event, new_stream
from django_mcp.server.sessions import Change, Limits, StoreUnavailable, TooManySessions
from tests.backends.conftest import ALIAS, EVENT_LIFETIME, Build, Clock
from tests.backends.test_sessions import alive, opened, session

pytestmark = pytest.mark.anyio


async def rows(model: Any = models.Session, **fields: Any) -> int:
    """How many rows there are, seen from a connection of its own."""

    def count() -> int:
        try:
            return model.objects.using(ALIAS).filter(**fields).count()
        finally:
            connections[ALIAS].close()

    return await asyncio.to_thread(count)


# Several processes


async def test_what_one_process_ends_no_other_one_finds(process: Build) -> None:
    here, there = process()[0], process()[0]
    [one] = await opened(here, "user:1")
    assert await there.find(one.key) is not None
    assert await here.find(one.key) is not None

    await there.end(one.key)

    assert await here.find(one.key) is None


async def test_changes_by_two_processes_are_all_made(process: Build) -> None:
    stores = [process()[0] for _ in range(2)]
    [one] = await opened(stores[0], "user:1")
    uris = [f"x://{number}" for number in range(100)]

    for pair in zip(uris[::2], uris[1::2], strict=True):
        changes = zip(stores, pair, strict=True)
        await asyncio.gather(*(s.change(one.key, Change(follow=uri)) for s, uri in changes))

    assert (await stores[0].find(one.key)).followed == set(uris)
    assert (await stores[1].find(one.key)).followed == set(uris)


async def test_a_server_is_full_whoever_filled_it(
    process: Build, monkeypatch: pytest.MonkeyPatch
) -> None:
    # Counts are asked for each time, and not only every few seconds.
    monkeypatch.setattr(session_rows, "COUNT_LASTS", 0.0)
    here, there = (process(Limits(of_server=2))[0] for _ in range(2))
    await opened(here, "user:1")
    await opened(there, "user:2")

    with pytest.raises(TooManySessions):
        await here.open(session("user:3"))


async def test_sessions_of_another_server_count_there(process: Build) -> None:
    store, _ = process(Limits(of_server=1))
    await opened(store, "user:1", server="library")

    await opened(store, "user:1", server="archive")

    with pytest.raises(TooManySessions):
        await store.open(session("user:2", server="archive"))


async def test_sessions_whose_time_is_over_fill_no_server(
    process: Build, clock: Clock, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(session_rows, "REFUSAL_LASTS", REFUSAL_LASTS * 0)
    store, _ = process(Limits(of_server=2, idle=1000.0))
    await opened(store, "user:1", "user:2")
    clock.forward(1002.0)

    await opened(store, "user:3", "user:4")

    with pytest.raises(TooManySessions):
        await store.open(session("user:5"))


async def test_a_row_of_another_version_is_no_session(process: Build) -> None:
    store, _ = process()
    one, other = await opened(store, "user:1", "user:1")

    def spoil() -> None:
        try:
            found = models.Session.objects.using(ALIAS)
            found.filter(key=one.key).update(revision="2031-01-01")
            found.filter(key=other.key).update(stage="asleep")
        finally:
            connections[ALIAS].close()

    await asyncio.to_thread(spoil)

    assert await alive(store, [one, other]) == [False, False]
    assert await store.find(one.key) is None


async def test_without_time_zones_times_are_the_same(
    process: Build, clock: Clock, settings: Any
) -> None:
    settings.USE_TZ = False
    store, _ = process(Limits(idle=1000.0))
    [one] = await opened(store, "user:1")
    found = await store.find(one.key)

    assert (found.created, found.used) == pytest.approx((one.created, one.used), abs=1e-5)
    clock.forward(1002.0)
    assert await store.clear() == 1


# What is left


async def test_of_a_session_that_ended_its_row_is_kept_for_a_day(
    process: Build, clock: Clock
) -> None:
    store, log = process()
    [one] = await opened(store, "user:1")
    await log.append(one.key, new_stream(of_call=True), [Event(0, b"[1]")])

    await store.end(one.key)

    assert await rows(key=one.key, ended=None) == 0
    assert await rows(key=one.key) == 1
    assert await rows(models.StreamEvent) == 0
    clock.forward(KEPT_AFTER_END - 10)
    assert (await store.over(), await store.clear()) == (0, 0)
    clock.forward(20)
    assert (await store.over(), await store.clear()) == (1, 1)
    assert await rows() == 0


async def test_the_last_words_of_a_session_that_ended_are_not_kept(process: Build) -> None:
    store, log = process()
    [one] = await opened(store, "user:1")
    await store.end(one.key)

    await log.append(one.key, new_stream(of_call=True), [Event(0, b"[1]")])
    await log.append("x" * 43, new_stream(of_call=True), [Event(0, b"[1]")])

    assert await rows(models.StreamEvent) == 0


async def test_the_events_of_a_session_given_up_go_with_it(process: Build) -> None:
    store, log = process(Limits(of_one=1))
    [one] = await opened(store, "user:1")
    await log.append(one.key, new_stream(of_call=True), [Event(0, b"[1]")])

    await opened(store, "user:1")

    assert await rows(models.StreamEvent) == 0
    assert await rows(ended=None) == 1


async def test_the_beginning_of_a_stream_that_goes_on_stays(process: Build, clock: Clock) -> None:
    store, log = process()
    [one] = await opened(store, "user:1")
    stream = new_stream(of_call=True)
    beginning, old, fresh = Event(0, b"[1]"), Event(1, b"old"), Event(2, b"fresh")
    await log.append(one.key, stream, [beginning, old])
    clock.forward(EVENT_LIFETIME - 5)
    await log.append(one.key, stream, [fresh])
    clock.forward(10)

    assert (await log.over(), await log.clear()) == (1, 1)

    assert await log.ends(one.key, stream) == (beginning, fresh)
    assert await log.read(one.key, stream, 0) is None
    assert await log.read(one.key, stream, 2) == []


async def test_much_is_cleared_piece_by_piece(
    process: Build, clock: Clock, monkeypatch: pytest.MonkeyPatch
) -> None:
    for module in (orm, session_rows, event_rows):
        monkeypatch.setattr(module, "CHUNK", 3)
    store, log = process()
    sessions = await opened(store, *["user:1"] * 7)
    for each in sessions:
        await log.append(each.key, new_stream(of_call=True), [Event(0, b"[1]"), Event(1, b"{}")])
    clock.forward(31 * 24 * 3600.0)

    assert await log.clear() == 14
    assert await store.clear() == 7


async def test_a_process_clears_now_and_then_by_itself(
    process: Build, clock: Clock, monkeypatch: pytest.MonkeyPatch
) -> None:
    store, log = process(Limits(idle=1000.0))
    [one] = await opened(store, "user:1")
    await log.append(one.key, new_stream(of_call=True), [Event(0, b"[1]")])
    clock.forward(1002.0)
    await store.find("x" * 43)
    assert await rows() == 1

    monkeypatch.setattr(batches_in_database, "CLEAR_EVERY", -1.0)
    await store.find("x" * 43)

    assert await rows() == 0
    assert await rows(models.StreamEvent) == 0


# What goes wrong


async def test_a_bad_operation_fails_alone(process: Build) -> None:
    store, _ = process()
    [one] = await opened(store, "user:1")
    good = session()

    outcomes = await asyncio.gather(
        store.find(one.key),
        store.open(session(key=one.key)),
        store.open(good),
        store.change(one.key, Change(stage=Stage.READY)),
        return_exceptions=True,
    )

    assert isinstance(outcomes[1], IntegrityError)
    assert outcomes[2] is None
    assert outcomes[3].stage is Stage.READY
    assert await alive(store, [one, good]) == [True, True]


async def test_without_its_tables_the_store_is_unavailable(
    process: Build, caplog: pytest.LogCaptureFixture
) -> None:
    store, log = process()

    def rename(old: str, new: str) -> None:
        try:
            with connections[ALIAS].schema_editor() as editor:
                editor.alter_db_table(models.Session, old, new)
        finally:
            connections[ALIAS].close()

    table = models.Session._meta.db_table
    await asyncio.to_thread(rename, table, "elsewhere")
    try:
        with caplog.at_level(logging.ERROR, "django_mcp"):
            outcomes = await asyncio.gather(
                store.find("x" * 43),
                store.open(session()),
                store.change("x" * 43, Change(log_level="info")),
                store.end("x" * 43),
                log.append("x" * 43, new_stream(of_call=True), [Event(0, b"[1]")]),
                return_exceptions=True,
            )
            again = await asyncio.gather(store.find("x" * 43), return_exceptions=True)
    finally:
        await asyncio.to_thread(rename, "elsewhere", table)

    assert {type(outcome) for outcome in [*outcomes, *again]} == {StoreUnavailable}
    assert len({id(outcome) for outcome in outcomes}) == 5
    assert "elsewhere" not in str(outcomes[0])
    [record] = caplog.records
    assert record.message == (
        f"The database {ALIAS!r} that keeps the sessions has no table {table}: "
        "run manage.py migrate"
    )
    assert await store.find("x" * 43) is None


@pytest.mark.django_db
def test_in_a_test_case_it_is_the_tests_connection(settings: Any) -> None:
    """Where sync code waits for the loop, as in a TestCase, the work is done on its thread."""
    from asgiref.sync import async_to_sync

    store, _ = orm.build(Limits(), EVENT_LIFETIME, orm.DjangoWorkers(1, atomic=False))

    async def talk() -> bool:
        [one] = await opened(store, "user:1")
        await store.change(one.key, Change(stage=Stage.READY))
        found = await store.find(one.key)
        seen = await sync_to_async(models.Session.objects.get)(key=one.key)
        return found.stage is Stage.READY and seen.stage == "ready"

    assert async_to_sync(talk)()
    assert models.Session.objects.count() == 1
