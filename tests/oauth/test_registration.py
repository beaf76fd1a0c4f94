"""Clients that register themselves: what they may say, and what it gives them."""

from __future__ import annotations

import json
from typing import Any

import pytest
from django.test import Client as Browser
from oauth2_provider.models import get_application_model

from django_mcp.oauth.models import Client
from tests.oauth.people import CALLBACK, Person, Program, parameters_of

Application = get_application_model()

SAID = {
    "client_name": "A Program",
    "redirect_uris": [CALLBACK],
    "token_endpoint_auth_method": "none",
}


def said(**changed: Any) -> dict[str, Any]:
    return {**SAID, **changed}


def fails(response: Any, error: str = "invalid_client_metadata") -> None:
    assert (response.status_code, response.json()["error"]) == (400, error), response.content
    assert not Application.objects.exists()


def test_a_client_is_told_what_was_registered() -> None:
    response = Program().register_as(said(client_uri="https://client.example/", user=7))
    told = response.json()

    assert response.status_code == 201
    assert response["Cache-Control"] == "no-store"
    assert response["Access-Control-Allow-Origin"] == "*"
    issued = told.pop("client_id_issued_at")
    assert issued == int(Client.objects.get().created.timestamp())
    assert told == {
        "client_id": Application.objects.get().client_id,
        "client_name": "A Program",
        "redirect_uris": [CALLBACK],
        "grant_types": ["authorization_code"],
        "response_types": ["code"],
        "token_endpoint_auth_method": "none",
        "client_uri": "https://client.example/",
    }


@pytest.mark.parametrize("method", ["client_secret_basic", "client_secret_post", None])
def test_a_confidential_client_is_told_its_secret_once(method: str | None) -> None:
    metadata = said(token_endpoint_auth_method=method)
    if method is None:
        del metadata["token_endpoint_auth_method"]
    told = Program().register_as(metadata).json()

    assert told["client_secret_expires_at"] == 0
    assert len(told["client_secret"]) > 40
    assert Application.objects.get().client_secret != told["client_secret"]


# 67


def test_there_is_an_end_to_how_many_register(settings: Any) -> None:
    settings.DJANGO_MCP_OAUTH = {"REGISTRATIONS_PER_HOUR": 2}
    forged = {"X-Forwarded-For": "203.0.113.7"}
    answers = [Program().register_as(said()) for _ in range(2)]
    answers += [Program().register_as(said()), Program().register_as(said(), headers=forged)]

    assert [answer.status_code for answer in answers] == [201, 201, 429, 429]
    assert 0 < int(answers[-1]["Retry-After"]) <= 2 * 3600


def test_behind_a_proxy_each_address_counts_for_itself(settings: Any) -> None:
    settings.DJANGO_MCP = {**settings.DJANGO_MCP, "TRUSTED_PROXIES": 1}
    settings.DJANGO_MCP_OAUTH = {"REGISTRATIONS_PER_HOUR": 1}

    def status(said_by_client: str, added_by_proxy: str) -> int:
        headers = {"X-Forwarded-For": f"{said_by_client}, {added_by_proxy}"}
        return int(Program().register_as(said(), headers=headers).status_code)

    assert status("1.1.1.1", "203.0.113.7") == 201
    assert status("2.2.2.2", "203.0.113.7") == 429
    assert status("1.1.1.1", "203.0.113.8") == 201


# 68, 69


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"[]",
        b"null",
        b'{"redirect_uris": ["https://a.example/"], "redirect_uris": []}',
        b"\xff\xfe{}",
        b"[" * 8000,
        b'{"a":' * 2000 + b"1" + b"}" * 2000,
        b'{"client_name": "' + b"x" * 1_000_000 + b'"}',
        b'{"redirect_uris": ["https://a.example/cb"], "x": NaN}',
        '{"redirect_uris": ["https://a.example/cb"]}'.encode("utf-16"),
        # What JSON can write, and no database keeps.
        b'{"redirect_uris": ["https://a.example/cb"], "client_name": "\\ud800"}',
        b'{"redirect_uris": ["https://a.example/cb"], "logo_uri": "\\ud800"}',
        b'{"redirect_uris": ["https://a.example/cb"], "\\udfff": 1}',
        b'{"redirect_uris": ["https://a.example/cb"], "x": 1e400}',
    ],
    ids=range(14),
)
def test_what_is_no_registration_is_refused(body: bytes) -> None:
    fails(Program().register_as(body))


def test_a_form_of_another_site_registers_nothing(anna: Person) -> None:
    browser = Browser()
    browser.force_login(anna.user)

    fails(browser.post("/oauth/register", SAID))
    assert browser.get("/oauth/register").status_code == 405


