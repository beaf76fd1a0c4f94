"""A server to talk to, and the doors to it."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from django.core.handlers.asgi import ASGIHandler
from django.core.handlers.wsgi import WSGIHandler
from django.urls import path

from django_mcp import MCPServer
from django_mcp.authentication import anonymous
from django_mcp.routing import MCPRouter, mount
from django_mcp.server.broker import InMemoryBroker
from django_mcp.server.events import InMemoryEvents
from django_mcp.server.sessions import InMemorySessions
from django_mcp.urls import mcp_view
from tests.conversations.talk import Departure, nothing_is_left
from tests.doors import AsgiDoor, Door, WsgiDoor

Open = Callable[..., Any]


@pytest.fixture
def server() -> MCPServer:
    """A server with nothing on it, which remembers in memory."""
    return MCPServer(
        "test",
        version="1.0",
        sessions=InMemorySessions(),
        events=InMemoryEvents(),
        broker=InMemoryBroker(),
    )


@pytest.fixture
def asked_often(settings: Any) -> None:
    """Has the authentication asked again and again of who stays."""
    settings.DJANGO_MCP = {**settings.DJANGO_MCP, "REAUTHENTICATE_EVERY": 0.005}


@pytest.fixture
def leaves_nothing(request: pytest.FixtureRequest, server: MCPServer) -> None:
    """Fails the test where a task, or anything in the hub of `server`, is left at its end."""
    test = request.node.obj

    async def watched(**arguments: Any) -> None:
        await test(**arguments)
        await nothing_is_left(server)

    request.node.obj = watched


async def _nobody(scope: Any, receive: Any, send: Any) -> None:
    await send({"type": "http.response.start", "status": 404, "headers": []})
    await send({"type": "http.response.body", "body": b"nothing is here"})


def _consumer(server: MCPServer, settings: Any, authenticate: Any) -> Door:
    return AsgiDoor(
        "consumer", MCPRouter([mount("mcp", server, authenticate=authenticate)], _nobody)
    )


def _view(server: MCPServer, settings: Any, authenticate: Any) -> Door:
    settings.ROOT_URLCONF = (path("mcp", mcp_view(server, authenticate=authenticate)),)
    return AsgiDoor("view", ASGIHandler())


def _wsgi(server: MCPServer, settings: Any, authenticate: Any) -> Door:
    settings.ROOT_URLCONF = (path("mcp", mcp_view(server, authenticate=authenticate)),)
    return WsgiDoor("wsgi", WSGIHandler())


DOORS = {"consumer": _consumer, "view": _view, "wsgi": _wsgi}


@pytest.fixture(params=list(DOORS))
def door(request: pytest.FixtureRequest, server: MCPServer, settings: Any) -> Door:
    """Every way in, one after the other; whoever comes is let in."""
    return DOORS[request.param](server, settings, anonymous)


@pytest.fixture(params=["consumer", "view"])
def streaming(request: pytest.FixtureRequest, server: MCPServer, settings: Any) -> Door:
    """The ways in on which a response can be a stream."""
    return DOORS[request.param](server, settings, anonymous)


@pytest.fixture(
    params=[("consumer", "disconnect"), ("consumer", "cut"), ("view", "disconnect")], ids="-".join
)
def departing(request: pytest.FixtureRequest, server: MCPServer, settings: Any) -> Departure:
    """The ways in on which a response can be a stream, and each way to go away from it."""
    kind, how = request.param
    return Departure(DOORS[kind](server, settings, anonymous), how)


@pytest.fixture
def guarded(server: MCPServer, settings: Any) -> Open:
    """Opens a door of a kind with an authentication of the test's own."""

    def open_door(authenticate: Any, kind: str = "consumer") -> Door:
        return DOORS[kind](server, settings, authenticate)

    return open_door
