"""What `mcp_oauth_clear` takes away, and what it leaves."""

from __future__ import annotations

from datetime import timedelta
from io import StringIO
from typing import Any

from asgiref.sync import async_to_sync
from django.core.management import call_command
from django.utils import timezone
from oauth2_provider.models import (
    get_access_token_model,
    get_application_model,
    get_grant_model,
    get_refresh_token_model,
)

from django_mcp.oauth import clients
from django_mcp.oauth.models import Client, UsedCode
from tests.oauth.conftest import Door
from tests.oauth.people import CALLBACK, Person, Program

Application, AccessToken = get_application_model(), get_access_token_model()
RefreshToken = get_refresh_token_model()


def clear() -> str:
    written = StringIO()
    call_command("mcp_oauth_clear", stdout=written)
    return written.getvalue()


def age(days: int) -> None:
    """Have everything be older."""
    before = timedelta(days=days)
    now = timezone.now()
    Client.objects.update(created=now - before)
    RefreshToken.objects.update(created=now - before)
    for model in (AccessToken, get_grant_model(), UsedCode):
        for row in model.objects.all():
            model.objects.filter(pk=row.pk).update(expires=row.expires - before)


# 96


def test_what_is_still_needed_stays(door: Door, program: Program, tokens: dict[str, Any]) -> None:
    renewed = program.refresh(tokens["refresh_token"]).json()
    age(2)
    RefreshToken.objects.update(created=timezone.now() - timedelta(days=29))

    # The code can be of no use any more.
    assert clear() == "1 used codes\n"
    assert Application.objects.count() == 1
    # What was replaced is still known to have been, and ends the family.
    assert program.refresh(tokens["refresh_token"]).status_code == 200
    RefreshToken.objects.exclude(revoked=None).update(revoked=timezone.now() - timedelta(minutes=2))
    assert program.refresh(tokens["refresh_token"]).status_code == 400
    assert program.refresh(renewed["refresh_token"]).status_code == 400


def test_what_is_good_for_nothing_goes(tokens: dict[str, Any]) -> None:
    age(31)

    assert clear() == "1 used codes\n1 refresh tokens\n1 access tokens\n"
    assert Application.objects.count() == 1
    assert clear() == ""


def test_a_client_that_nobody_allowed_anything_goes(anna: Person, program: Program) -> None:
    anna.open(program.register().request())
    assert clear() == ""
    age(2)

    assert clear() == "1 clients\n"
    assert not Application.objects.exists()


def test_clients_made_by_hand_or_blocked_or_of_the_projects_own_stay(program: Program) -> None:
    clients.add("By hand", [CALLBACK])
    program.register()
    Client.objects.filter(application__client_id=program.id).update(status=Client.Status.BLOCKED)
    Application.objects.create(client_type="public", authorization_grant_type="password")
    age(400)

    assert clear() == ""
    assert Application.objects.count() == 3


def test_an_access_token_that_is_good_stays(door: Door, tokens: dict[str, Any]) -> None:
    clear()

    assert async_to_sync(door.calling)(tokens["access_token"], "look").status == 200
