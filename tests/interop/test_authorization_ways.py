"""The whole way of an authorization, for each way in which a client can be known.

Known by its document, registered by itself, or by hand, with a secret and without: with both
generations of the official client, from the first 401 over consent, step-up and refresh to the end
of what it was given, after which its user is asked again.
"""

from __future__ import annotations

import json
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx2
import pytest
from mcp.client.auth import OAuthClientProvider
from mcp.shared.auth import OAuthClientInformationFull

from tests import browser

from .authorizing import (
    DOCUMENT,
    Anna,
    Kept,
    connected_with,
    known_by,
    library_with_documents,
    provider_of,
)
from .servers import _NO_TLS, Site

WAYS = ["document", "dynamic", "dynamic with a secret", "by hand", "by hand with a secret"]
DRIVER = Path(__file__).with_name("sdk_1x") / "authorizing.py"
#: Seconds the driver may take.
PATIENCE = 90.0


@pytest.fixture(scope="module")
def kept(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("ways")


@pytest.fixture(scope="module")
def site(kept: Path) -> Iterator[Site]:
    with library_with_documents(kept) as served:
        yield served


@pytest.fixture(params=WAYS)
def way(request: pytest.FixtureRequest, site: Site, kept: Path) -> dict[str, Any]:
    """How the client is known."""
    return known_by(request.param, kept)


@pytest.mark.anyio
async def test_the_client_goes_the_whole_way(site: Site, way: Any) -> None:
    anna, kept = Anna(), Kept()
    if "client" in way:
        kept.client = OAuthClientInformationFull.model_validate(way["client"])
    provider = provider_of(site, anna, kept, document=way.get("document"), **way["metadata"])
    count = ("count_by_decade", {"from": 1800, "to": 1900})

    async with connected_with(site, provider) as client:
        assert not (await client.call_tool(*count)).is_error
        lent = await client.call_tool("lend_book", {"book_id": 10**6, "card_number": 1})
        first = kept.tokens
        provider.context.token_expiry_time = 1.0
        assert not (await client.call_tool(*count)).is_error
        asked = len(anna.asked)
        assert await revoke(provider, kept) == 200
        again = await client.call_tool(*count)

    assert "no book 1000000" in str(lent.content)
    assert {"mcp:read", "library:lend"} <= set(anna.asked[1].split())
    assert kept.tokens.refresh_token != first.refresh_token
    # What was given back is good for nothing, so that Anna is asked once more.
    assert (asked, len(anna.asked), again.is_error) == (2, 3, False)
    check_what_it_is(way, kept.client.client_id, bool(kept.client.client_secret))


def test_sdk_1x_goes_the_whole_way(site: Site, way: Any, sdk_1x: Path) -> None:
    ran = subprocess.run(
        [str(sdk_1x), str(DRIVER), site.url(), browser.__file__, json.dumps(way)],
        capture_output=True,
        text=True,
        timeout=PATIENCE,
        check=False,
    )
    assert ran.returncode == 0, ran.stderr
    seen = json.loads(ran.stdout)
    asked = [set(scopes.split()) for scopes in seen.pop("asked")]
    client_id, has_secret = seen.pop("client_id"), seen.pop("has_secret")

    assert seen == {
        "called": True,
        "lent": "There is no book 1000000.",
        "called_after_refresh": True,
        "refreshed": True,
        "asked_before_revocation": 2,
        "revoked": 200,
        "called_after_revocation": True,
    }
    assert len(asked) == 3
    assert {"mcp:read", "library:lend"} <= asked[1]
    check_what_it_is(way, client_id, has_secret)


def check_what_it_is(way: Any, client_id: str, has_secret: bool) -> None:
    """The client has become what its way makes of it."""
    assert (client_id == DOCUMENT) == ("document" in way)
    if "client" in way:
        assert client_id == way["client"]["client_id"]
    assert has_secret == (way["metadata"]["token_endpoint_auth_method"] != "none")


async def revoke(provider: OAuthClientProvider, kept: Kept) -> int:
    """Give the refresh token back (RFC 7009); the status of the answer."""
    metadata = provider.context.oauth_metadata
    assert metadata is not None
    form = {"token": kept.tokens.refresh_token, "client_id": kept.client.client_id}
    form, headers = provider.context.prepare_token_auth(form, {})
    async with httpx2.AsyncClient(verify=_NO_TLS) as http:
        url = str(metadata.revocation_endpoint)
        return (await http.post(url, data=form, headers=headers)).status_code
