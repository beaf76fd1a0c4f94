"""The token endpoint: codes and refresh tokens become tokens once, and for whom they are."""

from __future__ import annotations

import base64
from datetime import timedelta
from typing import Any

import pytest
from asgiref.sync import async_to_sync
from django.utils import timezone
from oauth2_provider.models import (
    get_access_token_model,
    get_grant_model,
    get_refresh_token_model,
)

from django_mcp.oauth import fetching
from django_mcp.oauth.models import Connection
from tests.oauth.conftest import Door
from tests.oauth.people import CALLBACK, MCP, Person, Program

AccessToken, RefreshToken = get_access_token_model(), get_refresh_token_model()


@pytest.fixture
def code(anna: Person, program: Program) -> str:
    """What anna's consent gives the program."""
    return anna.allow(program.register().request())["code"]


def fails(response: Any, error: str = "invalid_grant", status: int = 400) -> None:
    assert (response.status_code, response.json()["error"]) == (status, error)
    assert response["Cache-Control"] == "no-store"


def works(door: Door, token: str) -> bool:
    return async_to_sync(door.calling)(token, "look").status == 200


# 52, 53


def test_a_code_that_is_sent_again_ends_what_came_of_it(
    door: Door, program: Program, code: str
) -> None:
    tokens = program.redeem(code).json()
    assert works(door, tokens["access_token"])

    fails(program.redeem(code))
    assert not works(door, tokens["access_token"])
    fails(program.refresh(tokens["refresh_token"]))


def test_what_was_refreshed_meanwhile_ends_with_it(door: Door, program: Program, code: str) -> None:
    tokens = program.redeem(code).json()
    tokens = program.refresh(tokens["refresh_token"]).json()

    fails(program.redeem(code))
    assert not works(door, tokens["access_token"])
    fails(program.refresh(tokens["refresh_token"]))


def test_a_code_that_somebody_else_sends_ends_nothing(
    door: Door, program: Program, code: str
) -> None:
    tokens = program.redeem(code).json()

    fails(Program().register().redeem(code))
    assert works(door, tokens["access_token"])


# 54, 55


@pytest.mark.parametrize(
    ("changed", "error"),
    [
        ({"redirect_uri": "http://127.0.0.1:5001/callback"}, "invalid_request"),
        ({"code_verifier": "x" * 43}, "invalid_grant"),
        ({"code_verifier": None}, "invalid_grant"),
        ({"code_verifier": "short"}, "invalid_grant"),
        ({"code_verifier": "x" * 129}, "invalid_grant"),
        ({"code": "made up"}, "invalid_grant"),
        ({"code": ""}, "invalid_grant"),
        ({"code": "x" * 10_000}, "invalid_grant"),
        ({"client_id": "unknown"}, "invalid_client"),
    ],
    ids=str,
)
def test_a_code_is_good_for_who_asked_for_it(
    program: Program, code: str, changed: Any, error: str
) -> None:
    response = program.redeem(**{"code": code, **changed})
    assert response.status_code in (400, 401)
    assert response.json()["error"] in (error, "invalid_request"), response.content

    # Whoever tried has not used it up.
    assert program.redeem(code).status_code == 200


def test_another_client_cannot_use_a_code_nor_use_it_up(program: Program, code: str) -> None:
    other = Program().register()
    other.verifier = program.verifier

    fails(other.redeem(code))
    assert program.redeem(code).status_code == 200


def test_a_code_is_good_for_a_minute(program: Program, code: str) -> None:
    grant = get_grant_model().objects.get()
    assert timedelta(seconds=50) < grant.expires - timezone.now() <= timedelta(seconds=60)
    get_grant_model().objects.update(expires=timezone.now())

    fails(program.redeem(code))


def test_the_redirect_uri_need_not_be_repeated(program: Program, code: str) -> None:
    assert program.redeem(code, redirect_uri=None).status_code == 200


def test_the_database_keeps_no_code(code: str) -> None:
    assert get_grant_model().objects.get().code != code


# 57


@pytest.mark.parametrize(
    "resource", ["http://testserver/mcp-b", "https://evil.example/", "x", [MCP, MCP + "-b"]]
)
def test_a_token_is_for_the_resource_that_was_consented_to(
    program: Program, code: str, resource: Any
) -> None:
    fails(program.redeem(code, resource=resource), "invalid_target")
    assert program.redeem(code, resource=MCP).status_code == 200


# 58


def test_a_refresh_token_gives_no_more_than_it_was_given_for(
    program: Program, anna: Person
) -> None:
    tokens = program.connect(anna, scope="mcp:read")
    refresh = tokens["refresh_token"]

    fails(program.refresh(refresh, scope="mcp:read mcp:write"), "invalid_scope")
    fails(program.refresh(refresh, resource="http://testserver/mcp-b"), "invalid_target")
    fails(Program().register().refresh(refresh))
    assert program.refresh(refresh, resource=MCP).json()["scope"] == "mcp:read"


