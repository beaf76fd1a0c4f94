"""The official client finds its way into the example project, once its user has let it.

The browser is `tests.browser`: what a person sees of the pages, other tests look at.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from typing import Any
from urllib.parse import parse_qs, urlsplit

import httpx2
import pytest
from anyio import to_thread
from mcp import Client
from mcp.client.auth import OAuthClientProvider
from mcp.client.streamable_http import streamable_http_client
from mcp.shared.auth import AuthorizationCodeResult, OAuthClientMetadata

from tests import library
from tests.browser import Browser

from .servers import _NO_TLS, ANSWERED, Servers, Site

CALLBACK = "http://127.0.0.1:1/callback"


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


class Anna(Browser):
    """The user of the library, as the official client sends her away and meets her again."""

    _answer = ""

    async def go_to(self, url: str) -> None:
        self._answer = await to_thread.run_sync(self.answer, url)

    async def come_back(self) -> AuthorizationCodeResult:
        """What the page has told the program."""
        query = parse_qs(urlsplit(self._answer).query)
        assert self._answer.startswith(CALLBACK), self._answer
        said = {name: values[0] for name, values in query.items()}
        return AuthorizationCodeResult(
            code=said.get("code", ""), state=said.get("state"), iss=said.get("iss")
        )


class Kept:
    """What a client remembers between its runs."""

    def __init__(self) -> None:
        self.tokens: Any = None
        self.client: Any = None

    async def get_tokens(self) -> Any:
        return self.tokens

    async def set_tokens(self, tokens: Any) -> None:
        self.tokens = tokens

    async def get_client_info(self) -> Any:
        return self.client

    async def set_client_info(self, client_info: Any) -> None:
        self.client = client_info


@asynccontextmanager
async def connected(
    site: Site, anna: Anna, kept: Kept, *, mode: str = "auto", **metadata: Any
) -> AsyncIterator[Client]:
    """The official client, with everything it does about authorization by itself."""
    url = site.url()
    said = {"client_name": "The SDK", "redirect_uris": [CALLBACK], **metadata}
    provider = OAuthClientProvider(
        url,
        OAuthClientMetadata.model_validate(said),
        kept,
        redirect_handler=anna.go_to,
        callback_handler=anna.come_back,
    )
    async with httpx2.AsyncClient(verify=_NO_TLS, timeout=ANSWERED, auth=provider) as http:
        transport = streamable_http_client(url, http_client=http)
        async with Client(transport, read_timeout_seconds=ANSWERED, mode=mode) as client:
            yield client


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
    url = site.url()
    said = {"client_name": "The SDK", "redirect_uris": [CALLBACK]}
    provider = OAuthClientProvider(
        url,
        OAuthClientMetadata.model_validate(said),
        kept,
        redirect_handler=anna.go_to,
        callback_handler=anna.come_back,
    )
    async with (
        httpx2.AsyncClient(verify=_NO_TLS, timeout=ANSWERED, auth=provider) as http,
        Client(streamable_http_client(url, http_client=http)) as client,
    ):
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
