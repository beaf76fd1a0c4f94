"""A change that happens in one process is heard by whoever listens at another one, once."""

from __future__ import annotations

import asyncio
import os
import sys
from typing import Any

from .client import Client, Stream, client
from .conftest import Pair
from .strings import PATIENCE
from .workers import REPOSITORY


async def updated(stream: Stream) -> str:
    """The URI of the resource that the next message says has changed."""
    message = await stream.next()
    assert message["method"] == "notifications/resources/updated", message
    uri: str = message["params"]["uri"]
    return uri


async def follow(one: Client, place: Any, *uris: str) -> None:
    for uri in uris:
        assert await one.request(place, "resources/subscribe", uri=uri) == {}


async def test_who_listens_hears_what_is_followed_elsewhere(pair: Pair) -> None:
    async with client() as one:
        await one.initialize(pair.a)
        listening = await one.listen(pair.a)
        await follow(one, pair.b, "notes://a", "notes://b")

        await one.call(pair.b, "touch", uri="notes://nobody-follows")
        await one.call(pair.b, "touch", uri="notes://a")
        assert await updated(listening) == "notes://a"
        # Had the first change been told twice, it would come before this one.
        await one.call(pair.b, "touch", uri="notes://b")

        assert await updated(listening) == "notes://b"


async def test_who_follows_no_more_hears_no_more(pair: Pair) -> None:
    async with client() as one:
        await one.initialize(pair.a)
        await follow(one, pair.b, "notes://a", "notes://b")
        listening = await one.listen(pair.a)
        assert await one.request(pair.b, "resources/unsubscribe", uri="notes://a") == {}

        await one.call(pair.b, "touch", uri="notes://a")
        await one.call(pair.b, "touch", uri="notes://b")

        assert await updated(listening) == "notes://b"


async def test_a_process_that_serves_nobody_is_heard(pair: Pair) -> None:
    async with client() as one:
        await one.initialize(pair.a)
        await follow(one, pair.b, "notes://a", "notes://b")
        listening = await one.listen(pair.a)

        await run_command(pair, "notes://a")
        assert await updated(listening) == "notes://a"
        # Had the first change been told twice, it would come before this one.
        await one.call(pair.b, "touch", uri="notes://b")

        assert await updated(listening) == "notes://b"


async def run_command(pair: Pair, uri: str) -> None:
    """Have a process of its own say that a resource changed, and wait until it has ended."""
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "tests.processes.site.command", uri),
        cwd=REPOSITORY,
        env={**os.environ, **pair.environment},
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.STDOUT,
    )
    async with asyncio.timeout(PATIENCE):
        written, _ = await process.communicate()
    assert (process.returncode, written) == (0, b"")


async def test_a_stream_of_the_revision_without_sessions_hears_it_too(pair: Pair) -> None:
    async with client() as one, client() as other:
        await other.initialize(pair.b)
        listening = await one.subscribe(pair.a, "notes://a")

        await other.call(pair.b, "touch", uri="notes://nobody-follows")
        await other.call(pair.b, "touch", uri="notes://a")

        assert await updated(listening) == "notes://a"


async def test_a_newer_stream_elsewhere_takes_the_place_of_an_older_one(pair: Pair) -> None:
    async with client() as one:
        await one.initialize(pair.a)
        await follow(one, pair.a, "notes://a")
        older = await one.listen(pair.a)

        newer = await one.listen(pair.b)

        assert await older.rest() == []
        await one.call(pair.a, "touch", uri="notes://a")
        assert await updated(newer) == "notes://a"


async def test_what_was_missed_is_told_where_the_client_comes_back(pair: Pair) -> None:
    async with client() as one:
        await one.initialize(pair.a)
        await follow(one, pair.a, "notes://a", "notes://b")
        listening = await one.listen(pair.a)
        await one.call(pair.b, "touch", uri="notes://a")
        assert await updated(listening) == "notes://a"
        await one.call(pair.b, "touch", uri="notes://b")
        assert await updated(listening) == "notes://b"
        await listening.drop()

        # As if the last event had been lost on the way.
        again = one.resume(pair.b, listening.ids[-2])

        assert await updated(again) == "notes://b"