def test_a_refresh_gives_new_tokens_and_lets_the_old_one_run_out(
    door: Door, program: Program, tokens: dict[str, Any]
) -> None:
    renewed = program.refresh(tokens["refresh_token"]).json()

    assert renewed["access_token"] != tokens["access_token"]
    assert renewed["refresh_token"] != tokens["refresh_token"]
    assert works(door, renewed["access_token"])
    # A call may be on its way with the old one, which is good for the grace and no longer.
    assert works(door, tokens["access_token"])
    old = AccessToken.objects.order_by("pk").first()
    assert old.expires <= timezone.now() + timedelta(seconds=60)


# 59


def used_before(seconds: int) -> None:
    RefreshToken.objects.exclude(revoked=None).update(
        revoked=timezone.now() - timedelta(seconds=seconds)
    )


def test_a_refresh_token_that_comes_back_late_ends_all_of_its_family(
    door: Door, program: Program, tokens: dict[str, Any]
) -> None:
    renewed = program.refresh(tokens["refresh_token"]).json()
    used_before(61)

    fails(program.refresh(tokens["refresh_token"]))
    fails(program.refresh(renewed["refresh_token"]))
    assert not works(door, renewed["access_token"])
    assert not works(door, tokens["access_token"])


def test_a_refresh_token_that_comes_twice_at_once_makes_siblings_and_not_many(
    door: Door, program: Program, tokens: dict[str, Any]
) -> None:
    answers = [program.refresh(tokens["refresh_token"]) for _ in range(8)]

    assert [answer.status_code for answer in answers] == [200] * 6 + [400] * 2
    assert all(works(door, answer.json()["access_token"]) for answer in answers[:6])
    # Each of them goes on.
    assert program.refresh(answers[0].json()["refresh_token"]).status_code == 200
    assert program.refresh(answers[3].json()["refresh_token"]).status_code == 200


def test_without_a_grace_the_second_use_ends_all(
    door: Door, program: Program, tokens: dict[str, Any], settings: Any
) -> None:
    settings.DJANGO_MCP_OAUTH = {"REFRESH_GRACE_SECONDS": 0}
    renewed = program.refresh(tokens["refresh_token"]).json()

    fails(program.refresh(tokens["refresh_token"]))
    assert not works(door, renewed["access_token"])


def test_a_refresh_token_that_was_taken_back_makes_no_sibling(
    program: Program, tokens: dict[str, Any]
) -> None:
    program.ask("/oauth/revoke", token=tokens["refresh_token"])

    fails(program.refresh(tokens["refresh_token"]))


def test_one_whose_successor_was_taken_back_makes_none_either(
    program: Program, tokens: dict[str, Any]
) -> None:
    renewed = program.refresh(tokens["refresh_token"]).json()
    program.ask("/oauth/revoke", token=renewed["refresh_token"])

    fails(program.refresh(tokens["refresh_token"]))


def test_a_refresh_token_nobody_uses_runs_out(program: Program, tokens: dict[str, Any]) -> None:
    month = timedelta(days=30, seconds=1)
    RefreshToken.objects.update(created=timezone.now() - month)

    fails(program.refresh(tokens["refresh_token"]))


def test_a_refresh_ends_with_its_connection(program: Program, tokens: dict[str, Any]) -> None:
    Connection.objects.update(revoked=timezone.now())

    fails(program.refresh(tokens["refresh_token"]))


def test_a_scope_that_was_taken_back_is_not_refreshed(
    program: Program, tokens: dict[str, Any]
) -> None:
    Connection.objects.update(scopes="mcp:read")

    assert program.refresh(tokens["refresh_token"]).json()["scope"] == "mcp:read"


def test_who_does_not_use_refresh_tokens_is_given_none(anna: Person) -> None:
    program = Program().register(grant_types=["authorization_code"])

    assert "refresh_token" not in program.connect(anna)


# 61


@pytest.fixture
def confidential(anna: Person, program: Program) -> Program:
    return program.register(token_endpoint_auth_method="client_secret_basic")


def basic(id: str, secret: str) -> dict[str, str]:
    return {"Authorization": "Basic " + base64.b64encode(f"{id}:{secret}".encode()).decode()}


def test_a_client_with_a_secret_says_it_in_either_way(anna: Person, confidential: Program) -> None:
    code = anna.allow(confidential.request())["code"]
    header = basic(confidential.id, confidential.secret)
    first = confidential.redeem(code, client_secret=None, client_id=None, headers=header)
    again = confidential.refresh(first.json()["refresh_token"])

    assert (first.status_code, again.status_code) == (200, 200)


