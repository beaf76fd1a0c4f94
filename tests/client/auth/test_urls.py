"""Which URLs are used, and which documents are believed for which server."""

from __future__ import annotations

import pytest

from django_mcp.client.auth.errors import UnsafeURL
from django_mcp.client.auth.urls import (
    authorization_server_urls,
    canonical_resource,
    check_url,
    describes,
    resource_metadata_urls,
)

WELL_KNOWN = "https://host.example/.well-known/oauth-protected-resource"


@pytest.mark.parametrize(
    "url",
    [
        "https://mcp.example",
        "https://mcp.example:8443/mcp?tenant=1",
        "http://localhost:8000/mcp",
        "http://127.0.0.1/mcp",
        "http://127.9.9.9/mcp",
        "http://[::1]:8000/mcp",
    ],
)
def test_https_and_this_machine_are_used(url: str) -> None:
    assert check_url(url, "It").geturl() == url


@pytest.mark.parametrize(
    "url",
    [
        "",
        "mcp.example",
        "//mcp.example",
        "https://",
        "https:///mcp",
        "http://mcp.example",
        "http://localhost.evil.example",
        "http://127.0.0.1.evil.example",
        "http://0.0.0.0",
        "ftp://mcp.example",
        "javascript:alert(1)",
        "file:///etc/passwd",
        "https://user@mcp.example",
        "https://:pw@mcp.example",
        "https://mcp.example#x",
        "https://mcp.example:99999",
        "https://[::1",
        "https://mcp.example/a b",
        "https://mcp.example/\nX: y",
    ],
)
def test_other_urls_are_refused(url: str) -> None:
    with pytest.raises(UnsafeURL, match="It "):
        check_url(url, "It")


def test_a_password_in_a_url_is_not_repeated() -> None:
    with pytest.raises(UnsafeURL) as caught:
        check_url("https://me:hidden@mcp.example", "It")

    assert "hidden" not in f"{caught.value} {caught.value.url}"


@pytest.mark.parametrize(
    ("url", "canonical"),
    [
        ("https://MCP.example/", "https://mcp.example"),
        ("HTTPS://mcp.example:443/MCP", "https://mcp.example/MCP"),
        ("http://localhost:80", "http://localhost"),
        ("https://mcp.example:8443", "https://mcp.example:8443"),
        ("https://mcp.example/mcp/", "https://mcp.example/mcp/"),
        ("http://[::1]:8000/mcp?a=1", "http://[::1]:8000/mcp?a=1"),
    ],
)
def test_the_canonical_uri_of_a_server(url: str, canonical: str) -> None:
    assert canonical_resource(url) == canonical


def test_a_servers_metadata_is_looked_for_at_its_path_and_then_at_its_host() -> None:
    assert resource_metadata_urls("https://host.example/public/mcp/?a=1") == (
        f"{WELL_KNOWN}/public/mcp",
        WELL_KNOWN,
    )
    assert resource_metadata_urls("https://host.example/") == (WELL_KNOWN,)


def test_an_authorization_servers_metadata_is_looked_for_in_the_order_of_the_specification() -> (
    None
):
    assert authorization_server_urls("https://auth.example/tenant1") == (
        "https://auth.example/.well-known/oauth-authorization-server/tenant1",
        "https://auth.example/.well-known/openid-configuration/tenant1",
        "https://auth.example/tenant1/.well-known/openid-configuration",
    )
    assert authorization_server_urls("https://auth.example/") == (
        "https://auth.example/.well-known/oauth-authorization-server",
        "https://auth.example/.well-known/openid-configuration",
    )


@pytest.mark.parametrize(
    ("document", "resource"),
    [
        ("https://host.example/anywhere", "https://host.example/a/mcp"),
        ("https://host.example/anywhere", "https://HOST.example:443/a/mcp/"),
        (WELL_KNOWN, "https://host.example"),
        (WELL_KNOWN, "https://host.example/"),
        (f"{WELL_KNOWN}/a", "https://host.example/a"),
    ],
)
def test_metadata_of_the_server_or_of_what_it_is_part_of_is_believed(
    document: str, resource: str
) -> None:
    assert describes(document, resource, "https://host.example/a/mcp")


@pytest.mark.parametrize(
    ("document", "resource"),
    [
        ("https://host.example/a/mcp/meta", "https://host.example"),
        ("https://evil.example/.well-known/oauth-protected-resource", "https://host.example"),
        (f"{WELL_KNOWN}/a/mcp", "https://host.example/a"),
        (WELL_KNOWN, "https://host.example/a"),
        (WELL_KNOWN, "https://host.example/b"),
        (WELL_KNOWN, "https://host.example/a/m"),
        (WELL_KNOWN, "https://host.example/a/mcp/more"),
        (WELL_KNOWN, "https://host.example.evil.example/a/mcp"),
        (WELL_KNOWN, "http://host.example/a/mcp"),
        (WELL_KNOWN, "https://host.example:99999/a/mcp"),
        (WELL_KNOWN, ""),
    ],
)
def test_metadata_of_others_is_not_believed(document: str, resource: str) -> None:
    assert not describes(document, resource, "https://host.example/a/mcp")
