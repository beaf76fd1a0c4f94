"""What a site lets be seen of its secrets: everything that is logged, mailed, sent, shown and kept.

A `Recorder` listens at all of these at once; what it found is asked for with `leaks`, which looks
for secrets by their values, and for tokens nobody knew of by their form.
"""

from __future__ import annotations

import hashlib
import logging
import re
from collections.abc import Iterator
from dataclasses import fields, is_dataclass
from typing import Any

import pytest
from django.contrib import admin
from django.db import connection
from django.dispatch import Signal
from django.test import Client as Browser
from django.urls import reverse
from django.utils.log import AdminEmailHandler

from django_mcp import signals

#: What a token of this app looks like, whoever made it and whatever became of it. Of a personal
#: one a beginning of six letters is shown.
FORM = re.compile(r"mcp_(?:at|rt|pat)_[A-Za-z0-9_-]{20,}")
#: Where a digest may be, and nowhere else.
DIGESTS = {
    ("oauth2_provider_accesstoken", "token_checksum"),
    ("oauth2_provider_refreshtoken", "token_checksum"),
    ("oauth2_provider_grant", "code"),
    ("django_mcp_oauth_personaltoken", "digest"),
    ("django_mcp_oauth_usedcode", "digest"),
}
#: Secrets are looked for in pieces of so many letters; twice as many in a row are found anywhere.
PIECE = 16
DEPTH = 8


class _Mailer(AdminEmailHandler):
    """Writes what Django mails of an error, and sends it to nobody."""

    def __init__(self, *, include_html: bool) -> None:
        super().__init__(include_html=include_html)
        self.sent: list[str] = []

    def send_mail(self, subject: str, message: str, *args: Any, **kwargs: Any) -> None:
        self.sent += [subject, message, kwargs.get("html_message") or ""]


class Recorder:
    """Everything that was said somewhere, as pairs of the place and the text."""

    def __init__(self) -> None:
        self.said: list[tuple[str, str]] = []
        self.secrets: dict[str, str] = {}
        self._mailer = _Mailer(include_html=True)
        self._is_writing = False

    def knows(self, **secrets: str) -> None:
        """These are secrets."""
        self.secrets |= {name: value for name, value in secrets.items() if value}

    # Listening

    def attach(self, monkeypatch: pytest.MonkeyPatch) -> None:
        """Hear every record of every logger, at every level, and every signal."""
        handle = logging.Logger.handle

        def heard(logger: logging.Logger, record: logging.LogRecord) -> None:
            if self._is_writing or not logger.filter(record):
                return
            # What writing it has to say to a log is not of interest.
            self._is_writing = True
            try:
                self.log(record)
                handle(logger, record)
            finally:
                self._is_writing = False

        monkeypatch.setattr(logging.Logger, "handle", heard)
        monkeypatch.setattr(logging.Logger, "isEnabledFor", lambda logger, level: True)
        for name, signal in vars(signals).items():
            if isinstance(signal, Signal):
                self._hear(name, signal, monkeypatch)

    def _hear(self, name: str, signal: Signal, monkeypatch: pytest.MonkeyPatch) -> None:
        def receiver(**kwargs: Any) -> None:
            self.said += [(f"signal {name}", text) for text in _texts(kwargs)]

        monkeypatch.setattr(signal, "receivers", list(signal.receivers))
        signal.connect(receiver, weak=False)

    def log(self, record: logging.LogRecord) -> None:
        """Take a record as any handler might write it, and what Django would mail of it."""
        place = f"log {record.name}"
        text = logging.Formatter("%(message)s").format(record)
        self.said += [(place, text), (place, repr(vars(record)))]
        # A variable that a template of the admin does without is one of two thousand, and nobody
        # would mail it; of everything else with a traceback, somebody might.
        is_lookup = record.name == "django.template" and record.levelno == logging.DEBUG
        if record.levelno >= logging.WARNING or (record.exc_info and not is_lookup):
            self._mailer.emit(record)
            self.said += [(f"mail of {place}", text) for text in self._mailer.sent]
            self._mailer.sent = []

    def answered(self, place: str, answer: Any) -> None:
        """Take an answer that hands out nothing."""
        body = getattr(answer, "content", None)
        body = answer.body if body is None else body
        self.said += [(place, body.decode()), (place, repr(dict(answer.headers)))]

    # Looking

    def look_into_the_admin(self, staff: Browser) -> None:
        """Open every page there is of what is kept."""
        for model in admin.site._registry:
            options = model._meta
            if options.app_label not in {"django_mcp", "django_mcp_oauth", "oauth2_provider"}:
                continue
            name = f"admin:{options.app_label}_{options.model_name}"
            paths = [reverse(f"{name}_changelist")]
            for row in model._base_manager.all():
                paths += [
                    reverse(f"{name}_{kind}", args=[row.pk]) for kind in ("change", "history")
                ]
            for path in paths:
                response = staff.get(path)
                assert response.status_code == 200, path
                # The toolkit's own pages have its own columns.
                kind = "toolkit" if options.app_label == "oauth2_provider" else "admin"
                self.said.append((f"{kind} {path}", response.content.decode()))

    def look_into_the_database(self) -> None:
        """Read every column of every row of every table."""
        with connection.cursor() as cursor:
            for table in connection.introspection.table_names(cursor):
                cursor.execute(f"SELECT * FROM {connection.ops.quote_name(table)}")
                columns = [column[0] for column in cursor.description]
                for row in cursor.fetchall():
                    for column, value in zip(columns, row, strict=True):
                        kind = "digests" if (table, column) in DIGESTS else "database"
                        self.said.append((f"{kind} {table}.{column}", str(value)))

    def leaks(self) -> list[str]:
        """The places where a secret is, or a digest of one outside its column."""
        pieces = {
            secret[start : start + PIECE]: name
            for name, secret in self.secrets.items()
            for start in range(0, len(secret) - PIECE + 1, PIECE)
        }
        digests = {
            hashlib.sha256(secret.encode()).hexdigest(): name
            for name, secret in self.secrets.items()
        }
        found: dict[str, None] = {}
        for place, text in self.said:
            if FORM.search(text):
                found[f"a token in {place}"] = None
            for piece, name in pieces.items():
                if piece in text:
                    found[f"{name} in {place}"] = None
            if not place.startswith(("digests", "toolkit")):
                for digest, name in digests.items():
                    if digest in text:
                        found[f"the digest of {name} in {place}"] = None
        return list(found)


def _texts(value: Any, depth: int = DEPTH) -> Iterator[str]:
    """What `value` is made of, as text."""
    yield repr(value)
    if depth == 0 or isinstance(value, str | bytes | int | float | type(None)):
        return
    if isinstance(value, dict):
        parts: list[Any] = [*value.keys(), *value.values()]
    elif isinstance(value, list | tuple | set | frozenset):
        parts = list(value)
    elif is_dataclass(value):
        parts = [getattr(value, field.name) for field in fields(value)]
    else:
        parts = list(getattr(value, "__dict__", {}).values())
    for part in parts:
        yield from _texts(part, depth - 1)
