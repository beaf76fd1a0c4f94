"""What clients read first: documents about what is there, and a 404 about all else."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
from django.core.handlers.asgi import ASGIHandler
from django.test import Client as Browser
from django.test import override_settings
from django.urls import (
    clear_script_prefix,
    clear_url_caches,
    include,
    path,
    set_script_prefix,
)

from django_mcp import MCPServer
from django_mcp.authentication import anonymous
from django_mcp.oauth.authentication import bearer
from django_mcp.routing import MCPRouter, mount
from django_mcp.urls import mcp_view
from tests.oauth.conftest import Door, server_named

RESOURCE = "/.well-known/oauth-protected-resource"
SERVER = "/.well-known/oauth-authorization-server"


# 89


@pytest.mark.parametrize(
    "asked",
    [
        f"{RESOURCE}/nothing",
        f"{RESOURCE}/mcp/more",
        f"{RESOURCE}/mcp%00",
        f"{RESOURCE}/https://evil.example/mcp",
        f"{RESOURCE}/mcp/../mcp",
        "/.well-known/oauth-authorization-server/nothing",
        "/.well-known/oauth-authorization-server/oauth/more",
        "/.well-known/openid-configuration/nothing",
        f"{SERVER}/open",
        f"{SERVER}/mcp/more",
        f"{SERVER}//oauth",
        "/.well-known/openid-configuration",
    ],
)
def test_nothing_is_vouched_for_that_is_not_there(door: Door, client: Any, asked: str) -> None:
    assert client.get(asked).status_code == 404


@pytest.mark.parametrize("asked", [f"{RESOURCE}/mcp", "/.well-known/openid-configuration/oauth"])
def test_a_host_that_is_not_ours_gets_no_document(door: Door, client: Any, asked: str) -> None:
    assert client.get(asked, headers={"host": "evil.example"}).status_code == 400


def test_the_url_is_repeated_letter_by_letter(door: Door, client: Any) -> None:
    bare = client.get(f"{RESOURCE}/mcp").json()["resource"]
    slash = client.get(f"{RESOURCE}/mcp/").json()["resource"]
    root = client.get(RESOURCE).json()["resource"]

    assert (bare, slash, root) == (
        "http://testserver/mcp",
        "http://testserver/mcp/",
        "http://testserver/mcp",
    )


@pytest.fixture
def several(door: Door) -> Iterator[None]:
    """Two more endpoints; of one, the path says for whom, and anybody comes in at the other."""
    mounts = [
        mount("orgs/<slug:org>/mcp", server_named("orgs"), authenticate=bearer),
        mount("open", server_named("open"), authenticate=anonymous),
    ]
    router = MCPRouter(mounts, ASGIHandler())
    yield
    del router


def test_where_there_are_several_each_has_its_own(several: None, client: Any) -> None:
    assert client.get(f"{RESOURCE}/orgs/acme/mcp").json()["resource_name"] == "orgs"
    assert client.get(f"{RESOURCE}/orgs/a.b/mcp").status_code == 404
    assert client.get(f"{RESOURCE}/open").status_code == 404
    assert client.get(RESOURCE).status_code == 404


@pytest.fixture
def with_a_view(server: MCPServer, settings: Any) -> Any:
    """The same server as a view among the site's URLs."""
    urls = type("urls", (), {})()
    urls.urlpatterns = [
        path("", include("django_mcp.oauth.urls")),
        path("inside/mcp", mcp_view(server, authenticate=bearer)),
    ]
    with override_settings(ROOT_URLCONF=urls):
        clear_url_caches()
        yield
    clear_url_caches()


def test_a_view_has_its_document_too(with_a_view: None, client: Any) -> None:
    named = client.get(f"{RESOURCE}/inside/mcp").json()
    only = client.get(RESOURCE).json()

    assert named["resource"] == only["resource"] == "http://testserver/inside/mcp"
    refused = client.post(
        "/inside/mcp",
        {},
        content_type="application/json",
        headers={"accept": "application/json, text/event-stream"},
    )
    assert refused.status_code == 401
    assert f"http://testserver{RESOURCE}/inside/mcp" in refused["WWW-Authenticate"]


def test_one_that_this_process_does_not_see_can_be_named(client: Any, settings: Any) -> None:
    assert client.get(f"{RESOURCE}/far/mcp").status_code == 404
    settings.DJANGO_MCP_OAUTH = {"RESOURCES": ["/far/mcp"]}

    assert client.get(f"{RESOURCE}/far/mcp").json()["resource"] == "http://testserver/far/mcp"


@pytest.mark.parametrize("asked", [SERVER, f"{SERVER}/", f"{SERVER}/mcp", f"{SERVER}/mcp/"])
def test_who_leaves_the_path_of_the_issuer_out_finds_the_server_too(
    door: Door, client: Any, asked: str
) -> None:
    found = client.get(asked).json()

    assert found == client.get(f"{SERVER}/oauth").json()
    # Never what the URL was made of: a code would come with another issuer's name (RFC 9207).
    assert found["issuer"] == "http://testserver/oauth"


