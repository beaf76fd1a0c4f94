"""Seals and opens `requestState`, so that what comes back is what was sent, and in time.

Owns the interface of a sealer and its simplest implementation, with a key that lives as long as
the process. The one on Django's keys is `backends.signing`. What a state holds is
`protocol.round_trips`; which call it is bound to, `asking`.
"""

from __future__ import annotations

import base64
import hashlib
import hmac
import json
import secrets
import time
from typing import Any, Final, Protocol

#: How long a sealed state is good for, in seconds.
LIFETIME: Final = 600

#: No sealed state is longer; what is was not sealed here, and is not looked at.
LONGEST_SEALED: Final = 128 * 1024


class InvalidState(Exception):
    """A state was changed, is too old, or was never sealed here."""


class Sealer(Protocol):
    """Turns JSON into a string that only this server can have made, and back.

    What is sealed is at most 64 KiB of JSON (`asking`).
    """

    def seal(self, value: Any) -> str:
        """Return a printable ASCII string that `open` turns back into `value`."""

    def open(self, sealed: str) -> Any:
        """Return what was sealed; raises InvalidState where it was changed or has expired."""


class EphemeralSealer:
    """HMAC-SHA256 with a random key of this process: right for one process, and for tests."""

    def __init__(self, lifetime: int = LIFETIME) -> None:
        self._key = secrets.token_bytes(32)
        self._lifetime = lifetime

    def seal(self, value: Any) -> str:
        payload = json.dumps([int(time.time()), value], separators=(",", ":")).encode()
        return base64.urlsafe_b64encode(self._mac(payload) + payload).decode("ascii")

    def open(self, sealed: str) -> Any:
        if len(sealed) > LONGEST_SEALED:
            raise InvalidState("too long")
        try:
            raw = base64.b64decode(sealed.encode("ascii"), altchars=b"-_", validate=True)
        except ValueError as error:
            raise InvalidState("not a sealed state") from error
        if not hmac.compare_digest(raw[:32], self._mac(raw[32:])):
            raise InvalidState("changed, or sealed elsewhere")
        sealed_at, value = json.loads(raw[32:])
        if time.time() - sealed_at > self._lifetime:
            raise InvalidState("expired")
        return value

    def _mac(self, payload: bytes) -> bytes:
        return hmac.new(self._key, payload, hashlib.sha256).digest()
