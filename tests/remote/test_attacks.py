"""What somebody tries who wants another one's tokens, or wants others to use theirs."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest
from django.test import Client as Browser
from django.utils import timezone

from django_mcp.remote.models import Attempt, Connection, RemoteServer

from .conftest import HOST, Person

REFUSED = "belongs to nothing that you have begun here"


@pytest.fixture
def arrived(library: RemoteServer, anna: Person) -> str:
    """Where Anna is sent back to, before she goes there."""
    return anna.agree(anna.begin())


def refused(page: Any) -> bool:
    return page.status_code == 400 and REFUSED in page.content.decode()


def test_an_answer_is_for_who_has_begun(arrived: str, anna: Person, ben: Person) -> None:
    assert refused(ben.come_back(arrived))
    assert not Connection.objects.exists()
    # Nor has he ended anything for her.
    assert anna.come_back(arrived).status_code == 302
    assert Connection.objects.get().user == anna.user


def test_an_answer_is_for_the_browser_it_was_begun_in(arrived: str, anna: Person) -> None:
    first, anna.browser = anna.browser, Browser(headers={"host": HOST})
    anna.browser.force_login(anna.user)
    assert refused(anna.come_back(arrived))
    anna.begin()  # This one has something of its own now.
    assert refused(anna.come_back(arrived))

    anna.browser = first
    assert anna.come_back(arrived).status_code == 302


@pytest.mark.parametrize("everywhere", [False, True])
def test_who_is_logged_out_is_not_sent_to_log_in_with_the_code(
    arrived: str, anna: Person, settings: Any, everywhere: bool
) -> None:
    if everywhere:
        settings.MIDDLEWARE = [
            *settings.MIDDLEWARE,
            "django.contrib.auth.middleware.LoginRequiredMiddleware",
        ]
    anna.browser.logout()

    assert refused(anna.come_back(arrived))
    assert not Connection.objects.exists()


def test_an_answer_counts_once(arrived: str, anna: Person) -> None:
    assert anna.come_back(arrived).status_code == 302
    Connection.objects.all().delete()

    assert refused(anna.come_back(arrived))
    assert not Connection.objects.exists()


def test_an_answer_comes_within_ten_minutes(arrived: str, anna: Person) -> None:
    Attempt.objects.update(created=timezone.now() - timedelta(minutes=10, seconds=1))

    assert refused(anna.come_back(arrived))


def test_what_is_over_is_removed(arrived: str, anna: Person) -> None:
    Attempt.objects.update(created=timezone.now() - timedelta(minutes=11))
    anna.begin()

    assert Attempt.objects.count() == 1


def test_one_user_does_not_fill_the_table(library: RemoteServer, anna: Person) -> None:
    for _ in range(12):
        anna.begin()

    assert Attempt.objects.count() == 10


@pytest.mark.parametrize(
    "changed",
    [
        {"state": None},
        {"state": ""},
        {"state": "x" * 5000},
        {"state": "\x00"},
        {"state": "é\ud800"},
    ],
)
def test_without_its_state_an_answer_is_none(
    arrived: str, anna: Person, changed: dict[str, Any]
) -> None:
    state = changed["state"]
    query = "code=c" if state is None else f"code=c&state={state}"

    assert refused(anna.get(f"/remote/callback/?{query.encode(errors='ignore').decode()}"))


def test_a_state_that_is_there_twice_is_none(arrived: str, anna: Person) -> None:
    state = arrived.partition("state=")[2].partition("&")[0]

    assert refused(anna.get(f"/remote/callback/?code=c&state={state}&state={state}"))
    assert Attempt.objects.exists()


@pytest.mark.parametrize("iss", ["https://evil.example", "", None])
def test_an_answer_of_another_authorization_server_is_not_believed(
    arrived: str, anna: Person, iss: str | None
) -> None:
    told = anna.come_back(arrived, iss=iss)

    assert told.status_code == 400
    assert "Nothing was done with it" in told.content.decode()
    assert not Connection.objects.exists()
    assert refused(anna.come_back(arrived))  # It was over with that.


def test_what_an_answer_says_is_text(arrived: str, anna: Person) -> None:
    html = "<script>alert(1)</script><img src=x onerror=alert(1)>"
    told = anna.come_back(arrived, code=None, error="access_denied", error_description=html)

    assert told.status_code == 400
    assert "&lt;script&gt;" in told.content.decode()
    assert "<script>" not in told.content.decode()
    assert "<img" not in told.content.decode()
    assert "default-src 'none'" in told["Content-Security-Policy"]


@pytest.mark.parametrize(
    "target",
    [
        "https://evil.example/",
        "//evil.example/",
        "/\\evil.example",
        "javascript:alert(1)",
        "http://127.0.0.1:8998/",
        "http:///evil.example",
        "/a\nb",
        "/" + "a" * 2001,
        "\x00",
        "",
    ],
)
def test_one_goes_on_to_no_other_host(library: RemoteServer, anna: Person, target: str) -> None:
    page = anna.get("/remote/library/connect/")
    anna.press(page, next=target)

    assert Attempt.objects.get().target == "/remote/"


def test_a_relative_target_is_a_path_and_no_name_of_a_view(
    library: RemoteServer, anna: Person
) -> None:
    begun = anna.press(anna.get("/remote/library/connect/"), next="admin:index")
    assert begun.status_code == 302
    begun = anna.press(anna.get("/remote/library/connect/"), next="after")
    back = anna.come_back(anna.agree(begun["Location"]))

    assert back["Location"] == "after"


def test_nobody_else_can_press_the_buttons(library: RemoteServer, anna: Person) -> None:
    for name in ("connect", "disconnect"):
        assert anna.browser.post(f"/remote/library/{name}/").status_code == 403
    assert not Attempt.objects.exists()


def test_a_link_alone_begins_and_ends_nothing(library: RemoteServer, anna: Person) -> None:
    anna.get("/remote/library/connect/")

    assert not Attempt.objects.exists()
    assert anna.get("/remote/library/disconnect/").status_code == 405


@pytest.mark.parametrize("path", ["/remote/", "/remote/library/connect/"])
def test_pages_are_for_who_is_logged_in(library: RemoteServer, path: str) -> None:
    answer = Browser(headers={"host": HOST}).get(path)

    assert answer.status_code == 302
    assert answer["Location"].startswith("/accounts/login/?next=")


def test_nobody_ends_the_connection_of_another(arrived: str, anna: Person, ben: Person) -> None:
    anna.come_back(arrived)
    answer = ben.press(ben.get("/remote/library/connect/"), "/remote/library/disconnect/")

    assert answer.status_code == 404
    assert Connection.objects.exists()


@pytest.mark.parametrize(
    "change",
    [{"url": "http://127.0.0.1:9/mcp"}, {"enabled": False}, {"authorization": "none"}],
)
def test_a_server_that_was_changed_meanwhile_gets_nothing(
    arrived: str, anna: Person, change: dict[str, Any]
) -> None:
    RemoteServer.objects.update(**change)
    told = anna.come_back(arrived)

    assert told.status_code == 400
    assert "changed meanwhile" in told.content.decode()
    assert not Connection.objects.exists()


def test_the_verifier_is_neither_in_the_session_nor_readable_in_the_database(
    arrived: str, anna: Person
) -> None:
    [attempt] = Attempt.objects.values()
    state = arrived.partition("state=")[2].partition("&")[0]

    session = repr(dict(anna.browser.session))
    assert state not in session
    assert "verifier" not in session
    assert state not in repr(attempt)
    assert "verifier" not in repr(attempt)


def test_pages_can_be_neither_framed_nor_kept(library: RemoteServer, anna: Person) -> None:
    for path in ("/remote/", "/remote/library/connect/"):
        page = anna.get(path)
        assert "frame-ancestors 'none'" in page["Content-Security-Policy"]
        assert page["X-Frame-Options"] == "DENY"
        assert page["Cache-Control"] == "no-store"
