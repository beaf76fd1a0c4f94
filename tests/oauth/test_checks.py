"""System checks: what is said of a project before its first client meets it."""

from __future__ import annotations

import types
from typing import Any

import pytest
from django.core.checks import run_checks
from django.urls import clear_url_caches, include, path

from django_mcp import MCPServer
from tests.oauth.conftest import Door


def found(*, deploy: bool = False) -> dict[str, str]:
    """What the checks of this app say, by the last part of their ids."""
    messages = run_checks(include_deployment_checks=deploy)
    return {
        str(message.id).rpartition(".")[2]: message.msg
        for message in messages
        if str(message.id).startswith("django_mcp_oauth.")
    }


@pytest.fixture(autouse=True)
def _sound(settings: Any, server: MCPServer, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("django_mcp.oauth.checks.servers", lambda: [server])
    settings.DJANGO_MCP_OAUTH = {}
    settings.LOGIN_URL = "/accounts/login/"


def test_a_project_that_is_whole_is_told_nothing(door: Door, server: MCPServer) -> None:
    for name in ("lend", "tidy"):
        (server.tools if name == "lend" else server.prompts).remove(name)
    server.resources.remove("desk://drawer")
    server.resource_templates.remove("desk://pages/{number}")

    assert found() == {}


@pytest.mark.parametrize(
    ("setting", "said"),
    [
        ({"SCOPE": {}}, "has no setting 'SCOPE'"),
        ({"REGISTRATION": "maybe"}, "should be 'open', 'approval' or 'off'"),
        ({"ISSUER": "example.com"}, "An issuer is a URL"),
        ({"ISSUER": "https://example.com/oauth/"}, "slash at the end"),
        ({"CODE_SECONDS": 0}, "greater than 0"),
        ([], "must be a dict"),
    ],
    ids=str,
)
def test_a_setting_that_cannot_be_read_is_an_error(settings: Any, setting: Any, said: str) -> None:
    settings.DJANGO_MCP_OAUTH = setting

    assert said in found()["E001"]


def test_a_verifier_that_is_not_there_is_an_error(settings: Any) -> None:
    settings.DJANGO_MCP_OAUTH = {"VERIFIERS": ["nowhere.verify"]}

    assert "'nowhere.verify' cannot be imported" in found()["E002"]


@pytest.mark.parametrize("prefix", [None, "auth/"])
def test_urls_that_clients_do_not_find_are_an_error(settings: Any, prefix: str | None) -> None:
    urls = types.ModuleType("urls")
    urls.urlpatterns = [] if prefix is None else [path(prefix, include("django_mcp.oauth.urls"))]
    settings.ROOT_URLCONF = urls
    clear_url_caches()

    assert "at the root of the host" in found()["E003"]
    clear_url_caches()


def test_pages_need_sessions_and_templates(settings: Any) -> None:
    settings.MIDDLEWARE = []
    assert "AuthenticationMiddleware" in found()["E004"]


def test_tokens_over_plain_http_are_an_error_outside_debug(settings: Any) -> None:
    settings.DJANGO_MCP_OAUTH = {"ISSUER": "http://example.com/oauth"}
    assert "over plain http" in found()["E005"]

    settings.DJANGO_MCP_OAUTH = {"ISSUER": "http://127.0.0.1:8000/oauth"}
    assert "E005" not in found()
    settings.DJANGO_MCP_OAUTH = {"ISSUER": "http://example.com/oauth"}
    settings.DEBUG = True
    assert "E005" not in found()


def test_a_scope_without_words_is_a_warning(server: MCPServer) -> None:
    assert "'desk:" in found()["W001"]


def test_a_login_that_leads_nowhere_is_a_warning(settings: Any) -> None:
    settings.LOGIN_URL = "/nowhere/"

    assert "leads nowhere" in found()["W002"]


def test_cookies_that_are_not_sent_are_a_warning(settings: Any) -> None:
    settings.SESSION_COOKIE_SAMESITE = "Strict"

    assert "logged out" in found()["W003"]


# Identity providers

ISSUER = "https://login.example.com/realms/acme"
EXTERNAL = "django_mcp.oauth.external.verify"


def trusting(issuer: str = ISSUER, **options: Any) -> dict[str, Any]:
    return {"VERIFIERS": [EXTERNAL], "IDENTITY_PROVIDERS": {issuer: options}}


def test_an_identity_provider_that_is_well_is_told_nothing(settings: Any) -> None:
    before = found()
    settings.DJANGO_MCP_OAUTH = trusting(
        AUDIENCES=["api://desk"], CREATE_USERS=True, MATCH_EMAIL=True, ALGORITHMS=["ES256"]
    )

    assert found() == before
    assert "W006" not in found(deploy=True)


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ({"AUDIENCES": []}, "issued for anything"),
        ({"AUDIENCES": [""]}, "issued for anything"),
        ({"AUDIENCES": "api://desk"}, "not allowed as a Sequence"),
        ({"ALGORITHMS": ["HS256"]}, "can sign as well"),
        ({"ALGORITHMS": ["RS256", "none"]}, "can sign as well"),
        ({"ALGORITHMS": []}, "Should be of"),
        ({"JWKS_URL": "login.example.com/keys"}, "begins with https://"),
        ({"JWKS_URL": "https://me:word@login.example.com/keys"}, "has a user name in it"),
        ({"INTROSPECTION_URL": "https://login.example.com:port/"}, "begins with https://"),
        ({"VERIFY_BY": "trust"}, "should be 'signature' or 'introspection'"),
        ({"VERIFY_BY": "introspection"}, "has no CLIENT_ID and no CLIENT_SECRET"),
        ({"AUDIENCE": ["x"]}, "has no setting 'AUDIENCE'"),
        ({"ISSUER": ISSUER}, "is not said again"),
        ([], "must be a dict"),
    ],
    ids=str,
)
def test_what_is_wrong_with_an_identity_provider_is_an_error(
    settings: Any, options: Any, said: str
) -> None:
    settings.DJANGO_MCP_OAUTH = {"IDENTITY_PROVIDERS": {ISSUER: options}}

    assert said in found()["E001"]


