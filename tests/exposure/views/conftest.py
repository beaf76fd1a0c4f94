"""The site of pages, a server for it, and those who ask."""

from __future__ import annotations

import copy
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from django.core.cache import cache
from django.core.handlers.asgi import ASGIHandler
from django.core.handlers.wsgi import WSGIHandler
from django.urls import get_resolver, path

from django_mcp import ANONYMOUS, MCPServer, Principal
from django_mcp.urls import mcp_view
from tests.conversations.database import disk  # noqa: F401 - a fixture
from tests.conversations.talk import consumer_of
from tests.doors import AsgiDoor, WsgiDoor
from tests.exposure.depot.server import Guest

HERE = Path(__file__).parent / "pages"

MIDDLEWARE = [
    "django.middleware.security.SecurityMiddleware",
    "django.contrib.sessions.middleware.SessionMiddleware",
    "django.middleware.locale.LocaleMiddleware",
    "django.middleware.common.CommonMiddleware",
    "django.middleware.csrf.CsrfViewMiddleware",
    "django.contrib.auth.middleware.AuthenticationMiddleware",
    "django.contrib.messages.middleware.MessageMiddleware",
    "tests.exposure.views.pages.middleware.TenantMiddleware",
]


@pytest.fixture
def site(settings: Any) -> Any:
    """The settings of the site, where its pages are served."""
    settings.ROOT_URLCONF = "tests.exposure.views.pages.urls"
    settings.MIDDLEWARE = list(MIDDLEWARE)
    settings.LOGIN_URL = "/login/"
    settings.ALLOWED_HOSTS = ["testserver", ".example.com"]
    settings.LANGUAGES = [("en", "English"), ("de", "German")]
    templates = copy.deepcopy(settings.TEMPLATES)
    templates[0]["DIRS"] = [HERE / "templates"]
    settings.TEMPLATES = templates
    cache.clear()
    return settings


@pytest.fixture
def server(site: Any) -> MCPServer:
    """A server for the site."""
    return MCPServer("pages")


@pytest.fixture
def guest(server: MCPServer) -> Callable[..., Guest]:
    """Makes a client of the server, for a user or for nobody."""
    return lambda user=None: Guest(server, user)


@pytest.fixture(params=["consumer", "view", "wsgi"])
def door(request: pytest.FixtureRequest, server: MCPServer, site: Any) -> Callable[..., Any]:
    """Opens each way in, one after the other, for a user or for nobody."""

    given: list[Any] = []

    def opened(user: Any = None) -> Any:
        def authenticate(_: Any) -> Principal:
            return ANONYMOUS if user is None else Principal(id=f"user:{user.pk}", user=user)

        if request.param == "consumer":
            return consumer_of(server, authenticate=authenticate)
        if not given:
            given[:] = get_resolver().url_patterns
        endpoint = path("mcp", mcp_view(server, authenticate=authenticate))
        site.ROOT_URLCONF = (endpoint, *given)
        if request.param == "view":
            return AsgiDoor("view", ASGIHandler())
        return WsgiDoor("wsgi", WSGIHandler())

    return opened
