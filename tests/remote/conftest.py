"""A site that is a client, a library elsewhere that wants tokens, and people who use both.

The library is the example project in a process of its own, with its authorization server.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from html import unescape
from typing import Any
from urllib.parse import parse_qsl, urlencode, urljoin, urlsplit

import httpx
import pytest
from django.contrib.auth import get_user_model
from django.test import Client as Browser
from django.urls import clear_url_caches

from django_mcp.remote.models import RemoteServer
from tests import library as books
from tests.interop.servers import Servers, Site

#: What the site is called by the browsers of the tests. Nobody listens there.
HOST = "127.0.0.1:8999"
CALLBACK = f"http://{HOST}/remote/callback/"


@pytest.fixture(autouse=True)
def _site(settings: Any, db: None) -> Iterator[None]:
    settings.ROOT_URLCONF = "tests.remote.urls"
    clear_url_caches()
    yield
    clear_url_caches()


@pytest.fixture(scope="session")
def running_library(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    """The library with its books and two readers, where nobody comes in without a token."""
    kept = tmp_path_factory.mktemp("library")
    books.prepare(kept / "example.sqlite3")
    servers = Servers(kept)
    yield servers.get("neighbour")
    servers.end()


@pytest.fixture
def library(running_library: Site) -> RemoteServer:
    """The library, as a server that users of this site connect to."""
    return RemoteServer.objects.create(
        name="library",
        title="The Library",
        url=running_library.url(),
        authorization=RemoteServer.Authorization.USER,
    )


class Person:
    """Somebody with an account here and one at the library, and one browser for both."""

    def __init__(self, name: str) -> None:
        self.name = name
        self.user = get_user_model().objects.create_user(name, password="secret")
        self.browser = Browser(enforce_csrf_checks=True, headers={"host": HOST})
        self.browser.force_login(self.user)
        self._elsewhere = httpx.Cookies()
        self.asked: list[str] = []

    def get(self, path: str) -> Any:
        return self.browser.get(path)

    def press(self, page: Any, action: str | None = None, **changed: str) -> Any:
        """Send the first form of a page, or that with an action."""
        text = page.content.decode()
        fields = dict(re.findall(r'<input type="hidden" name="([^"]+)" value="([^"]*)"', text))
        found = re.search(r'<form method="post" action="([^"]+)"', text)
        assert found, text
        data = {name: unescape(value) for name, value in fields.items()} | changed
        return self.browser.post(action or found[1], data)

    def begin(self, path: str = "/remote/library/connect/?next=/after/") -> str:
        """Go as far as the authorization server; where that is."""
        page = self.get(path)
        assert page.status_code == 200, page.content
        sent = self.press(page)
        assert sent.status_code == 302, sent.content
        return str(sent["Location"])

    def agree(self, url: str, *, decision: str = "allow") -> str:
        """Log in at the library and answer what it asks; where one is sent back to."""
        with httpx.Client(cookies=self._elsewhere, timeout=10, trust_env=False) as browser:
            page = browser.get(url, follow_redirects=True)
            if "password" in page.text:
                login = {"username": self.name, "password": "secret"}
                page = _submit(browser, page, login, follow_redirects=True)
            self.asked += re.findall(r'name="scope" value="([^"]+)" checked', page.text)
            boxes = re.findall(r'name="scope" value="([^"]+)" checked>', page.text)
            back = _submit(browser, page, {"decision": decision, "scope": boxes})
            self._elsewhere = browser.cookies
        assert back.status_code == 303, back.text
        return str(back.headers["location"])

    def come_back(self, url: str, **changed: str | None) -> Any:
        """Follow the way back, perhaps with other parameters; None leaves one out."""
        assert url.startswith(CALLBACK), url
        query = {**dict(parse_qsl(urlsplit(url).query)), **changed}
        kept = urlencode({name: value for name, value in query.items() if value is not None})
        return self.get(f"/remote/callback/?{kept}")

    def connect(self, path: str = "/remote/library/connect/?next=/after/") -> Any:
        """All of it."""
        return self.come_back(self.agree(self.begin(path)))


def _submit(browser: httpx.Client, page: Any, given: dict[str, Any], **options: Any) -> Any:
    fields = re.findall(r'<input type="hidden" name="([^"]+)" value="([^"]*)"', page.text)
    action = re.search(r'<form method="post" action="([^"]+)"', page.text)
    url = urljoin(str(page.url), unescape(action[1])) if action else str(page.url)
    data = {name: unescape(value) for name, value in fields} | given
    return browser.post(url, data=data, **options)


@pytest.fixture
def anna() -> Person:
    return Person("anna")


@pytest.fixture
def ben() -> Person:
    return Person("ben")
