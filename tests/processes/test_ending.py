"""A session that is ended at one process has ended at every other one."""

from __future__ import annotations

import asyncio
import os
import sys

from django_mcp.server.sessions import key_of

from .client import client
from .conftest import SETTINGS, Pair
from .strings import strings
from .workers import REPOSITORY

#: What the admin does, in a process that serves nobody and has no event loop of its own.
END = """
import sys, django
django.setup()
from asgiref.sync import async_to_sync
from django_mcp.default import default_server
from django_mcp.server.conversations import end_session
assert async_to_sync(end_session)(default_server(), sys.argv[1])
"""


async def test_what_a_session_has_elsewhere_ends_with_it(pair: Pair) -> None:
    async with client() as one, strings() as held:
        await one.initialize(pair.a)
        listening = await one.listen(pair.a)
        _, stream = one.start(pair.a, "puppet", port=held.port)
        puppet = await held.taken()
        await puppet.say("one")
        await stream.next()

        assert (await one.delete(pair.b)).status_code == 200

        # The very next message, whether or not the other process has heard by now.
        refused = await one.notify(pair.a, "notifications/initialized")
        assert refused.status_code == 404
        assert await puppet.is_cancelled()
        assert await listening.rest() == []
        await stream.rest()
        assert (await one.delete(pair.a)).status_code == 404


async def test_a_stream_of_a_session_that_ended_is_not_resumed(pair: Pair) -> None:
    async with client() as one, strings() as held:
        await one.initialize(pair.a)
        _, stream = one.start(pair.a, "puppet", port=held.port)
        puppet = await held.taken()
        await puppet.say("one")
        await stream.next()
        await stream.drop()
        await one.delete(pair.b)

        rest = one.resume(pair.a, stream.last_id)

        await rest.rest()
        assert rest.status == 404


async def test_another_session_goes_on(pair: Pair) -> None:
    async with client() as ended, client() as other, strings() as held:
        await ended.initialize(pair.a)
        await other.initialize(pair.a)
        _, stream = other.start(pair.a, "puppet", port=held.port)
        puppet = await held.taken()

        await ended.delete(pair.b)
        puppet.answer("here")

        (answer,) = await stream.rest()
        assert answer["result"]["content"] == [{"type": "text", "text": "here"}]


async def test_a_session_that_is_ended_by_a_third_process_has_ended_too(pair: Pair) -> None:
    async with client() as one, strings() as held:
        await one.initialize(pair.a)
        listening = await one.listen(pair.a)
        _, stream = one.start(pair.b, "puppet", port=held.port)
        puppet = await held.taken()
        await puppet.say("one")
        await stream.next()

        environment = {**os.environ, **pair.environment, "DJANGO_SETTINGS_MODULE": SETTINGS}
        command = [sys.executable, "-c", END, str(key_of(one.session))]
        ending = await asyncio.create_subprocess_exec(*command, cwd=REPOSITORY, env=environment)

        assert await ending.wait() == 0
        assert await puppet.is_cancelled()
        assert await listening.rest() == []
        await stream.rest()
        assert (await one.notify(pair.a, "notifications/initialized")).status_code == 404
