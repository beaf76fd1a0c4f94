"""From a server to its authorization server, as a conversation."""

from __future__ import annotations

import pytest

from django_mcp.client.auth.challenges import Challenge
from django_mcp.client.auth.discovery import authorization_server, discover
from django_mcp.client.auth.errors import (
    IssuerMismatch,
    MetadataInvalid,
    MetadataNotFound,
    ResourceMismatch,
    UnsafeURL,
)

from .playing import play, resource_metadata, server_metadata, urls

SERVER = "https://mcp.example/mcp"
AT_PATH = "https://mcp.example/.well-known/oauth-protected-resource/mcp"
AT_HOST = "https://mcp.example/.well-known/oauth-protected-resource"
OF_AUTH = "https://auth.example/.well-known/oauth-authorization-server"
OF_HOST = "https://mcp.example/.well-known/oauth-authorization-server"


def naming(url: str) -> Challenge:
    return Challenge(scheme="bearer", parameters={"resource_metadata": url})


def test_the_document_that_the_challenge_names_is_read_first() -> None:
    named = "https://mcp.example/custom.json"
    answers = {named: resource_metadata(), OF_AUTH: server_metadata()}

    found, asked = play(discover(SERVER, naming(named)), answers)

    assert urls(asked) == [named, OF_AUTH]
    assert (found.resource, found.issuer) == (SERVER, "https://auth.example")


def test_without_a_name_it_is_looked_for_at_the_path_and_then_at_the_host() -> None:
    answers = {AT_HOST: resource_metadata("https://mcp.example"), OF_AUTH: server_metadata()}

    found, asked = play(discover(SERVER), answers)

    assert urls(asked) == [AT_PATH, AT_HOST, OF_AUTH]
    assert found.resource == "https://mcp.example"


def test_the_resource_is_kept_as_the_server_writes_it() -> None:
    answers = {AT_PATH: resource_metadata("https://MCP.example/mcp/"), OF_AUTH: server_metadata()}

    found, _ = play(discover(SERVER), answers)

    assert found.resource == "https://MCP.example/mcp/"


def test_an_openid_provider_below_a_path_is_found_last() -> None:
    issuer = "https://auth.example/tenant1"
    last = f"{issuer}/.well-known/openid-configuration"

    metadata, asked = play(authorization_server(issuer), {last: server_metadata(issuer)})

    assert urls(asked) == [
        f"{OF_AUTH}/tenant1",
        "https://auth.example/.well-known/openid-configuration/tenant1",
        last,
    ]
    assert metadata.token_endpoint == f"{issuer}/token"


def test_a_site_that_answers_every_path_with_a_page_has_no_document() -> None:
    page = b"<!doctype html><p>Welcome"
    answers = {AT_PATH: page, AT_HOST: page, OF_HOST: page}

    found, _ = play(discover(SERVER), answers)

    assert found.assumed


def test_the_protocol_version_goes_along() -> None:
    answers = {AT_PATH: resource_metadata(), OF_AUTH: server_metadata()}

    _, asked = play(discover(SERVER, headers={"MCP-Protocol-Version": "2025-03-26"}), answers)

    assert {request.headers["mcp-protocol-version"] for request in asked} == {"2025-03-26"}


def test_one_of_several_authorization_servers_is_chosen() -> None:
    listed = ["https://other.example", "https://auth.example"]
    answers = {AT_PATH: resource_metadata(authorization_servers=listed), OF_AUTH: server_metadata()}

    found, _ = play(discover(SERVER, choose=lambda issuers: issuers[1]), answers)

    assert found.issuer == "https://auth.example"


# ------------------------------------------------------------------------- servers of 2025-03-26


@pytest.mark.parametrize("issuer", ["https://mcp.example", "https://mcp.example/"])
def test_a_server_without_metadata_is_its_own_authorization_server(issuer: str) -> None:
    found, asked = play(discover(SERVER), {OF_HOST: server_metadata(issuer)})

    assert urls(asked) == [AT_PATH, AT_HOST, OF_HOST]
    assert (found.issuer, found.resource, found.assumed) == (issuer, SERVER, False)


