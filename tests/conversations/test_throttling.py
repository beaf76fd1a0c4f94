"""Throttles: who sends too much is told to come again later, whatever the way in."""

from __future__ import annotations

import json
from types import SimpleNamespace
from typing import Any

import pytest
from asgiref.sync import sync_to_async
from django.core.cache import caches
from django.core.cache.backends.locmem import LocMemCache

from django_mcp import MCPServer, Principal
from django_mcp.authentication import Refused
from django_mcp.backends import throttles
from django_mcp.backends.addresses import party_of
from django_mcp.models import Call
from tests.conversations.talk import Client, by_name, consumer_of
from tests.doors import Door, envelope
from tests.lines import KINDS, line_to

MINUTE = 60


class Clock:
    """The time, at the beginning of a window."""

    def __init__(self) -> None:
        self.now = 1_000_000 * 86_400.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture(autouse=True)
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    made = Clock()
    monkeypatch.setattr(throttles, "time", SimpleNamespace(time=made))
    caches["default"].clear()
    return made


def throttle(settings: Any, **rates: str) -> None:
    named = {name.replace("tool_", "tool:"): rate for name, rate in rates.items()}
    settings.DJANGO_MCP = {"SESSIONS": "memory", "THROTTLES": named}


@pytest.fixture(autouse=True)
def _fill(server: MCPServer) -> None:
    @server.tool
    async def greet():  # type: ignore[no-untyped-def]
        return "Hello"

    @server.tool
    async def search():  # type: ignore[no-untyped-def]
        return "Found"


async def statuses(door: Door, *names: str, **headers: str) -> list[int]:
    found = []
    for name in names:
        reply = await door.post(envelope("tools/call", {"name": name}), **headers)
        found.append(reply.status)
    return found


async def test_who_calls_too_often_is_told_when_to_come_again(
    door: Door, settings: Any, clock: Clock
) -> None:
    throttle(settings, principal="2/min")
    assert await statuses(door, "greet", "greet") == [200, 200]

    reply = await door.call("tools/call", {"name": "greet"}, id="r-3")

    assert reply.status == 429
    wait = int(reply.headers["retry-after"])
    assert MINUTE <= wait <= 2 * MINUTE
    assert reply.json["id"] == "r-3"
    assert reply.error["code"] == -32000
    assert reply.error["data"] == {"retryAfter": wait}
    assert "2 in 60 seconds" in reply.error["message"]
    clock.now += wait - 2
    assert await statuses(door, "greet") == [429]
    clock.now += 2
    assert await statuses(door, "greet") == [200]


async def test_the_window_slides(door: Door, settings: Any, clock: Clock) -> None:
    throttle(settings, principal="4/min")
    clock.now += 59
    assert await statuses(door, *["greet"] * 4) == [200] * 4

    clock.now += 2
    assert await statuses(door, "greet") == [429]
    clock.now += 29
    assert await statuses(door, *["greet"] * 3) == [200, 200, 429]


async def test_what_was_refused_does_not_count(door: Door, settings: Any, clock: Clock) -> None:
    throttle(settings, principal="10/min", tool_search="1/min")
    await statuses(door, *["search"] * 8)

    assert await statuses(door, *["greet"] * 10) == [200] * 9 + [429]


async def test_a_tool_has_a_rate_of_its_own_for_each_caller(guarded: Any, settings: Any) -> None:
    throttle(settings, tool_search="1/hour")
    door = guarded(by_name)

    assert await statuses(door, "search", "search", "greet", x_caller="ada") == [200, 429, 200]
    assert await statuses(door, "search", x_caller="bob") == [200]


async def test_users_and_clients_have_rates_of_their_own(guarded: Any, settings: Any) -> None:
    throttle(settings, user="3/min", client="2/min")

    def authenticate(request: Any) -> Principal:
        user, client = request.headers["x-caller"].split("-")
        who = type("User", (), {"pk": user, "is_active": True, "is_authenticated": True})()
        return Principal(id=f"{user}-{client}", user=who, client_id=client)

    door = guarded(authenticate)

    assert await statuses(door, *["greet"] * 3, x_caller="ada-chat") == [200, 200, 429]
    assert await statuses(door, *["greet"] * 2, x_caller="ada-cli") == [200, 429]
    assert await statuses(door, "greet", x_caller="bob-chat") == [429]


async def test_in_a_session_the_status_is_the_same(door: Door, settings: Any) -> None:
    client = await Client(door).begin()
    throttle(settings, tool_greet="1/min")
    await client.tool("greet")

    reply = await client.post(client.call("greet"))

    assert (reply.status, reply.error["code"]) == (429, -32000)
    assert int(reply.headers["retry-after"]) == reply.error["data"]["retryAfter"]
    assert (await client.request("ping")).status == 200


async def test_a_session_may_be_refused_from_its_beginning(door: Door, settings: Any) -> None:
    throttle(settings, principal="1/min")
    await statuses(door, "greet")

    reply = await Client(door).initialize()

    assert reply.status == 429
    assert "mcp-session-id" not in reply.headers


async def test_members_of_a_batch_are_refused_one_by_one(door: Door, settings: Any) -> None:
    client = await Client(door, "2025-03-26").begin()
    throttle(settings, tool_greet="1/min")

    batch = [client.call("greet"), client.call("greet")]
    reply = await client.post(json.dumps(batch).encode())

    assert reply.status == 200
    assert sorted("error" in message for message in reply.json) == [False, True]


