"""HTTP+SSE as a client meets it: where it is found, where messages go, what a refusal ends."""

from __future__ import annotations

import asyncio
import logging
from typing import Any

import pytest

from django_mcp.client import (
    Client,
    ConnectionFailed,
    ConnectionLost,
    SseTransport,
    UnexpectedStatus,
)
from django_mcp.client.transports import http_sse
from tests.client.fakes import Fake, Reply, Seen, says

OLD = "2024-11-05"


class Old:
    """A server of HTTP+SSE: what it answers a tool is the tool's name, unless `call` does it."""

    def __init__(self, endpoint: str = "/messages?session_id=1", call: Any = None) -> None:
        self.endpoint = endpoint
        self.call = call
        self.streams: list[Reply] = []

    async def __call__(self, seen: Seen, reply: Reply) -> None:
        if seen.method == "GET":
            await reply.stream()
            self.streams.append(reply)
            await reply.event(self.endpoint.encode(), event="endpoint")
            await reply.gone()
        elif seen.path == "/mcp":
            await reply.whole(405)
        elif seen.rpc == "initialize":
            await reply.whole(202)
            await self.answer(
                seen,
                {
                    "protocolVersion": OLD,
                    "capabilities": {"tools": {}},
                    "serverInfo": {"name": "old", "version": "1"},
                },
            )
        elif seen.rpc == "tools/call" and self.call is not None:
            await self.call(seen, reply)
        else:
            await reply.whole(202)
            if seen.rpc == "tools/call":
                await self.answer(seen, says(seen.json["params"]["name"]))

    async def answer(self, seen: Seen, result: Any) -> None:
        await self.streams[-1].event({"jsonrpc": "2.0", "id": seen.id, "result": result})


async def test_a_url_of_an_old_server_just_works() -> None:
    async with Fake(every=Old()) as fake:
        async with Client(fake.url, headers={"authorization": "Bearer t"}) as client:
            assert client.revision == OLD
            results = await asyncio.gather(*(client.call_tool(f"t{n}") for n in range(50)))
            assert [result.text for result in results] == [f"t{n}" for n in range(50)]
        # Asked for its era, then for a handshake, and then found where older ones are.
        assert fake.methods()[:4] == ["server/discover", "initialize", "GET", "initialize"]
        assert {seen.headers.get("authorization") for seen in fake.seen} == {"Bearer t"}


async def test_where_nothing_is_found_the_first_refusal_is_told() -> None:
    async def every(seen: Seen, reply: Reply) -> None:
        await reply.whole(404 if seen.method == "POST" else 410)

    async with Fake(every=every) as fake:
        with pytest.raises(UnexpectedStatus, match="HTTP 404") as caught:
            async with Client(fake.url):
                pass
        assert caught.value.status == 404


async def test_a_transport_that_is_named_is_not_looked_for() -> None:
    async with Fake(every=Old()) as fake:
        async with Client(SseTransport(fake.url)) as client:
            assert (await client.call_tool("here")).text == "here"
        assert fake.methods()[:2] == ["GET", "initialize"]


@pytest.mark.parametrize(
    "endpoint",
    ["https://elsewhere.example/messages", "http://127.0.0.1:1/messages", "//elsewhere.example/x"],
)
async def test_messages_go_to_no_other_host(endpoint: str) -> None:
    async with Fake(every=Old(endpoint)) as fake:
        with pytest.raises(ConnectionFailed, match="credentials would go with them"):
            async with Client(SseTransport(fake.url, headers={"authorization": "Bearer t"})):
                pass
        assert fake.methods() == ["GET"]


@pytest.mark.parametrize("endpoint", ["messages", "?session_id=1", "/messages", None])
async def test_where_messages_go_may_be_said_in_every_form(endpoint: str | None) -> None:
    old = Old(endpoint or "")
    async with Fake(every=old) as fake:
        old.endpoint = endpoint or f"http://127.0.0.1:{fake.port}/absolute"
        if endpoint == "?session_id=1":
            old.endpoint = "/mcp/there?session_id=1"
        async with Client(SseTransport(fake.url)) as client:
            assert (await client.call_tool("t")).text == "t"