def test_a_server_without_any_metadata_has_its_endpoints_at_fixed_paths() -> None:
    found, _ = play(discover(SERVER), {})

    assert found.assumed
    assert found.metadata.authorization_endpoint == "https://mcp.example/authorize"
    assert found.metadata.token_endpoint == "https://mcp.example/token"
    assert found.metadata.registration_endpoint == "https://mcp.example/register"


def test_the_older_way_can_be_left_out() -> None:
    with pytest.raises(MetadataNotFound, match="RFC 9728") as caught:
        play(discover(SERVER, fallback=False), {})

    assert caught.value.urls == (AT_PATH, AT_HOST)


@pytest.mark.parametrize("status", [500, 503, 429])
@pytest.mark.parametrize("url", [AT_PATH, AT_HOST, OF_HOST])
def test_a_server_in_trouble_is_not_taken_for_an_older_one(url: str, status: int) -> None:
    with pytest.raises(MetadataNotFound, match=str(status)):
        play(discover(SERVER), {url: status})


def test_a_server_that_names_a_missing_document_is_not_taken_for_an_older_one() -> None:
    with pytest.raises(MetadataNotFound):
        play(discover(SERVER, naming("https://mcp.example/gone")), {OF_HOST: server_metadata()})


# ------------------------------------------------------------------------------- what is refused


def test_metadata_of_another_resource_is_not_used() -> None:
    answers = {AT_PATH: resource_metadata("https://bank.example/mcp"), OF_AUTH: server_metadata()}

    with pytest.raises(ResourceMismatch, match=r"bank\.example") as caught:
        play(discover(SERVER), answers)

    assert (caught.value.expected, caught.value.found) == (SERVER, "https://bank.example/mcp")


@pytest.mark.parametrize(
    "issuer",
    [
        "https://honest.example",
        "https://auth.example/",
        "https://AUTH.example",
        "https://auth.example:443",
    ],
)
def test_an_issuer_is_compared_letter_for_letter(issuer: str) -> None:
    answers = {AT_PATH: resource_metadata(), OF_AUTH: server_metadata(issuer)}

    with pytest.raises(IssuerMismatch) as caught:
        play(discover(SERVER), answers)

    assert (caught.value.expected, caught.value.found) == ("https://auth.example", issuer)


def test_a_wrong_issuer_ends_the_search() -> None:
    second = "https://auth.example/.well-known/openid-configuration"
    answers = {OF_AUTH: server_metadata("https://honest.example"), second: server_metadata()}

    with pytest.raises(IssuerMismatch):
        play(authorization_server("https://auth.example"), answers)


@pytest.mark.parametrize(
    "document",
    [
        {},
        {"resource": SERVER},
        {"resource": SERVER, "authorization_servers": []},
        {"resource": SERVER, "authorization_servers": None},
        {"resource": SERVER, "authorization_servers": "https://auth.example"},
        {"resource": 1, "authorization_servers": ["https://auth.example"]},
    ],
)
def test_a_document_that_does_not_say_what_it_must_is_named(document: object) -> None:
    with pytest.raises(MetadataInvalid, match="oauth-protected-resource/mcp"):
        play(discover(SERVER), {AT_PATH: document})


@pytest.mark.parametrize(
    "name", ["authorization_endpoint", "token_endpoint", "registration_endpoint"]
)
@pytest.mark.parametrize(
    "url", ["http://auth.example/x", "javascript:alert(1)", "file:///x", "https://u:p@auth.example"]
)
def test_an_endpoint_that_is_not_safe_is_refused(name: str, url: str) -> None:
    answers = {AT_PATH: resource_metadata(), OF_AUTH: server_metadata(**{name: url})}

    with pytest.raises(UnsafeURL, match=name):
        play(discover(SERVER), answers)


def test_a_document_at_an_unsafe_url_is_not_asked_for() -> None:
    with pytest.raises(UnsafeURL, match="resource_metadata"):
        play(discover(SERVER, naming("http://10.0.0.1/latest")), {})


def test_an_authorization_server_without_metadata_is_told_with_what_was_tried() -> None:
    with pytest.raises(MetadataNotFound, match=r"openid-configuration answered 404") as caught:
        play(discover(SERVER), {AT_PATH: resource_metadata()})

    assert caught.value.urls[0] == OF_AUTH
