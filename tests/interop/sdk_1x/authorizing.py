"""Goes the whole way of an authorization with the official SDK 1.x, where that is installed.

`python authorizing.py URL BROWSER HOW` connects to the MCP endpoint at URL. BROWSER is the program
that is given each link and prints where the answer leads; or "-": then links are printed, as
`["answer", URL]`, and a line of the standard input says where that leads. HOW is a JSON object:
`metadata` to register with, `client` that is registered already, `document` that describes it; or
`service`, the id, secret and issuer of a client that acts for itself. Whoever plays the browser is
asked to end the connection, too: `["disconnect", NAME]`. Prints what was seen as a JSON object.
Imports nothing of this repository: what ought to be seen is known by the tests that start it.
"""

from __future__ import annotations

import json
import subprocess
import sys
from typing import Any
from urllib.parse import parse_qs, urlsplit

import anyio
import anyio.to_thread
import httpx
from mcp import ClientSession
from mcp.client.auth import OAuthClientProvider
from mcp.client.auth.extensions.client_credentials import ClientCredentialsOAuthProvider
from mcp.client.streamable_http import streamable_http_client
from mcp.shared.auth import OAuthClientInformationFull, OAuthClientMetadata

#: Seconds for everything.
PATIENCE = 60.0


class Kept:
    """What a client remembers."""

    def __init__(self, client: Any) -> None:
        self.tokens: Any = None
        self.client = client

    async def get_tokens(self) -> Any:
        return self.tokens

    async def set_tokens(self, tokens: Any) -> None:
        self.tokens = tokens

    async def get_client_info(self) -> Any:
        return self.client

    async def set_client_info(self, client_info: Any) -> None:
        self.client = client_info


class User:
    """Somebody whose browser is a program."""

    def __init__(self, browser: str) -> None:
        self.browser = browser
        self.plays = browser == "-"
        self.asked: list[str] = []
        self.answer = ""

    async def go(self, url: str) -> None:
        self.asked += parse_qs(urlsplit(url).query).get("scope", [""])
        if self.plays:
            self.answer = await self.ask("answer", url)
            return
        command = [sys.executable, self.browser, "--stay", url]
        self.answer = (await anyio.run_process(command, stderr=None)).stdout.decode().strip()

    async def ask(self, *words: str) -> str:
        """What whoever plays the browser says to that."""
        print(json.dumps(words), flush=True)
        return (await anyio.to_thread.run_sync(sys.stdin.readline)).strip()

    async def come_back(self) -> tuple[str, str | None]:
        query = parse_qs(urlsplit(self.answer).query)
        return query["code"][0], query["state"][0]


async def main(url: str, browser: str, how: dict[str, Any]) -> dict[str, Any]:
    client = how.get("client")
    kept = Kept(None if client is None else OAuthClientInformationFull.model_validate(client))
    user = User(browser)
    provider = OAuthClientProvider(
        url,
        OAuthClientMetadata.model_validate(how["metadata"]),
        kept,
        redirect_handler=user.go,
        callback_handler=user.come_back,
        client_metadata_url=how.get("document"),
    )
    seen: dict[str, Any] = {}

    async with (
        httpx.AsyncClient(auth=provider, timeout=PATIENCE) as http,
        streamable_http_client(url, http_client=http) as (read, write, *_),
        ClientSession(read, write) as session,
    ):

        async def count() -> bool:
            result = await session.call_tool("count_by_decade", {"from": 1800, "to": 1900})
            return not result.isError

        await session.initialize()
        seen["called"] = await count()
        lent = await session.call_tool("lend_book", {"book_id": 10**6, "card_number": 1})
        seen["lent"] = lent.content[0].text
        first = kept.tokens
        provider.context.token_expiry_time = 1.0
        seen["called_after_refresh"] = await count()
        seen["refreshed"] = kept.tokens.refresh_token != first.refresh_token
        seen["asked_before_revocation"] = len(user.asked)
        if user.plays:
            seen["revoked"] = await user.ask("disconnect", how["metadata"]["client_name"])
        else:
            seen["revoked"] = await revoke(provider, kept)
        # What it has is good for nothing any more: neither to call with, nor to refresh.
        seen["called_after_revocation"] = await count()
    seen["asked"] = user.asked
    seen["client_id"] = kept.client.client_id
    seen["has_secret"] = bool(kept.client.client_secret)
    return seen


async def serve(url: str, how: dict[str, Any]) -> dict[str, Any]:
    kept = Kept(None)
    provider = ClientCredentialsOAuthProvider(url, kept, **how)
    async with (
        httpx.AsyncClient(auth=provider, timeout=PATIENCE) as http,
        streamable_http_client(url, http_client=http) as (read, write, *_),
        ClientSession(read, write) as session,
    ):
        await session.initialize()
        result = await session.call_tool("count_by_decade", {"from": 1800, "to": 1900})
    return {"called": not result.isError, "refresh_token": kept.tokens.refresh_token}


async def revoke(provider: OAuthClientProvider, kept: Kept) -> int:
    """Give the refresh token back, as RFC 7009 has it; the status of the answer."""
    endpoint = str(provider.context.oauth_metadata.revocation_endpoint)
    form = {"token": kept.tokens.refresh_token, "client_id": kept.client.client_id}
    form, headers = provider.context.prepare_token_auth(form, {})
    async with httpx.AsyncClient() as http:
        return (await http.post(endpoint, data=form, headers=headers)).status_code


async def bounded() -> None:
    url, browser, how = sys.argv[1:]
    with anyio.fail_after(PATIENCE):
        said = json.loads(how)
        if "service" in said:
            print(json.dumps(await serve(url, said["service"])))
        else:
            print(json.dumps(await main(url, browser, said)))


if __name__ == "__main__":
    try:
        anyio.run(bounded)
    except subprocess.CalledProcessError as error:
        sys.exit(str(error))
