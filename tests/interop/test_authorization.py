"""The official client finds its way into the example project, once its user has let it.

What a client can be, and how far each kind of it comes, is `test_authorization_ways`.
"""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests import library

from .authorizing import Anna, Kept, connected, connected_with, provider_of
from .servers import Servers, Site


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    """The library with its books and one user, where nobody comes in without a token."""
    kept = tmp_path_factory.mktemp("authorized")
    library.prepare(kept / "example.sqlite3")
    patched = pytest.MonkeyPatch()
    patched.setenv("OAUTH", "1")
    servers = Servers(kept)
    yield servers.get("example")
    servers.end()
    patched.undo()


@pytest.mark.anyio
@pytest.mark.parametrize("mode", ["auto", "legacy"])
@pytest.mark.parametrize("method", ["none", "client_secret_basic", "client_secret_post"])
async def test_a_client_that_knows_nothing_finds_its_way_in(
    site: Site, mode: str, method: str
) -> None:
    anna, kept = Anna(), Kept()
    async with connected(site, anna, kept, mode=mode, token_endpoint_auth_method=method) as client:
        answer = await client.call_tool("count_by_decade", {"from": 1800, "to": 1900})
        tools = await client.list_tools()

    assert not answer.is_error, answer
    assert {"lend_book", "count_by_decade"} <= {tool.name for tool in tools.tools}
    assert (kept.client.client_secret is None) == (method == "none")
    assert kept.tokens.refresh_token
    assert "mcp:read" in anna.asked[0]
    assert "library:lend" not in anna.asked[0]


@pytest.mark.anyio
@pytest.mark.parametrize("mode", ["auto", "legacy"])
async def test_a_call_that_needs_more_has_the_user_asked_again(site: Site, mode: str) -> None:
    anna, kept = Anna(), Kept()
    async with connected(site, anna, kept, mode=mode) as client:
        await client.call_tool("count_by_decade", {"from": 1800, "to": 1900})
        lent = await client.call_tool("lend_book", {"book_id": 10**6, "card_number": 1})
        again = await client.call_tool("count_by_decade", {"from": 1800, "to": 1900})

    assert len(anna.asked) == 2
    assert {"mcp:read", "library:lend"} <= set(anna.asked[1].split())
    assert lent.is_error  # There is no such book; but the tool was asked.
    assert not again.is_error


@pytest.mark.anyio
async def test_a_client_that_comes_back_needs_nobody(site: Site) -> None:
    anna, kept = Anna(), Kept()
    async with connected(site, anna, kept) as client:
        await client.list_tools()
    first = kept.tokens
    kept.tokens = first.model_copy(update={"access_token": "mcp_at_lost"})

    # Its token is refused, so it asks again; Anna is logged in already.
    async with connected(site, anna, kept) as client:
        await client.list_tools()

    assert kept.tokens.access_token not in ("mcp_at_lost", first.access_token)


@pytest.mark.anyio
async def test_a_token_that_has_run_out_is_refreshed(site: Site) -> None:
    anna, kept = Anna(), Kept()
    provider = provider_of(site, anna, kept)
    async with connected_with(site, provider) as client:
        await client.list_tools()
        first = kept.tokens
        provider.context.token_expiry_time = 1.0
        await client.list_tools()

    assert len(anna.asked) == 1
    assert kept.tokens.refresh_token != first.refresh_token


@pytest.mark.anyio
async def test_a_user_who_says_no_is_believed(site: Site) -> None:
    anna = Anna(decision="deny")

    with pytest.raises(BaseException) as caught:  # noqa: PT011 - what is in the group is asked
        async with connected(site, anna, Kept()) as client:
            await client.list_tools()

    assert "authorization code" in repr(_deepest(caught.value)).lower()


def _deepest(error: BaseException) -> BaseException:
    while isinstance(error, BaseExceptionGroup):
        error = error.exceptions[0]
    return error
