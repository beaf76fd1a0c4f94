"""A session that is ended at one process has ended at every other one."""

from __future__ import annotations

from .client import client
from .conftest import Pair
from .strings import strings


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
