"""Clients that speak for a service account: who is given a token without a user, and who is not."""

from __future__ import annotations

import base64
import json
from typing import Any

import pytest
from asgiref.sync import async_to_sync
from django.core.handlers.asgi import ASGIHandler
from oauth2_provider.models import (
    get_access_token_model,
    get_application_model,
    get_refresh_token_model,
)

from django_mcp.oauth import connecting, services
from django_mcp.oauth.authentication import bearer
from django_mcp.oauth.models import Client, Connection
from django_mcp.routing import MCPRouter, mount
from tests.doors import Request, envelope, headers_for
from tests.oauth.conftest import Door, grant, server_named
from tests.oauth.people import CALLBACK, HOST, MCP, Person, Program

OTHER = f"{HOST}/mcp-b"


@pytest.fixture(autouse=True)
def _on(_site: None, settings: Any) -> None:
    settings.DJANGO_MCP_OAUTH = {"CLIENT_CREDENTIALS": True}


@pytest.fixture
def robot(door: Door) -> Person:
    """An account that nobody logs in with."""
    return Person("robot", logged_in=False)


@pytest.fixture
def nightly(robot: Person) -> Program:
    """A program that reads and writes as the robot."""
    return made_for(robot)


def made_for(person: Person, *, resource: str = MCP, scopes: Any = ("mcp:write",)) -> Program:
    program = Program()
    client, program.secret = services.add(
        "Nightly", user=person.user, resource=resource, scopes=scopes
    )
    program.id = client.application.client_id
    return program


def ask(program: Program, **changed: Any) -> Any:
    return program.ask(grant_type="client_credentials", **{"resource": MCP, **changed})


def token(program: Program, **changed: Any) -> str:
    response = ask(program, **changed)
    assert response.status_code == 200, response.content
    return str(response.json()["access_token"])


def next_door(secret: str) -> Request:
    """A call with a token, to the server next door."""
    message = envelope("tools/list")
    headers = headers_for(message, authorization=f"Bearer {secret}")
    return Request(path="/mcp-b", headers=headers, body=json.dumps(message).encode())


def refused(response: Any, error: str, status: int = 400) -> None:
    assert (response.status_code, response.json()["error"]) == (status, error)
    assert not get_access_token_model().objects.exists()


# What it is given


def test_it_acts_as_the_account_and_is_known_by_its_own_name(
    door: Door, nightly: Program, robot: Person
) -> None:
    told = ask(nightly).json()
    answered = async_to_sync(door.calling)(told["access_token"], "hello")

    assert told.keys() == {"access_token", "token_type", "expires_in", "scope"}
    assert (told["token_type"], told["expires_in"]) == ("Bearer", 3600)
    assert told["scope"] == "mcp:write"
    assert answered.result["content"][0]["text"] == f"robot {nightly.id}"
    assert not get_refresh_token_model().objects.exists()


def test_the_account_may_do_no_more_than_it_may(
    door: Door, nightly: Program, robot: Person
) -> None:
    call = async_to_sync(door.calling)
    secret = token(nightly)

    assert "people" in call(secret, "people").error["message"]
    grant(robot, "change_user")
    assert call(secret, "people").result["content"][0]["text"] == "everybody"


def test_it_may_prove_who_it_is_in_the_header(nightly: Program) -> None:
    pair = base64.b64encode(f"{nightly.id}:{nightly.secret}".encode()).decode()
    headers = {"Authorization": f"Basic {pair}"}

    response = ask(nightly, client_id=None, client_secret=None, headers=headers)
    assert response.status_code == 200


def test_it_may_ask_for_less_and_for_what_its_scopes_bring(nightly: Program) -> None:
    assert ask(nightly, scope="mcp:read").json()["scope"] == "mcp:read"
    assert ask(nightly, scope="mcp:read offline_access").json()["scope"] == "mcp:read"
    assert ask(nightly, scope="offline_access").json()["scope"] == "mcp:write"


def test_where_it_was_made_for_one_server_that_need_not_be_named(nightly: Program) -> None:
    assert ask(nightly, resource=None).status_code == 200


def test_where_it_was_made_for_several_one_has_to_be_named(nightly: Program, robot: Person) -> None:
    application = get_application_model().objects.get()
    connecting.connect(robot.user, application, OTHER, ["mcp:read"], "")

    refused(ask(nightly, resource=None), "invalid_target")
    assert ask(nightly, resource=OTHER).json()["scope"] == "mcp:read"


def test_a_token_ends_when_it_is_given_back(door: Door, nightly: Program) -> None:
    secret = token(nightly)
    nightly.ask("/oauth/revoke", token=secret)

    assert async_to_sync(door.calling)(secret, "look").status == 401
    assert token(nightly)


def test_its_secret_is_kept_as_a_hash(nightly: Program) -> None:
    assert nightly.secret not in get_application_model().objects.get().client_secret


# Where it is off


def test_without_the_setting_there_is_no_such_grant(
    nightly: Program, settings: Any, client: Any
) -> None:
    document = "/.well-known/oauth-authorization-server/oauth"
    on = client.get(document).json()["grant_types_supported"]
    settings.DJANGO_MCP_OAUTH = {}
    off = client.get(document).json()["grant_types_supported"]

    assert on == [*off, "client_credentials"]
    refused(ask(nightly), "unsupported_grant_type")


# Who is given nothing


def test_a_client_without_a_secret_is_given_nothing(door: Door) -> None:
    program = Program().register()
    application = get_application_model().objects.get()

    refused(ask(program), "invalid_client", 401)
    refused(ask(program, client_secret=""), "invalid_client", 401)
    refused(ask(program, client_secret=application.client_secret), "invalid_client", 401)


