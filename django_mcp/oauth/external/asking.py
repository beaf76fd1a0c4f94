"""Asks identity providers: for their metadata, for their keys, about a token.

Where they are is the operator's word, so they may be inside a private network, unlike what
`fetching` gets for strangers. All else holds here too: https, no redirects, no proxies, no
compression, a small JSON object, and one limit of time for the whole of it, however slowly it
drips. Plain http is spoken with this computer alone (outside DEBUG), and only where the setting
itself says so: no document of an https issuer leads to it.
"""

from __future__ import annotations

import asyncio
import ssl
from collections.abc import Mapping
from typing import Any, Final
from urllib.parse import quote_plus, urlsplit

import httpx
from django.conf import settings

from ...client.auth.urls import authorization_server_urls
from ..addresses import is_safe
from ..fetching import CannotFetch, read, tls, waited_for
from ..identity_providers import IdentityProvider

#: Seconds for everything that one caller waits for.
DEADLINE: Final = 3.0
#: Bytes of metadata or keys, and of what is said of a token.
LARGEST_DOCUMENT: Final = 256 * 1024
LARGEST_ANSWER: Final = 32 * 1024


def keys_of(provider: IdentityProvider) -> dict[str, Any]:
    """The provider's JWK set; raises CannotFetch."""
    found: dict[str, Any] = _in_time(_keys_of, provider)
    return found


def answer_about(
    token: str, provider: IdentityProvider, url: str | None
) -> tuple[dict[str, Any], str]:
    """What the provider says of a token (RFC 7662, section 2.2), and the URL that was asked: `url`,
    or where None is known the one of its metadata. Raises CannotFetch."""
    found: tuple[dict[str, Any], str] = _in_time(_answer_about, token, provider, url)
    return found


def _in_time(ask: Any, *arguments: Any) -> Any:
    async def asked() -> Any:
        try:
            async with asyncio.timeout(DEADLINE):
                return await ask(*arguments)
        except TimeoutError:
            raise CannotFetch("its server takes too long") from None
        except (httpx.HTTPError, httpx.InvalidURL, ssl.SSLError, OSError, ValueError):
            raise CannotFetch("its server cannot be reached, or not safely") from None

    return waited_for(asked())


async def _keys_of(provider: IdentityProvider) -> dict[str, Any]:
    url = provider.jwks_url or await _named(provider, "jwks_uri")
    return await _got(url)


async def _answer_about(
    token: str, provider: IdentityProvider, url: str | None
) -> tuple[dict[str, Any], str]:
    url = url or await _named(provider, "introspection_endpoint")
    form = {"token": token, "token_type_hint": "access_token"}
    name, secret = provider.client_id or "", provider.client_secret or ""
    auth = None
    if provider.client_authentication == "post":
        form |= {"client_id": name, "client_secret": secret}
    else:
        # Both are encoded as in a form first (RFC 6749, section 2.3.1).
        auth = httpx.BasicAuth(quote_plus(name), quote_plus(secret))
    return await _sent("POST", url, LARGEST_ANSWER, data=form, auth=auth), url


async def _named(provider: IdentityProvider, member: str) -> str:
    """The URL that the metadata of the provider has under `member` (RFC 8414, or OpenID Connect
    Discovery); raises CannotFetch."""
    reason = "it has no metadata"
    for url in authorization_server_urls(provider.issuer):
        try:
            document = await _got(url)
        except CannotFetch as error:
            reason = str(error)
            continue
        if document.get("issuer") != provider.issuer:
            reason = "its metadata is that of another issuer"
            continue
        found = document.get(member)
        if not isinstance(found, str):
            reason = f"its metadata has no {member}"
            continue
        if urlsplit(found).scheme != "https" and urlsplit(provider.issuer).scheme == "https":
            raise CannotFetch(f"the {member} of its metadata is not https")
        return found
    raise CannotFetch(reason)


async def _got(url: str) -> dict[str, Any]:
    return await _sent("GET", url, LARGEST_DOCUMENT)


async def _sent(
    method: str,
    url: str,
    largest: int,
    data: Mapping[str, str] | None = None,
    auth: httpx.BasicAuth | None = None,
) -> dict[str, Any]:
    if not (is_safe(url) or settings.DEBUG):
        raise CannotFetch("it is reached over plain http")
    async with (
        httpx.AsyncClient(verify=tls(), follow_redirects=False, trust_env=False) as client,
        client.stream(
            method,
            url,
            data=data,
            auth=auth,
            headers={"Accept": "application/json", "Accept-Encoding": "identity"},
            timeout=DEADLINE,
        ) as response,
    ):
        return await read(response, largest)
