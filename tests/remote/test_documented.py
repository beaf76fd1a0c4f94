"""The page about remote servers, held against the code; and what the checks say of a project."""

from __future__ import annotations

import ast
import inspect
import re
from dataclasses import fields
from typing import Any

import pytest
from django.core.checks import run_checks
from django.core.exceptions import ImproperlyConfigured

from django_mcp.remote import checks, conf
from django_mcp.remote.clients import __all__ as names
from tests.test_docs import DOCS, default_of, prose_of, rows_of

REFERENCE = DOCS / "reference" / "remote.md"


def found(*, deploy: bool = False) -> dict[str, str]:
    """What the checks of this app say, by the last part of their ids."""
    messages = run_checks(include_deployment_checks=deploy)
    return {
        str(message.id).rpartition(".")[2]: message.msg
        for message in messages
        if str(message.id).startswith("django_mcp_remote.")
    }


def test_the_settings_are_documented_with_their_defaults() -> None:
    rows = {
        row[0].strip("`"): ast.literal_eval(row[1].strip("`"))
        for row in rows_of(REFERENCE)
        if len(row) == 3 and re.fullmatch(r"`[A-Z_]+`", row[0])
    }
    assert rows == {each.name.upper(): default_of(each) for each in fields(conf.Settings)}


def test_the_checks_are_documented() -> None:
    documented = re.findall(r"`django_mcp_remote\.([EW]\d{3})`", prose_of(REFERENCE))
    docstring = re.findall(r"^([EW]\d{3})  ", checks.__doc__ or "", flags=re.M)
    emitted = re.findall(r'id=f"\{ID\}\.([EW]\d{3})"', inspect.getsource(checks))

    assert documented == docstring == sorted(set(emitted))


def test_what_projects_import_is_documented() -> None:
    text = REFERENCE.read_text(encoding="utf-8")

    assert [name for name in names if not re.search(rf"\b{name}\b", text)] == []


def test_nothing_is_said_of_a_sound_project() -> None:
    assert found(deploy=True) == {}


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ({"ALOW_STDIO": True}, "has no setting 'ALOW_STDIO'"),
        ({"TEST_SECONDS": 0}, "greater than 0"),
        ({"REDIRECT_URI": "/callback/"}, "the URL of the callback view"),
        ({"CLIENT_METADATA_URL": "http://example.com/c.json"}, "an https URL with a path"),
        ({"CLIENT_METADATA_URL": "https://a@example.com/c.json"}, "an https URL with a path"),
        ({"CLIENT_METADATA_URL": "https://example.com/c.json#a"}, "an https URL with a path"),
        ([], "must be a dict"),
    ],
)
def test_a_wrong_setting_is_named(settings: Any, given: Any, message: str) -> None:
    settings.DJANGO_MCP_REMOTE = given

    assert message in found()["E001"]
    with pytest.raises(ImproperlyConfigured):
        conf.get()


@pytest.mark.parametrize("what", ["sessions", "auth", "templates"])
def test_what_the_pages_need_is_named(settings: Any, what: str) -> None:
    if what == "templates":
        settings.TEMPLATES = [{**settings.TEMPLATES[0], "APP_DIRS": False}]
    else:
        settings.MIDDLEWARE = [each for each in settings.MIDDLEWARE if what not in each]

    assert "The pages on which users connect" in found()["E002"]


def test_pages_that_are_not_included_are_a_warning(settings: Any) -> None:
    settings.ROOT_URLCONF = "tests.urls"

    assert set(found()) == {"W001"}


@pytest.mark.parametrize(
    ("uri", "debug", "ids"),
    [
        ("http://app.example/remote/callback/", False, {"E003"}),
        ("http://app.example/remote/callback/", True, set()),
        ("http://127.0.0.1:8000/remote/callback/", False, set()),
        ("https://app.example/remote/callback/", False, set()),
    ],
)
def test_codes_come_back_over_https(settings: Any, uri: str, debug: bool, ids: set[str]) -> None:
    settings.DJANGO_MCP_REMOTE = {"REDIRECT_URI": uri}
    settings.DEBUG = debug

    assert set(found()) == ids


def test_a_session_that_does_not_come_back_is_a_warning(settings: Any) -> None:
    settings.SESSION_COOKIE_SAMESITE = "Strict"

    assert set(found()) == {"W002"}


def test_programs_in_the_admin_are_a_warning_of_a_deployment(settings: Any) -> None:
    settings.DJANGO_MCP_REMOTE = {"ALLOW_STDIO": True}

    assert found() == {}
    assert set(found(deploy=True)) == {"W003"}
