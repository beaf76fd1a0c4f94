"""What `manage.py check` says of a project's servers."""

from __future__ import annotations

import ast
from typing import Any

import pytest
from django.core.checks import CheckMessage, run_checks
from django.core.handlers.asgi import ASGIHandler
from django.db import connections
from django.urls import path

from django_mcp import MCPServer, conf, default
from django_mcp.backends import stores
from django_mcp.routing import MCPRouter, mount
from django_mcp.urls import mcp_view

django_asgi = ASGIHandler.__new__(ASGIHandler)
"""What `ASGI_APPLICATION` names where nothing was done for MCP."""

# Since Django 6.1 the checks of models ask the database what it can do.
pytestmark = pytest.mark.django_db


@pytest.fixture(autouse=True)
def servers(monkeypatch: pytest.MonkeyPatch) -> list[MCPServer]:
    """The servers the checks see: only those of the test."""
    found: list[MCPServer] = []
    monkeypatch.setattr("django_mcp.checks.servers", lambda: found)
    return found


@pytest.fixture(autouse=True)
def quiet(settings: Any) -> None:
    """A project of which nothing is to be said."""
    settings.DJANGO_MCP = {"AUTHENTICATION": "django_mcp.authentication.anonymous"}
    settings.ROOT_URLCONF = (path("mcp", mcp_view()),)


def found(**options: Any) -> dict[str, CheckMessage]:
    """What our checks say, by id."""
    messages = run_checks(**options)
    return {
        str(message.id): message
        for message in messages
        if str(message.id).startswith("django_mcp.")
    }


def test_a_project_in_order_hears_nothing() -> None:
    assert found() == {}


def test_an_unknown_setting_is_an_error_that_names_the_nearest(settings: Any) -> None:
    settings.DJANGO_MCP = {**settings.DJANGO_MCP, "PAGESIZE": 10}

    message = found()["django_mcp.E001"]

    assert message.msg == "DJANGO_MCP has no setting 'PAGESIZE'."
    assert message.hint == "Did you mean 'PAGE_SIZE'?"


@pytest.mark.parametrize(
    ("key", "value"),
    [
        ("PAGE_SIZE", "many"),
        ("NAME", 5),
        ("ALLOWED_ORIGINS", 7),
        ("KEEP_ALIVE", "soon"),
        ("SESSION_IDLE", 0),
        ("MAX_SESSIONS", -1),
    ],
)
def test_a_value_of_the_wrong_type_is_an_error(settings: Any, key: str, value: Any) -> None:
    settings.DJANGO_MCP = {**settings.DJANGO_MCP, key: value}

    assert f"DJANGO_MCP['{key}']" in found()["django_mcp.E001"].msg


def test_a_word_for_sessions_that_means_nothing_is_an_error(settings: Any) -> None:
    settings.DJANGO_MCP = {**settings.DJANGO_MCP, "SESSIONS": "databse"}

    message = found()["django_mcp.E001"]

    assert message.msg == (
        "DJANGO_MCP['SESSIONS']: Should be 'database', 'cache', 'memory', None, a callable or the "
        "dotted path of one."
    )
    assert message.hint == "It is 'databse'."


def test_each_word_for_sessions_names_a_store(settings: Any) -> None:
    assert set(conf.KINDS_OF_SESSIONS) == set(stores.NAMED)
    for word in conf.KINDS_OF_SESSIONS:
        settings.DJANGO_MCP = {**settings.DJANGO_MCP, "SESSIONS": word}
        assert found() == {}


def test_a_setting_that_is_no_dict_is_an_error(settings: Any) -> None:
    settings.DJANGO_MCP = ["NAME"]

    assert found()["django_mcp.E001"].msg == "DJANGO_MCP must be a dict."


@pytest.mark.parametrize("named", ["nowhere.at.all", "tests.settings.SECRET_KEY"])
@pytest.mark.parametrize("key", ["AUTHENTICATION", "LIFESPAN", "SESSIONS"])
def test_what_cannot_be_imported_or_called_is_an_error(settings: Any, key: str, named: str) -> None:
    settings.DJANGO_MCP = {**settings.DJANGO_MCP, key: named}

    assert named in found()["django_mcp.E002"].msg


def test_two_servers_of_one_name_are_an_error(servers: list[MCPServer]) -> None:
    for _ in range(2):
        server = MCPServer("twin")
        server.add_resource("x://text", "text")
        servers.append(server)

    assert found()["django_mcp.E003"].msg == "2 MCP servers are called 'twin'."


def test_a_tool_without_a_description_is_worth_a_warning(servers: list[MCPServer]) -> None:
    server = MCPServer("shop")
    server.add_tool(lambda: None, "buy")
    servers.append(server)

    assert found()["django_mcp.W002"].msg.startswith("The tool 'buy' of the MCP server 'shop'")


def test_a_view_that_cannot_be_a_tool_is_named(servers: list[MCPServer]) -> None:
    server = MCPServer("shop")
    server.add_view("shop:basket")
    servers.append(server)

    error = found()["django_mcp.E004"]
    assert error.msg == "The tool 'shop_basket' of the MCP server 'shop' is left out."
    assert "No URL pattern is called 'shop:basket'" in str(error.hint)


