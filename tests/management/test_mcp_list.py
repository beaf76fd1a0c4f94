"""manage.py mcp_list: what it shows of servers, to whom, and of what could not be registered."""

from __future__ import annotations

import io
import json
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from channels.routing import ProtocolTypeRouter, URLRouter
from django.contrib.auth.models import Permission, User
from django.core.management import CommandError, call_command
from django.urls import include, path

from django_mcp import MCPServer
from django_mcp.management.tables import table
from django_mcp.permissions import any_of, in_group, is_staff
from django_mcp.routing import get_asgi_application, mcp_consumer, mount
from django_mcp.urls import mcp_view

REPOSITORY = Path(__file__).resolve().parent.parent.parent

application: Any = None
urlpatterns: list[Any] = []


@pytest.fixture
def server(monkeypatch: pytest.MonkeyPatch) -> MCPServer:
    """The only server there is, with a component of each kind."""
    server = MCPServer("library", title="The Library", version="2")

    @server.tool
    def search(words: str) -> list[str]:
        """Search the catalogue."""
        return []

    @server.tool(permission="auth.delete_user")
    def remove(user: int) -> str:
        """Remove a reader."""
        return ""

    @server.tool(permission=any_of(is_staff, in_group("keepers")))
    def lock() -> str:
        """Lock the doors."""
        return ""

    def at_noon(principal: Any) -> bool:
        return False

    @server.prompt(permission=at_noon)
    def review() -> str:
        """Write a review."""
        return ""

    server.add_resource("library://hours", "Always.")
    monkeypatch.setattr("django_mcp.management.commands.mcp_list.every_server", lambda: [server])
    return server


@pytest.fixture
def routed(settings: Any) -> Iterator[Any]:
    """Sets what ASGI_APPLICATION and ROOT_URLCONF of this test lead to."""

    def route(asgi: Any, urls: list[Any]) -> None:
        global application
        application = asgi
        urlpatterns[:] = urls
        settings.ASGI_APPLICATION = f"{__name__}.application"
        settings.ROOT_URLCONF = __name__

    yield route
    route(None, [])


def said(*arguments: str) -> str:
    out = io.StringIO()
    call_command("mcp_list", *arguments, stdout=out, no_color=True)
    return out.getvalue()


def components(*arguments: str) -> dict[str, Any]:
    found = json.loads(said("--json", *arguments))["servers"][0]["components"]
    return {component["name"]: component for component in found}


@pytest.mark.usefixtures("server")
def test_what_is_registered_stands_in_columns() -> None:
    lines = said().splitlines()

    assert lines[0] == "Server library 2"
    heading = next(line for line in lines if line.startswith("KIND"))
    search = next(line for line in lines if line.startswith("tool      search"))
    remove = next(line for line in lines if "remove" in line)
    assert search.index("everybody") == heading.index("FOR") == remove.index("has_permission(")
    assert search.endswith("Search the catalogue.")


@pytest.mark.usefixtures("server")
def test_the_json_says_the_same_and_definitions_come_on_request() -> None:
    found = json.loads(said("--json"))
    assert set(found) == {"servers", "apps"}
    [server] = found["servers"]
    assert {key: server[key] for key in ("name", "title", "version", "routes", "left_out")} == {
        "name": "library",
        "title": "The Library",
        "version": "2",
        "routes": [],
        "left_out": [],
    }
    search = components()["search"]
    assert "definition" not in search
    assert search["rule"] is None
    assert search["visible"] is None
    assert search["function"].startswith(f"{__name__}.server.<locals>.search")

    definition = components("--schemas")["search"]["definition"]
    assert definition["inputSchema"]["required"] == ["words"]
    assert '"required": [\n' in said("--schemas")


@pytest.mark.django_db
@pytest.mark.usefixtures("server")
def test_of_a_user_it_is_said_what_they_do_not_see_and_why() -> None:
    ada = User.objects.create_user("ada")
    found = components("--user", "ada")
    assert found["search"]["visible"] is True
    assert found["search"]["reason"] is None
    assert found["remove"]["visible"] is False
    assert found["remove"]["reason"] == "lacks auth.delete_user"
    assert found["lock"]["reason"] == "needs any_of(is_staff, in_group('keepers'))"
    assert found["review"]["rule"].endswith("at_noon")
    assert found["review"]["reason"].startswith("needs tests.management.test_mcp_list.server")

    ada.user_permissions.add(Permission.objects.get(codename="delete_user"))
    assert components("--user", "ada")["remove"]["visible"] is True


