"""What a client sends to one process for a call that runs in another: answers and cancellations."""

from __future__ import annotations

from .client import client
from .conftest import Pair
from .strings import strings


async def test_an_answer_finds_the_call_that_asked(pair: Pair) -> None:
    async with client() as one, strings() as held:
        await one.initialize(pair.a)
        _, stream = one.start(pair.a, "puppet", port=held.port)
        puppet = await held.taken()
        puppet.begin("ask", "Who is there?")
        question = await stream.next()
        assert question["method"] == "elicitation/create"

        assert (await one.answer(pair.b, question, value="me")).status_code == 202

        assert await puppet.done() == "me"


async def test_a_question_reaches_a_client_that_has_moved(pair: Pair) -> None:
    async with client() as one, strings() as held:
        await one.initialize(pair.a)
        _, stream = one.start(pair.a, "puppet", port=held.port)
        puppet = await held.taken()
        await puppet.say("one")
        await stream.next()
        await stream.drop()
        moved = one.resume(pair.b, stream.last_id)

        puppet.begin("ask", "Still there?")
        question = await moved.next()
        assert (await one.answer(pair.b, question, value="yes")).status_code == 202

        assert await puppet.done() == "yes"


async def test_a_cancellation_finds_the_call(pair: Pair) -> None:
    async with client() as one, strings() as held:
        await one.initialize(pair.a)
        id, _ = one.start(pair.a, "puppet", port=held.port)
        puppet = await held.taken()

        response = await one.notify(pair.b, "notifications/cancelled", requestId=id)

        assert response.status_code == 202
        assert await puppet.is_cancelled()


async def test_a_cancellation_ends_one_call_of_several(pair: Pair) -> None:
    async with client() as one, strings() as held:
        await one.initialize(pair.a)
        first, _ = one.start(pair.a, "puppet", port=held.port)
        cancelled = await held.taken()
        second, stream = one.start(pair.a, "puppet", port=held.port)
        going_on = await held.taken()

        await one.notify(pair.b, "notifications/cancelled", requestId=first)
        assert await cancelled.is_cancelled()
        going_on.answer("here")

        (answer,) = await stream.rest()
        assert answer["id"] == second
        assert answer["result"]["content"] == [{"type": "text", "text": "here"}]
