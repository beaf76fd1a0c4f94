"""The official client's side of an authorization: its user, its memory, its provider of tokens.

The browser is `tests.browser`: what a person sees of the pages, other tests look at.
"""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any
from urllib.parse import parse_qs, urlsplit

import httpx2
from anyio import to_thread
from mcp import Client
from mcp.client.auth import OAuthClientProvider
from mcp.client.streamable_http import streamable_http_client
from mcp.shared.auth import AuthorizationCodeResult, OAuthClientMetadata

from tests.browser import Browser

from .servers import _NO_TLS, ANSWERED, Site

CALLBACK = "http://127.0.0.1:1/callback"


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


def provider_of(
    site: Site, anna: Anna, kept: Kept, *, document: str | None = None, **metadata: Any
) -> OAuthClientProvider:
    """What the official client does about authorization; `document` is the URL that describes it,
    and `metadata` what it says of itself elsewhere."""
    said = {"client_name": "The SDK", "redirect_uris": [CALLBACK], **metadata}
    return OAuthClientProvider(
        site.url(),
        OAuthClientMetadata.model_validate(said),
        kept,
        redirect_handler=anna.go_to,
        callback_handler=anna.come_back,
        client_metadata_url=document,
    )


@asynccontextmanager
async def connected(
    site: Site, anna: Anna, kept: Kept, *, mode: str = "auto", **metadata: Any
) -> AsyncIterator[Client]:
    """The official client, with everything it does about authorization by itself."""
    provider = provider_of(site, anna, kept, **metadata)
    async with connected_with(site, provider, mode=mode) as client:
        yield client


@asynccontextmanager
async def connected_with(
    site: Site, provider: httpx2.Auth, *, mode: str = "auto"
) -> AsyncIterator[Client]:
    """The official client, which comes to its tokens by `provider`."""
    url = site.url()
    async with httpx2.AsyncClient(verify=_NO_TLS, timeout=ANSWERED, auth=provider) as http:
        transport = streamable_http_client(url, http_client=http)
        async with Client(transport, read_timeout_seconds=ANSWERED, mode=mode) as client:
            yield client