@pytest.mark.django_db
@pytest.mark.usefixtures("server")
def test_a_user_or_a_server_that_is_not_there_is_an_error() -> None:
    with pytest.raises(CommandError, match="There is no user 'eve'"):
        said("--user", "eve")
    with pytest.raises(CommandError, match="There is no MCP server 'nothing'"):
        said("--server", "nothing")


def test_routes_are_found_in_every_kind_of_application(server: MCPServer, routed: Any) -> None:
    router = get_asgi_application(
        mount("orgs/<slug:org>/mcp", server), mount("ws", server, transport="websocket")
    )
    inner = URLRouter([path("deep/", mcp_consumer(server, transport="sse"))])
    routed(
        ProtocolTypeRouter({"http": URLRouter([path("api/", inner), path("", router)])}),
        [path("site/", include([path("mcp", mcp_view(server))]))],
    )
    found = json.loads(said("--json"))["servers"][0]["routes"]
    assert [(route["path"], route["transport"], route["by"]) for route in found] == [
        ("/api/deep/", "sse", "ASGI_APPLICATION"),
        ("/orgs/<slug:org>/mcp", "http", "ASGI_APPLICATION"),
        ("/ws", "websocket", "ASGI_APPLICATION"),
        ("/site/mcp", "http", "ROOT_URLCONF"),
    ]
    assert "  at /site/mcp (http, by ROOT_URLCONF)" in said()


@pytest.mark.usefixtures("server")
def test_a_server_that_nothing_leads_to_is_said_to_be_so() -> None:
    assert "no route in ASGI_APPLICATION or ROOT_URLCONF leads here" in said()


def test_what_was_left_out_is_named_and_ends_with_an_error(server: MCPServer) -> None:
    server.waiting.failed["loans"] = "There is no view 'loans'."
    out = io.StringIO()
    with pytest.raises(CommandError, match="Not registered: loans"):
        call_command("mcp_list", stdout=out, no_color=True)
    assert "loans is left out: There is no view 'loans'." in out.getvalue()


def test_an_mcp_py_that_cannot_be_imported_is_shown_and_the_others_are_listed(
    tmp_path: Path,
) -> None:
    for name, code in [
        ("broken", "from django_mcp import tool\n\n@tool\ndef same() -> str: ...\n\n1 / 0\n"),
        ("whole", 'from django_mcp import tool\n\n@tool\ndef ask() -> str:\n    "Ask."\n'),
        ("quiet", None),
    ]:
        (tmp_path / name).mkdir()
        (tmp_path / name / "__init__.py").touch()
        if code is not None:
            (tmp_path / name / "mcp.py").write_text(code)
    (tmp_path / "project.py").write_text(
        "from tests.settings import *\n"
        'INSTALLED_APPS = ["django.contrib.auth", "django.contrib.contenttypes", "django_mcp", '
        '"broken", "whole", "quiet"]\nROOT_URLCONF = "project"\nurlpatterns = []\n'
    )

    def run(*arguments: str) -> subprocess.CompletedProcess[str]:
        environment = {
            **os.environ,
            "DJANGO_SETTINGS_MODULE": "project",
            "PYTHONPATH": os.pathsep.join([str(tmp_path), str(REPOSITORY)]),
        }
        return subprocess.run(
            [sys.executable, "-W", "error", "-m", "django", *arguments],
            env=environment,
            capture_output=True,
            text=True,
            timeout=60,
        )

    finished = run("mcp_list")
    assert finished.returncode == 1
    assert "broken.mcp could not be imported:" in finished.stdout
    assert "ZeroDivisionError" in finished.stdout
    assert 'broken/mcp.py", line 6' in finished.stdout
    assert "Apps with an mcp.py: whole." in finished.stdout
    assert "Not registered: broken.mcp." in finished.stderr
    apps = {
        app["name"]: app["error"] for app in json.loads(run("mcp_list", "--json").stdout)["apps"]
    }
    assert apps["whole"] is None
    assert "ZeroDivisionError" in apps["broken"]
    assert "quiet" not in apps
    # Everything else stops, as it does for an admin.py.
    assert "ZeroDivisionError" in run("check").stderr


def test_a_table_is_as_wide_as_the_terminal_and_hides_what_would_command_it() -> None:
    lines = table([["A", "B"], ["一", "x" * 50], ["\x1b[31mb", "two\nlines"]], 24)
    assert lines == ["A      B", "一     " + "x" * 16 + "…", "[31mb  two lines"]
    assert "\x1b" not in "".join(lines)
    assert table([["A", "B"], ["1", "x" * 50]], None)[1] == "1  " + "x" * 50
