"""manage.py mcp_stdio: for whom it serves. What it serves: tests/conversations/test_stdio.py."""

from __future__ import annotations

from typing import Any

import pytest
from asgiref.sync import async_to_sync
from django.contrib.auth.models import User
from django.core.management import call_command
from django.core.management.base import CommandError

from django_mcp import MCPServer, Principal
from django_mcp.apps import _is_for_stdio
from django_mcp.authentication import Refused
from django_mcp.management.commands.mcp_stdio import _endpoint
from django_mcp.transports.staying import Stay


@pytest.fixture(autouse=True)
def _connections_are_the_tests(monkeypatch: pytest.MonkeyPatch) -> None:
    """The connection that holds the test's transaction is not the command's to close."""
    monkeypatch.setattr(
        "django_mcp.management.commands.mcp_stdio.connections.close_all", lambda: None
    )


@pytest.mark.django_db
def test_a_user_is_looked_up_again_and_again() -> None:
    ada = User.objects.create_user("ada")
    endpoint = _endpoint(MCPServer("test"), "ada")
    stay: Any = endpoint.stay
    assert stay.caller.principal == Principal(id=f"user:{ada.pk}", user=ada)

    User.objects.filter(pk=ada.pk).update(first_name="Ada")
    assert async_to_sync(stay.ask)().principal.user.first_name == "Ada"

    User.objects.filter(pk=ada.pk).update(is_active=False)
    with pytest.raises(Refused):
        async_to_sync(stay.ask)()

    ada.delete()
    with pytest.raises(Refused):
        async_to_sync(stay.ask)()


def test_without_a_user_nobody_is_looked_up() -> None:
    endpoint = _endpoint(MCPServer("test"), None)
    assert endpoint.stay.caller.principal == Principal(id="local")
    assert type(endpoint.stay) is Stay


def test_the_settings_bound_what_is_read(settings: Any) -> None:
    settings.DJANGO_MCP = {"MAX_BODY_BYTES": 1_000, "MAX_JSON_DEPTH": 5}
    endpoint = _endpoint(MCPServer("test"), None)
    assert (endpoint.max_body, endpoint.max_depth) == (1_000, 5)


@pytest.mark.django_db
def test_a_user_that_does_not_exist_is_an_error() -> None:
    with pytest.raises(CommandError, match="There is no user 'nobody'"):
        call_command("mcp_stdio", user="nobody")


@pytest.mark.parametrize(
    ("argv", "wanted"),
    [
        (["manage.py", "mcp_stdio"], True),
        (["manage.py", "mcp_stdio", "--user", "ada"], True),
        (["manage.py", "mcp_stdio", "--help"], False),
        (["manage.py", "help", "mcp_stdio"], False),
        (["manage.py", "runserver"], False),
        (["manage.py"], False),
    ],
)
def test_standard_output_is_taken_where_it_is_the_protocols(argv: list[str], wanted: bool) -> None:
    assert _is_for_stdio(argv) is wanted