@pytest.mark.parametrize(
    "uris",
    [
        [],
        None,
        "https://site.example/cb",
        [7],
        ["https://site.example/cb https://evil.example/"],
        ["https://site.example/cb\n"],
        ["https://site.example/cb\thttps://evil.example/"],
        [f"https://site.example/{n}" for n in range(5000)][:500],
        ["http://site.example/cb"],
        ["http://localhost.evil.example/cb"],
        ["http://127.0.0.1.evil.example/"],
        ["http://[::ffff:127.0.0.1]/"],
        ["http://0.0.0.0/"],
        ["http://10.0.0.1/"],
        ["javascript:alert(1)"],
        ["data:text/html,x"],
        ["file:///etc/passwd"],
        ["vbscript:x"],
        ["//evil.example/"],
        ["\\\\evil.example"],
        ["https://user:secret@site.example/cb"],
        ["https://site.example/cb#fragment"],
        ["https://site.example/a/../cb"],
        ["https:///cb"],
        ["https://site.example:99999/"],
        ["https://s\u00edte.example/cb"],
        ["https://site.example/" + "x" * 3000],
        ["app://oauth/callback"],
        # The page of authorization names the origin in its policy for content.
        ["https://site.example;sandbox/cb"],
        ["https://site.example,evil.example/cb"],
        ["https://*/cb"],
        ["https://'none'/cb"],
    ],
    ids=range(32),
)
def test_a_redirect_uri_is_https_or_on_this_computer(uris: Any) -> None:
    fails(Program().register_as(said(redirect_uris=uris)), "invalid_redirect_uri")


def test_of_several_redirect_uris_those_are_kept_that_may_be() -> None:
    """Refusing it all would refuse clients that name one for each way they can be called back."""
    uris = [
        "app://oauth/callback",
        "https://app.example/callback",
        "http://localhost:8787/callback",
    ]

    assert Program().register_as(said(redirect_uris=uris)).json()["redirect_uris"] == uris[1:]


def test_a_redirect_uri_of_another_kind_can_be_allowed(settings: Any, anna: Person) -> None:
    uri = "app://oauth/callback"
    settings.DJANGO_MCP_OAUTH = {"EXTRA_REDIRECT_URIS": [uri]}
    program = Program(uri).register()
    page = anna.open(program.request())

    assert "app:" in page.content.decode()
    assert "form-action 'self' app:;" in page["Content-Security-Policy"]
    response = anna.answer(page)
    assert response["Location"].startswith(f"{uri}?code=")
    assert program.redeem(parameters_of(response)["code"]).status_code == 200
    assert anna.open(program.request(redirect_uri="app://evil/callback")).status_code == 400


# 70-74


@pytest.mark.parametrize("grants", [["client_credentials"], ["password"], ["implicit"], [], "code"])
def test_a_client_without_codes_is_none(grants: Any) -> None:
    fails(Program().register_as(said(grant_types=grants)))


def test_grants_that_are_not_there_are_left_out() -> None:
    grants = [
        "authorization_code",
        "refresh_token",
        "urn:ietf:params:oauth:grant-type:device_code",
        "client_credentials",
    ]
    response = Program().register_as(said(grant_types=grants, application_type="native"))

    assert response.json()["grant_types"] == ["authorization_code", "refresh_token"]
    assert response.json()["application_type"] == "native"
    assert Application.objects.get().authorization_grant_type == "authorization-code"


def test_a_client_does_not_choose_what_it_is() -> None:
    Program().register_as(
        said(
            client_id="https://evil.example/me",
            client_secret="mine",
            skip_authorization=True,
            user=1,
            algorithm="RS256",
            registration_access_token="x",
        )
    )
    application = Application.objects.get()

    assert not application.client_id.startswith("https:")
    assert application.skip_authorization is False
    assert (application.user, application.algorithm) == (None, "")
    assert application.registration_source == "dcr"


def test_a_registration_is_not_changed_afterwards(program: Program) -> None:
    program.register()

    for method in ("get", "put", "delete"):
        response = getattr(Browser(), method)(f"/oauth/register/{program.id}/")
        assert response.status_code == 404


@pytest.mark.parametrize(
    "changed",
    [
        {"response_types": ["token"]},
        {"response_types": ["code", "token"]},
        {"token_endpoint_auth_method": "private_key_jwt"},
        {"token_endpoint_auth_method": ["none"]},
    ],
    ids=str,
)
def test_what_is_not_known_here_is_refused(changed: Any) -> None:
    fails(Program().register_as(said(**changed)))


def test_a_name_may_be_anything_and_is_cut() -> None:
    told = Program().register_as(said(client_name="x" * 300 + "\x00")).json()
    unnamed = Program().register_as(said(client_name=7)).json()

    assert (told["client_name"], unnamed["client_name"]) == ("x" * 100, "")


# Who may register


def test_where_clients_are_approved_a_new_one_has_to_wait(anna: Person, settings: Any) -> None:
    settings.DJANGO_MCP_OAUTH = {"REGISTRATION": "approval"}
    program = Program().register()
    waiting = anna.open(program.request())
    Client.objects.update(status=Client.Status.ALLOWED)

    assert waiting.status_code == 400
    assert "has not been approved yet" in waiting.content.decode()
    assert anna.open(program.request()).status_code == 200


def test_where_nobody_registers_that_is_said(settings: Any, client: Any) -> None:
    settings.DJANGO_MCP_OAUTH = {"REGISTRATION": "off"}
    response = Program().register_as(said())
    metadata = client.get("/.well-known/oauth-authorization-server/oauth").json()

    assert (response.status_code, response.json()["error"]) == (403, "access_denied")
    assert "registration_endpoint" not in metadata
    assert json.dumps(metadata)
