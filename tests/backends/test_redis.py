"""Messages between processes through a Redis that really runs."""

from __future__ import annotations

import asyncio
import re
import subprocess
import sys
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from channels_redis.core import RedisChannelLayer
from channels_redis.pubsub import RedisPubSubChannelLayer
from redis import Redis as Client

from django_mcp import MCPServer
from django_mcp.authentication import anonymous
from django_mcp.backends import hearing
from django_mcp.backends.channel_layer import carrier_of
from django_mcp.routing import MCPRouter, mount
from django_mcp.server.broker import BrokerUnavailable, Change, Ended, Incoming
from tests import services
from tests.backends.layers import PATIENCE, Ear, Processes, threads
from tests.doors import AsgiDoor, Request, envelope, headers_for

LAST = Change("resource", "x://last")
LAYERS = [RedisChannelLayer, RedisPubSubChannelLayer]


@pytest.fixture
def prefix(request: pytest.FixtureRequest) -> str:
    """What the keys of this test begin with."""
    return re.sub(r"\W", "_", request.node.name)


@pytest.fixture(params=LAYERS, ids=lambda layer: layer.__name__)
def processes(
    request: pytest.FixtureRequest, redis: services.Redis, prefix: str
) -> Iterator[Processes]:
    made = Processes(lambda: request.param(hosts=[redis.url], prefix=prefix))
    yield made
    made.close()


def keys(redis: services.Redis, prefix: str) -> list[str]:
    with Client.from_url(redis.url) as client:
        return [key.decode() for key in client.keys(f"{prefix}*")]


async def test_processes_hear_each_other_in_order(processes: Processes) -> None:
    one, other = processes.broker(), processes.broker()
    ears = Ear(one), Ear(other)
    for broker in (one, other):
        await broker.settle()
    said = [Change("resource", f"x://{number}") for number in range(200)]

    for message in said:
        one.publish(message)
    await one.send(LAST)

    assert await ears[0].until(LAST) == [*said, LAST]
    assert await ears[1].until(LAST) == [*said, LAST]


async def test_a_burst_is_heard_to_its_end(processes: Processes) -> None:
    ear = Ear(processes.broker())
    await processes.carriers[0].settle()
    broker = processes.broker()
    burst = [Change("resource", f"x://{number}") for number in range(10_000)]

    for message in [*burst, LAST]:
        broker.publish(message)

    assert await ear.until(LAST) == [*burst, LAST]


async def test_a_message_of_the_largest_size_arrives(processes: Processes) -> None:
    ear = Ear(processes.broker())
    await processes.carriers[0].settle()
    message = Incoming("s", "\ud800" + "é" * 2 * 1024 * 1024)

    await processes.broker().send(message)

    assert await ear.next() == message


async def test_a_plain_thread_is_heard(processes: Processes) -> None:
    ear = Ear(processes.broker())
    await processes.carriers[0].settle()
    broker = processes.broker()

    thread = threading.Thread(target=broker.publish, args=[LAST])
    thread.start()

    assert await ear.next() == LAST
    thread.join()


async def test_nothing_remains(processes: Processes, redis: services.Redis, prefix: str) -> None:
    broker, other = processes.broker(), processes.broker()
    before = asyncio.all_tasks()
    ear = Ear(broker)
    await broker.settle()
    await other.send(LAST)
    await ear.next()

    ear.stop()
    await broker.settle()
    await other.settle()

    assert keys(redis, prefix) == []
    assert threads() == []
    assert asyncio.all_tasks() == before


