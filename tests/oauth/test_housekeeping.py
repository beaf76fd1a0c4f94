"""The rest of the site: what a project does with the toolkit besides, and what people see."""

from __future__ import annotations

import re
from typing import Any

import pytest
from asgiref.sync import async_to_sync
from django.core.handlers.asgi import ASGIHandler
from django.core.management import call_command
from oauth2_provider.models import get_access_token_model, get_application_model
from oauth2_provider.views import TokenView

from django_mcp.oauth.authentication import bearer
from django_mcp.oauth.models import Connection, PersonalToken
from django_mcp.routing import MCPRouter, mount
from tests.oauth.conftest import Door, server_named
from tests.oauth.people import MCP, Person, Program

PAGE = "/oauth/connections/"


# 98, 99


def test_the_toolkits_own_views_before_ours_change_nothing(anna: Person, program: Program) -> None:
    """They keep one validator for a class and all that inherit from it."""
    code = anna.allow(program.register().request())["code"]
    program.ask("/o/token/", grant_type="authorization_code", code="x")
    assert hasattr(TokenView, "_oauthlib_core")

    assert program.redeem(code, resource="https://evil.example/").json()["error"] == (
        "invalid_target"
    )
    assert program.redeem(code).status_code == 200


def test_a_code_of_ours_is_none_for_the_toolkits_views(anna: Person, program: Program) -> None:
    code = anna.allow(program.register().request())["code"]
    form = {"grant_type": "authorization_code", "code": code}
    form |= {"redirect_uri": program.redirect_uri, "code_verifier": program.verifier}

    assert program.ask("/o/token/", **form).status_code == 400


def test_a_client_of_the_toolkit_is_none_of_ours(anna: Person, program: Program) -> None:
    get_application_model().objects.create(
        client_id="api",
        client_secret="secret",
        client_type="confidential",
        authorization_grant_type="client-credentials",
    )
    program.id, program.secret = "api", "secret"

    response = program.ask(grant_type="refresh_token", refresh_token="x")
    assert (response.status_code, response.json()["error"]) == (401, "invalid_client")


def test_no_migration_is_missing(settings: Any) -> None:
    # Also where the tables of this run were not made by them.
    settings.MIGRATION_MODULES = {}
    call_command("makemigrations", "--check", "--dry-run", verbosity=0)


# What people see


def test_a_user_sees_what_they_allowed_and_ends_it(
    door: Door, anna: Person, program: Program, tokens: dict[str, Any]
) -> None:
    page = anna.browser.get(PAGE).content.decode()
    assert "A Program" in page
    assert "The Desk" in page
    assert "Change things in your name" in page

    ended = _press(anna, page, "connection")
    assert (ended.status_code, ended["Location"]) == (302, PAGE)
    assert async_to_sync(door.calling)(tokens["access_token"], "look").status == 401
    assert program.refresh(tokens["refresh_token"]).status_code == 400
    assert not get_access_token_model().objects.exists()
    assert "A Program" not in anna.browser.get(PAGE).content.decode()


def test_a_connection_that_was_ended_can_be_made_again(
    door: Door, anna: Person, program: Program, tokens: dict[str, Any]
) -> None:
    _press(anna, anna.browser.get(PAGE).content.decode(), "connection")
    renewed = program.connect(anna, scope="mcp:read")

    assert async_to_sync(door.calling)(renewed["access_token"], "look").status == 200
    assert async_to_sync(door.calling)(tokens["access_token"], "look").status == 401
    assert Connection.objects.get().scopes == "mcp:read"


def test_a_code_that_waits_ends_with_the_connection(anna: Person, program: Program) -> None:
    code = anna.allow(program.register().request())["code"]
    _press(anna, anna.browser.get(PAGE).content.decode(), "connection")

    assert program.redeem(code).status_code == 400


@pytest.mark.parametrize("what", ["connection", "token"])
def test_nobody_ends_what_is_anothers(
    anna: Person, ben: Person, tokens: dict[str, Any], what: str
) -> None:
    page = ben.browser.get(PAGE).content.decode()
    key = Connection.objects.get().pk
    response = _post(ben, page, "/oauth/connections/end/", {"what": f"{what}:{key}"})

    assert response.status_code == 404
    assert Connection.objects.get().revoked is None


@pytest.mark.parametrize("what", ["", "x", "connection:", "connection:x", "connection:" + "9" * 40])
def test_what_is_nothing_ends_nothing(anna: Person, what: str) -> None:
    page = anna.browser.get(PAGE).content.decode()

    assert _post(anna, page, "/oauth/connections/end/", {"what": what}).status_code == 404


def test_the_pages_are_for_who_is_logged_in(door: Door) -> None:
    stranger = Person("carl", logged_in=False)

    assert stranger.browser.get(PAGE).status_code == 302
    assert stranger.browser.post("/oauth/connections/end/").status_code == 403


def test_a_personal_token_is_made_shown_once_used_and_ended(door: Door, anna: Person) -> None:
    page = anna.browser.get(PAGE).content.decode()
    form = {"name": "cron", "resource": MCP, "scopes": ["mcp:read"], "days": "30"}
    made = _post(anna, page, "/oauth/connections/tokens/", form)
    found = re.search(r'<code class="secret">(mcp_pat_[^<]+)</code>', made.content.decode())
    assert found is not None
    call = async_to_sync(door.calling)

    assert made["Cache-Control"] == "no-store"
    assert call(found[1], "look").status == 200
    again = anna.browser.get(PAGE).content.decode()
    assert found[1] not in again
    assert found[1][:14] in again
    _press(anna, again, "token")
    assert call(found[1], "look").status == 401


@pytest.mark.parametrize(
    "wrong",
    [
        {"resource": "https://evil.example/mcp"},
        {"scopes": ["everything"]},
        {"days": "0"},
        {"days": "91"},
        {"name": ""},
    ],
    ids=str,
)
def test_a_personal_token_is_for_what_there_is_and_not_for_ever(
    anna: Person, wrong: dict[str, Any]
) -> None:
    page = anna.browser.get(PAGE).content.decode()
    form = {"name": "cron", "resource": MCP, "scopes": ["mcp:read"], "days": "30", **wrong}

    assert _post(anna, page, "/oauth/connections/tokens/", form).status_code == 400
    assert not PersonalToken.objects.exists()


def test_a_personal_token_has_no_scope_of_another_server(door: Door, anna: Person) -> None:
    router = MCPRouter([mount("mcp-b", server_named("other"), authenticate=bearer)], ASGIHandler())
    page = anna.browser.get(PAGE).content.decode()
    form = {"name": "cron", "scopes": ["desk:lend"], "days": "30"}

    def make(resource: str) -> int:
        made = _post(anna, page, "/oauth/connections/tokens/", {**form, "resource": resource})
        status: int = made.status_code
        return status

    assert make("http://testserver/mcp-b") == 400
    assert make(MCP) == 200
    assert PersonalToken.objects.get().scopes == "desk:lend"
    del router


def _press(person: Person, page: str, what: str) -> Any:
    found = re.search(rf'value="({what}:\d+)"', page)
    assert found is not None, page
    return _post(person, page, "/oauth/connections/end/", {"what": found[1]})


def _post(person: Person, page: str, path: str, form: dict[str, Any]) -> Any:
    token = re.search(r'name="csrfmiddlewaretoken" value="([^"]+)"', page)
    assert token is not None
    return person.browser.post(path, {"csrfmiddlewaretoken": token[1], **form})
