"""Seals request states with Django's keys, so that any process of the project can open them."""

from __future__ import annotations

from typing import Any

from django.core import signing

from ..server.request_state import LIFETIME, LONGEST_SEALED, InvalidState


class DjangoSealer:
    """HMAC-SHA256 under SECRET_KEY; what SECRET_KEY_FALLBACKS signed is still opened.

    `lifetime` is in seconds.
    """

    salt = "django_mcp.request_state"

    def __init__(self, lifetime: int = LIFETIME) -> None:
        self._lifetime = lifetime

    def seal(self, value: Any) -> str:
        return signing.dumps(value, salt=self.salt, compress=True)

    def open(self, sealed: str) -> Any:
        if len(sealed) > LONGEST_SEALED:
            raise InvalidState("too long")
        try:
            # The signature is checked before anything is decompressed.
            return signing.loads(sealed, salt=self.salt, max_age=self._lifetime)
        except signing.BadSignature as error:
            raise InvalidState(str(error)) from None
        except ValueError as error:
            raise InvalidState("not a sealed state") from error
