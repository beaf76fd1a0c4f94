"""Streamable HTTP as a client meets it: statuses, streams that break, sessions that end."""

from __future__ import annotations

import asyncio
import json
import logging
import ssl
import subprocess
from pathlib import Path
from typing import Any

import httpx
import pytest

from django_mcp.client import (
    Client,
    ConnectionFailed,
    ConnectionLost,
    InvalidAnswer,
    RequestTimedOut,
    ServerError,
    SessionLost,
    UnexpectedStatus,
)
from django_mcp.client.transports import http
from django_mcp.protocol.errors import HeaderMismatch
from tests.client.fakes import Fake, Reply, Seen, says

STATEFUL = ["2025-11-25"]
STATELESS = ["2026-07-28"]


def progress(seen: Seen, step: int) -> dict[str, Any]:
    token = seen.json["params"]["_meta"]["progressToken"]
    params = {"progressToken": token, "progress": step}
    return {"jsonrpc": "2.0", "method": "notifications/progress", "params": params}


# ------------------------------------------------------------------------------------- connections


async def test_one_connection_serves_one_call_after_the_other_however_it_is_answered() -> None:
    async def call(seen: Seen, reply: Reply) -> None:
        if seen.arguments["streams"]:
            await reply.stream()
            await reply.answer(seen, "streamed")
            await reply.end()
        else:
            await reply.text(seen, "whole")

    async with Fake(call) as fake, Client(fake.url, revisions=STATEFUL) as client:
        for streams, said in [(True, "streamed"), (False, "whole"), (True, "streamed")]:
            assert (await client.call_tool("t", {"streams": streams})).text == said
        # One more may have been opened while the stream was being asked for.
        assert fake.connections <= 2


async def test_a_call_is_answered_as_soon_as_its_answer_is_there_although_the_stream_goes_on() -> (
    None
):
    left = asyncio.Event()

    async def call(seen: Seen, reply: Reply) -> None:
        await reply.stream()
        await reply.answer(seen, "now")
        await reply.gone()
        left.set()

    async with Fake(call) as fake, Client(fake.url, revisions=STATEFUL) as client:
        assert (await client.call_tool("t")).text == "now"
        await left.wait()


async def test_the_server_being_killed_in_the_middle_of_a_call_is_told_at_once() -> None:
    async def call(seen: Seen, reply: Reply) -> None:
        reply.cut()

    async with Fake(call) as fake, Client(fake.url, revisions=STATELESS[:0] or STATEFUL) as client:
        with pytest.raises(ConnectionLost, match="before an answer came"):
            await client.call_tool("t")


@pytest.mark.parametrize("revision", ["2025-11-25", "2026-07-28"])
async def test_a_stream_that_breaks_without_ids_is_the_end_of_the_call(revision: str) -> None:
    async def call(seen: Seen, reply: Reply) -> None:
        await reply.stream()
        await reply.event({"jsonrpc": "2.0", "method": "notifications/message", "params": {}})
        reply.cut()

    async with (
        Fake(call, revision=revision) as fake,
        Client(fake.url, revisions=[revision]) as client,
    ):
        with pytest.raises(ConnectionLost, match="Whether the request was done is not known"):
            await client.call_tool("t")
        assert fake.count("tools/call") == 1


async def test_a_port_nobody_listens_on_is_no_server() -> None:
    async with Fake() as fake:
        url = fake.url
    with pytest.raises(ConnectionFailed, match=r"127\.0\.0\.1 cannot be reached"):
        async with Client(url):
            pass


async def test_a_certificate_nobody_vouches_for_is_refused(tmp_path: Path) -> None:
    key, certificate = tmp_path / "key", tmp_path / "certificate"
    options = "req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -days 1 -subj /CN=x"
    command = ["openssl", *options.split(), "-keyout", key, "-out", certificate]
    subprocess.run(command, check=True, capture_output=True)  # noqa: ASYNC221
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate, key)
    async with Fake(ssl=context) as fake:
        with pytest.raises(ConnectionFailed, match="CERTIFICATE_VERIFY_FAILED"):
            async with Client(fake.url):
                pass
        assert fake.seen == []


# ---------------------------------------------------------------------------------------- resuming


