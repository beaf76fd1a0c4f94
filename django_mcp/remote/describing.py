"""Who the project is as a client: the document that describes it, and where its users come back to.

The document stands at the very URL that is the project's client ID wherever an authorization server
understands such documents, so nothing has to be registered there (2026-07-28,
basic/authorization/client-registration#client-id-metadata-documents). It is this app's where
CLIENT_METADATA_URL is the URL of its page, and the project's own otherwise.
"""

from __future__ import annotations

from typing import Any
from urllib.parse import urljoin, urlsplit

from django.http import HttpRequest
from django.urls import get_script_prefix, reverse
from django.utils.translation import get_language, get_language_from_path, override

from . import conf


def document() -> dict[str, Any] | None:
    """What the page says; None where the setting does not name it."""
    settings = conf.get()
    url = settings.client_metadata_url
    if url is None:
        return None
    path = urlsplit(url).path
    # Where paths begin with a language, it is that of the URL, whoever asks.
    with override(_language_of(path) or get_language()):
        if path != reverse("django_mcp_remote:client"):
            return None
        callback = _callback()
    return {
        "client_id": url,
        "client_name": settings.client_name,
        "client_uri": urljoin(url, "/"),
        "redirect_uris": [settings.redirect_uri or urljoin(url, callback)],
        "grant_types": ["authorization_code", "refresh_token"],
        "response_types": ["code"],
        "token_endpoint_auth_method": "none",
        "application_type": "web",
    }


def redirect_uri(request: HttpRequest) -> str:
    """Where an authorization server sends the user back to who begins with `request`: as the
    setting has it, or the document, or on the host of the request."""
    described = document()
    if described is not None:
        uri: str = described["redirect_uris"][0]
        return uri
    return conf.get().redirect_uri or request.build_absolute_uri(_callback())


def _callback() -> str:
    return reverse("django_mcp_remote:callback")


def _language_of(path: str) -> str | None:
    below = path.removeprefix(get_script_prefix().removesuffix("/"))
    return get_language_from_path(below)
