"""The official client's side of an authorization: its user, its memory, its provider of tokens.

Also the ways in which it can be known, and the library that knows it. The user's browser is
`tests.browser`; what a person sees of the pages is `test_chromium`.
"""

from __future__ import annotations

import json
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager
from pathlib import Path
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

from . import documents
from .servers import _NO_TLS, ANSWERED, Servers, Site

CALLBACK = "http://127.0.0.1:1/callback"
DOCUMENT = f"https://{documents.HOST}/sdk.json"

_MAKE = """
import json
from django_mcp.oauth import clients
client, secret = clients.add({name!r}, [{uri!r}], confidential={confidential})
print(json.dumps([client.application.client_id, secret]))
"""


@contextmanager
def library_with_documents(folder: Path, callback: str = CALLBACK) -> Iterator[Site]:
    """The library with one user, kept in `folder`; it finds the client's document."""
    library.prepare(folder / "example.sqlite3")
    described = {"client_id": DOCUMENT, **_metadata("The SDK", callback, "none")}
    with (
        pytest.MonkeyPatch.context() as patched,
        documents.serving({"/sdk.json": described}, folder) as found,
    ):
        for name, value in {**found, "OAUTH": "1"}.items():
            patched.setenv(name, value)
        servers = Servers(folder)
        try:
            yield servers.get("library")
        finally:
            servers.end()


def known_by(
    way: str, folder: Path, *, name: str = "The SDK", callback: str = CALLBACK
) -> dict[str, Any]:
    """How a client is known to the library in `folder`: `metadata` that it has of itself, the URL
    of a `document`, or the `client` that it is already.

    `way` is "document", "dynamic" or "by hand", and the last two may end in "with a secret".
    """
    has_secret = way.endswith("with a secret")
    metadata = _metadata(name, callback, "client_secret_basic" if has_secret else "none")
    if way == "document":
        return {"metadata": metadata, "document": DOCUMENT}
    if way.startswith("dynamic"):
        return {"metadata": metadata}
    program = _MAKE.format(name=name, uri=callback, confidential=has_secret)
    said = library.manage(folder / "example.sqlite3", "shell", "--no-imports", "-c", program)
    client_id, secret = json.loads(said)
    known = {"client_id": client_id, "client_secret": secret or None, **metadata}
    return {"metadata": metadata, "client": known}


def _metadata(name: str, callback: str, method: str) -> dict[str, Any]:
    return {
        "client_name": name,
        "redirect_uris": [callback],
        "token_endpoint_auth_method": method,
    }


class Anna(Browser):
    """The user of the library, as the official client sends her away and meets her again."""

    _answer = ""

    async def go_to(self, url: str) -> None:
        self._answer = await to_thread.run_sync(self.answer, url)

    async def come_back(self) -> AuthorizationCodeResult:
        """What the page has told the program."""
        assert self._answer.startswith(CALLBACK), self._answer
        return said_in(self._answer)


def said_in(url: str) -> AuthorizationCodeResult:
    """What an answer tells the program that it is sent to."""
    query = parse_qs(urlsplit(url).query)
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
