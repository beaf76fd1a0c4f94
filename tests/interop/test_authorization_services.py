"""Clients for service accounts: both generations of the official client, and this package's own.

Each is told its id and secret and where they belong, and finds the rest by itself.
"""

from __future__ import annotations

import json
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from mcp.client.auth.extensions.client_credentials import ClientCredentialsOAuthProvider

from django_mcp.client import Client
from django_mcp.client.auth import ClientCredentials, ClientInformation
from tests import library

from .authorizing import Kept, connected_with
from .servers import Servers, Site

DRIVER = Path(__file__).with_name("sdk_1x") / "authorizing.py"
#: Seconds the driver may take.
PATIENCE = 60.0

_MAKE = """
import json
from django.contrib.auth import get_user_model
from django_mcp.oauth import services
robot, _ = get_user_model().objects.get_or_create(username="robot")
client, secret = services.add(
    "Nightly", user=robot, resource={url!r}, scopes=["mcp:read", "library:lend"]
)
print(json.dumps([client.application.client_id, secret]))
"""


@pytest.fixture(scope="module")
def kept(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("services")
    library.prepare(folder / "example.sqlite3")
    return folder


@pytest.fixture(scope="module")
def site(kept: Path) -> Iterator[Site]:
    """The library with authorization."""
    patched = pytest.MonkeyPatch()
    patched.setenv("OAUTH", "1")
    servers = Servers(kept)
    yield servers.get("example")
    servers.end()
    patched.undo()


@pytest.fixture
def made(site: Site, kept: Path) -> tuple[str, str]:
    """The id and the secret of a client for a service account."""
    program = _MAKE.format(url=site.url())
    said = library.manage(kept / "example.sqlite3", "shell", "--no-imports", "-c", program)
    client_id, secret = json.loads(said)
    return client_id, secret


@pytest.mark.anyio
@pytest.mark.parametrize("method", ["client_secret_basic", "client_secret_post"])
@pytest.mark.parametrize("mode", ["auto", "legacy"])
async def test_the_official_client_acts_for_an_account(
    site: Site, made: tuple[str, str], mode: str, method: Any
) -> None:
    remembered = Kept()
    provider = ClientCredentialsOAuthProvider(
        site.url(), remembered, *made, method, issuer=site.url("oauth")
    )
    async with connected_with(site, provider, mode=mode) as client:
        counted = await client.call_tool("count_by_decade", {"from": 1800, "to": 1900})
        first = remembered.tokens
        # More than the challenge of the first request asked for, and nobody is asked.
        lent = await client.call_tool("lend_book", {"book_id": 10**6, "card_number": 1})

    assert not counted.is_error
    assert "no book 1000000" in str(lent.content)
    assert first.refresh_token is None
    assert "library:lend" in remembered.tokens.scope


def test_sdk_1x_acts_for_an_account(site: Site, made: tuple[str, str], sdk_1x: Path) -> None:
    how = {"service": {"client_id": made[0], "client_secret": made[1]}}
    how["service"]["issuer"] = site.url("oauth")
    ran = subprocess.run(
        [str(sdk_1x), str(DRIVER), site.url(), "", json.dumps(how)],
        capture_output=True,
        text=True,
        timeout=PATIENCE,
        check=False,
    )

    assert ran.returncode == 0, ran.stderr
    assert json.loads(ran.stdout) == {"called": True, "refresh_token": None}


@pytest.mark.anyio
async def test_our_own_client_acts_for_an_account(site: Site, made: tuple[str, str]) -> None:
    known = ClientInformation(issuer=site.url("oauth"), client_id=made[0], client_secret=made[1])
    auth = ClientCredentials(site.url(), client=known, allow_private=True)
    async with Client(site.url(), auth=auth) as client:
        counted = await client.call_tool("count_by_decade", {"from": 1800, "to": 1900})
        lent = await client.call_tool(
            "lend_book", {"book_id": 10**6, "card_number": 1}, raise_on_error=False
        )

    assert not counted.is_error
    assert "no book 1000000" in str(lent.content)
