"""The admin: staff blocks clients and ends connections, and nobody sees a secret there."""

from __future__ import annotations

import re
from typing import Any

import pytest
from asgiref.sync import async_to_sync
from django.contrib.admin.models import LogEntry
from django.contrib.auth import get_user_model
from django.contrib.auth.models import Group, Permission
from django.test import Client as Browser
from oauth2_provider.models import get_access_token_model

from django_mcp.oauth import personal
from django_mcp.oauth.models import Client, Connection, PersonalToken
from tests.oauth.conftest import Door, grant
from tests.oauth.people import MCP, Person, Program

ADMIN = "/admin/django_mcp_oauth"


@pytest.fixture
def staff(door: Door, settings: Any) -> Browser:
    """A member of the staff who may see everything of this app, and change nothing."""
    settings.ROOT_URLCONF = "tests.oauth.admin_urls"
    person = Person("stella")
    person.user.is_staff = True
    person.user.save()
    viewing = Permission.objects.filter(
        content_type__app_label="django_mcp_oauth", codename__startswith="view_"
    )
    person.user.user_permissions.set(viewing)
    browser = Browser()
    browser.force_login(person.user)
    return browser


def allowed_to_change(kind: str) -> None:
    permission = Permission.objects.get(
        content_type__app_label="django_mcp_oauth", codename=f"change_{kind}"
    )
    permission.user_set.add(get_user_model().objects.get(username="stella"))


def act(staff: Browser, kind: str, action: str, row: Any) -> Any:
    return staff.post(f"{ADMIN}/{kind}/", {"action": action, "_selected_action": [row.pk]})


# 97


def test_staff_without_the_permission_changes_nothing(
    staff: Browser, tokens: dict[str, Any]
) -> None:
    act(staff, "client", "block", Client.objects.get())
    act(staff, "connection", "end", Connection.objects.get())

    assert Client.objects.get().status == Client.Status.ALLOWED
    assert Connection.objects.get().revoked is None


def test_a_client_is_blocked_and_allowed_again(
    door: Door, staff: Browser, tokens: dict[str, Any]
) -> None:
    allowed_to_change("client")
    call = async_to_sync(door.calling)

    act(staff, "client", "block", Client.objects.get())
    assert call(tokens["access_token"], "look").status == 401
    act(staff, "client", "allow", Client.objects.get())
    assert call(tokens["access_token"], "look").status == 200


def test_a_connection_is_ended(door: Door, staff: Browser, tokens: dict[str, Any]) -> None:
    allowed_to_change("connection")
    act(staff, "connection", "end", Connection.objects.get())

    assert async_to_sync(door.calling)(tokens["access_token"], "look").status == 401
    assert not get_access_token_model().objects.exists()


def test_a_personal_token_is_ended(staff: Browser, anna: Person) -> None:
    allowed_to_change("personaltoken")
    token, _ = personal.issue(anna.user, name="cron", resource=MCP, scopes=[], days=1)
    act(staff, "personaltoken", "end", token)

    assert PersonalToken.objects.get().revoked is not None


def test_no_page_shows_a_secret(staff: Browser, anna: Person, tokens: dict[str, Any]) -> None:
    token, secret = personal.issue(anna.user, name="cron", resource=MCP, scopes=[], days=1)
    rows = {"client": Client, "connection": Connection, "personaltoken": PersonalToken}
    secrets = [*tokens.values(), secret, token.digest]

    for kind, model in rows.items():
        for path in ("", f"{model.objects.get().pk}/change/"):
            page = staff.get(f"{ADMIN}/{kind}/{path}")
            assert page.status_code == 200
            text = page.content.decode()
            assert not [each for each in secrets if len(str(each)) > 20 and str(each) in text]
        assert staff.get(f"{ADMIN}/{kind}/add/").status_code == 403


# Clients for service accounts


