"""What the processes share goes away and comes back: clients are told, and nothing kept is lost."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, Final, NamedTuple

import httpx
import pytest

from tests import services

from . import shared
from .client import Client, client
from .conftest import APPLICATION, SETTINGS, Pair
from .strings import PATIENCE, Puppet, strings
from .test_resuming import are_in_order, lines, returned
from .workers import SERVERS, Worker, workers

#: Seconds between two attempts of a client.
ATTEMPT: Final = 0.2


class Fragile(NamedTuple):
    """Two processes, and what they share, which a test may stop and has to start again."""

    pair: Pair
    postgres: services.Postgres
    redis: services.Redis


@pytest.fixture(scope="module", params=list(SERVERS))
def fragile(request: Any, postgres: Any, redis: Any, tmp_path_factory: Any) -> Iterator[Fragile]:
    """Such processes of every ASGI server; skips where the services everybody shares do."""
    with services.postgres() as own_postgres, services.redis() as own_redis:
        environment = shared.environment(own_postgres, own_redis)
        shared.migrate(SETTINGS, environment)
        logs = tmp_path_factory.mktemp("fragile")
        with workers(2, request.param, APPLICATION, logs, environment) as (a, b):
            yield Fragile(Pair(a, b, environment), own_postgres, own_redis)


@contextmanager
def away(service: services.Service) -> Iterator[None]:
    """A service is away meanwhile."""
    service.stop()
    try:
        yield
    finally:
        service.start()


def is_refused(response: httpx.Response) -> bool:
    """True where a client is told that what the server needs is away, and that it may try again."""
    return response.status_code == 503 and response.json()["error"]["code"] == -32000


async def test_what_was_kept_is_there_after_the_database_was_away(fragile: Fragile) -> None:
    a, b, _ = fragile.pair
    async with client() as one, strings() as held:
        await one.initialize(a)
        id, stream = one.start(a, "puppet", port=held.port)
        puppet = await held.taken()
        await puppet.say("one", "two")
        assert await lines(stream, 2) == ["one", "two"]
        await stream.drop()

        with away(fragile.postgres):
            for place in (a, b):
                assert is_refused(await one.notify(place, "notifications/initialized"))

        assert await one.call(b, "count_groups") == "0"
        # As if the second line had been lost on the way.
        rest = one.resume(b, stream.ids[1])
        assert await lines(rest, 1) == ["two"]
        puppet.answer("three")
        assert await rest.rest() == [returned(id, "three")]
        assert are_in_order(*stream.ids[:2], *rest.ids)


async def test_a_client_that_stays_hears_its_call_while_the_database_is_away(
    fragile: Fragile,
) -> None:
    a, b, _ = fragile.pair
    async with client() as one, strings() as held:
        await one.initialize(a)
        id, stream = one.start(a, "puppet", port=held.port)
        puppet = await held.taken()
        await puppet.say("one")

        with away(fragile.postgres):
            await puppet.say("two")
            assert await lines(stream, 2) == ["one", "two"]

        puppet.begin("ask", "Are you there?")
        # The layer may have been away before, and the processes look for each other still.
        assert await answered_at(b, one, await stream.next(), puppet) == "there"
        puppet.answer("three")
        assert await stream.rest() == [returned(id, "three")]


async def test_what_needs_no_other_process_does_not_miss_the_layer(fragile: Fragile) -> None:
    a, b, _ = fragile.pair
    async with client() as one, strings() as held:
        await one.initialize(a)
        _, stream = one.start(a, "puppet", port=held.port)
        puppet = await held.taken()
        puppet.begin("ask", "Who is there?")
        question = await stream.next()

        with away(fragile.redis):
            assert await one.call(b, "add", a=1, b=2) == "3"
            assert await one.call(b, "count_groups") == "0"
            assert is_refused(await one.answer(b, question, value="elsewhere"))
            assert (await one.answer(a, question, value="here")).status_code == 202
            assert await puppet.done() == "here"


async def test_the_processes_find_each_other_again(fragile: Fragile) -> None:
    a, b, _ = fragile.pair
    async with client() as one, strings() as held:
        await one.initialize(a)
        _, stream = one.start(a, "puppet", port=held.port)
        puppet = await held.taken()
        puppet.begin("ask", "Who is there?")
        question = await stream.next()

        with away(fragile.redis):
            assert is_refused(await one.answer(b, question, value="lost"))

        assert await answered_at(b, one, question, puppet) == "there"


async def answered_at(place: Worker, one: Client, question: Any, puppet: Puppet) -> Any:
    """What becomes of a question whose answer is sent to a process until it has arrived.

    A client may send it more than once while the processes find each other again: which attempt is
    the first to arrive is nobody's to know.
    """
    done = asyncio.ensure_future(puppet.done())
    async with asyncio.timeout(PATIENCE):
        while not done.done():
            sent = await one.answer(place, question, value="there")
            assert sent.status_code in (202, 503), sent.text
            await asyncio.wait([done], timeout=ATTEMPT)
    return done.result()
