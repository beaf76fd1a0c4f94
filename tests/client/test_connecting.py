"""Which conversation there is: opened once for all who wait, whoever of them leaves."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from django_mcp.client import (
    Client,
    ClientError,
    ConnectionFailed,
    ConnectionLost,
    HttpTransport,
    StdioTransport,
    UnexpectedStatus,
    WebSocketTransport,
    connecting,
)
from django_mcp.client.targets import transport_for
from tests.client.fakes import Fake, Reply, Seen
from tests.client.server import build
from tests.client.test_http import STATEFUL, forgetful


@pytest.mark.parametrize(
    ("target", "kind"),
    [
        ("http://127.0.0.1/mcp", HttpTransport),
        ("https://127.0.0.1/mcp", HttpTransport),
        ("ws://127.0.0.1/mcp", WebSocketTransport),
        ("wss://127.0.0.1/mcp", WebSocketTransport),
        (["python", "server.py"], StdioTransport),
        (("python", "server.py"), StdioTransport),
    ],
)
def test_what_is_pointed_at_says_how_it_is_reached(target: Any, kind: type) -> None:
    assert isinstance(transport_for(target), kind)


@pytest.mark.parametrize(
    ("target", "options", "error"),
    [
        ("ftp://127.0.0.1/mcp", {}, "is no http://"),
        ("python server.py", {}, "is given as a list"),
        ("http://", {}, "has an http:// or https:// URL"),
        ("http://127.0.0.1:port/", {}, "is no URL"),
        ([], {}, "list of a program"),
        (["python"], {"headers": {"x": "y"}}, "are for URLs"),
        ("http://127.0.0.1/mcp", {"headers": {"Mcp-Session-Id": "s-1"}}, "leave it out"),
        ("http://127.0.0.1/mcp", {"headers": {"last-event-id": "7"}}, "leave it out"),
        ("ws://127.0.0.1/mcp", {"headers": {"Upgrade": "h2c"}}, "leave it out"),
        (7, {}, "connected to a int"),
    ],
)
def test_what_leads_nowhere_is_refused(target: Any, options: Any, error: str) -> None:
    with pytest.raises(ValueError, match=error):
        transport_for(target, **options)


@pytest.mark.parametrize(
    "target",
    [
        "ftp://ann:hun/ter2@127.0.0.1/mcp",
        "ann:hun/ter2@127.0.0.1/mcp",
        "http:/ann:hun/ter2@127.0.0.1/mcp",
        "http://ann:hun/ter2@127.0.0.1/mcp",
        "http://ann:hun/ter2@",
        "ws://ann:hun/ter2@",
    ],
)
def test_the_password_in_what_is_refused_is_not_repeated(target: str) -> None:
    with pytest.raises(ValueError, match="URL") as caught:
        transport_for(target)
    assert "hun" not in str(caught.value)
    assert "ter2" not in str(caught.value)


async def test_a_server_of_each_era_is_found_out_and_remembered() -> None:
    for revision, first in [("2026-07-28", 1), ("2025-06-18", 2)]:
        async with Fake(revision=revision) as fake:
            async with Client(fake.url) as client:
                assert client.revision == revision
            assert [m for m in fake.methods() if m in ("server/discover", "initialize")] == [
                "server/discover",
                "initialize",
            ][:first]
            asked = len(fake.seen)
            async with Client(fake.url) as client:
                assert client.revision == revision
            again = "server/discover" if first == 1 else "initialize"
            assert fake.methods()[asked] == again


async def test_a_wrong_memory_costs_one_attempt() -> None:
    async with Fake(revision="2026-07-28") as fake:
        connecting._remembered[fake.url] = "2025-11-25"
        fake._initialize = refuse  # type: ignore[method-assign]
        async with Client(fake.url) as client:
            assert client.revision == "2026-07-28"
        assert fake.methods() == ["initialize", "server/discover"]


async def refuse(seen: Seen, reply: Reply) -> None:
    error = {"code": -32601, "message": "There is no initialize."}
    await reply.json({"jsonrpc": "2.0", "id": seen.id, "error": error}, status=404)


@pytest.mark.parametrize("status", [401, 403, 429, 500, 503])
async def test_what_says_nothing_of_the_era_ends_the_opening(status: int) -> None:
    async def every(seen: Seen, reply: Reply) -> None:
        await reply.whole(status)

    async with Fake(every=every) as fake:
        with pytest.raises(UnexpectedStatus):
            async with Client(fake.url):
                pass
        assert fake.methods() == ["server/discover"]


async def test_what_is_spoken_by_neither_side_is_said() -> None:
    async with Fake(revision="2025-06-18") as fake:
        with pytest.raises(ConnectionFailed, match=r"'2025-06-18', and this client .*2025-11-25"):
            async with Client(fake.url, revisions=["2025-11-25"]):
                pass


# -------------------------------------------------------------------------------------- opened anew


async def test_of_many_who_wait_for_a_session_one_may_leave() -> None:
    sessions = ["a"]
    opening, goes_on = asyncio.Event(), asyncio.Event()

    async def call(seen: Seen, reply: Reply) -> None:
        await reply.text(seen, seen.headers["mcp-session-id"])

    served = forgetful(sessions, call)

    async def every(seen: Seen, reply: Reply) -> None:
        if seen.rpc == "initialize" and len(sessions) > 1:
            opening.set()
            await goes_on.wait()
        await served(seen, reply)

    async with Fake(every=every) as fake, Client(fake.url, revisions=STATEFUL) as client:
        sessions.append("b")
        # The first of them is who began to open it.
        calls = [asyncio.ensure_future(client.call_tool("t")) for _ in range(5)]
        await opening.wait()
        calls[0].cancel()
        with pytest.raises(asyncio.CancelledError):
            await calls[0]
        goes_on.set()
        assert {(await each).text for each in calls[1:]} == {"b"}
        assert fake.count("initialize") == 2


async def test_an_opening_that_nobody_waits_for_any_more_is_ended() -> None:
    opening, left = asyncio.Event(), asyncio.Event()

    async def every(seen: Seen, reply: Reply) -> None:
        opening.set()
        await reply.gone()
        left.set()

    async with Fake(every=every) as fake:
        entering = asyncio.ensure_future(Client(fake.url).__aenter__())
        await opening.wait()
        entering.cancel()
        with pytest.raises(asyncio.CancelledError):
            await entering
        await left.wait()


async def test_closing_ends_an_opening() -> None:
    sessions = ["a"]
    opening = asyncio.Event()
    served = forgetful(sessions, None)

    async def every(seen: Seen, reply: Reply) -> None:
        if seen.rpc == "initialize" and len(sessions) > 1:
            opening.set()
            await reply.gone()
        else:
            await served(seen, reply)

    async with Fake(every=every) as fake:
        async with Client(fake.url, revisions=STATEFUL) as client:
            sessions.append("b")
            call = asyncio.ensure_future(client.call_tool("t"))
            await opening.wait()
        with pytest.raises(ConnectionLost, match="closed"):
            await call


async def test_an_opening_that_fails_is_told_to_all_and_tried_again() -> None:
    sessions = ["a"]
    is_down = False

    async def call(seen: Seen, reply: Reply) -> None:
        await reply.text(seen, "up")

    served = forgetful(sessions, call)

    async def every(seen: Seen, reply: Reply) -> None:
        if is_down and seen.rpc == "initialize":
            await reply.whole(503)
        else:
            await served(seen, reply)

    async with Fake(every=every) as fake, Client(fake.url, revisions=STATEFUL) as client:
        is_down = True
        sessions.append("b")
        calls = [client.call_tool("t") for _ in range(5)]
        results = await asyncio.gather(*calls, return_exceptions=True)
        assert all(isinstance(result, ClientError) for result in results), results
        is_down = False
        assert (await client.call_tool("t")).text == "up"


async def test_a_server_that_forgets_every_session_at_once_is_not_asked_for_ever() -> None:
    count = 0

    async def every(seen: Seen, reply: Reply) -> None:
        nonlocal count
        if seen.rpc == "initialize":
            count += 1
            inner.session = str(count)
            await inner._answer(seen, reply)
        elif seen.rpc.startswith("notifications"):
            await reply.whole(202)
        else:
            await reply.whole(404)

    inner = Fake()
    async with Fake(every=every) as fake, Client(fake.url, revisions=STATEFUL) as client:
        with pytest.raises(ConnectionLost):
            await client.call_tool("t")
        assert count <= 3


async def test_a_server_in_this_process_ends_with_its_client() -> None:
    async with Client(build()) as client:
        assert (await client.call_tool("add", {"a": 1, "b": 2})).text == "3"
        hanging = asyncio.ensure_future(client.call_tool("hang", {"key": "k"}))
        await client.call_tool("sign", {"key": "k begun"})
    with pytest.raises(ConnectionLost, match="closed"):
        await hanging