@pytest.fixture
def maker(staff: Browser, settings: Any) -> Browser:
    """One of the staff who may make clients, where there are those for service accounts."""
    settings.DJANGO_MCP_OAUTH = {"CLIENT_CREDENTIALS": True}
    stella().user_permissions.add(Permission.objects.get(codename="add_client"))
    return staff


def stella() -> Any:
    return get_user_model().objects.get(username="stella")


def make(staff: Browser, **changed: Any) -> Any:
    said = {"name": "Nightly", "user": "robot", "resource": MCP, "scopes": ["mcp:read"]}
    return staff.post(f"{ADMIN}/client/add/", {**said, **changed})


def test_a_client_for_a_service_account_is_made_and_its_secret_shown_once(
    door: Door, maker: Browser
) -> None:
    Person("robot")
    form = maker.get(f"{ADMIN}/client/add/").content.decode()
    page = make(maker)
    found = re.search(
        r"client_id: <code>([^<]+)</code>.*client_secret: <code[^>]*>([^<]+)</code>",
        page.content.decode(),
        re.DOTALL,
    )
    assert found is not None, page.content.decode()
    program = Program()
    program.id, program.secret = found.groups()
    told = program.ask(grant_type="client_credentials").json()

    assert "The Desk" in form
    assert "no-store" in page["Cache-Control"]
    assert async_to_sync(door.calling)(told["access_token"], "look").status == 200
    assert (told["scope"], Connection.objects.get().user.get_username()) == ("mcp:read", "robot")
    for path in ("client/", f"client/{Client.objects.get().pk}/change/", "connection/"):
        again = maker.get(f"{ADMIN}/{path}")
        assert again.status_code == 200
        assert program.secret not in again.content.decode()
    assert LogEntry.objects.get().user == stella()


def test_staff_without_the_permission_makes_none(door: Door, maker: Browser, settings: Any) -> None:
    Person("robot")
    permission = Permission.objects.get(codename="add_client")
    stella().user_permissions.remove(permission)
    assert maker.get(f"{ADMIN}/client/add/").status_code == 403
    assert make(maker).status_code == 403

    stella().user_permissions.add(permission)
    settings.DJANGO_MCP_OAUTH = {}
    assert make(maker).status_code == 403
    assert not Client.objects.exists()


@pytest.mark.parametrize(
    "wrong",
    [
        {"user": "nobody"},
        {"user": "root"},
        {"user": "clerk"},
        {"user": "member"},
        {"user": "gone"},
        {"user": ""},
        {"name": ""},
        {"resource": "https://evil.example/mcp"},
        {"scopes": ["everything"]},
    ],
    ids=str,
)
def test_nobody_gets_rights_by_a_client_that_they_do_not_have(
    door: Door, maker: Browser, wrong: dict[str, Any]
) -> None:
    get_user_model().objects.create_superuser("root")
    grant(Person("clerk"), "change_user")
    Person("member").user.groups.add(Group.objects.create(name="members"))
    get_user_model().objects.create_user("gone", is_active=False)
    Person("robot")
    response = make(maker, **wrong)

    assert response.status_code == 400
    assert not Client.objects.exists()
    if wrong.get("user"):
        said = f"There is no active user “{wrong['user']}” all of whose rights you have."
        assert said in response.content.decode()


def test_who_has_the_rights_may_give_them(door: Door, maker: Browser) -> None:
    grant(Person("clerk"), "change_user")
    stella().user_permissions.add(Permission.objects.get(codename="change_user"))

    assert make(maker, user="clerk").status_code == 200
    # Whoever may do everything may have a program speak for anybody.
    get_user_model().objects.filter(username="stella").update(is_superuser=True)
    get_user_model().objects.create_superuser("root")
    assert make(maker, user="root").status_code == 200


def test_a_form_of_another_site_makes_none(door: Door, maker: Browser) -> None:
    Person("robot")
    strict = Browser(enforce_csrf_checks=True)
    strict.force_login(stella())

    assert make(strict).status_code == 403
    assert not Client.objects.exists()
