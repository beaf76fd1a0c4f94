"""How the client of the suite's `auth/…` scenarios comes to its tokens; `client` plays them.

The user of these scenarios says yes to everything: his browser is one request, and what it is
redirected to is the answer.
"""

from __future__ import annotations

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
    Registration,
)
from django_mcp.client.auth.bearer import BearerAuth
from django_mcp.client.auth.client_authentication import BASIC
from django_mcp.client.auth.signing import PrivateKey

REDIRECT_URI = "http://127.0.0.1:33418/callback"
METADATA_URL = "https://conformance-test.local/client-metadata.json"


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
