"""The admin: staff blocks clients and ends connections, and nobody sees a secret there."""

from __future__ import annotations

from typing import Any

import pytest
from asgiref.sync import async_to_sync
from django.contrib.auth import get_user_model
from django.contrib.auth.models import Permission
from django.test import Client as Browser
from oauth2_provider.models import get_access_token_model

from django_mcp.oauth import personal
from django_mcp.oauth.models import Client, Connection, PersonalToken
from tests.oauth.conftest import Door
from tests.oauth.people import MCP, Person

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
