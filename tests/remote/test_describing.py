"""The project's client ID is the URL of a page of its own, which says who it is."""

from __future__ import annotations

from typing import Any
from urllib.parse import parse_qsl, urlsplit

import pytest
from django.conf.urls.i18n import i18n_patterns
from django.contrib.auth import get_user_model
from django.db import connections
from django.test import AsyncClient as AsyncBrowser
from django.test import Client as Browser
from django.test.utils import override_script_prefix
from django.urls import get_resolver

from django_mcp.oauth import cimd, fetching
from django_mcp.oauth.fetching import Fetched
from django_mcp.remote.models import Registration, RemoteServer

from .conftest import Person

URL = "https://app.example/remote/client.json"
CALLBACK = "https://app.example/remote/callback/"


@pytest.fixture(autouse=True)
def _described(settings: Any) -> None:
    settings.DJANGO_MCP_REMOTE = {"CLIENT_METADATA_URL": URL, "CLIENT_NAME": "The Shop"}


def test_the_page_is_what_its_url_stands_for(settings: Any) -> None:
    # Nobody logs in to read it.
    settings.MIDDLEWARE = [
        *settings.MIDDLEWARE,
        "django.contrib.auth.middleware.LoginRequiredMiddleware",
    ]
    page = Browser().get("/remote/client.json")

    assert page.json() == {
        "client_id": URL,
        "client_name": "The Shop",
        "client_uri": "https://app.example/",
        "redirect_uris": [CALLBACK],
        "grant_types": ["authorization_code", "refresh_token"],
        "response_types": ["code"],
        "token_endpoint_auth_method": "none",
        "application_type": "web",
    }
    assert page["Content-Type"] == "application/json"
    assert page["Cache-Control"] == "public, max-age=3600"
    assert "Set-Cookie" not in page
    assert Browser().post("/remote/client.json").status_code == 405


def test_it_is_there_where_requests_are_transactions(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(connections.settings["default"], "ATOMIC_REQUESTS", True)

    assert Browser().get("/remote/client.json").json()["client_id"] == URL


def test_an_authorization_server_takes_it(monkeypatch: pytest.MonkeyPatch) -> None:
    async def fetch(url: str) -> Fetched:
        return Fetched((await AsyncBrowser().get(urlsplit(url).path)).json(), None)

    monkeypatch.setattr(fetching, "fetch", fetch)
    anna = get_user_model().objects.create_user("anna")
    client = cimd.client_of(URL, user=anna)

    assert client is not None
    assert (client.application.name, client.application.redirect_uris) == ("The Shop", CALLBACK)


def test_who_connects_comes_from_there_and_back_to_there(
    library: RemoteServer, anna: Person
) -> None:
    # On this host by another name: what the document says is where an answer may go.
    begun = dict(parse_qsl(urlsplit(anna.begin()).query))

    assert (begun["client_id"], begun["redirect_uri"]) == (URL, CALLBACK)
    assert not Registration.objects.exists()


def test_it_is_the_same_in_every_language_of_the_site(
    library: RemoteServer, anna: Person, settings: Any
) -> None:
    url = "https://app.example/de/remote/client.json"
    settings.ROOT_URLCONF = tuple(i18n_patterns(*get_resolver().url_patterns))
    settings.MIDDLEWARE = [*settings.MIDDLEWARE, "django.middleware.locale.LocaleMiddleware"]
    settings.DJANGO_MCP_REMOTE = {"CLIENT_METADATA_URL": url}

    begun = dict(parse_qsl(urlsplit(anna.begin("/en/remote/library/connect/")).query))
    described = Browser().get("/de/remote/client.json").json()
    assert (begun["client_id"], [begun["redirect_uri"]]) == (url, described["redirect_uris"])
    assert described["redirect_uris"] == ["https://app.example/de/remote/callback/"]


def test_the_way_back_that_is_set_is_in_it(settings: Any) -> None:
    settings.DJANGO_MCP_REMOTE |= {"REDIRECT_URI": "https://app.example/back/"}

    assert Browser().get("/remote/client.json").json()["redirect_uris"] == [
        "https://app.example/back/"
    ]


def test_it_is_found_below_a_prefix(settings: Any) -> None:
    settings.DJANGO_MCP_REMOTE = {
        "CLIENT_METADATA_URL": "https://app.example/app/remote/client.json"
    }
    with override_script_prefix("/app/"):
        said = Browser().get("/remote/client.json").json()

    assert said["redirect_uris"] == ["https://app.example/app/remote/callback/"]


@pytest.mark.parametrize(
    "given", [{}, {"CLIENT_METADATA_URL": "https://cdn.example/our-own.json"}], ids=["none", "own"]
)
def test_there_is_no_page_where_the_setting_names_another_or_none(
    settings: Any, given: dict[str, str]
) -> None:
    settings.DJANGO_MCP_REMOTE = given

    assert Browser().get("/remote/client.json").status_code == 404