@pytest.mark.parametrize("retry", [None, 10])
async def test_a_proxy_that_cuts_every_connection_does_not_end_a_call_with_ids(
    retry: int | None,
) -> None:
    """The stream is taken up again where it broke, as often as it breaks."""
    steps = iter(range(1, 100))

    async def go_on(seen: Seen, reply: Reply) -> None:
        if "last-event-id" not in seen.headers:
            await reply.whole(405)
            return
        await reply.stream()
        step = next(steps)
        assert seen.headers["last-event-id"] == str(step - 1)
        if step == 9:
            await reply.answer(asked[0], "done", id=str(step))
            await reply.end()
        else:
            await reply.event(progress(asked[0], step), id=str(step), retry=retry)
            reply.cut()

    asked: list[Seen] = []

    async def call(seen: Seen, reply: Reply) -> None:
        asked.append(seen)
        await reply.stream()
        await reply.event(b"", id="0")
        reply.cut()

    told: list[float] = []
    async with (
        Fake(call, listen=go_on) as fake,
        Client(fake.url, revisions=STATEFUL) as client,
    ):
        result = await client.call_tool("t", on_progress=lambda step: told.append(step.progress))
        assert result.text == "done"
        assert told == list(range(1, 9))
        assert fake.count("tools/call") == 1


async def test_a_stream_is_taken_up_again_on_which_nothing_new_comes() -> None:
    """A quiet call behind such a proxy is not given up for being quiet."""
    cuts = 0

    async def go_on(seen: Seen, reply: Reply) -> None:
        nonlocal cuts
        if "last-event-id" not in seen.headers:
            await reply.whole(405)
            return
        await reply.stream()
        if cuts == 2 * http.MOST_ATTEMPTS:
            await reply.answer(asked[0], "done", id="b")
            await reply.end()
        else:
            cuts += 1
            reply.cut()

    asked: list[Seen] = []

    async def call(seen: Seen, reply: Reply) -> None:
        asked.append(seen)
        await reply.stream()
        await reply.event(b"", id="a", retry=1)
        reply.cut()

    async with (
        Fake(call, listen=go_on) as fake,
        Client(fake.url, revisions=STATEFUL) as client,
    ):
        assert (await client.call_tool("t")).text == "done"


