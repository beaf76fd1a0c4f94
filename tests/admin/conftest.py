"""The admin's pages, people who look at them, and rows to be seen."""

from __future__ import annotations

import re
from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest
from django.contrib import admin
from django.contrib.auth.models import Permission, User
from django.test import Client
from django.urls import path
from django.utils import timezone

from django_mcp.backends.durations import hour_of, step_of
from django_mcp.models import Call

Staff = Callable[..., Client]


@pytest.fixture(autouse=True)
def _pages(settings: Any, db: Any) -> None:
    settings.ROOT_URLCONF = (path("admin/", admin.site.urls),)
    settings.STATIC_URL = "/static/"
    settings.DJANGO_MCP = {"NAME": "library", "SESSIONS": "database", "AUDIT": True}


def person(name: str, *permissions: str, **fields: Any) -> User:
    """A user with permissions, each by its codename in `django_mcp`, or with its app's label."""
    user = User.objects.create_user(name, **fields)
    for named in permissions:
        label, _, codename = f"django_mcp.{named}".rpartition(".")
        found = Permission.objects.get(
            content_type__app_label=label.rpartition(".")[2], codename=codename
        )
        user.user_permissions.add(found)
    return user


@pytest.fixture
def staff() -> Staff:
    """Logs in a member of the staff with permissions; without a name, one who is superuser."""

    def log_in(*permissions: str, name: str = "") -> Client:
        client = Client(enforce_csrf_checks=False)
        if permissions or name:
            user = person(name or "staff", *permissions, is_staff=True)
        else:
            user = User.objects.create_superuser("root")
        client.force_login(user)
        return client

    return log_in


@pytest.fixture
def root(staff: Staff) -> Client:
    """A superuser."""
    return staff()


def call(**fields: Any) -> Call:
    """A row of the table of calls, a minute old unless `age` says otherwise, in minutes."""
    age = fields.pop("age", 1)
    known: dict[str, Any] = {
        "called": timezone.now() - timedelta(minutes=age),
        "server": "library",
        "method": "tools/call",
        "target": "find_books",
        "principal": "user:7",
        "user_key": "7",
        "user_label": "ada",
        "client": "editor",
        "client_version": "1.2",
        "revision": "2026-07-28",
        "request_id": "1",
        "outcome": "ok",
        "milliseconds": 12.0,
        "received": 300,
        "sent": 1200,
        "correlation": "c" * 32,
    }
    fields = {**known, **fields}
    counted = {"step": step_of(fields["milliseconds"]), "hour": hour_of(fields["called"])}
    return Call.objects.create(**counted, **fields)


def text_of(response: Any) -> str:
    """The words of a page, without its markup."""
    markup = re.sub(r"<(script|style).*?</\1>", " ", response.content.decode(), flags=re.DOTALL)
    return re.sub(r"\s+", " ", re.sub(r"<[^>]*>", " ", markup))
