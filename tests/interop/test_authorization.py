"""The official client finds its way into the example project, once its user has let it.

The browser is a few forms that are filled in and sent: what a person sees of it, other tests do.
"""

from __future__ import annotations

import os
import re
import subprocess
import sys
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from html import unescape
from typing import Any
from urllib.parse import parse_qs, urljoin, urlsplit

import httpx2
import pytest
from mcp import Client
from mcp.client.auth import OAuthClientProvider
from mcp.client.streamable_http import streamable_http_client
from mcp.shared.auth import AuthorizationCodeResult, OAuthClientMetadata

from .servers import _NO_TLS, ANSWERED, KINDS, REPOSITORY, Servers, Site

CALLBACK = "http://127.0.0.1:1/callback"


@pytest.fixture(scope="module")
def library(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    """The library with its books and one user, where nobody comes in without a token."""
    kept = tmp_path_factory.mktemp("authorized")
    patched = pytest.MonkeyPatch()
    patched.setenv("OAUTH", "1")
    patched.setenv("DJANGO_SUPERUSER_PASSWORD", "secret")
    user = ["createsuperuser", "--no-input", "--username", "anna", "--email", "anna@example.com"]
    for command in (["migrate", "--verbosity", "0"], ["load_library"], user, ["check"]):
        subprocess.run(
            [sys.executable, "manage.py", *command],
            cwd=KINDS["example"].directory,
            env={
                **os.environ,
                "DJANGO_SETTINGS_MODULE": KINDS["example"].settings,
                "PYTHONPATH": str(REPOSITORY),
                "DATABASE_PATH": str(kept / "example.sqlite3"),
            },
            check=True,
            capture_output=True,
            timeout=120,
        )
    servers = Servers(kept)
    yield servers.get("example")
    servers.end()
    patched.undo()


class Anna:
    """Somebody who logs in and allows what she is asked, except for what is in `leaves_out`."""

    def __init__(self, *, leaves_out: str = "", decision: str = "allow") -> None:
        self.leaves_out = leaves_out
        self.decision = decision
        self.asked: list[str] = []
        self._answer = ""
        self._cookies = httpx2.Cookies()

    async def go(self, url: str) -> None:
        """Follow a link, log in on the way, and answer the page at its end."""
        self.asked += parse_qs(urlsplit(url).query).get("scope", [""])
        browser = httpx2.AsyncClient(verify=_NO_TLS, timeout=ANSWERED, cookies=self._cookies)
        async with browser:
            page = await browser.get(url, follow_redirects=True)
            if "password" in page.text:
                login = {"username": "anna", "password": "secret"}
                page = await _submit(browser, page, login, follow_redirects=True)
            boxes = re.findall(r'name="scope" value="([^"]+)" checked>', page.text)
            said = {"decision": self.decision, "scope": [s for s in boxes if s != self.leaves_out]}
            answered = await _submit(browser, page, said)
            self._cookies = browser.cookies
        assert answered.status_code == 303, answered.text
        self._answer = answered.headers["location"]

    async def come_back(self) -> AuthorizationCodeResult:
        """What the page has told the program."""
        query = parse_qs(urlsplit(self._answer).query)
        assert self._answer.startswith(CALLBACK), self._answer
        said = {name: values[0] for name, values in query.items()}
        return AuthorizationCodeResult(
            code=said.get("code", ""), state=said.get("state"), iss=said.get("iss")
        )


async def _submit(browser: Any, page: Any, given: dict[str, Any], **options: Any) -> Any:
    fields = re.findall(r'<input type="hidden" name="([^"]+)" value="([^"]*)"', page.text)
    action = re.search(r'<form method="post" action="([^"]+)"', page.text)
    url = urljoin(str(page.url), unescape(action[1])) if action else str(page.url)
    data = {name: unescape(value) for name, value in fields} | given
    return await browser.post(url, data=data, **options)


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
        redirect_handler=anna.go,
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
    library: Site, mode: str, method: str
) -> None:
    anna, kept = Anna(), Kept()
    async with connected(
        library, anna, kept, mode=mode, token_endpoint_auth_method=method
    ) as client:
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
async def test_a_call_that_needs_more_has_the_user_asked_again(library: Site, mode: str) -> None:
    anna, kept = Anna(), Kept()
    async with connected(library, anna, kept, mode=mode) as client:
        await client.call_tool("count_by_decade", {"from": 1800, "to": 1900})
        lent = await client.call_tool("lend_book", {"book_id": 10**6, "card_number": 1})
        again = await client.call_tool("count_by_decade", {"from": 1800, "to": 1900})

    assert len(anna.asked) == 2
    assert {"mcp:read", "library:lend"} <= set(anna.asked[1].split())
    assert lent.is_error  # There is no such book; but the tool was asked.
    assert not again.is_error


@pytest.mark.anyio
async def test_a_client_that_comes_back_needs_nobody(library: Site) -> None:
    anna, kept = Anna(), Kept()
    async with connected(library, anna, kept) as client:
        await client.list_tools()
    first = kept.tokens
    kept.tokens = first.model_copy(update={"access_token": "mcp_at_lost"})

    # Its token is refused, so it asks again; Anna is logged in already.
    async with connected(library, anna, kept) as client:
        await client.list_tools()

    assert kept.tokens.access_token not in ("mcp_at_lost", first.access_token)


@pytest.mark.anyio
async def test_a_token_that_has_run_out_is_refreshed(library: Site) -> None:
    anna, kept = Anna(), Kept()
    url = library.url()
    said = {"client_name": "The SDK", "redirect_uris": [CALLBACK]}
    provider = OAuthClientProvider(
        url,
        OAuthClientMetadata.model_validate(said),
        kept,
        redirect_handler=anna.go,
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
async def test_a_user_who_says_no_is_believed(library: Site) -> None:
    anna = Anna(decision="deny")

    with pytest.raises(BaseException) as caught:  # noqa: PT011 - what is in the group is asked
        async with connected(library, anna, Kept()) as client:
            await client.list_tools()

    assert "authorization code" in repr(_deepest(caught.value)).lower()


def _deepest(error: BaseException) -> BaseException:
    while isinstance(error, BaseExceptionGroup):
        error = error.exceptions[0]
    return error
