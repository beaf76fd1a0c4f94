"""How a client comes to an ID, and which way it takes."""

from __future__ import annotations

import json
from typing import Any

import pytest

from django_mcp.client.auth.discovery import Discovery
from django_mcp.client.auth.errors import RegistrationError
from django_mcp.client.auth.metadata import AuthorizationServerMetadata
from django_mcp.client.auth.registration import Registration, register, still_valid
from django_mcp.client.auth.values import ClientInformation

from .playing import play, server_metadata

ISSUER = "https://auth.example"
ENDPOINT = f"{ISSUER}/register"
HERE = "http://127.0.0.1:4711/callback"
ELSEWHERE = "https://app.example/callback"
METADATA_URL = "https://app.example/mcp-client.json"


def discovery(**metadata: Any) -> Discovery:
    return Discovery(
        resource="https://mcp.example/mcp",
        metadata=AuthorizationServerMetadata.model_validate(server_metadata(**metadata)),
    )


def registered(
    answer: object,
    registration: Registration | None = None,
    redirect_uri: str = HERE,
    **metadata: Any,
) -> tuple[ClientInformation, dict[str, Any]]:
    """What the registration came to, and what was said in it."""
    steps = register(registration or Registration(), discovery(**metadata), redirect_uri, ["read"])
    client, [request] = play(steps, {ENDPOINT: answer})
    return client, json.loads(request.content)


def test_a_client_on_this_machine_registers_as_native() -> None:
    client, said = registered((201, {"client_id": "c1"}), Registration(client_name="Library"))

    assert said == {
        "client_name": "Library",
        "redirect_uris": [HERE],
        "grant_types": ["authorization_code", "refresh_token"],
        "response_types": ["code"],
        "application_type": "native",
        "token_endpoint_auth_method": "none",
        "scope": "read",
    }
    assert client == ClientInformation(issuer=ISSUER, client_id="c1", redirect_uris=(HERE,))


def test_a_client_of_a_site_registers_as_web_and_with_a_secret_where_it_may() -> None:
    methods = ["none", "client_secret_post", "client_secret_basic"]
    client, said = registered(
        (201, {"client_id": "c1", "client_secret": "s", "client_secret_expires_at": 0}),
        redirect_uri=ELSEWHERE,
        token_endpoint_auth_methods_supported=methods,
    )

    assert said["application_type"] == "web"
    assert said["token_endpoint_auth_method"] == "client_secret_basic"
    assert client.client_secret == "s"


@pytest.mark.parametrize(
    ("redirect_uri", "kind"),
    [
        ("http://localhost/callback", "native"),
        ("http://[::1]:1/callback", "native"),
        ("https://localhost:8000/callback", "native"),
        ("com.example.app:/callback", "native"),
        ("https://app.example/callback", "web"),
    ],
)
def test_the_type_of_the_application_follows_from_where_users_come_back_to(
    redirect_uri: str, kind: str
) -> None:
    _, said = registered((201, {"client_id": "c1"}), redirect_uri=redirect_uri)

    assert said["application_type"] == kind


def test_what_is_given_takes_the_place_of_what_follows() -> None:
    registration = Registration(
        application_type="web", extra={"client_uri": "https://app.example", "scope": "all"}
    )
    _, said = registered((200, {"client_id": "c1"}), registration)

    assert said["application_type"] == "web"
    assert (said["client_uri"], said["scope"]) == ("https://app.example", "all")


def test_the_method_is_left_to_an_authorization_server_that_says_nothing_of_it() -> None:
    _, said = registered((201, {"client_id": "c1"}), token_endpoint_auth_methods_supported=None)

    assert "token_endpoint_auth_method" not in said