@pytest.mark.parametrize(
    "issuer", ["login.example.com", "https://a b.example", "https://a.example/?x", "", 7, "https:"]
)
def test_an_issuer_that_is_none_is_an_error(settings: Any, issuer: Any) -> None:
    settings.DJANGO_MCP_OAUTH = {"IDENTITY_PROVIDERS": {issuer: {}}}

    assert "IDENTITY_PROVIDERS" in found()["E001"]


def test_what_makes_users_has_to_be_there(settings: Any) -> None:
    settings.DJANGO_MCP_OAUTH = trusting(CREATE_USERS="nowhere.make")

    assert "'nowhere.make' cannot be imported" in found()["E002"]


@pytest.mark.parametrize(
    ("issuer", "options"),
    [
        ("http://login.example.com", {}),
        (ISSUER, {"JWKS_URL": "http://login.example.com/keys"}),
        (ISSUER, {"INTROSPECTION_URL": "http://login.example.com/introspect"}),
    ],
    ids=str,
)
def test_a_provider_over_plain_http_is_an_error_outside_debug(
    settings: Any, issuer: str, options: Any
) -> None:
    settings.DJANGO_MCP_OAUTH = trusting(issuer, **options)
    assert "over plain http" in found()["E005"]

    settings.DEBUG = True
    assert "E005" not in found()
    settings.DEBUG = False
    settings.DJANGO_MCP_OAUTH = trusting("http://localhost:8080/realms/acme")
    assert "E005" not in found()


def test_signatures_need_pyjwt(settings: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("django_mcp.oauth.checks.find_spec", lambda name: None)
    settings.DJANGO_MCP_OAUTH = trusting()
    assert ISSUER in found()["E006"]

    asked = {"VERIFY_BY": "introspection", "CLIENT_ID": "a", "CLIENT_SECRET": "b"}
    settings.DJANGO_MCP_OAUTH = trusting(**asked)
    assert "E006" not in found()


def test_providers_and_who_asks_them_come_together(settings: Any) -> None:
    settings.DJANGO_MCP_OAUTH = {"IDENTITY_PROVIDERS": {ISSUER: {}}}
    assert "nobody in VERIFIERS" in found()["W007"]

    settings.DJANGO_MCP_OAUTH = {"VERIFIERS": [EXTERNAL]}
    assert "no IDENTITY_PROVIDERS" in found()["W007"]


def test_tokens_that_nobody_takes_are_a_warning(settings: Any) -> None:
    assert "no MCP endpoint takes its tokens" in found()["W004"]
    settings.DJANGO_MCP = {"AUTHENTICATION": "django_mcp.oauth.authentication.bearer"}
    assert "W004" not in found()


def test_what_depends_on_how_it_is_deployed(settings: Any) -> None:
    settings.ALLOWED_HOSTS = ["a.example", "b.example"]
    said = found(deploy=True)
    assert "LocMemCache" in said["W005"]
    assert "another issuer" in said["W006"]

    settings.DJANGO_MCP_OAUTH = {"ISSUER": "https://a.example/oauth"}
    assert "W006" not in found(deploy=True)
