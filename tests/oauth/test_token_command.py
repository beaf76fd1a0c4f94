"""Personal tokens from the shell: what is printed where, and the same rules as on the page."""

from __future__ import annotations

import subprocess
from io import StringIO
from pathlib import Path
from typing import Any

import pytest
from asgiref.sync import async_to_sync, sync_to_async
from django.core.handlers.asgi import ASGIHandler
from django.core.management import CommandError, call_command
from django.db import OperationalError, connection
from django.test import Client as Browser
from django.utils import timezone

from django_mcp import MCPServer
from django_mcp.oauth import personal
from django_mcp.oauth.authentication import bearer
from django_mcp.oauth.models import PersonalToken
from django_mcp.routing import MCPRouter, mount
from tests import library
from tests.oauth.conftest import Door, server_named
from tests.oauth.people import ISSUER, MCP, Person

GOOD = {"user": "anna", "name": "cron", "resource": MCP, "scope": ["mcp:read"], "days": "30"}


def run(what: str, *arguments: str) -> tuple[str, str]:
    """What `mcp_token` writes on standard output and on standard error."""
    out, error = StringIO(), StringIO()
    call_command("mcp_token", what, *arguments, stdout=out, stderr=error)
    return out.getvalue(), error.getvalue()


def create(**changed: Any) -> tuple[str, str]:
    given = {**GOOD, **changed}
    arguments = [
        f"--{name}={value}"
        for name, values in given.items()
        for value in (values if isinstance(values, list) else [values])
        if value is not None
    ]
    return run("create", *arguments)


async def test_a_token_stands_alone_on_standard_output_and_lets_in(
    door: Door, anna: Person
) -> None:
    out, error = await sync_to_async(create)()
    secret = out.removesuffix("\n")

    assert secret.startswith(personal.PREFIX)
    assert secret.isprintable()
    assert secret not in error
    assert "not shown again" in error
    assert (await door.calling(secret, "look")).status == 200
    assert (await door.calling(secret, "write", text="x")).status == 403
    token = await PersonalToken.objects.aget()
    assert (token.name, token.user_id) == ("cron", anna.user.pk)
    assert 29 <= (token.expires - timezone.now()).days <= 30


def test_without_days_it_is_good_as_long_as_on_the_page(anna: Person, settings: Any) -> None:
    settings.DJANGO_MCP_OAUTH = {"PERSONAL_TOKEN_DAYS": 7}
    create(days=None)

    assert (PersonalToken.objects.get().expires - timezone.now()).days == 6


@pytest.mark.parametrize(
    ("wrong", "message"),
    [
        ({"user": "nobody"}, "There is no user 'nobody'"),
        ({"name": ""}, "--name: This field is required"),
        ({"name": "x" * 101}, "--name: Ensure this value has at most 100 characters"),
        (
            {"scope": ["everything"]},
            r"--scope: Select a valid choice. everything .*\. There is mcp:read, mcp:write",
        ),
        ({"days": "0"}, "--days: Ensure this value is greater than or equal to 1"),
        ({"days": "91"}, "--days: Ensure this value is less than or equal to 90"),
        ({"days": "soon"}, "--days: Enter a whole number"),
        ({"resource": "http://testserver/elsewhere"}, f"tokens let into: {MCP}."),
        ({"resource": "https://evil.example/mcp"}, "ALLOWED_HOSTS does not have the host"),
        ({"resource": "/mcp"}, "write the whole URL"),
        ({"resource": "http://[/mcp"}, "write the whole URL"),
        ({"resource": None}, r'\["ISSUER"\] does not say what host this is'),
        ({"server": "desk"}, "--resource or --server"),
    ],
    ids=str,
)
def test_a_token_is_for_what_there_is_and_not_for_ever(
    door: Door, anna: Person, wrong: Any, message: str
) -> None:
    with pytest.raises(CommandError, match=message):
        create(**wrong)
    assert not PersonalToken.objects.exists()


def test_where_no_endpoint_is_known_that_is_said() -> None:
    """Without a door: nothing is mounted."""
    Person("anna")

    with pytest.raises(CommandError, match="no endpoint that tokens let into is known here"):
        create()


@pytest.mark.parametrize("words", [["list"], ["revoke", "1"], ["create", "--user=a", "--name=b"]])
def test_without_its_tables_the_remedy_is_said(words: list[str], db: None) -> None:
    def missing(*args: Any) -> Any:
        raise OperationalError("no such table")

    with (
        connection.execute_wrapper(missing),
        pytest.raises(CommandError, match=r"no such table\. .* manage\.py migrate been run\?"),
    ):
        run(*words)


def test_whoever_is_not_active_gets_none(anna: Person) -> None:
    anna.user.is_active = False
    anna.user.save()

    with pytest.raises(CommandError, match="is not active"):
        create()