def test_a_client_with_a_secret_has_to_say_it(anna: Person, confidential: Program) -> None:
    code = anna.allow(confidential.request())["code"]
    attempts = [
        confidential.redeem(code, client_secret=None),
        confidential.redeem(code, client_secret="wrong"),
        confidential.redeem(code, client_secret=None, headers=basic(confidential.id, "wrong")),
        confidential.redeem(code, client_secret=None, headers=basic(confidential.id, "")),
        confidential.redeem(code, client_secret=None, headers={"Authorization": "Basic %%%"}),
    ]

    for response in attempts:
        fails(response, "invalid_client", 401)
        assert response["WWW-Authenticate"] == 'Basic realm="oauth"'
    both = confidential.redeem(code, headers=basic(confidential.id, confidential.secret))
    fails(both, "invalid_request")
    assert confidential.redeem(code).status_code == 200


def test_a_secret_in_the_url_is_not_read(anna: Person, confidential: Program) -> None:
    code = anna.allow(confidential.request())["code"]
    path = f"/oauth/token?client_secret={confidential.secret}"

    fails(
        confidential.ask(path, grant_type="authorization_code", code=code, client_secret=None),
        "invalid_request",
    )


def test_a_client_without_a_secret_cannot_have_one(program: Program, code: str) -> None:
    fails(program.redeem(code, client_secret="guess"), "invalid_client", 401)
    header = basic(program.id, "")
    fails(program.redeem(code, client_id=None, headers=header), "invalid_client", 401)


# 62-64


@pytest.mark.parametrize(
    "grant_type",
    [
        "password",
        "implicit",
        "client_credentials",
        "urn:ietf:params:oauth:grant-type:device_code",
        "urn:ietf:params:oauth:grant-type:jwt-bearer",
        "urn:ietf:params:oauth:grant-type:token-exchange",
        "openid",
        "",
    ],
)
def test_there_are_no_other_grants(program: Program, code: str, grant_type: str) -> None:
    response = program.ask(grant_type=grant_type, code=code, username="anna", password="secret")

    fails(response, "unsupported_grant_type")


def test_a_token_request_is_a_form_in_a_post(program: Program, code: str) -> None:
    form = {"grant_type": "authorization_code", "code": code, "client_id": program.id}
    form |= {"code_verifier": program.verifier, "redirect_uri": CALLBACK}

    assert program.http.get("/oauth/token", form).status_code == 405
    json = program.http.post("/oauth/token", form, content_type="application/json")
    multipart = program.http.post("/oauth/token", form)
    assert (json.status_code, multipart.status_code) == (415, 415)
    repeated = program.redeem(code, code_verifier=[program.verifier, "other"])
    fails(repeated, "invalid_request")
    fails(program.redeem("\x00"), "invalid_request")
    assert program.redeem(code).status_code == 200


def test_an_answer_with_tokens_is_not_kept(program: Program, code: str) -> None:
    response = program.redeem(code)

    assert response["Cache-Control"] == "no-store"
    assert response["Access-Control-Allow-Origin"] == "*"
    assert "Access-Control-Allow-Credentials" not in response


# 66


def test_nobody_makes_this_server_fetch_anything_without_logging_in(
    program: Program, monkeypatch: pytest.MonkeyPatch
) -> None:
    fetched: list[str] = []

    async def fetch(url: str) -> None:
        fetched.append(url)

    monkeypatch.setattr(fetching, "fetch", fetch)
    program.id = "https://client.example/document.json"
    stranger = Person("carl", logged_in=False)

    fails(program.redeem("code"), "invalid_client", 401)
    fails(program.refresh("token"), "invalid_client", 401)
    assert program.ask("/oauth/revoke", token="token").status_code == 401
    assert stranger.open(program.request()).status_code == 302
    assert stranger.open(program.request(prompt="none")).status_code == 400
    assert fetched == []


# Giving tokens back (RFC 7009)


@pytest.mark.parametrize("which", ["access_token", "refresh_token"])
def test_a_token_that_is_given_back_takes_its_family_along(
    door: Door, program: Program, tokens: dict[str, Any], which: str
) -> None:
    response = program.ask("/oauth/revoke", token=tokens[which])

    assert response.status_code == 200
    assert not works(door, tokens["access_token"])
    fails(program.refresh(tokens["refresh_token"]))


def test_a_token_is_given_back_by_whose_it_is(
    door: Door, program: Program, tokens: dict[str, Any]
) -> None:
    other = Program().register()

    # As for one that nobody knows: the answer does not tell.
    assert other.ask("/oauth/revoke", token=tokens["access_token"]).status_code == 200
    assert other.ask("/oauth/revoke", token="unknown").status_code == 200
    assert works(door, tokens["access_token"])
    nobody = other.ask("/oauth/revoke", token=tokens["access_token"], client_id="unknown")
    assert nobody.status_code == 401
