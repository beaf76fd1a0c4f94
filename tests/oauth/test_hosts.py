"""Well-known hosts connect with what they are known to say: as far as a token, and a call with it.

What they say is `hosts`, a table in which each names its source.
"""

from __future__ import annotations

from typing import Any

import pytest
from asgiref.sync import async_to_sync

from django_mcp.oauth import fetching
from django_mcp.oauth.fetching import CannotFetch, Fetched
from tests.oauth.conftest import Door
from tests.oauth.hosts import CURSOR, HOSTS, Host
from tests.oauth.people import Person, Program, parameters_of

REGISTERED = [host for host in HOSTS if host.document is None]


@pytest.fixture(params=HOSTS, ids=lambda host: host.name)
def host(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> Host:
    """Each of them in turn, with its document where it has one, and no other on the internet."""
    found: Host = request.param

    async def fetch(url: str) -> Fetched:
        if url != found.document or not fetching.is_fetchable(url):
            raise CannotFetch("there is none")
        return Fetched(dict(found.says), None)

    monkeypatch.setattr(fetching, "fetch", fetch)
    return found


def introduce(host: Host) -> Program:
    """The program, registered as the host registers, or with the URL of its document as its id."""
    program = Program(host.redirect_uri)
    if host.document is not None:
        program.id = host.document
        return program
    response = program.register_as(dict(host.says))
    assert response.status_code == 201, response.content
    told = response.json()
    program.id, program.secret = told["client_id"], told.get("client_secret", "")
    return program


def test_a_host_is_let_in_with_what_it_says_of_itself(door: Door, anna: Person, host: Host) -> None:
    program = introduce(host)
    page = anna.open(program.request(scope="mcp:read offline_access", prompt="consent"))
    assert page.status_code == 200, page.content.decode()
    answer = anna.answer(page)
    tokens = program.redeem(parameters_of(answer)["code"]).json()
    refreshed = program.refresh(tokens["refresh_token"]).json()
    answered = async_to_sync(door.calling)(refreshed["access_token"], "look")

    assert host.says["client_name"] in page.content.decode()
    assert answer["Location"].startswith(f"{host.redirect_uri}?code=")
    assert bool(program.secret) == host.has_secret
    assert answered.result["content"][0]["text"] == "seen"


@pytest.mark.parametrize("host", REGISTERED, ids=lambda host: host.name)
def test_a_registration_says_what_became_of_it(host: Host) -> None:
    told = Program().register_as(dict(host.says)).json()

    assert told["redirect_uris"] == host.says["redirect_uris"]
    assert told["grant_types"] == ["authorization_code", "refresh_token"]


# A program may claim any scheme that it likes, so no other of them is taken.


@pytest.mark.parametrize(
    "uri",
    [
        CURSOR + "/",
        CURSOR + "?next=x",
        CURSOR + "#x",
        CURSOR.upper(),
        CURSOR.replace("cursor-mcp", "cursor-mcp.evil"),
        CURSOR.replace("anysphere", "anna@anysphere"),
        CURSOR.replace("callback", "../callback"),
        "cursor://evil/oauth/callback",
        "cursor:anysphere.cursor-mcp/oauth/callback",
        "vscode://anysphere.cursor-mcp/oauth/callback",
    ],
)
def test_the_scheme_of_a_host_is_taken_letter_by_letter(anna: Person, uri: Any) -> None:
    refused = Program().register_as({"redirect_uris": [uri], "token_endpoint_auth_method": "none"})
    cursor = Program(CURSOR).register()

    assert refused.json()["error"] == "invalid_redirect_uri"
    assert anna.open(cursor.request(redirect_uri=uri)).status_code == 400


def test_the_user_is_told_that_a_scheme_leads_to_a_program_of_theirs(anna: Person) -> None:
    page = anna.open(Program(CURSOR).register().request()).content.decode()

    assert "Any program that runs here could receive it." in page
    assert '<span class="host">cursor:</span>' in page


def test_a_project_can_do_without_schemes(settings: Any, anna: Person) -> None:
    cursor = Program(CURSOR).register()
    settings.DJANGO_MCP_OAUTH = {"EXTRA_REDIRECT_URIS": ()}

    refused = Program().register_as({"redirect_uris": [CURSOR]})
    assert refused.json()["error"] == "invalid_redirect_uri"
    # One that registered before is no longer answered there either.
    assert anna.open(cursor.request()).status_code == 400
