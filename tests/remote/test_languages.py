"""The pages of connections to other servers, in the language of the browser."""

from __future__ import annotations

import pytest
from django.contrib.auth import get_user_model
from django.test import Client

from django_mcp.remote.models import RemoteServer

pytestmark = pytest.mark.usefixtures("heeds_the_browser")

GERMAN = {"Accept-Language": "de"}


@pytest.fixture
def anna() -> Client:
    """Somebody who is logged in, and may do everything."""
    browser = Client()
    browser.force_login(get_user_model().objects.create_superuser("anna"))
    return browser


@pytest.fixture
def library() -> RemoteServer:
    return RemoteServer.objects.create(
        name="library",
        title="The <Library>",
        url="https://library.example/mcp",
        authorization=RemoteServer.Authorization.USER,
    )


@pytest.mark.parametrize(
    ("path", "status", "words"),
    [
        ("", 200, "Verbindungen zu anderen Servern"),
        ("library/connect/", 200, "in Ihrem Namen <bdi>The &lt;Library&gt;</bdi> verwenden?"),
        ("callback/?state=x", 400, "Diese Antwort gehört zu nichts, was Sie hier begonnen haben"),
    ],
)
def test_a_page_is_german(
    anna: Client, library: RemoteServer, path: str, status: int, words: str
) -> None:
    page = anna.get(f"/remote/{path}", headers=GERMAN)

    assert page.status_code == status
    assert '<html lang="de" dir="ltr">' in page.content.decode()
    assert words in page.content.decode()
    assert "onnect" not in page.content.decode().replace("/connect/", "")


def test_what_is_wrong_with_a_server_is_said_in_german(anna: Client) -> None:
    page = anna.post(
        "/admin/django_mcp_remote/remoteserver/add/",
        {"name": "x", "url": "ftp://x", "authorization": "none", "headers": "no header"},
        headers=GERMAN,
    ).content.decode()

    assert "Das ist keine URL mit http://" in page
    assert "Es gibt eine Zeile ohne Namen und &#x27;:&#x27;." in page
    assert "Client-Secret" in page