def test_the_server_of_one_endpoint_is_not_found_at_another(several: None, client: Any) -> None:
    assert client.get(f"{SERVER}/orgs/acme/mcp").json()["issuer"] == "http://testserver/oauth"
    assert client.get(f"{SERVER}/open").status_code == 404


@pytest.mark.parametrize("asked", [SERVER, f"{SERVER}/mcp"])
def test_where_others_issue_the_tokens_nobody_is_sent_here_unasked(
    door: Door, client: Any, settings: Any, asked: str
) -> None:
    others = ["https://idp.example"]
    settings.DJANGO_MCP_OAUTH = {"AUTHORIZATION_SERVERS": others}
    assert client.get(asked).status_code == 404
    assert client.get(f"{SERVER}/oauth").status_code == 200

    settings.DJANGO_MCP_OAUTH = {"AUTHORIZATION_SERVERS": [*others, "http://testserver/oauth"]}
    assert client.get(asked).json()["issuer"] == "http://testserver/oauth"


def test_other_issuers_can_be_named(door: Door, client: Any, settings: Any) -> None:
    settings.DJANGO_MCP_OAUTH = {"AUTHORIZATION_SERVERS": ["https://idp.example"]}

    assert client.get(f"{RESOURCE}/mcp").json()["authorization_servers"] == ["https://idp.example"]


def test_identity_providers_are_named_in_order(door: Door, client: Any, settings: Any) -> None:
    issuers = ["https://b.example/realms/acme", "https://a.example/"]
    settings.DJANGO_MCP_OAUTH = {"IDENTITY_PROVIDERS": {issuer: {} for issuer in issuers}}
    assert client.get(f"{RESOURCE}/mcp").json()["authorization_servers"] == issuers

    # Where this project issues tokens as well, it is named with them.
    both = ["http://testserver/oauth", *issuers]
    settings.DJANGO_MCP_OAUTH = {
        "IDENTITY_PROVIDERS": {issuer: {} for issuer in issuers},
        "AUTHORIZATION_SERVERS": both,
    }
    assert client.get(f"{RESOURCE}/mcp").json()["authorization_servers"] == both


# 90


def test_behind_a_proxy_the_documents_say_what_the_client_sees(
    door: Door, settings: Any, request: pytest.FixtureRequest
) -> None:
    request.addfinalizer(clear_script_prefix)
    settings.SECURE_PROXY_SSL_HEADER = ("HTTP_X_FORWARDED_PROTO", "https")
    proxied = Browser(
        headers={"x-forwarded-proto": "https", "host": "testserver"}, SCRIPT_NAME="/app"
    )
    set_script_prefix("/app/")  # As Django's handlers do, and its test client does not.
    resource = proxied.get(f"{RESOURCE}/mcp").json()
    inserted = proxied.get(f"{RESOURCE}/app/mcp").json()
    server = proxied.get("/oauth/.well-known/openid-configuration").json()
    ends = ["/app/oauth", "", "/mcp", "/app/mcp"]
    places = [proxied.get(f"{SERVER}{end}").json() for end in ends]

    assert all(each["issuer"] == server["issuer"] for each in places)
    assert resource["resource"] == inserted["resource"] == "https://testserver/app/mcp"
    assert resource["authorization_servers"] == [server["issuer"]]
    assert server["issuer"] == "https://testserver/app/oauth"
    assert server["token_endpoint"] == "https://testserver/app/oauth/token"


# 91


@pytest.mark.parametrize(
    "asked",
    [
        f"{RESOURCE}/mcp",
        "/.well-known/oauth-authorization-server/oauth",
        "/oauth/token",
        "/oauth/register",
        "/oauth/revoke",
    ],
)
def test_pages_of_any_origin_may_ask(door: Door, client: Any, asked: str) -> None:
    preflight = client.options(
        asked,
        headers={
            "origin": "http://localhost:6274",
            "access-control-request-headers": "mcp-protocol-version",
        },
    )

    assert preflight.status_code == 204
    assert preflight["Access-Control-Allow-Origin"] == "*"
    assert "MCP-Protocol-Version" in preflight["Access-Control-Allow-Headers"]


def test_nothing_of_the_page_may_be_read_from_elsewhere(client: Any) -> None:
    assert "Access-Control-Allow-Origin" not in client.options("/oauth/authorize")


def test_a_document_may_be_kept(door: Door, client: Any) -> None:
    response = client.get(f"{RESOURCE}/mcp")

    assert response["Cache-Control"] == "public, max-age=3600"
    assert client.post(f"{RESOURCE}/mcp").status_code == 405
