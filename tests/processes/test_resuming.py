"""A client that comes back to another process: it gets the rest of its stream, each event once."""

from __future__ import annotations

from typing import Any

from .client import Client, Stream, client
from .conftest import Pair, Start
from .strings import Strings, strings


def said(message: Any) -> str:
    """The text of a log line."""
    assert message["method"] == "notifications/message", message
    text: str = message["params"]["data"]
    return text


async def lines(stream: Stream, count: int) -> list[str]:
    """The next log lines of a stream."""
    return [said(await stream.next()) for _ in range(count)]


def returned(id: int, text: str) -> dict[str, Any]:
    """The answer to a call whose tool returned a text."""
    content = [{"type": "text", "text": text}]
    result = {"content": content, "structuredContent": {"result": text}}
    return {"jsonrpc": "2.0", "id": id, "result": result}


def are_in_order(*ids: str) -> bool:
    """True where the ids are those of one stream, each once, and none between them is missing."""
    names = {id.rpartition("-")[0] for id in ids}
    places = [int(id.rpartition("-")[2]) for id in ids]
    return len(names) == 1 and places == list(range(places[0], places[0] + len(places)))


async def test_a_call_that_still_runs_elsewhere_is_heard_live(pair: Pair) -> None:
    async with client() as one, strings() as held:
        await one.initialize(pair.a)
        id, stream = one.start(pair.a, "puppet", port=held.port)
        puppet = await held.taken()
        await puppet.say("one", "two")
        assert await lines(stream, 2) == ["one", "two"]
        await stream.drop()
        await puppet.say("three")

        rest = one.resume(pair.b, stream.last_id)
        assert await lines(rest, 1) == ["three"]
        await puppet.say("four")
        assert await lines(rest, 1) == ["four"]
        puppet.answer("five")

        assert await rest.rest() == [returned(id, "five")]
        assert are_in_order(*stream.ids, *rest.ids)


async def test_a_call_that_has_ended_elsewhere_is_heard_to_its_end(pair: Pair) -> None:
    async with client() as one, strings() as held:
        await one.initialize(pair.a)
        id, stream = one.start(pair.a, "puppet", port=held.port)
        puppet = await held.taken()
        await puppet.say("one")
        await lines(stream, 1)
        await stream.drop()
        await puppet.say("two")
        puppet.answer("three")
        assert not await puppet.is_cancelled()

        rest = one.resume(pair.b, stream.last_id)

        assert await lines(rest, 1) == ["two"]
        assert await rest.rest() == [returned(id, "three")]
        assert are_in_order(*stream.ids, *rest.ids)


async def test_a_client_may_come_back_more_than_once(pair: Pair) -> None:
    async with client() as one, strings() as held:
        await one.initialize(pair.a)
        id, stream = one.start(pair.a, "puppet", port=held.port)
        puppet = await held.taken()
        streams = [stream]
        for number, place in enumerate((pair.b, pair.a, pair.b)):
            await puppet.say(f"line {number}")
            assert await lines(streams[-1], 1) == [f"line {number}"]
            await streams[-1].drop()
            streams.append(one.resume(place, streams[-1].last_id))
        puppet.answer("the end")

        assert await streams[-1].rest() == [returned(id, "the end")]
        assert are_in_order(*(id for stream in streams for id in stream.ids))


async def test_a_connection_the_server_let_go_is_continued_elsewhere(pair: Pair) -> None:
    async with client() as one, strings() as held:
        await one.initialize(pair.a)
        id, stream = one.start(pair.a, "puppet", port=held.port)
        puppet = await held.taken()
        await puppet.do("close")
        assert await stream.rest() == []

        rest = one.resume(pair.b, stream.last_id)
        await puppet.say("one")
        puppet.answer("two")

        assert await lines(rest, 1) == ["one"]
        assert await rest.rest() == [returned(id, "two")]


async def test_an_older_connection_elsewhere_gives_way(pair: Pair) -> None:
    async with client() as one, strings() as held:
        await one.initialize(pair.a)
        _, stream = one.start(pair.a, "puppet", port=held.port)
        puppet = await held.taken()
        await puppet.say("one")
        await lines(stream, 1)

        newer = one.resume(pair.b, stream.last_id)

        assert await stream.rest() == []
        await puppet.say("two")
        assert await lines(newer, 1) == ["two"]


async def test_a_session_outlives_the_process_it_began_in(
    server: str, together: dict[str, str], start: Start
) -> None:
    pair = start(server, together)
    async with client() as one, strings() as held:
        await one.initialize(pair.a)
        id, stream = one.start(pair.a, "puppet", port=held.port)
        puppet = await held.taken()
        await puppet.say("one", "two", "three")
        assert await lines(stream, 3) == ["one", "two", "three"]

        pair.a.kill()
        assert await stream.rest() == []
        # As if the last two lines had been lost on the way.
        rest = one.resume(pair.b, stream.ids[1])

        assert await lines(rest, 2) == ["two", "three"]
        (lost,) = await rest.rest()
        assert (lost["id"], lost["error"]["code"]) == (id, -32000)
        assert "has ended" in lost["error"]["message"]
        assert are_in_order(*stream.ids[:2], *rest.ids)
        await it_goes_on(one, pair, held)


async def it_goes_on(one: Client, pair: Pair, held: Strings) -> None:
    """See everything a session is for work in the process that is left."""
    b = pair.b
    assert (await one.request(b, "tools/list"))["tools"]
    assert await one.call(b, "add", a=1, b=2) == "3"

    _, asking = one.start(b, "puppet", port=held.port)
    puppet = await held.taken()
    puppet.begin("ask", "Who is there?")
    assert (await one.answer(b, await asking.next(), value="me")).status_code == 202
    assert await puppet.done() == "me"

    listening = await one.listen(b)
    assert await one.request(b, "resources/subscribe", uri="notes://a") == {}
    assert await one.call(b, "touch", uri="notes://a") == "Told."
    assert (await listening.next())["params"] == {"uri": "notes://a"}