async def test_a_stream_that_says_nothing_is_given_up(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(http_sse, "OPENING", 0.05)

    async def every(seen: Seen, reply: Reply) -> None:
        await reply.stream()
        await reply.gone()

    async with Fake(every=every) as fake:
        with pytest.raises(ConnectionFailed, match="does not say where to POST"):
            async with Client(SseTransport(fake.url)):
                pass


@pytest.mark.parametrize(
    ("event", "error"), [("message", "begins with 'endpoint'"), (None, "ended")]
)
async def test_a_stream_that_begins_otherwise_is_none_of_the_kind(
    event: str | None, error: str
) -> None:
    async def every(seen: Seen, reply: Reply) -> None:
        await reply.stream()
        if event is not None:
            await reply.event(b"{}", event=event)
        await reply.end()

    async with Fake(every=every) as fake:
        with pytest.raises(ConnectionFailed, match=error):
            async with Client(SseTransport(fake.url)):
                pass


async def test_a_page_is_no_stream() -> None:
    async def every(seen: Seen, reply: Reply) -> None:
        await reply.whole(200, b"<html>", [("content-type", "text/html")])

    async with Fake(every=every) as fake:
        with pytest.raises(ConnectionFailed, match="did not answer with a stream of events"):
            async with Client(SseTransport(fake.url)):
                pass


async def test_only_what_has_a_handshake_is_spoken_there() -> None:
    async with Fake(every=Old()) as fake:
        with pytest.raises(ConnectionFailed, match="no way to speak 2026-07-28"):
            async with Client(SseTransport(fake.url), revisions=["2026-07-28"]):
                pass


# ------------------------------------------------------------------------------------------- faults


async def test_a_message_that_is_refused_fails_its_call_and_no_other() -> None:
    async def call(seen: Seen, reply: Reply) -> None:
        if seen.json["params"]["name"] == "bad":
            await reply.whole(413)
        else:
            await reply.whole(202)
            await old.answer(seen, says("good"))

    old = Old(call=call)
    async with Fake(every=old) as fake, Client(SseTransport(fake.url)) as client:
        calls = [client.call_tool("bad" if n % 10 == 0 else "good") for n in range(50)]
        results = await asyncio.gather(*calls, return_exceptions=True)
        for n, result in enumerate(results):
            if n % 10 == 0:
                assert isinstance(result, UnexpectedStatus), result
            else:
                assert not isinstance(result, BaseException), result


async def test_a_post_that_is_never_answered_holds_the_others_up_for_a_while_only(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(http_sse, "POSTING", 0.1)

    async def call(seen: Seen, reply: Reply) -> None:
        if seen.json["params"]["name"] == "bad":
            await reply.gone()
        else:
            await reply.whole(202)
            await old.answer(seen, says("good"))

    old = Old(call=call)
    async with Fake(every=old) as fake, Client(SseTransport(fake.url)) as client:
        bad = asyncio.ensure_future(client.call_tool("bad"))
        good = asyncio.ensure_future(client.call_tool("good"))
        with pytest.raises(ConnectionLost, match="did not take a message"):
            await bad
        assert (await good).text == "good"


async def test_a_stream_that_breaks_ends_its_calls_and_the_next_one_opens_another() -> None:
    called = asyncio.Event()

    async def call(seen: Seen, reply: Reply) -> None:
        await reply.whole(202)
        if seen.json["params"]["name"] == "hang":
            called.set()
        else:
            await old.answer(seen, says("good"))

    old = Old(call=call)
    async with Fake(every=old) as fake, Client(SseTransport(fake.url)) as client:
        hanging = asyncio.ensure_future(client.call_tool("hang"))
        await called.wait()
        old.streams[-1].cut()
        with pytest.raises(ConnectionLost, match="stream"):
            await hanging
        results = await asyncio.gather(*(client.call_tool("t") for _ in range(10)))
        assert {result.text for result in results} == {"good"}
        assert len(old.streams) == 2


async def test_a_session_that_is_gone_is_opened_anew_once() -> None:
    forgotten = ""

    async def call(seen: Seen, reply: Reply) -> None:
        if seen.path == forgotten:
            await reply.whole(404)
        else:
            await reply.whole(202)
            await old.answer(seen, says("good"))

    old = Old(call=call)
    async with Fake(every=old) as fake, Client(SseTransport(fake.url)) as client:
        await client.call_tool("t")
        forgotten, old.endpoint = old.endpoint, "/messages?session_id=2"
        results = await asyncio.gather(*(client.call_tool("t") for _ in range(20)))
        assert {result.text for result in results} == {"good"}
        assert len(old.streams) == 2


async def test_an_event_over_the_limit_ends_the_stream_and_not_the_memory() -> None:
    async def call(seen: Seen, reply: Reply) -> None:
        await reply.whole(202)
        await old.answer(seen, says("x" * 200_000))

    old = Old(call=call)
    async with (
        Fake(every=old) as fake,
        Client(SseTransport(fake.url, largest=100_000)) as client,
    ):
        with pytest.raises(ConnectionLost, match="100000 bytes"):
            await client.call_tool("t")


async def test_garbage_in_the_stream_is_skipped(caplog: pytest.LogCaptureFixture) -> None:
    async def call(seen: Seen, reply: Reply) -> None:
        await reply.whole(202)
        await old.streams[-1].event(b"no JSON")
        await old.streams[-1].event(b"{}", event="ping")
        await old.answer(seen, says("through"))

    old = Old(call=call)
    async with Fake(every=old) as fake, Client(SseTransport(fake.url)) as client:
        with caplog.at_level(logging.WARNING, "django_mcp.client"):
            assert (await client.call_tool("t")).text == "through"
    assert "what is no message" in caplog.text
