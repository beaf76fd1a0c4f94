"""A database that goes away in the middle of a session, and comes back."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Iterator
from typing import Any

import pytest
from django.db import connections

from django_mcp import MCPServer
from django_mcp.authentication import anonymous
from django_mcp.backends import orm
from django_mcp.backends.threads import DjangoWorkers
from django_mcp.routing import MCPRouter, mount
from django_mcp.server.events import Event, new_stream
from django_mcp.server.sessions import Limits, StoreUnavailable
from tests import services
from tests.backends.conftest import ALIAS, EVENT_LIFETIME, tables
from tests.backends.test_sessions import opened
from tests.doors import AsgiDoor, Reply

pytestmark = pytest.mark.anyio

HELLO = {
    "jsonrpc": "2.0",
    "id": 1,
    "method": "initialize",
    "params": {
        "protocolVersion": "2025-11-25",
        "capabilities": {},
        "clientInfo": {"name": "test", "version": "1"},
    },
}
CALL = {"jsonrpc": "2.0", "id": 2, "method": "tools/call", "params": {"name": "greet"}}


@pytest.fixture
def cluster(settings: Any, django_db_blocker: Any) -> Iterator[services.Postgres]:
    """A PostgreSQL of the test's own, with the tables, to which connections are kept open."""
    try:
        with services.postgres() as running:
            entry = {**running.new_database(), "CONN_MAX_AGE": None}
            with tables(entry, settings, django_db_blocker):
                yield running
    except services.Missing as reason:
        pytest.skip(str(reason))


@pytest.fixture
async def workers() -> Any:
    """The threads of a process; the connection they keep is closed at the end."""
    workers = DjangoWorkers(1, atomic=False)
    yield workers
    await workers.run_sync(lambda: connections[ALIAS].close())
    workers.close()


async def test_without_the_database_every_operation_says_so(
    cluster: services.Postgres, workers: DjangoWorkers, caplog: pytest.LogCaptureFixture
) -> None:
    store, log = orm.build(Limits(), EVENT_LIFETIME, workers)
    [one] = await opened(store, "user:1")
    stream = new_stream(of_call=True)
    await log.append(one.key, stream, [Event(0, b"[1]")])

    cluster.stop()
    with caplog.at_level(logging.ERROR, "django_mcp"):
        outcomes = await asyncio.gather(
            store.find(one.key),
            store.end(one.key),
            log.append(one.key, stream, [Event(1, b"{}")]),
            log.read(one.key, stream, 0),
            return_exceptions=True,
        )
        with pytest.raises(StoreUnavailable):
            await store.find(one.key)

    assert [type(outcome) for outcome in outcomes] == [StoreUnavailable] * 4
    assert [record.message for record in caplog.records] == [
        f"The database {ALIAS!r} that keeps the sessions is away"
    ]
    cluster.start()
    assert await store.find(one.key) is not None
    await log.append(one.key, stream, [Event(1, b"{}")])
    assert await log.read(one.key, stream, 0) == [Event(1, b"{}")]


async def test_a_connection_that_was_cut_meanwhile_costs_one_attempt(
    cluster: services.Postgres, workers: DjangoWorkers
) -> None:
    store, _ = orm.build(Limits(), EVENT_LIFETIME, workers)
    [one] = await opened(store, "user:1")

    cluster.stop()
    cluster.start()

    with pytest.raises(StoreUnavailable):
        await store.find(one.key)
    assert await store.find(one.key) is not None


async def test_a_client_hears_503_and_goes_on_where_it_was(
    cluster: services.Postgres, workers: DjangoWorkers
) -> None:
    store, log = orm.build(Limits(), EVENT_LIFETIME, workers)
    server = MCPServer("test", version="1.0", sessions=store, events=log)
    server.add_tool(lambda: "hello", "greet")
    router = MCPRouter([mount("mcp", server, authenticate=anonymous)], _nobody)
    door = AsgiDoor("consumer", router)

    async def post(message: Any, session: str | None = None) -> Reply:
        version = None if session is None else "2025-11-25"
        return await door.post(message, mcp_protocol_version=version, mcp_session_id=session)

    id = (await post(HELLO)).headers["mcp-session-id"]
    assert (await post(CALL, id)).result["content"][0]["text"] == "hello"
    cluster.stop()

    refused = [await post(CALL, id), await post(HELLO)]

    assert [reply.status for reply in refused] == [503, 503]
    assert [reply.json["error"] for reply in refused] == [
        {
            "code": -32000,
            "message": "What keeps the sessions of this server is away. Try again later.",
        }
    ] * 2
    cluster.start()
    assert (await post(CALL, id)).result["content"][0]["text"] == "hello"
    server.workers.close()


async def _nobody(scope: Any, receive: Any, send: Any) -> None:
    raise AssertionError("nothing is asked of it")