@pytest.mark.parametrize("method", ["client_secret_basic", "client_secret_post"])
def test_a_client_that_registered_itself_is_given_nothing(anna: Person, method: str) -> None:
    program = Program().register(token_endpoint_auth_method=method)
    refused(ask(program), "unauthorized_client")

    # Neither where a user has allowed it something,
    program.connect(anna)
    get_access_token_model().objects.all().delete()
    refused(ask(program), "unauthorized_client")

    # nor where somebody has changed what kind of client it is.
    get_application_model().objects.update(authorization_grant_type="client-credentials")
    refused(ask(program), "unauthorized_client")


def test_a_client_without_a_secret_gets_none_by_being_changed(nightly: Program) -> None:
    get_application_model().objects.update(client_type="public")

    refused(ask(nightly), "unauthorized_client")


def test_a_client_of_the_toolkit_is_none_of_ours(robot: Person) -> None:
    program = Program()
    program.id, program.secret = "api", "secret"
    application = get_application_model().objects.create(
        client_id=program.id,
        client_secret=program.secret,
        client_type="confidential",
        authorization_grant_type="client-credentials",
        user=robot.user,
    )
    connecting.connect(robot.user, application, MCP, ["mcp:read"], "")

    refused(ask(program), "invalid_client", 401)


def test_it_has_no_page_and_no_codes(nightly: Program, anna: Person) -> None:
    for uri in (CALLBACK, None):
        assert anna.open(nightly.request(redirect_uri=uri)).status_code == 400
    refused(nightly.redeem("x"), "unauthorized_client")
    refused(nightly.refresh("x"), "unauthorized_client")


# What it is not given


@pytest.mark.parametrize(
    "resource",
    [
        OTHER,
        HOST,
        f"{MCP}/x",
        "https://evil.example/mcp",
        "http://testserver:81/mcp",
        "urn:x",
        [MCP, OTHER],
    ],
    ids=str,
)
def test_a_token_is_for_the_server_it_was_made_for(nightly: Program, resource: Any) -> None:
    router = MCPRouter([mount("mcp-b", server_named("other"), authenticate=bearer)], ASGIHandler())

    refused(ask(nightly, resource=resource), "invalid_target")
    del router


def test_its_token_is_none_for_the_server_next_door(door: Door, nightly: Program) -> None:
    router = MCPRouter([mount("mcp-b", server_named("other"), authenticate=bearer)], ASGIHandler())
    asked = next_door(token(nightly))

    assert async_to_sync(Door("consumer", router).send)(asked).status == 401


@pytest.mark.parametrize("scope", ["desk:lend", "mcp:read desk:lend", "everything"])
def test_more_scopes_than_were_chosen_are_refused(nightly: Program, scope: str) -> None:
    refused(ask(nightly, scope=scope), "invalid_scope")


def test_what_was_chosen_is_all_there_is_at_the_endpoint(door: Door, robot: Person) -> None:
    reader = made_for(robot, scopes=["mcp:read"])

    refused(ask(reader, scope="mcp:write"), "invalid_scope")
    secret = token(reader)
    assert async_to_sync(door.calling)(secret, "look").status == 200
    assert async_to_sync(door.calling)(secret, "write", text="x").status == 403


# When it ends


def test_with_the_account_it_ends_at_once(door: Door, nightly: Program, robot: Person) -> None:
    secret = token(nightly)
    robot.user.is_active = False
    robot.user.save()

    assert async_to_sync(door.calling)(secret, "look").status == 401
    assert ask(nightly).json()["error"] == "unauthorized_client"


def test_an_account_that_is_gone_takes_it_along(nightly: Program, robot: Person) -> None:
    robot.user.delete()

    refused(ask(nightly), "unauthorized_client")


def test_a_client_that_is_blocked_is_out_at_once(door: Door, nightly: Program) -> None:
    secret = token(nightly)
    Client.objects.update(status=Client.Status.BLOCKED)

    assert async_to_sync(door.calling)(secret, "look").status == 401
    assert ask(nightly).json()["error"] == "invalid_client"


def test_whoever_ends_the_connection_ends_it_for_good(door: Door, nightly: Program) -> None:
    secret = token(nightly)
    connecting.disconnect(Connection.objects.get())

    assert async_to_sync(door.calling)(secret, "look").status == 401
    refused(ask(nightly), "unauthorized_client")


# Guessing


def test_secrets_are_not_guessed_for_long(nightly: Program, robot: Person) -> None:
    other = made_for(robot)
    wrong = [ask(nightly, client_secret=f"guess {n}") for n in range(12)]
    statuses = [response.status_code for response in wrong]

    assert statuses == [401] * 10 + [429] * 2
    assert int(wrong[-1]["Retry-After"]) > 0
    # Not even with the right one, or it would be known which that is; others are not held up.
    assert ask(nightly).status_code == 429
    assert ask(nightly, headers={"X-Forwarded-For": "192.0.2.1"}).status_code == 429
    assert ask(other).status_code == 200


def test_secrets_in_the_header_are_counted_as_well(nightly: Program) -> None:
    pair = base64.b64encode(f"{nightly.id}:wrong".encode()).decode()
    headers = {"Authorization": f"Basic {pair}"}

    statuses = [
        ask(nightly, client_id=None, client_secret=None, headers=headers).status_code
        for _ in range(11)
    ]
    assert statuses == [401] * 10 + [429]
    assert ask(nightly).status_code == 429


@pytest.mark.parametrize("header", ["Basic !", "Basic /////w==", "Basic " + "A" * 9000, "Basic"])
def test_a_header_that_cannot_be_read_is_no_proof(nightly: Program, header: str) -> None:
    response = ask(nightly, client_id=None, client_secret=None, headers={"Authorization": header})

    refused(response, "invalid_client", 401)