@pytest.mark.parametrize("status", [None, 503])
async def test_a_server_that_stays_away_is_given_up(
    status: int | None, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(http, "FIRST_PAUSE", 0.001)

    async def go_on(seen: Seen, reply: Reply) -> None:
        if "last-event-id" not in seen.headers:
            await reply.whole(405)
        elif status is None:
            reply.cut()
        else:
            await reply.whole(status)

    async def call(seen: Seen, reply: Reply) -> None:
        await reply.stream()
        await reply.event(b"", id="a")
        reply.cut()

    async with (
        Fake(call, listen=go_on) as fake,
        Client(fake.url, revisions=STATEFUL) as client,
    ):
        with pytest.raises(ConnectionLost, match="Whether the request was done is not known"):
            await client.call_tool("t")
        again = [seen for seen in fake.seen if "last-event-id" in seen.headers]
        assert len(again) == http.MOST_ATTEMPTS


@pytest.mark.parametrize("id", ["é", "あ", "\x1b[2J"])
async def test_a_stream_is_taken_up_again_whatever_letters_are_in_its_ids(id: str) -> None:
    async def go_on(seen: Seen, reply: Reply) -> None:
        if seen.headers.get("last-event-id", "").encode("latin-1") != id.encode():
            await reply.whole(405)
            return
        await reply.stream()
        await reply.answer(asked[0], "done")

    asked: list[Seen] = []

    async def call(seen: Seen, reply: Reply) -> None:
        asked.append(seen)
        await reply.stream()
        await reply.event(b"", id=id, retry=1)
        reply.cut()

    async with (
        Fake(call, listen=go_on) as fake,
        Client(fake.url, revisions=STATEFUL) as client,
    ):
        assert (await client.call_tool("t")).text == "done"


async def test_a_server_that_lets_nobody_go_on_is_believed() -> None:
    async def go_on(seen: Seen, reply: Reply) -> None:
        await reply.whole(405)

    async def call(seen: Seen, reply: Reply) -> None:
        await reply.stream()
        await reply.event(b"", id="a", retry=1)
        reply.cut()

    async with (
        Fake(call, listen=go_on) as fake,
        Client(fake.url, revisions=STATEFUL) as client,
    ):
        with pytest.raises(ConnectionLost, match="405"):
            await client.call_tool("t")


async def test_without_sessions_no_stream_is_taken_up_again() -> None:
    async def call(seen: Seen, reply: Reply) -> None:
        await reply.stream()
        await reply.event(b"", id="a")
        reply.cut()

    async with (
        Fake(call, revision="2026-07-28") as fake,
        Client(fake.url, revisions=STATELESS) as client,
    ):
        with pytest.raises(ConnectionLost):
            await client.call_tool("t")
        assert "GET" not in fake.methods()


@pytest.mark.parametrize("attempts", [1, 2, 5])
@pytest.mark.parametrize("retry", [0, 500, 60_000])
def test_the_pause_is_never_shorter_than_the_server_wants(attempts: int, retry: int) -> None:
    decoder = http.sse.Decoder()
    decoder.feed(b"retry: %d\n\n" % retry)
    stream = http._Stream(1)
    stream.remember(decoder)
    stream.attempts = attempts
    assert stream.pause() >= max(retry / 1000, http.LEAST_PAUSE)


# -------------------------------------------------------------------------------- what is answered


async def test_answers_reach_their_calls_whenever_and_in_whatever_order_they_come() -> None:
    """The second call is answered first; the first one gets its answer twice."""
    second = asyncio.Event()

    async def call(seen: Seen, reply: Reply) -> None:
        await reply.stream()
        if seen.arguments["n"] == 1:
            await second.wait()
            await reply.answer(seen, "1")
            await reply.answer(seen, "1 again")
        else:
            await reply.answer(seen, "2")
        await reply.end()

    async with Fake(call) as fake, Client(fake.url, revisions=STATEFUL) as client:
        first = asyncio.ensure_future(client.call_tool("t", {"n": 1}))
        assert (await client.call_tool("t", {"n": 2})).text == "2"
        second.set()
        assert (await first).text == "1"


async def test_an_answer_may_come_on_the_stream_of_another_call() -> None:
    both: list[Seen] = []
    came, left = asyncio.Event(), asyncio.Event()

    async def call(seen: Seen, reply: Reply) -> None:
        await reply.stream()
        both.append(seen)
        if len(both) == 1:
            came.set()
            await reply.gone()
            left.set()
        else:
            await reply.answer(both[0], "first")
            await reply.answer(both[1], "second")
            await reply.end()

    async with Fake(call) as fake, Client(fake.url, revisions=STATEFUL) as client:
        first = asyncio.ensure_future(client.call_tool("t"))
        await came.wait()
        assert (await client.call_tool("t")).text == "second"
        assert (await first).text == "first"
        # Nothing more is expected on a stream whose answer came elsewhere.
        await left.wait()


async def test_an_answer_to_a_question_nobody_asked_is_no_answer() -> None:
    async def call(seen: Seen, reply: Reply) -> None:
        await reply.stream()
        await reply.event({"jsonrpc": "2.0", "id": 999, "result": says("lost")})
        await reply.end()

    async with Fake(call) as fake, Client(fake.url, revisions=STATEFUL) as client:
        with pytest.raises(ConnectionLost):
            await client.call_tool("t")


async def test_an_event_of_five_megabytes_is_read() -> None:
    async def call(seen: Seen, reply: Reply) -> None:
        await reply.stream()
        await reply.answer(seen, "x" * 5_000_000)
        await reply.end()

    async with Fake(call) as fake, Client(fake.url, revisions=STATEFUL) as client:
        assert len((await client.call_tool("t")).text) == 5_000_000


@pytest.mark.parametrize("streams", [True, False])
async def test_an_answer_over_the_limit_ends_its_call_and_no_other(streams: bool) -> None:
    goes_on = asyncio.Event()

    async def call(seen: Seen, reply: Reply) -> None:
        if seen.arguments["n"] == 1:
            await goes_on.wait()
            await reply.text(seen, "small")
        elif streams:
            await reply.stream()
            await reply.answer(seen, "x" * 200_000)
            await reply.end()
        else:
            await reply.text(seen, "x" * 200_000)

    async with Fake(call) as fake:
        transport = http.HttpTransport(fake.url, largest=100_000)
        async with Client(transport, revisions=STATEFUL) as client:
            small = asyncio.ensure_future(client.call_tool("t", {"n": 1}))
            with pytest.raises(InvalidAnswer, match="100000 bytes"):
                await client.call_tool("t", {"n": 2})
            goes_on.set()
            assert (await small).text == "small"


async def test_garbage_in_a_stream_is_skipped(caplog: pytest.LogCaptureFixture) -> None:
    async def call(seen: Seen, reply: Reply) -> None:
        await reply.stream()
        await reply.raw(b": a comment\n\nnonsense\n\n\xff\xfe: \x00\n\n")
        await reply.event(b"no JSON")
        await reply.event([1, 2])
        await reply.event({"jsonrpc": "1.0"})
        await reply.event(b"{}", event="something-else")
        await reply.answer(seen, "through")
        await reply.end()

    async with Fake(call) as fake, Client(fake.url, revisions=STATEFUL) as client:
        with caplog.at_level(logging.WARNING, "django_mcp.client"):
            assert (await client.call_tool("t")).text == "through"
    assert "an event that is no message" in caplog.text


@pytest.mark.parametrize(
    ("status", "headers", "body", "error"),
    [
        (200, [("content-type", "text/html")], b"<html>", "Is the URL that of an MCP endpoint"),
        (200, [("content-type", "application/json")], b"{", "answered with no message"),
        (200, [("content-type", "application/json")], b"[]", "no message"),
        (200, [("content-type", "application/json")], b'{"jsonrpc":"2.0","method":"x"}', "no answ"),
        (202, [], b"", r"accepted a request \(202\) and did not answer it"),
        (204, [], b"", "no media type"),
    ],
)
async def test_what_is_no_answer_is_told(
    status: int, headers: Any, body: bytes, error: str
) -> None:
    async def call(seen: Seen, reply: Reply) -> None:
        await reply.whole(status, body, headers)

    async with Fake(call) as fake, Client(fake.url, revisions=STATEFUL) as client:
        with pytest.raises(InvalidAnswer, match=error):
            await client.call_tool("t")


async def test_a_500_between_two_good_answers_is_of_its_call_alone() -> None:
    count = iter(range(3))

    async def call(seen: Seen, reply: Reply) -> None:
        if next(count) == 1:
            await reply.whole(500, b"Oops")
        else:
            await reply.text(seen, "good")

    async with Fake(call) as fake, Client(fake.url, revisions=STATEFUL) as client:
        assert (await client.call_tool("t")).text == "good"
        with pytest.raises(UnexpectedStatus, match="HTTP 500"):
            await client.call_tool("t")
        assert (await client.call_tool("t")).text == "good"


async def test_an_error_of_the_protocol_is_an_answer_whatever_its_status() -> None:
    async def call(seen: Seen, reply: Reply) -> None:
        error = {"code": -32602, "message": "No such tool."}
        await reply.json({"jsonrpc": "2.0", "id": seen.id, "error": error}, status=400)

    async with Fake(call) as fake, Client(fake.url, revisions=STATEFUL) as client:
        with pytest.raises(ServerError, match="No such tool"):
            await client.call_tool("t")


@pytest.mark.parametrize("said", ["You may not.", "You may not"])
async def test_an_error_about_no_request_is_what_is_said_beside_a_status(said: str) -> None:
    async def call(seen: Seen, reply: Reply) -> None:
        error = {"code": -32600, "message": said}
        await reply.json({"jsonrpc": "2.0", "id": None, "error": error}, status=403)

    async with Fake(call) as fake, Client(fake.url, revisions=STATEFUL) as client:
        with pytest.raises(UnexpectedStatus, match=r"HTTP 403: You may not\. It") as caught:
            await client.call_tool("t")
        assert caught.value.status == 403


async def test_two_hundred_calls_at_a_time_of_which_every_tenth_fails() -> None:
    async def call(seen: Seen, reply: Reply) -> None:
        n = seen.arguments["n"]
        if n % 10 == 0:
            reply.cut() if n % 20 else await reply.whole(500)
        elif n % 3:
            await reply.text(seen, str(n))
        else:
            await reply.stream()
            await reply.answer(seen, str(n))
            await reply.end()

    async with Fake(call) as fake, Client(fake.url, revisions=STATEFUL) as client:
        calls = [client.call_tool("t", {"n": n}) for n in range(200)]
        results = await asyncio.gather(*calls, return_exceptions=True)
        for n, result in enumerate(results):
            if n % 20 == 0:
                assert isinstance(result, UnexpectedStatus), result
            elif n % 10 == 0:
                assert isinstance(result, ConnectionLost), result
            else:
                assert not isinstance(result, BaseException), result
                assert result.text == str(n)


# ------------------------------------------------------------------------------------------- times


async def test_a_call_without_an_answer_ends_in_its_time_and_the_server_is_told() -> None:
    left = asyncio.Event()

    async def call(seen: Seen, reply: Reply) -> None:
        if seen.rpc != "tools/call":
            await reply.whole(202)
            return
        await reply.gone()
        left.set()

    async with Fake(call) as fake, Client(fake.url, revisions=STATEFUL) as client:
        with pytest.raises(RequestTimedOut, match=r"tools/call: no answer within 0\.05 s"):
            await client.call_tool("t", timeout=0.05)
        await left.wait()
        await fake.until(lambda: fake.count("notifications/cancelled"))
        cancelled = next(s for s in fake.seen if s.rpc == "notifications/cancelled")
        asked = next(s for s in fake.seen if s.rpc == "tools/call")
        assert cancelled.json["params"]["requestId"] == asked.id


async def test_without_sessions_leaving_is_what_tells_the_server() -> None:
    left = asyncio.Event()

    async def call(seen: Seen, reply: Reply) -> None:
        await reply.stream()
        await reply.gone()
        left.set()

    async with (
        Fake(call, revision="2026-07-28") as fake,
        Client(fake.url, revisions=STATELESS) as client,
    ):
        with pytest.raises(RequestTimedOut):
            await client.call_tool("t", timeout=0.05)
        await left.wait()
        assert "notifications/cancelled" not in fake.methods()


async def test_a_body_that_drips_does_not_hold_a_call_beyond_its_time() -> None:
    async def call(seen: Seen, reply: Reply) -> None:
        await reply.stream()
        while True:
            await reply.raw(b"x")
            await asyncio.sleep(0.01)

    async with Fake(call) as fake, Client(fake.url, revisions=STATEFUL) as client:
        with pytest.raises(RequestTimedOut):
            await client.call_tool("t", timeout=0.1)


async def test_progress_gives_more_time_but_not_more_in_total() -> None:
    async def call(seen: Seen, reply: Reply) -> None:
        if seen.rpc != "tools/call":
            await reply.whole(202)
            return
        await reply.stream()
        for step in range(1, seen.arguments["steps"] + 1):
            await asyncio.sleep(0.02)
            await reply.event(progress(seen, step))
        await reply.answer(seen, "done")
        await reply.end()

    def nothing(step: Any) -> None:
        return None

    async with Fake(call) as fake, Client(fake.url, revisions=STATEFUL) as client:
        options: Any = {"on_progress": nothing, "timeout": 2.0}
        assert (await client.call_tool("t", {"steps": 110}, **options)).text == "done"
        with pytest.raises(RequestTimedOut, match=r"it was not finished within 0\.3 s"):
            await client.call_tool("t", {"steps": 1000}, total_timeout=0.3, **options)


async def test_a_client_that_is_handed_in_does_not_cut_quiet_calls_off() -> None:
    """httpx's own clients wait five seconds for a piece of an answer."""

    async def call(seen: Seen, reply: Reply) -> None:
        await reply.stream()
        await asyncio.sleep(0.2)
        await reply.answer(seen, "late")
        await reply.end()

    async with (
        httpx.AsyncClient(timeout=httpx.Timeout(10, read=0.1)) as http_client,
        Fake(call) as fake,
        Client(fake.url, revisions=STATEFUL, http_client=http_client) as client,
    ):
        assert (await client.call_tool("t")).text == "late"


# --------------------------------------------------------------------------------------- redirects


@pytest.mark.parametrize("status", [301, 302, 307, 308])
async def test_a_redirect_on_the_same_origin_is_followed_with_method_and_body(status: int) -> None:
    async def every(seen: Seen, reply: Reply) -> None:
        if seen.path == "/mcp":
            await reply.whole(status, headers=[("location", "/mcp/")])
        else:
            await inner._answer(seen, reply)

    inner = Fake(lambda seen, reply: reply.text(seen, seen.path))
    async with (
        Fake(every=every) as fake,
        Client(fake.url, headers={"authorization": "Bearer t"}, revisions=STATEFUL) as client,
    ):
        assert (await client.call_tool("t")).text == "/mcp/"
        assert {seen.headers.get("authorization") for seen in fake.seen} == {"Bearer t"}


@pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
async def test_nothing_is_sent_to_where_another_host_is_named(status: int) -> None:
    async def every(seen: Seen, reply: Reply) -> None:
        await reply.whole(status, headers=[("location", f"{elsewhere.url}?token=1")])

    async with Fake() as elsewhere, Fake(every=every) as fake:
        with pytest.raises(ConnectionFailed, match="which is not followed"):
            async with Client(fake.url, headers={"authorization": "Bearer t"}):
                pass
        assert elsewhere.seen == []


@pytest.mark.parametrize("location", ["/mcp", "http://[", "//"])
async def test_a_redirect_that_leads_nowhere_is_told(location: str) -> None:
    async def every(seen: Seen, reply: Reply) -> None:
        await reply.whole(307, headers=[("location", location)])

    async with Fake(every=every) as fake:
        with pytest.raises(ConnectionFailed, match="redirects"):
            async with Client(fake.url):
                pass


# ----------------------------------------------------------------------------------------- cookies


async def test_a_balancer_that_sets_a_cookie_gets_it_back_with_every_request_from_then_on() -> None:
    async def call(seen: Seen, reply: Reply) -> None:
        cookie = {"set-cookie": f"node={seen.arguments['node']}; Path=/"}
        result = {"content": [{"type": "text", "text": seen.headers.get("cookie", "none")}]}
        await reply.result(seen, result, **(cookie if seen.arguments["node"] else {}))

    async with Fake(call) as fake, Client(fake.url, revisions=STATEFUL) as client:
        for node, came in [("", "none"), ("a", "none"), ("", "node=a"), ("b", "node=a")]:
            assert (await client.call_tool("t", {"node": node})).text == came
        assert (await client.call_tool("t", {"node": ""})).text == "node=b"


async def test_no_client_sends_what_was_set_for_another() -> None:
    async def call(seen: Seen, reply: Reply) -> None:
        cookie = f"who={seen.arguments['who']}; Path=/"
        await reply.result(seen, says(seen.headers.get("cookie", "none")), set_cookie=cookie)

    async with (
        Fake(call) as fake,
        Client(fake.url, revisions=STATEFUL) as annas,
        Client(fake.url, revisions=STATEFUL) as bens,
    ):
        came = [
            (await client.call_tool("t", {"who": who})).text
            for client, who in [(annas, "anna"), (bens, "ben"), (annas, "anna"), (bens, "ben")]
        ]
    assert came == ["none", "none", "who=anna", "who=ben"]


async def test_there_is_an_end_to_the_cookies_that_a_server_has_kept() -> None:
    async def call(seen: Seen, reply: Reply) -> None:
        first = seen.arguments["first"]
        cookies = [f"c{number}=1; Path=/" for number in range(first, first + 40)]
        cookies.append(f"huge={'x' * 5000}")
        body = json.dumps({"jsonrpc": "2.0", "id": seen.id, "result": says("done")}).encode()
        headers = [("content-type", "application/json")]
        await reply.whole(200, body, [*headers, *(("set-cookie", each) for each in cookies)])

    async with Fake(call) as fake, Client(fake.url, revisions=STATEFUL) as client:
        for first in (0, 40, 80, 80):
            await client.call_tool("t", {"first": first})
        kept = fake.seen[-1].headers["cookie"].split("; ")

    # Those that were set last.
    assert kept == [f"c{number}=1" for number in range(70, 120)]


@pytest.mark.parametrize(
    "cookie",
    [
        "a=1; Domain=example.com",
        "a=1; Domain=localhost",
        "a=1; Secure",
        "a=1; Path=/elsewhere",
        "a=1; Max-Age=0",
        "a=1; Expires=Thu, 01 Jan 99999 00:00:00 GMT; Max-Age=-1",
        "a=\u3042",
        "\x1b[2J=1",
        "=; =",
        ";",
    ],
)
async def test_a_cookie_that_is_not_for_the_endpoint_or_is_none_is_not_sent_and_stops_nothing(
    cookie: str,
) -> None:
    async def call(seen: Seen, reply: Reply) -> None:
        await reply.result(seen, says(seen.headers.get("cookie", "none")), set_cookie=cookie)

    async with Fake(call) as fake, Client(fake.url, revisions=STATEFUL) as client:
        await client.call_tool("t")
        assert (await client.call_tool("t")).text == "none"


# ---------------------------------------------------------------------------------------- sessions


def forgetful(sessions: list[str], call: Any) -> Any:
    """A server that knows the last of `sessions` only."""

    async def every(seen: Seen, reply: Reply) -> None:
        if seen.rpc == "initialize":
            inner.session = sessions[-1]
        elif seen.headers.get("mcp-session-id") != sessions[-1]:
            await reply.whole(404)
            return
        await inner._answer(seen, reply)

    inner = Fake(call)
    return every


async def test_a_session_that_is_gone_is_opened_anew_once_however_many_find_out() -> None:
    sessions = ["a"]

    async def call(seen: Seen, reply: Reply) -> None:
        await reply.text(seen, seen.headers["mcp-session-id"])

    async with (
        Fake(every=forgetful(sessions, call)) as fake,
        Client(fake.url, revisions=STATEFUL) as client,
    ):
        assert (await client.call_tool("t")).text == "a"
        sessions.append("b")
        results = await asyncio.gather(*(client.call_tool("t") for _ in range(50)))
        assert {result.text for result in results} == {"b"}
        assert fake.count("initialize") == 2


async def test_what_runs_in_a_session_that_is_forgotten_is_not_run_again() -> None:
    """It was begun; its answer still comes, while others go on in a new session."""
    sessions = ["a"]
    begun, goes_on = asyncio.Event(), asyncio.Event()

    async def call(seen: Seen, reply: Reply) -> None:
        if seen.arguments.get("slow"):
            begun.set()
            await goes_on.wait()
        await reply.text(seen, seen.headers["mcp-session-id"])

    async with (
        Fake(every=forgetful(sessions, call)) as fake,
        Client(fake.url, revisions=STATEFUL) as client,
    ):
        slow = asyncio.ensure_future(client.call_tool("t", {"slow": True}))
        await begun.wait()
        sessions.append("b")
        assert (await client.call_tool("t")).text == "b"
        goes_on.set()
        assert (await slow).text == "a"
        calls = [seen for seen in fake.seen if seen.rpc == "tools/call"]
        assert sum(1 for seen in calls if seen.arguments.get("slow")) == 1


async def test_a_session_that_goes_while_a_stream_is_taken_up_is_told_where_it_matters() -> None:
    """Whether a tool was run is not known then; a list can be asked for again."""
    sessions = ["a"]

    async def call(seen: Seen, reply: Reply) -> None:
        if sessions[-1] == "a":
            await reply.stream()
            await reply.event(b"", id="1", retry=1)
            sessions.append("b")
            reply.cut()
        elif seen.rpc == "tools/list":
            await reply.result(seen, {"tools": []})
        else:
            await reply.text(seen, "again")

    async with Fake(every=forgetful(sessions, call)) as fake:
        async with Client(fake.url, revisions=STATEFUL) as client:
            with pytest.raises(SessionLost):
                await client.call_tool("t")
            assert fake.count("tools/call") == 1
        sessions[:] = ["a"]
        async with Client(fake.url, revisions=STATEFUL) as client:
            assert await client.list_tools() == []
            assert fake.count("tools/list") == 2


async def test_the_session_is_ended_when_the_client_is() -> None:
    async with Fake() as fake:
        async with Client(fake.url, revisions=STATEFUL):
            pass
        assert fake.methods()[-1] == "DELETE"
        assert fake.seen[-1].headers["mcp-session-id"] == fake.session


async def test_an_id_that_no_header_can_have_is_not_sent_back() -> None:
    async with Fake() as fake:
        fake.session = "söß"
        with pytest.raises(InvalidAnswer, match="what no header may have"):
            async with Client(fake.url, revisions=STATEFUL):
                pass


# ------------------------------------------------------------------------------- what a server says


async def test_the_stream_of_what_belongs_to_no_request_is_kept_up() -> None:
    """From the last event of it, after the time the server names."""
    told: asyncio.Queue[Any] = asyncio.Queue()
    count = 0

    async def listen(seen: Seen, reply: Reply) -> None:
        nonlocal count
        count += 1
        await reply.stream()
        last = seen.headers.get("last-event-id")
        notification = {"jsonrpc": "2.0", "method": "notifications/x", "params": {"after": last}}
        await reply.event(notification, id=str(count), retry=1)
        reply.cut()

    async with (
        Fake(listen=listen) as fake,
        Client(
            fake.url,
            revisions=STATEFUL,
            on_notification=lambda method, params: told.put_nowait(params["after"]),
        ),
    ):
        assert [await told.get() for _ in range(4)] == [None, "1", "2", "3"]


async def test_an_event_of_the_open_stream_that_is_too_large_is_not_asked_for_again(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(http, "FIRST_PAUSE", 0.001)
    asked: asyncio.Queue[str | None] = asyncio.Queue()

    async def listen(seen: Seen, reply: Reply) -> None:
        asked.put_nowait(seen.headers.get("last-event-id"))
        await reply.stream()
        await reply.event(b"{}", id="1")
        await reply.raw(b"data: " + b"x" * 200_000)
        await reply.gone()

    async with Fake(listen=listen) as fake:
        transport = http.HttpTransport(fake.url, largest=100_000)
        async with Client(transport, revisions=STATEFUL):
            assert [await asked.get() for _ in range(3)] == [None, None, None]


async def test_a_server_may_ask_while_a_call_runs_and_take_its_question_back() -> None:
    answers: asyncio.Queue[Any] = asyncio.Queue()
    asked, taken_back = asyncio.Event(), asyncio.Event()

    async def elicit(params: Any) -> bool:
        if params.message == "slow":
            asked.set()
            try:
                await asyncio.Event().wait()
            finally:
                taken_back.set()
        return True

    def question(id: str, message: str) -> dict[str, Any]:
        schema = {"type": "object", "properties": {}}
        params = {"message": message, "requestedSchema": schema}
        return {"jsonrpc": "2.0", "id": id, "method": "elicitation/create", "params": params}

    async def call(seen: Seen, reply: Reply) -> None:
        if seen.rpc != "tools/call":
            answers.put_nowait(seen.json)
            await reply.whole(202)
            return
        await reply.stream()
        await reply.event(question("a", "slow"))
        await asked.wait()
        # A question that waits for its user holds up no other.
        await reply.event(question("b", "quick"))
        assert (await answers.get())["id"] == "b"
        params = {"requestId": "a"}
        await reply.event({"jsonrpc": "2.0", "method": "notifications/cancelled", "params": params})
        await taken_back.wait()
        await reply.answer(seen, "done")
        await reply.end()

    async with (
        Fake(call) as fake,
        Client(fake.url, revisions=STATEFUL, on_elicit=elicit) as client,
    ):
        assert (await client.call_tool("t")).text == "done"
        assert answers.empty()


async def test_a_slow_callback_holds_up_neither_answers_nor_other_streams() -> None:
    goes_on, began = asyncio.Event(), asyncio.Event()

    async def slow(step: Any) -> None:
        began.set()
        await goes_on.wait()

    async def call(seen: Seen, reply: Reply) -> None:
        if seen.arguments["n"] == 1:
            await reply.stream()
            await reply.event(progress(seen, 1))
            await reply.answer(seen, "slow")
            await reply.end()
        else:
            await reply.text(seen, "quick")

    async with Fake(call) as fake, Client(fake.url, revisions=STATEFUL) as client:
        held = asyncio.ensure_future(client.call_tool("t", {"n": 1}, on_progress=slow))
        await began.wait()
        assert (await client.call_tool("t", {"n": 2})).text == "quick"
        goes_on.set()
        assert (await held).text == "slow"


# ---------------------------------------------------------------------------------------- the end


async def test_closing_ends_the_calls_that_run() -> None:
    begun = asyncio.Event()

    async def call(seen: Seen, reply: Reply) -> None:
        begun.set()
        await reply.gone()

    async with Fake(call) as fake:
        async with Client(fake.url, revisions=STATEFUL) as client:
            running = asyncio.ensure_future(client.call_tool("t"))
            await begun.wait()
        with pytest.raises(ConnectionLost, match="closed"):
            await running
        with pytest.raises(ConnectionLost, match="make another one"):
            await client.call_tool("t")


async def test_a_client_may_be_opened_in_one_task_and_closed_in_another() -> None:
    async def call(seen: Seen, reply: Reply) -> None:
        await reply.text(seen, "here")

    async with Fake(call) as fake:
        client = Client(fake.url, revisions=STATEFUL)
        await asyncio.create_task(client.__aenter__())
        assert (await asyncio.create_task(client.call_tool("t"))).text == "here"
        await asyncio.create_task(client.__aexit__(None, None, None))
        assert fake.methods()[-1] == "DELETE"


async def test_what_is_no_http_is_not_repeated_at_length() -> None:
    async def call(seen: Seen, reply: Reply) -> None:
        await reply.whole("x" * 50_000)  # type: ignore[arg-type]

    async with Fake(call) as fake, Client(fake.url, revisions=STATEFUL) as client:
        with pytest.raises(ConnectionLost) as lost:
            await client.call_tool("t")
    assert len(str(lost.value)) < 1000


async def test_a_header_that_cannot_be_read_is_not_shown() -> None:
    async def call(seen: Seen, reply: Reply) -> None:
        await reply.result(seen, says("done"), set_cookie="session=s3cret\x0b" + "x" * 2000)

    async with Fake(call) as fake, Client(fake.url, revisions=STATEFUL) as client:
        with pytest.raises(ConnectionLost, match="a header has a value that HTTP does") as lost:
            await client.call_tool("t")
    assert "s3cret" not in str(lost.value)


async def test_a_header_that_cannot_be_sent_is_not_shown() -> None:
    async with Fake() as fake:
        with pytest.raises(ConnectionLost, match="a value that HTTP does not allow") as caught:
            async with Client(fake.url, headers={"authorization": "Bearer s3cret\nx: y"}) as client:
                await client.call_tool("t")
    assert "s3cret" not in str(caught.value)


async def test_an_argument_goes_into_the_header_that_the_tool_names_now() -> None:
    """Also once the tool has another in its schema: the server says so, and it is listed again."""
    named = "City"

    async def call(seen: Seen, reply: Reply) -> None:
        if seen.rpc == "tools/list":
            schema = {
                "type": "object",
                "properties": {"city": {"type": "string", "x-mcp-header": named}},
            }
            tools = [{"name": "t", "inputSchema": schema}]
            listed = {"tools": tools, "ttlMs": 60_000, "cacheScope": "private"}
            await reply.result(seen, {"resultType": "complete", **listed})
        elif seen.headers.get(f"mcp-param-{named.lower()}") != seen.arguments["city"]:
            error = {"code": HeaderMismatch.code, "message": "not the same"}
            await reply.json({"jsonrpc": "2.0", "id": seen.id, "error": error}, status=400)
        else:
            await reply.text(seen, "sunny")

    async with (
        Fake(call, revision="2026-07-28") as fake,
        Client(fake.url, revisions=STATELESS) as client,
    ):
        await client.list_tools()
        for city in ("Paris", "Rome"):
            assert (await client.call_tool("t", {"city": city})).text == "sunny"
        named = "Place"
        for city in ("Paris", "Rome"):
            assert (await client.call_tool("t", {"city": city})).text == "sunny"
        # Once more than there were calls: where it was refused.
        assert (fake.count("tools/call"), fake.count("tools/list")) == (5, 2)