def test_where_there_are_no_personal_tokens_none_is_made(anna: Person, settings: Any) -> None:
    settings.DJANGO_MCP_OAUTH = {"PERSONAL_TOKENS": False}

    with pytest.raises(CommandError, match="There are no personal tokens here"):
        create()


def test_the_server_is_enough_where_the_host_is_known(
    server: MCPServer, anna: Person, settings: Any
) -> None:
    settings.DJANGO_MCP_OAUTH = {"ISSUER": ISSUER}
    further = [
        mount("sse", server, transport="sse", authenticate=bearer),
        mount("mcp-b", server_named("other"), authenticate=bearer),
    ]
    router = MCPRouter(further, ASGIHandler())

    create(resource=None, server="desk")
    create(resource=None, server="other")
    with pytest.raises(CommandError, match=r"There is no MCP server 'third'; there is .*'desk'"):
        create(resource=None, server="third")
    aside = server_named("aside")
    with pytest.raises(CommandError, match=r"'aside': name one of .*/mcp, .*/mcp-b, .*/sse"):
        create(resource=None, server=aside.name)
    with pytest.raises(CommandError, match="--resource: name one of"):
        create(resource=None)
    made = PersonalToken.objects.order_by("pk").values_list("resource", flat=True)
    assert list(made) == [MCP, "http://testserver/mcp-b"]
    del router


def test_another_way_to_write_the_url_is_the_same_endpoint(anna: Person) -> None:
    create(resource="http://TESTSERVER:80/mcp/")

    assert PersonalToken.objects.get().resource == MCP


def test_those_that_are_good_are_listed_without_their_secrets(anna: Person, ben: Person) -> None:
    secret = create()[0].strip()
    create(user="ben", name="other")
    create(name="ended")
    run("revoke", str(PersonalToken.objects.get(name="ended").pk))

    listed = run("list")[0]
    assert secret not in listed
    assert secret[: personal.SHOWN] in listed
    assert "cron" in listed
    assert "other" in listed
    assert "ended" not in listed
    assert "(ended)" in run("list", "--all")[0]
    assert "cron" not in run("list", "--user=ben")[0]
    assert run("list", f"--user={Person('carl').user.username}") == ("", "There are none.\n")


def test_what_users_call_their_tokens_and_themselves_is_no_command_to_a_terminal(
    door: Door, anna: Person
) -> None:
    name = "\x1b]0;owned\x07\x1b[2Jmine\u202e\u2066\nTwo"
    browser = Browser()
    browser.force_login(anna.user)
    browser.post("/oauth/connections/tokens/", {**GOOD, "name": name, "scopes": GOOD["scope"]})
    anna.user.username = "anna\x1b[2J"
    anna.user.save()

    listed, _ = run("list")
    _, said = create(user=anna.user.username)
    with pytest.raises(CommandError, match="--scope: Select a valid choice") as raised:
        create(user=anna.user.username, scope=["\x1b[2J"])
    assert "mine" in listed
    assert [line.isprintable() for line in listed.split("\n")] == [True, True, True]
    assert said.removesuffix("\n").isprintable()
    assert str(raised.value).isprintable()


def test_a_token_is_ended_by_its_number_or_with_all_of_its_user(
    door: Door, anna: Person, ben: Person
) -> None:
    first, second = create()[0].strip(), create(name="second")[0].strip()
    others = create(user="ben")[0].strip()
    call = async_to_sync(door.calling)

    with pytest.raises(CommandError, match="There is no token 999; nothing was ended"):
        run("revoke", "999", str(PersonalToken.objects.get(name="second").pk))
    for arguments in ([], ["1", "--user=anna"]):
        with pytest.raises(CommandError, match=r"Which\?"):
            run("revoke", *arguments)
    assert call(second, "look").status == 200

    run("revoke", str(PersonalToken.objects.get(name="second").pk))
    assert (call(first, "look").status, call(second, "look").status) == (200, 401)
    assert run("revoke", "--user=anna") == ("", "Ended: 1\n")
    assert (call(first, "look").status, call(others, "look").status) == (401, 200)


def test_endpoints_next_to_django_are_found_by_the_settings(tmp_path: Path) -> None:
    """In a process of its own, as in a deployment: nothing has been mounted there before."""
    database = tmp_path / "example.sqlite3"
    library.prepare(database)
    command = ["mcp_token", "create", "--user=anna", "--name=cron", "--scope=library:lend"]

    made = library.manage(database, *command, "--resource=http://127.0.0.1:8000/mcp")
    assert personal.PREFIX in made
    assert made.count("\n") == 1
    with pytest.raises(subprocess.CalledProcessError) as failed:
        library.manage(database, *command, "--resource=http://127.0.0.1:8000/elsewhere")
    assert "http://127.0.0.1:8000/mcp" in failed.value.stderr