@pytest.mark.parametrize("kind", KINDS)
async def test_on_a_connection_the_message_alone_says_it(
    kind: str, server: MCPServer, settings: Any
) -> None:
    throttle(settings, tool_greet="1/min")
    async with line_to(kind, server) as line:
        await line.tool("greet")
        error = await line.error("tools/call", {"name": "greet", "arguments": {}})

    assert error["code"] == -32000
    assert error["data"]["retryAfter"] > 0


async def test_servers_of_one_name_count_together(settings: Any) -> None:
    throttle(settings, principal="1/min")
    doors = [consumer_of(MCPServer("shared")) for _ in range(2)]

    assert [(await door.call("tools/list")).status for door in doors] == [200, 429]


async def test_without_rates_the_cache_is_not_asked(
    door: Door, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(*args: Any, **kwargs: Any) -> Any:
        raise AssertionError

    monkeypatch.setattr(LocMemCache, "get_many", fail)

    assert await statuses(door, "greet") == [200]


async def test_while_the_cache_is_away_nobody_is_throttled(
    door: Door, settings: Any, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    throttle(settings, principal="1/min")

    def fail(*args: Any, **kwargs: Any) -> Any:
        raise ConnectionError("away")

    with monkeypatch.context() as patch:
        patch.setattr(LocMemCache, "add", fail)
        patch.setattr(LocMemCache, "get_many", fail)
        assert await statuses(door, *["greet"] * 3) == [200] * 3
    assert len([line for line in caplog.messages if "nobody is throttled" in line]) == 1
    assert await statuses(door, "greet", "greet") == [200, 429]


async def test_what_a_client_says_of_itself_makes_no_keys(door: Door, settings: Any) -> None:
    throttle(settings, client="1/min", tool_search="1/min", principal="99/min")
    store: Any = caches["default"]

    for number in range(5):
        await door.call("tools/call", {"name": f"tool {number}"})

    assert len(store._cache) == 1


@pytest.mark.django_db
async def test_who_was_throttled_stands_in_the_table_of_calls(door: Door, settings: Any) -> None:
    rates = {"tool:greet": "1/min"}
    settings.DJANGO_MCP = {"SESSIONS": "memory", "THROTTLES": rates, "AUDIT": True}
    await statuses(door, "greet", "greet")

    def read() -> list[Any]:
        return list(Call.objects.order_by("pk").values_list("target", "outcome", "code"))

    assert await sync_to_async(read)() == [("greet", "ok", None), ("greet", "error", -32000)]


# ------------------------------------------------------------------------------------- addresses


def knows(request: Any) -> Principal | None:
    if request.headers.get("authorization") == "Bearer right":
        return Principal(id="ada")
    if request.headers.get("authorization") == "Bearer forbidden":
        raise Refused(403)
    return None


async def test_an_address_that_fails_too_often_has_to_wait(
    guarded: Any, settings: Any, clock: Clock
) -> None:
    throttle(settings, authentication="2/min")
    door = guarded(knows)
    assert await statuses(door, "greet", authorization="Bearer right") == [200]
    assert await statuses(door, "greet", authorization="Bearer forbidden") == [403]

    assert await statuses(door, "greet", "greet", "greet") == [401, 401, 429]
    reply = await door.post(envelope("tools/call", {"name": "greet"}), authorization="Bearer right")

    assert reply.status == 429
    assert int(reply.headers["retry-after"]) > 0
    clock.now += 2 * MINUTE
    assert await statuses(door, "greet", authorization="Bearer right") == [200]


async def test_behind_a_proxy_the_address_is_the_one_it_adds(
    server: MCPServer, guarded: Any, settings: Any
) -> None:
    settings.DJANGO_MCP = {
        "SESSIONS": "memory",
        "THROTTLES": {"authentication": "1/min"},
        "TRUSTED_PROXIES": 1,
    }
    door = guarded(knows)

    assert await statuses(door, "greet", x_forwarded_for="9.9.9.9, 1.1.1.1") == [401]
    assert await statuses(door, "greet", x_forwarded_for="8.8.8.8, 1.1.1.1") == [429]
    assert await statuses(door, "greet", x_forwarded_for="9.9.9.9, 2.2.2.2") == [401]


@pytest.mark.parametrize(
    ("forwarded", "proxies", "client", "address"),
    [
        ("", 0, "127.0.0.1", "127.0.0.1"),
        ("6.6.6.6", 0, "127.0.0.1", "127.0.0.1"),
        ("6.6.6.6, 1.1.1.1, 10.0.0.1", 2, "127.0.0.1", "1.1.1.1"),
        # Who comes past a proxy is not believed what it says in the place of one.
        ("1.1.1.1", 3, "127.0.0.1", "127.0.0.1"),
        ("6.6.6.6, 1.1.1.1:50123", 1, "127.0.0.1", "1.1.1.1"),
        ("[2001:db8:1:2:3::6]:50123", 1, "127.0.0.1", "2001:db8:1:2::/64"),
        ("", 1, "127.0.0.1", "127.0.0.1"),
        ("x", 1, "127.0.0.1", "127.0.0.1"),
        ("", 0, None, None),
        ("", 0, "2001:db8:1:2:3:4:5:6", "2001:db8:1:2::/64"),
    ],
)
def test_where_a_request_came_from(
    forwarded: str, proxies: int, client: str | None, address: str | None
) -> None:
    assert party_of(client, forwarded, proxies) == address
