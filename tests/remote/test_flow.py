"""A user lets the site use a server in their name, and the site does."""

from __future__ import annotations

from typing import Any
from urllib.parse import parse_qsl, urlsplit

import httpx
import pytest
from asgiref.sync import async_to_sync
from django.db import connection as database
from django.test.utils import override_script_prefix

from django_mcp.remote.clients import NotConnected, ServerUnknown, aget_client
from django_mcp.remote.models import Attempt, Connection, Registration, RemoteServer
from django_mcp.remote.sealing import seal
from django_mcp.remote.storage import _use_of_tokens, tokens_in

from .conftest import Person


@async_to_sync
async def decades(user: Any) -> Any:
    """What the library answers to the site in the name of `user`."""
    async with await aget_client("library", user=user, timeout=10) as client:
        result = await client.call_tool("count_by_decade", {"from": 1800, "to": 1900})
    return result.data


def test_a_user_connects_and_goes_on_where_they_were(library: RemoteServer, anna: Person) -> None:
    with pytest.raises(NotConnected) as told:
        decades(anna.user)
    begun = anna.begin(told.value.url_to("/books/?q=paris"))
    arrived = anna.agree(begun)
    back = anna.come_back(arrived)

    assert begun.startswith(library.url.removesuffix("mcp") + "oauth/authorize?")
    assert (back.status_code, back["Location"]) == (302, "/books/?q=paris")
    assert decades(anna.user)
    assert not Attempt.objects.exists()


def test_everybody_has_tokens_of_their_own(
    library: RemoteServer, anna: Person, ben: Person
) -> None:
    anna.connect()
    with pytest.raises(NotConnected):
        decades(ben.user)
    ben.connect()

    assert decades(anna.user) == decades(ben.user)
    assert Connection.objects.count() == 2
    assert Registration.objects.count() == 1
    assert len({tokens_in(row).access_token for row in Connection.objects.all()}) == 2


def test_a_token_that_is_refused_is_renewed_without_the_user(
    library: RemoteServer, anna: Person
) -> None:
    anna.connect()
    lose_access_token(library, anna)
    before = tokens_in(Connection.objects.get())

    assert decades(anna.user)
    after = tokens_in(Connection.objects.get())
    assert after.access_token != before.access_token
    assert after.refresh_token != before.refresh_token


def test_a_call_that_needs_more_has_the_user_asked_again(
    library: RemoteServer, anna: Person
) -> None:
    anna.connect()
    with pytest.raises(NotConnected) as told:
        lend(anna.user)
    listed = anna.get("/remote/").content.decode()
    anna.connect(told.value.url_to("/after/"))

    assert "It asked for more than you have allowed" in listed
    assert lend(anna.user)
    assert anna.asked.count("library:lend") == 1
    assert Connection.objects.get().wanted == ""


def test_who_disconnects_has_the_tokens_ended_at_the_library(
    library: RemoteServer, anna: Person
) -> None:
    anna.connect()
    tokens = tokens_in(Connection.objects.get())
    ended = anna.press(anna.get("/remote/"), "/remote/library/disconnect/")

    assert (ended.status_code, ended["Location"]) == (302, "/remote/")
    assert not Connection.objects.exists()
    assert status_with(library, tokens.access_token) == 401
    with pytest.raises(NotConnected):
        decades(anna.user)


@pytest.mark.parametrize("is_lost", [True, False], ids=["renewed", "ended"])
def test_who_was_there_before_the_document_stays_who_they_were(
    library: RemoteServer, anna: Person, settings: Any, is_lost: bool
) -> None:
    """Tokens are of the client they were given to, whatever the project calls itself by now."""
    anna.connect()
    token = tokens_in(Connection.objects.get()).access_token
    settings.DJANGO_MCP_REMOTE = {"CLIENT_METADATA_URL": "https://app.example/remote/client.json"}
    if is_lost:
        lose_access_token(library, anna)
        assert decades(anna.user)
        token = tokens_in(Connection.objects.get()).access_token

    ended = anna.press(anna.get("/remote/"), "/remote/library/disconnect/")
    assert ended.status_code == 302
    assert status_with(library, token) == 401


def test_who_disconnects_is_told_where_the_other_side_was_not(
    library: RemoteServer, anna: Person
) -> None:
    anna.connect()
    page = anna.get("/remote/")
    RemoteServer.objects.update(enabled=False)
    Connection.objects.update(issuer="")
    row = Connection.objects.get()
    elsewhere = tokens_in(row).model_copy(update={"issuer": "http://127.0.0.1:9/oauth"})
    row.sealed = seal(elsewhere.model_dump_json(), _use_of_tokens(row.holder, row.url))
    row.save()
    told = anna.press(page, "/remote/library/disconnect/")

    assert told.status_code == 200
    assert "was not told" in told.content.decode()
    assert not Connection.objects.exists()


