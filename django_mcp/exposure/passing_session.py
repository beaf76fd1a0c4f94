"""A session that lasts as long as one request."""

from __future__ import annotations

from typing import Any

from django.contrib.sessions.backends.base import SessionBase


class PassingSession(SessionBase):
    """A session for one request. What is written to it can be read, and is forgotten."""

    def exists(self, session_key: str) -> bool:
        return False

    def create(self) -> None:
        self.modified = True

    def save(self, must_create: bool = False) -> None:
        return None

    def delete(self, session_key: str | None = None) -> None:
        return None

    def load(self) -> dict[str, Any]:
        return {}

    @classmethod
    def clear_expired(cls) -> None:
        return None
