"""The client that the suite's `auth/…` scenarios test: `… -m tests.conformance.client_auth URL`.

The suite starts it with the URL of a server that wants a token, and tells it by the environment
which scenario it plays: MCP_CONFORMANCE_SCENARIO, MCP_CONFORMANCE_PROTOCOL_VERSION, and for some of
them MCP_CONFORMANCE_CONTEXT, a JSON object. It lists the tools and calls the first, in the
revision's own way. Only authorization is tested here, so the messages are written by hand.

The user of these scenarios says yes to everything: his browser is one request, and what it is
redirected to is the answer.
"""

from __future__ import annotations

import asyncio
import json
import os
import sys
from typing import Any

import httpx

from django_mcp.client.auth import (
    Authorization,
    ClientCredentials,
    ClientInformation,
    EnterpriseManaged,
    Handlers,
    IdentityProvider,
    JwtBearer,
    OAuth,
    OAuthError,
    Registration,
)
from django_mcp.client.auth.bearer import BearerAuth
from django_mcp.client.auth.client_authentication import BASIC
from django_mcp.client.auth.signing import PrivateKey
from django_mcp.protocol.revisions import V2026_07_28

REDIRECT_URI = "http://127.0.0.1:33418/callback"
METADATA_URL = "https://conformance-test.local/client-metadata.json"
CLIENT = {"name": "django_mcp", "version": "0"}


class Browser:
    """A user who is signed in and agrees."""

    def __init__(self) -> None:
        self._arrived = ""

    async def redirect(self, url: str) -> None:
        async with httpx.AsyncClient() as client:
            response = await client.get(url)
        self._arrived = response.headers["location"]

    async def callback(self) -> str:
        return self._arrived


async def authentication(scenario: str, url: str, context: dict[str, Any]) -> BearerAuth:
    """How the client of `scenario` comes to its tokens."""
    if scenario.startswith("auth/client-credentials"):
        client = ClientInformation(
            issuer=await issuer(url),
            client_id=context["client_id"],
            client_secret=context.get("client_secret"),
        )
        if "private_key_pem" not in context:
            return ClientCredentials(url, client=client)
        algorithm = context.get("signing_algorithm", "ES256")
        signer = PrivateKey(context["private_key_pem"], algorithm=algorithm)
        return ClientCredentials(url, client=client, signer=signer)
    if scenario == "auth/enterprise-managed-authorization":
        return await enterprise_managed(url, context)
    if scenario == "auth/wif-jwt-bearer":

        async def assertion(audience: str, resource: str) -> str:
            return context["valid_jwt"]

        client = ClientInformation(issuer=await issuer(url), client_id=context["client_id"])
        return JwtBearer(url, client=client, assertion=assertion)
    registration = Registration(metadata_url=METADATA_URL)
    if "client_id" in context:
        client = ClientInformation(
            issuer=context["issuer"],
            client_id=context["client_id"],
            client_secret=context.get("client_secret"),
        )
        registration = Registration(client=client)
    browser = Browser()
    return OAuth(
        url,
        interaction=Handlers(REDIRECT_URI, browser.redirect, browser.callback),
        registration=registration,
    )


async def enterprise_managed(url: str, context: dict[str, Any]) -> EnterpriseManaged:
    async def identity() -> str:
        return context["idp_id_token"]

    provider = IdentityProvider(
        client=ClientInformation(issuer=context["idp_issuer"], client_id=context["idp_client_id"]),
        token_endpoint=context["idp_token_endpoint"],
        identity=identity,
    )
    client = ClientInformation(
        issuer=await issuer(url),
        client_id=context["client_id"],
        client_secret=context["client_secret"],
        token_endpoint_auth_method=BASIC,
    )
    return EnterpriseManaged(url, client=client, provider=provider)


async def issuer(url: str) -> str:
    """What whoever registered the client by hand was told; the suite does not tell."""
    return (await Authorization(url).discover()).issuer


async def use(client: httpx.AsyncClient, url: str, version: str) -> None:
    """List the tools, and call the first."""
    server = Server(client, url, version)
    if version != V2026_07_28.name:
        await server.request(
            "initialize", protocolVersion=version, capabilities={}, clientInfo=CLIENT
        )
        await server.notify("notifications/initialized")
    listed = await server.request("tools/list")
    await server.request("tools/call", name=listed["tools"][0]["name"], arguments={})


class Server:
    """The server, as JSON-RPC over HTTP."""

    def __init__(self, client: httpx.AsyncClient, url: str, version: str) -> None:
        self._client = client
        self._url = url
        self._version = version
        self._stateless = version == V2026_07_28.name
        self._session: dict[str, str] = {}
        self._id = 0

    async def request(self, method: str, **params: Any) -> dict[str, Any]:
        self._id += 1
        headers = {}
        if self._stateless:
            prefix = "io.modelcontextprotocol/"
            params["_meta"] = {
                f"{prefix}protocolVersion": self._version,
                f"{prefix}clientInfo": CLIENT,
                f"{prefix}clientCapabilities": {},
            }
            headers = {"Mcp-Method": method}
            if "name" in params:
                headers["Mcp-Name"] = params["name"]
        message = {"jsonrpc": "2.0", "id": self._id, "method": method, "params": params}
        response = await self._post(message, headers)
        if session := response.headers.get("mcp-session-id"):
            self._session = {"Mcp-Session-Id": session}
        answer = _answer(response)
        if "error" in answer:
            raise SystemExit(f"{method}: {answer['error']}")
        return answer["result"]

    async def notify(self, method: str) -> None:
        await self._post({"jsonrpc": "2.0", "method": method}, {})

    async def _post(self, message: dict[str, Any], headers: dict[str, str]) -> httpx.Response:
        version = (
            {} if message["method"] == "initialize" else {"MCP-Protocol-Version": self._version}
        )
        accept = {"Accept": "application/json, text/event-stream"}
        response = await self._client.post(
            self._url, json=message, headers={**accept, **version, **headers, **self._session}
        )
        response.raise_for_status()
        return response


def _answer(response: httpx.Response) -> dict[str, Any]:
    """The response in a body that may be a stream of events."""
    if response.headers["content-type"].startswith("application/json"):
        return response.json()
    lines = [line[5:] for line in response.text.splitlines() if line.startswith("data:")]
    return next(each for each in map(json.loads, lines) if "result" in each or "error" in each)


async def main(url: str) -> int:
    """Play the scenario of the environment; the exit status is 0 where the tool was called."""
    scenario = os.environ["MCP_CONFORMANCE_SCENARIO"]
    version = os.environ.get("MCP_CONFORMANCE_PROTOCOL_VERSION", V2026_07_28.name)
    context = json.loads(os.environ.get("MCP_CONFORMANCE_CONTEXT", "{}"))
    try:
        auth = await authentication(scenario, url, context)
        async with httpx.AsyncClient(auth=auth) as client:
            await use(client, url, version)
    except (OAuthError, httpx.HTTPError) as error:
        print(f"{type(error).__name__}: {error}", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(asyncio.run(main(sys.argv[-1])))
