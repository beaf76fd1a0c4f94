"""What the processes share goes away and comes back: clients are told, and nothing kept is lost."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from typing import Any, Final

import httpx
import pytest

from tests import services

from . import shared
from .client import Client, client
from .conftest import SETTINGS, Pair, Start
from .strings import PATIENCE, Puppet, strings
from .test_resuming import are_in_order, lines, returned

#: Seconds between two attempts of a client.
ATTEMPT: Final = 0.2


@pytest.fixture
def own_postgres(postgres: services.Postgres) -> Iterator[services.Postgres]:
    """One that the test may stop; skips where the shared one does."""
    with services.postgres() as running:
        yield running


@pytest.fixture
def own_redis(redis: services.Redis) -> Iterator[services.Redis]:
    """One that the test may stop; skips where the shared one does."""
    with services.redis() as running:
        yield running


@pytest.fixture
def own_pair(
    server: str, own_postgres: services.Postgres, own_redis: services.Redis, start: Start
) -> Pair:
    """Two processes that share what the test may stop."""
    environment = shared.environment(own_postgres, own_redis)
    shared.migrate(SETTINGS, environment)
    return start(server, environment)


def is_refused(response: httpx.Response) -> bool:
    """True where a client is told that it may try again, and nothing else."""
    error = response.json()["error"]
    return response.status_code == 503 and "Traceback" not in error["message"]


async def test_the_database_is_restarted(own_pair: Pair, own_postgres: services.Postgres) -> None:
    async with client() as one, strings() as held:
        await one.initialize(own_pair.a)
        id, stream = one.start(own_pair.a, "puppet", port=held.port)
        puppet = await held.taken()
        await puppet.say("one", "two")
        assert await lines(stream, 2) == ["one", "two"]
        await stream.drop()

        own_postgres.stop()
        for place in (own_pair.a, own_pair.b):
            assert is_refused(await one.notify(place, "notifications/initialized"))
        own_postgres.start()

        assert await one.call(own_pair.b, "count_groups") == "0"
        # The stream goes on behind the last event that was kept.
        rest = one.resume(own_pair.b, stream.ids[1])
        assert await lines(rest, 1) == ["two"]
        puppet.answer("three")
        assert await rest.rest() == [returned(id, "three")]
        assert are_in_order(*stream.ids[:2], *rest.ids)


async def test_the_layer_is_restarted(own_pair: Pair, own_redis: services.Redis) -> None:
    async with client() as one, strings() as held:
        await one.initialize(own_pair.a)
        _, stream = one.start(own_pair.a, "puppet", port=held.port)
        puppet = await held.taken()
        puppet.begin("ask", "Who is there?")
        question = await stream.next()

        own_redis.stop()
        assert is_refused(await one.answer(own_pair.b, question, value="lost"))
        # What needs no other process does not notice.
        assert await one.call(own_pair.b, "add", a=1, b=2) == "3"
        assert await one.call(own_pair.b, "count_groups") == "0"
        assert (await one.answer(own_pair.a, question, value="here")).status_code == 202
        assert await puppet.done() == "here"
        own_redis.start()

        puppet.begin("ask", "And now?")
        question = await stream.next()
        assert await answered_elsewhere(one, own_pair, question, puppet) == "there"


async def answered_elsewhere(one: Client, pair: Pair, question: Any, puppet: Puppet) -> Any:
    """What becomes of a question whose answer is sent to the other process until it has arrived.

    A client may send it more than once while the processes find each other again: which attempt is
    the first to arrive is nobody's to know.
    """
    done = asyncio.ensure_future(puppet.done())
    async with asyncio.timeout(PATIENCE):
        while not done.done():
            sent = await one.answer(pair.b, question, value="there")
            assert sent.status_code in (202, 503), sent.text
            await asyncio.wait([done], timeout=ATTEMPT)
    return done.result()