async def test_a_channel_without_messages_is_no_failure(
    redis: services.Redis, prefix: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    # As with the defaults, only quicker: the server waits for longer than the client reads.
    monkeypatch.setattr(RedisChannelLayer, "brpop_timeout", 5)
    monkeypatch.setattr(hearing, "SERVER_WAIT", 0.2)
    failures: list[Exception] = []
    recover = hearing.Receiver._recover

    async def noted(self: Any, error: Exception) -> None:
        failures.append(error)
        await recover(self, error)

    monkeypatch.setattr(hearing.Receiver, "_recover", noted)
    host = {"address": redis.url, "socket_timeout": 0.5}
    made = Processes(lambda: RedisChannelLayer(hosts=[host], prefix=prefix))
    broker = made.broker()
    ear = Ear(broker)
    await broker.settle()

    with Client.from_url(redis.url) as client:

        def waited() -> int:
            known = client.info("commandstats").get("cmdstat_bzpopmin", {})
            calls: int = known.get("calls", 0)
            return calls

        waits = waited()
        while waited() < waits + 4:
            await asyncio.to_thread(client.blpop, ["nothing"], 0.1)
    await made.broker().send(LAST)

    assert await ear.next() == LAST
    assert failures == []
    made.close()


@pytest.mark.parametrize("kind", LAYERS, ids=lambda layer: layer.__name__)
async def test_a_redis_that_is_restarted(
    kind: Any, prefix: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(hearing, "REJOIN", 0.1)
    try:
        with services.redis() as redis:
            made = Processes(lambda: kind(hosts=[redis.url], prefix=prefix))
            one, other = made.broker(), made.broker()
            ear = Ear(other)
            await other.settle()
            await one.send(Change("tools"))
            assert await ear.next() == Change("tools")

            redis.stop()
            with pytest.raises(BrokerUnavailable):
                await one.send(Ended("lost"))
            one.publish(Change("prompts"))
            redis.start()

            async with asyncio.timeout(PATIENCE):
                heard = asyncio.create_task(ear.until(LAST))
                while not heard.done():
                    await one.send(LAST)
                    await asyncio.wait([heard], timeout=0.1)
            assert Ended("lost") not in heard.result()
            made.close()
    except services.Missing as reason:
        pytest.skip(str(reason))


@pytest.mark.parametrize("kind", ["end", "fork", "lookup"])
async def test_a_process_that_ends_with_what_it_says_is_heard(
    redis: services.Redis, prefix: str, kind: str
) -> None:
    made = Processes(lambda: RedisChannelLayer(hosts=[redis.url], prefix=prefix))
    broker = made.broker()
    ear = Ear(broker)
    await broker.settle()

    # By its name: looking that up takes a thread, which Python does not start any more at the end.
    url = redis.url.replace(services.HOST, "localhost")
    finished = await asyncio.to_thread(
        subprocess.run,
        [sys.executable, "-m", "tests.backends.another_process", kind, url, prefix],
        cwd=Path(__file__).parents[2],
        capture_output=True,
        text=True,
        timeout=60,
    )

    assert (finished.returncode, finished.stderr) == (0, "")
    said = {Change("resource", "x://parent")}
    if kind != "end":
        said.add(Change("resource", "x://child"))
    while said:
        said.discard(await ear.next())
    made.close()


async def test_servers_of_a_process_share_what_django_configures(
    redis: services.Redis, prefix: str, settings: Any
) -> None:
    backend = "channels_redis.core.RedisChannelLayer"
    config = {"hosts": [redis.url], "prefix": prefix}
    settings.CHANNEL_LAYERS = {"mcp": {"BACKEND": backend, "CONFIG": config}}
    settings.DJANGO_MCP = {"CHANNEL_LAYER": "mcp"}
    made = Processes(lambda: RedisChannelLayer(**config))
    ears = [Ear(MCPServer(name).broker) for name in ("one", "two")]
    await carrier_of("mcp").settle()

    await made.broker("two").send(LAST)

    assert await ears[1].next() == LAST
    assert len([key for key in keys(redis, prefix) if ":group:" in key]) == 2
    for ear in ears:
        ear.stop()
    await carrier_of("mcp").settle()
    assert keys(redis, prefix) == []
    made.close()


# What clients hear


async def _nobody(scope: Any, receive: Any, send: Any) -> None:
    raise NotImplementedError


def door_of(server: MCPServer) -> AsgiDoor:
    return AsgiDoor("consumer", MCPRouter([mount("mcp", server, authenticate=anonymous)], _nobody))


async def test_a_listener_hears_of_changes_in_another_process(processes: Processes) -> None:
    here = MCPServer("test", broker=processes.broker())
    elsewhere = MCPServer("test", broker=processes.broker())
    here.add_resource("x://1", "one")
    wanted = {"toolsListChanged": True, "resourceSubscriptions": ["x://1"]}
    message = envelope("subscriptions/listen", {"notifications": wanted})

    async with door_of(here).opened(message) as stream:
        await stream.message()
        await here.broker.settle()
        elsewhere.notify_resource_updated("x://2")
        elsewhere.notify_resource_updated("x://1")
        elsewhere.notify_tools_changed()

        assert (await stream.message())["params"]["uri"] == "x://1"
        assert (await stream.message())["method"] == "notifications/tools/list_changed"
        await stream.disconnect()
    await here.broker.settle()


async def test_the_client_of_a_session_hears_of_changes_in_another_process(
    processes: Processes,
) -> None:
    here = MCPServer("test", broker=processes.broker())
    elsewhere = MCPServer("test", broker=processes.broker())
    door = door_of(here)
    hello = {
        "protocolVersion": "2025-06-18",
        "capabilities": {},
        "clientInfo": {"name": "test", "version": "1"},
    }
    version = {"mcp_protocol_version": "2025-06-18"}
    opened = await door.post(
        {"jsonrpc": "2.0", "id": 1, "method": "initialize", "params": hello}, **version
    )
    session = {**version, "mcp_session_id": opened.headers["mcp-session-id"]}
    await door.post({"jsonrpc": "2.0", "method": "notifications/initialized"}, **session)
    headers = headers_for(None, content_type=None, accept="text/event-stream", **session)

    async with door.open(Request(method="GET", headers=headers)) as stream:
        await stream.until(b"\n\n")
        await here.broker.settle()
        elsewhere.notify_prompts_changed()

        assert (await stream.message())["method"] == "notifications/prompts/list_changed"
        await stream.disconnect()
    await here.shutdown()