def test_a_view_that_is_a_tool_is_something_to_offer(
    servers: list[MCPServer], settings: Any
) -> None:
    def basket(request: Any) -> None:
        """Show the basket."""

    server = MCPServer("shop")
    server.add_view(basket, path="basket/")
    servers.append(server)

    assert found() == {}


def test_an_empty_server_is_worth_a_warning(servers: list[MCPServer]) -> None:
    servers.append(MCPServer("empty"))

    assert "'empty' has no tools" in found()["django_mcp.W003"].msg


@pytest.mark.parametrize("debug", [True, False])
def test_outside_debug_an_endpoint_without_authentication_is_worth_a_warning(
    settings: Any, debug: bool
) -> None:
    settings.DEBUG = debug
    settings.DJANGO_MCP = {}

    assert ("django_mcp.W004" in found()) is not debug


def test_before_a_deployment_an_open_endpoint_is_worth_a_warning() -> None:
    assert "django_mcp.W005" not in found()
    assert "django_mcp.W005" in found(include_deployment_checks=True)


@pytest.mark.parametrize(
    ("layers", "alias", "warns"),
    [
        ({}, "default", True),
        ({"default": {"BACKEND": "channels.layers.InMemoryChannelLayer"}}, "default", True),
        ({"default": {"BACKEND": "channels_redis.core.RedisChannelLayer"}}, "default", False),
        ({"default": {"BACKEND": "channels_redis.core.RedisChannelLayer"}}, "mcp", True),
    ],
)
def test_before_a_deployment_a_layer_of_one_process_is_worth_a_warning(
    settings: Any, layers: Any, alias: str, warns: bool
) -> None:
    settings.CHANNEL_LAYERS = layers
    settings.DJANGO_MCP = {**settings.DJANGO_MCP, "CHANNEL_LAYER": alias}

    assert "django_mcp.W008" not in found()
    assert ("django_mcp.W008" in found(include_deployment_checks=True)) is warns


def test_the_hint_for_a_layer_is_a_setting_that_can_be_copied(settings: Any) -> None:
    settings.CHANNEL_LAYERS = {}
    hint = found(include_deployment_checks=True)["django_mcp.W008"].hint
    assert hint is not None

    layers = ast.literal_eval(hint.partition("CHANNEL_LAYERS = ")[2].partition(". With")[0])

    assert layers["default"]["BACKEND"] == "channels_redis.core.RedisChannelLayer"


# Where sessions are kept


@pytest.mark.parametrize("sessions", ["cache", "memory", None, "tests.test_checks.servers"])
def test_without_a_database_sessions_in_it_are_worth_a_warning(
    settings: Any, monkeypatch: pytest.MonkeyPatch, sessions: str | None
) -> None:
    settings.DJANGO_MCP = {**settings.DJANGO_MCP, "SESSIONS": "database"}
    assert "django_mcp.W006" not in found()
    without = {**connections.settings["default"], "ENGINE": "django.db.backends.dummy"}
    monkeypatch.setitem(connections.settings, "default", without)

    assert "django_mcp.W006" in found()
    settings.DJANGO_MCP = {**settings.DJANGO_MCP, "SESSIONS": sessions}
    assert "django_mcp.W006" not in found()


@pytest.mark.parametrize(
    ("backend", "warned"),
    [
        ("locmem.LocMemCache", True),
        ("dummy.DummyCache", True),
        ("redis.RedisCache", False),
        ("db.DatabaseCache", False),
    ],
)
def test_before_a_deployment_a_cache_nobody_shares_is_worth_a_warning(
    settings: Any, backend: str, warned: bool
) -> None:
    settings.DJANGO_MCP = {**settings.DJANGO_MCP, "SESSIONS": "cache"}
    entry = {"BACKEND": f"django.core.cache.backends.{backend}", "LOCATION": "redis://127.0.0.1"}
    settings.CACHES = {"default": entry}

    assert "django_mcp.W007" not in found()
    warnings = found(include_deployment_checks=True)
    assert ("django_mcp.W007" in warnings) is warned


def test_before_a_deployment_sessions_in_the_memory_of_a_process_are_worth_a_warning(
    settings: Any,
) -> None:
    settings.DJANGO_MCP = {**settings.DJANGO_MCP, "SESSIONS": "memory"}

    assert "django_mcp.W007" not in found()
    warning = found(include_deployment_checks=True)["django_mcp.W007"]
    assert "in the memory of each process" in warning.msg


def test_before_a_deployment_sessions_that_nobody_keeps_are_not(settings: Any) -> None:
    settings.DJANGO_MCP = {**settings.DJANGO_MCP, "SESSIONS": None}

    assert "django_mcp.W007" not in found(include_deployment_checks=True)


def test_before_a_deployment_a_cache_that_is_not_there_is_worth_a_warning(settings: Any) -> None:
    settings.DJANGO_MCP = {
        **settings.DJANGO_MCP,
        "SESSIONS": "cache",
        "SESSIONS_CACHE": "elsewhere",
    }

    warning = found(include_deployment_checks=True)["django_mcp.W007"]

    assert "'elsewhere', which is not in CACHES" in warning.msg


