"""What a project hears of the sessions of its servers, and what a session may say of itself."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from typing import Any

import pytest
from django.contrib.auth.models import Group
from django.dispatch import Signal

from django_mcp import MCPServer, Principal
from django_mcp.server.sessions import owner_of
from django_mcp.signals import roots_changed, session_closed, session_opened
from tests.conversations.conftest import Open
from tests.doors import Door, Reply, Request

SIGNALS = {
    "session_opened": session_opened,
    "session_closed": session_closed,
    "roots_changed": roots_changed,
}


@pytest.fixture
def heard() -> Iterator[list[tuple[str, str, str]]]:
    """The signals that are sent, each with its sender and the name of the session's client."""
    heard: list[tuple[str, str, str]] = []

    def receiver(name: str) -> Any:
        def receive(sender: str, session: Any, **kwargs: Any) -> None:
            heard.append((name, sender, session.client_info["name"]))

        return receive

    receivers = {name: receiver(name) for name in SIGNALS}
    for name, signal in SIGNALS.items():
        signal.connect(receivers[name])
    yield heard
    for name, signal in SIGNALS.items():
        signal.disconnect(receivers[name])


def hello(**changes: Any) -> dict[str, Any]:
    params = {
        "protocolVersion": "2025-11-25",
        "capabilities": {},
        "clientInfo": {"name": "a client", "version": "1"},
    }
    return {"jsonrpc": "2.0", "id": 1, "method": "initialize", "params": {**params, **changes}}


async def say(door: Door, message: Any, session: str | None = None, **headers: str | None) -> Reply:
    version = None if session is None else "2025-11-25"
    return await door.post(
        message, mcp_protocol_version=version, mcp_session_id=session, mcp_method=None, **headers
    )


async def test_a_session_is_heard_of_from_its_beginning_to_its_end(
    door: Door, heard: list[Any]
) -> None:
    id = (await say(door, hello())).headers["mcp-session-id"]
    assert heard == [("session_opened", "test", "a client")]
    await say(door, {"jsonrpc": "2.0", "method": "notifications/initialized"}, id)
    changed = {"jsonrpc": "2.0", "method": "notifications/roots/list_changed"}
    assert (await say(door, changed, id)).status == 202
    assert heard[1:] == [("roots_changed", "test", "a client")]

    delete = [("host", "testserver"), ("mcp-session-id", id)]
    assert (await door.send(Request(method="DELETE", headers=delete))).status == 200

    assert heard[2:] == [("session_closed", "test", "a client")]


@pytest.mark.django_db
async def test_a_receiver_may_use_the_database_and_may_fail(
    door: Door, caplog: pytest.LogCaptureFixture
) -> None:
    async def write(sender: str, session: Any, **kwargs: Any) -> None:
        await Group.objects.acreate(name=session.key)

    def fail(**kwargs: Any) -> None:
        raise LookupError("a receiver's own trouble")

    for receiver in (write, fail):
        session_opened.connect(receiver)
    try:
        with caplog.at_level(logging.CRITICAL, "django.dispatch"):
            reply = await say(door, hello())
    finally:
        for receiver in (write, fail):
            session_opened.disconnect(receiver)

    assert reply.result["protocolVersion"] == "2025-11-25"
    assert "trouble" not in reply.body.decode()
    assert await Group.objects.acount() == 1


@pytest.mark.parametrize("signal", SIGNALS.values(), ids=list(SIGNALS))
def test_nobody_is_asked_where_nobody_listens(signal: Signal) -> None:
    assert signal.receivers == []


# What a client says of itself


@pytest.mark.parametrize("text", ["\0", "\ud800"])
async def test_what_no_database_keeps_is_refused(streaming: Door, text: str) -> None:
    for spoilt in (
        {"clientInfo": {"name": f"a{text}b", "version": "1"}},
        {"clientInfo": {"name": "a", "version": "1", text: []}},
        {"capabilities": {"experimental": {"x": {"y": ["fine", text]}}}},
    ):
        reply = await say(streaming, hello(**spoilt))
        assert reply.error == {
            "code": -32602,
            "message": "params.capabilities or params.clientInfo has a NUL, or half of a surrogate "
            "pair.",
        }
        assert "mcp-session-id" not in reply.headers


@pytest.mark.parametrize("character", ["\0", "\ud800"])
async def test_a_resource_whose_uri_no_database_keeps_is_not_followed(
    streaming: Door, server: MCPServer, character: str
) -> None:
    @server.resource("x://any/{+rest}")
    def anything(rest: str) -> str:
        return rest

    id = (await say(streaming, hello())).headers["mcp-session-id"]
    subscribe = {
        "jsonrpc": "2.0",
        "id": 2,
        "method": "resources/subscribe",
        "params": {"uri": f"x://any/a{character}b"},
    }

    assert (await say(streaming, subscribe, id)).error["code"] == -32002


async def test_a_principal_with_a_long_id_has_its_sessions(guarded: Open) -> None:
    def authenticate(request: Any) -> Principal:
        return Principal(id=request.headers["x-caller"] * 300)

    door = guarded(authenticate)
    id = (await say(door, hello(), x_caller="a")).headers["mcp-session-id"]
    ping = {"jsonrpc": "2.0", "id": 2, "method": "ping"}

    assert (await say(door, ping, id, x_caller="a")).result == {}
    assert (await say(door, ping, id, x_caller="b")).status == 404


def test_an_owner_fits_into_a_column_and_two_are_never_the_same() -> None:
    ids = ["user:1", "x" * 255, "x" * 256, "x" * 257, "a\0", "a\x01", "a\ud800"]

    owners = [owner_of(id) for id in ids]

    assert owners[:2] == ids[:2]
    assert len(set(owners)) == len(ids)
    assert all(len(owner) <= 255 and owner.isprintable() for owner in owners)