@pytest.mark.parametrize(
    "answer",
    [
        (400, {"error": "invalid_redirect_uri", "error_description": "https only"}),
        (403, {"error": "access_denied"}),
        404,
        302,
        (201, b"<html>"),
        (201, {}),
        (201, {"client_id": None}),
        (201, {"client_id": "c", "client_secret": "s", "token_endpoint_auth_method": "tls"}),
        (201, {"client_id": "c", "token_endpoint_auth_method": "private_key_jwt"}),
        (201, {"client_id": "c", "token_endpoint_auth_method": "client_secret_basic"}),
    ],
)
def test_a_registration_that_is_of_no_use_is_an_error_that_says_what_to_do(answer: object) -> None:
    with pytest.raises(RegistrationError, match="by hand"):
        registered(answer)


def test_a_refusal_is_told_in_the_words_of_the_authorization_server() -> None:
    refusal = {"error": "invalid_redirect_uri", "error_description": "https only"}

    with pytest.raises(RegistrationError, match=r"invalid_redirect_uri \(https only\)") as caught:
        registered((400, refusal))

    assert caught.value.error == "invalid_redirect_uri"


@pytest.mark.parametrize(
    ("registration", "metadata"),
    [(Registration(), {"registration_endpoint": None}), (Registration(dynamic=False), {})],
)
def test_without_any_way_the_client_has_to_be_registered_by_hand(
    registration: Registration, metadata: dict[str, Any]
) -> None:
    with pytest.raises(RegistrationError, match=r"issuer='https://auth\.example'"):
        play(register(registration, discovery(**metadata), HERE, []), {})


# ------------------------------------------------------------------------------ which way is taken


def test_an_id_from_before_comes_first() -> None:
    client = ClientInformation(issuer=ISSUER, client_id="by hand")
    registration = Registration(client=client, metadata_url=METADATA_URL)

    found = discovery(client_id_metadata_document_supported=True)

    assert registration.without_asking(found) == client


def test_a_metadata_document_comes_second_where_it_is_understood() -> None:
    registration = Registration(metadata_url=METADATA_URL)

    understood = registration.without_asking(discovery(client_id_metadata_document_supported=True))

    assert understood is not None
    assert understood.client_id == METADATA_URL
    assert registration.without_asking(discovery()) is None


def test_an_id_from_before_is_not_shown_to_another_authorization_server() -> None:
    client = ClientInformation(issuer="https://former.example", client_id="by hand")
    registration = Registration(client=client)

    with pytest.raises(RegistrationError, match=r"'https://former\.example'"):
        registration.choose_issuer([ISSUER])
    with pytest.raises(RegistrationError, match=r"'https://former\.example'"):
        registration.without_asking(discovery())


def test_the_authorization_server_that_knows_the_client_is_chosen() -> None:
    registration = Registration(client=ClientInformation(issuer=ISSUER, client_id="by hand"))

    assert registration.choose_issuer(["https://other.example", ISSUER]) == ISSUER
    assert Registration().choose_issuer(["https://other.example", ISSUER]).startswith("https://o")


@pytest.mark.parametrize(
    "url",
    [
        "http://app.example/client.json",
        "http://localhost/client.json",
        "https://app.example",
        "https://app.example/",
        "https://app.example/a/../client.json",
        "https://app.example/client.json#x",
        "https://u@app.example/client.json",
        "client.json",
    ],
)
def test_a_url_that_cannot_be_a_client_id_is_refused_at_once(url: str) -> None:
    with pytest.raises(RegistrationError, match="cannot be a client ID"):
        Registration(metadata_url=url)


def test_a_stored_registration_is_good_for_where_it_was_made_for_and_while_its_secret_is() -> None:
    client = ClientInformation(
        issuer=ISSUER, client_id="c1", redirect_uris=(HERE,), client_secret_expires_at=100
    )

    assert still_valid(client, HERE, 99)
    assert not still_valid(client, HERE, 100)
    assert not still_valid(client, HERE.replace("4711", "4712"), 99)
    assert still_valid(client.model_copy(update={"client_secret_expires_at": 0}), HERE, 100)
