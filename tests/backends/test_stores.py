"""Which stores DJANGO_MCP["SESSIONS"] stands for, and when they are made."""

from __future__ import annotations

import os
import subprocess
import sys
from typing import Any

import pytest
from django.core.exceptions import ImproperlyConfigured

from django_mcp import MCPServer
from django_mcp.backends.cache import CacheEvents, CacheSessions
from django_mcp.backends.orm import OrmEvents, OrmSessions
from django_mcp.backends.stores import limits_of
from django_mcp.conf import Settings
from django_mcp.server.events import InMemoryEvents, NoEvents
from django_mcp.server.sessions import InMemorySessions, Limits, NoSessions

OWN = InMemorySessions(), InMemoryEvents()


def own() -> Any:
    return OWN


def wrong() -> Any:
    return OWN[0]


@pytest.mark.parametrize(
    ("said", "sessions", "events"),
    [
        ({}, OrmSessions, OrmEvents),
        ({"SESSIONS": "database"}, OrmSessions, OrmEvents),
        ({"SESSIONS": "cache"}, CacheSessions, CacheEvents),
        ({"SESSIONS": "memory"}, InMemorySessions, InMemoryEvents),
        ({"SESSIONS": None}, NoSessions, NoEvents),
    ],
)
def test_a_word_stands_for_a_pair_of_stores(
    settings: Any, said: Any, sessions: type, events: type
) -> None:
    settings.DJANGO_MCP = said

    server = MCPServer("test")

    assert type(server.sessions) is sessions
    assert type(server.events) is events
    assert server.sessions is server.sessions


def test_servers_share_the_database_and_not_their_memory(settings: Any) -> None:
    settings.DJANGO_MCP = {}
    assert MCPServer("a").sessions is MCPServer("b").sessions

    settings.DJANGO_MCP = {"SESSIONS": "memory"}
    assert MCPServer("a").sessions is not MCPServer("b").sessions


@pytest.mark.parametrize("said", [own, "tests.backends.test_stores.own"])
def test_a_callable_returns_the_projects_own(settings: Any, said: Any) -> None:
    settings.DJANGO_MCP = {"SESSIONS": said}

    server = MCPServer("test")

    assert (server.sessions, server.events) == OWN


def test_a_callable_that_returns_something_else_is_told_so(settings: Any) -> None:
    settings.DJANGO_MCP = {"SESSIONS": wrong}

    with pytest.raises(ImproperlyConfigured, match="has to return a SessionStore and an EventLog"):
        MCPServer("test").sessions  # noqa: B018


def test_what_a_server_is_given_comes_before_the_settings() -> None:
    sessions, events = OWN

    server = MCPServer("test", sessions=sessions, events=events)

    assert (server.sessions, server.events) == OWN


def test_the_settings_have_the_limits_of_the_sessions() -> None:
    assert limits_of(Settings()) == Limits()
    assert limits_of(Settings(max_sessions=10, max_sessions_per_principal=7)).of_anonymous == 7


def test_a_question_waits_as_long_as_the_settings_say(settings: Any) -> None:
    settings.DJANGO_MCP = {"REQUEST_STATE_LIFETIME": 30}

    assert MCPServer("test").question_timeout == 30


#: A project that makes a server while its apps are being loaded, and has no database.
EARLY = """
import asyncio
from django.conf import settings
settings.configure(
    SECRET_KEY="for one process", INSTALLED_APPS=["django_mcp"], USE_TZ=True, DATABASES={}
)
from django_mcp import MCPServer, tool
server = MCPServer("early")
@tool
def greet() -> str:
    "Greet."
    return "hello"
import django
django.setup()
from django.core.exceptions import ImproperlyConfigured
try:
    asyncio.run(server.sessions.find("x" * 43))
except ImproperlyConfigured as error:
    print(error)
"""


def test_a_server_is_made_before_there_are_models_and_without_a_database() -> None:
    finished = subprocess.run(
        [sys.executable, "-W", "error", "-c", EARLY],
        env={key: value for key, value in os.environ.items() if key != "DJANGO_SETTINGS_MODULE"},
        capture_output=True,
        text=True,
        timeout=60,
    )

    assert finished.returncode == 0, finished.stderr
    assert "settings.DATABASES is improperly configured" in finished.stdout