def test_a_user_who_says_no_is_told_so_and_can_try_again(
    library: RemoteServer, anna: Person
) -> None:
    told = anna.come_back(anna.agree(anna.begin(), decision="deny"))

    assert told.status_code == 400
    assert "access_denied" in told.content.decode()
    assert "/remote/library/connect/?next=%2Fafter%2F" in told.content.decode()
    assert not Connection.objects.exists()


def test_a_server_that_has_moved_is_sent_nothing_that_was_for_the_old_one(
    library: RemoteServer, anna: Person
) -> None:
    anna.connect()
    RemoteServer.objects.update(url="http://127.0.0.1:9/mcp")

    with pytest.raises(NotConnected):
        decades(anna.user)
    assert "The server has moved" in anna.get("/remote/").content.decode()


def test_a_user_who_may_not_log_in_any_more_is_not_acted_for(
    library: RemoteServer, anna: Person
) -> None:
    anna.connect()
    anna.user.is_active = False

    with pytest.raises(NotConnected):
        decades(anna.user)


@pytest.mark.parametrize("how", ["unknown", "disabled"])
def test_a_server_that_is_not_there_is_said_to_be_unknown(
    library: RemoteServer, anna: Person, how: str
) -> None:
    RemoteServer.objects.update(**{"unknown": {"name": "x"}, "disabled": {"enabled": False}}[how])

    with pytest.raises(ServerUnknown, match="'library'"):
        decades(anna.user)
    assert anna.get("/remote/library/connect/").status_code == 404


def test_a_library_that_is_down_is_an_error_on_a_page(library: RemoteServer, anna: Person) -> None:
    RemoteServer.objects.update(url="http://127.0.0.1:9/mcp")
    told = anna.press(anna.get("/remote/library/connect/"))

    assert told.status_code == 502
    assert "cannot be reached" in told.content.decode()


def test_behind_a_proxy_the_way_back_is_what_the_browser_sees(
    library: RemoteServer, anna: Person, settings: Any
) -> None:
    settings.SECURE_PROXY_SSL_HEADER = ("HTTP_X_FORWARDED_PROTO", "https")
    settings.ALLOWED_HOSTS = ["app.example"]
    anna.browser.defaults |= {
        "HTTP_HOST": "app.example",
        "HTTP_X_FORWARDED_PROTO": "https",
        "HTTP_REFERER": "https://app.example/",
        "SCRIPT_NAME": "/app",
    }
    page = anna.get("/remote/library/connect/")
    # As the handlers of Django do with SCRIPT_NAME, and that of its test client does not.
    with override_script_prefix("/app/"):
        begun = anna.press(page, "/remote/library/connect/")["Location"]

    assert 'action="/app/remote/library/connect/"' in page.content.decode()
    assert query_of(begun)["redirect_uri"] == "https://app.example/app/remote/callback/"


def test_the_way_back_can_be_set(library: RemoteServer, anna: Person, settings: Any) -> None:
    settings.DJANGO_MCP_REMOTE = {"REDIRECT_URI": "https://app.example/back/"}

    assert query_of(anna.begin())["redirect_uri"] == "https://app.example/back/"


def test_pages_are_in_no_transaction(
    library: RemoteServer, anna: Person, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(database.settings_dict, "ATOMIC_REQUESTS", True)

    assert anna.connect().status_code == 302
    assert anna.get("/remote/").status_code == 200


def test_who_is_registered_by_hand_registers_nothing(library: RemoteServer, anna: Person) -> None:
    first = query_of(anna.begin())["client_id"]
    Registration.objects.all().delete()
    library.client_id, library.issuer = first, library.url.removesuffix("mcp") + "oauth"
    library.save()

    assert anna.connect().status_code == 302
    assert decades(anna.user)
    assert not Registration.objects.exists()


@async_to_sync
async def lend(user: Any) -> bool:
    async with await aget_client("library", user=user, timeout=10) as client:
        lent = await client.call_tool(
            "lend_book", {"book_id": 10**6, "card_number": 1}, raise_on_error=False
        )
    return bool(lent.is_error)  # There is no such book; but the tool was asked.


def lose_access_token(library: RemoteServer, anna: Person) -> None:
    row = Connection.objects.get(user=anna.user)
    lost = tokens_in(row).model_copy(update={"access_token": "mcp_at_lost"})
    row.sealed = seal(lost.model_dump_json(), _use_of_tokens(row.holder, row.url))
    row.save()


def status_with(library: RemoteServer, token: str) -> int:
    headers = {"Authorization": f"Bearer {token}"}
    ping = {"jsonrpc": "2.0", "id": 1, "method": "ping"}
    with httpx.Client(trust_env=False, timeout=10) as http:
        return http.post(library.url, json=ping, headers=headers).status_code


def query_of(url: str) -> dict[str, str]:
    return dict(parse_qsl(urlsplit(url).query))
