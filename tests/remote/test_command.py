"""`manage.py mcp_call --oauth`: whoever types it logs in with the browser of the machine."""

from __future__ import annotations

import threading
import webbrowser
from io import StringIO

import httpx
import pytest
from django.core.management import CommandError, call_command

from django_mcp.remote.models import RemoteServer

from .conftest import Person


def call(url: str) -> str:
    out = StringIO()
    arguments = ["count_by_decade", "from=1800", "to=1900"]
    call_command("mcp_call", *arguments, url=url, oauth=True, stdout=out)
    return out.getvalue()


@pytest.mark.parametrize("decision", ["allow", "deny"])
def test_a_user_logs_in_with_a_browser(
    library: RemoteServer, anna: Person, monkeypatch: pytest.MonkeyPatch, decision: str
) -> None:
    def go(url: str) -> None:
        httpx.get(anna.agree(url, decision=decision), trust_env=False)

    def browse(url: str) -> bool:
        threading.Thread(target=go, args=[url], daemon=True).start()
        return True

    monkeypatch.setattr(webbrowser, "open", browse)

    if decision == "allow":
        assert "1850" in call(library.url)
    else:
        with pytest.raises(CommandError, match="access_denied"):
            call(library.url)


def test_where_nobody_can_log_in_that_is_said() -> None:
    with pytest.raises(CommandError, match="cannot be reached"):
        call("http://127.0.0.1:9/mcp")