# Whether anything leads to a server


@pytest.fixture
def unrouted(settings: Any) -> Any:
    settings.ROOT_URLCONF = ()
    settings.ASGI_APPLICATION = "tests.test_checks.django_asgi"
    return settings


def test_a_server_that_nothing_leads_to_is_worth_a_warning(unrouted: Any) -> None:
    assert "django_mcp.W001" in found()


def test_a_route_in_an_included_urlconf_leads_there(unrouted: Any) -> None:
    unrouted.ROOT_URLCONF = (path("api/", ([path("mcp", mcp_view())], None, None)),)

    assert found() == {}


def test_an_application_of_the_projects_own_may_lead_anywhere(
    unrouted: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("tests.test_checks.django_asgi", MCPRouter([mount("mcp")], django_asgi))

    assert found() == {}


def test_the_servers_of_a_process_are_known_by_name() -> None:
    servers = [MCPServer("b"), MCPServer("a")]

    names = [server.name for server in default.servers() if server in servers]

    assert names == ["a", "b"]


# Calls, throttles and switches


@pytest.mark.parametrize(
    ("setting", "value", "words"),
    [
        ("THROTTLES", {"user": "fast"}, "'fast' is no rate"),
        ("THROTTLES", {"user": "0/min"}, "is no rate"),
        ("THROTTLES", {"everybody": "1/min"}, "'everybody' is nothing to throttle by"),
        ("THROTTLES", {"tool:": "1/min"}, "nothing to throttle by"),
        ("THROTTLES", {"user": 5}, "valid string"),
        ("AUDIT_ARGUMENTS", "some", "'redacted'"),
        ("AUDIT_ARGUMENTS", {"search": "all"}, "'redacted'"),
        ("AUDIT_LIFETIME", 0, "greater than 0"),
        ("TRUSTED_PROXIES", -1, "greater than or equal to 0"),
    ],
)
def test_a_value_that_cannot_be_read_is_an_error(
    settings: Any, setting: str, value: Any, words: str
) -> None:
    settings.DJANGO_MCP = {**settings.DJANGO_MCP, setting: value}

    message = found()["django_mcp.E001"]

    assert setting in message.msg
    assert words in message.msg


def test_values_that_can_be_read_are_none(settings: Any, servers: list[MCPServer]) -> None:
    server = MCPServer("here")
    server.tool(name="search", description="Find.")(lambda: "")
    servers.append(server)
    settings.DJANGO_MCP = {
        **settings.DJANGO_MCP,
        "AUDIT": True,
        "AUDIT_ARGUMENTS": {"search": "full", "*": "names"},
        "THROTTLES": {"user": "600/min", "tool:search": "30/hour", "authentication": "5/m"},
    }

    assert found() == {}


def test_a_cache_of_throttles_that_is_not_there_is_an_error(settings: Any) -> None:
    throttles = {"THROTTLES": {"user": "1/s"}, "THROTTLE_CACHE": "elsewhere"}
    settings.DJANGO_MCP = {**settings.DJANGO_MCP, **throttles}

    assert "'elsewhere'" in found()["django_mcp.E006"].msg


def test_before_a_deployment_throttles_of_one_process_are_worth_a_warning(settings: Any) -> None:
    settings.DJANGO_MCP = {**settings.DJANGO_MCP, "THROTTLES": {"user": "1/s"}}

    assert "django_mcp.W011" not in found()
    assert "LocMemCache" in found(include_deployment_checks=True)["django_mcp.W011"].msg
    settings.CACHES = {"default": {"BACKEND": "django.core.cache.backends.redis.RedisCache"}}
    assert "django_mcp.W011" not in found(include_deployment_checks=True)


@pytest.mark.parametrize("setting", ["AUDIT", "KILL_SWITCH"])
def test_what_is_to_be_kept_without_a_database_is_worth_a_warning(
    settings: Any, setting: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    settings.DJANGO_MCP = {**settings.DJANGO_MCP, "SESSIONS": "memory", setting: True}
    assert "django_mcp.W010" not in found()

    without = {**connections.settings["default"], "ENGINE": "django.db.backends.dummy"}
    monkeypatch.setitem(connections.settings, "default", without)

    assert setting in found()["django_mcp.W010"].msg


@pytest.mark.parametrize(
    ("setting", "value"),
    [("THROTTLES", {"tool:serach": "1/s"}), ("AUDIT_ARGUMENTS", {"serach": "full"})],
)
def test_a_tool_that_no_server_has_is_worth_a_warning(
    settings: Any, servers: list[MCPServer], setting: str, value: Any
) -> None:
    server = MCPServer("here")
    server.tool(name="search", description="Find.")(lambda: "")
    servers.append(server)
    settings.DJANGO_MCP = {**settings.DJANGO_MCP, setting: value}

    warning = found()["django_mcp.W012"]

    assert "'serach'" in warning.msg
    assert "'search'" in (warning.hint or "")
