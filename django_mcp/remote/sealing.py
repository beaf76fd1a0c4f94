"""Secrets as they are in the database: encrypted with keys that are derived from Django's.

Fernet (AES-128-CBC with HMAC-SHA256). Its key is made of SECRET_KEY by HKDF, so nothing else that
SECRET_KEY is used for is any of it; with those of SECRET_KEY_FALLBACKS is opened and not sealed.
What is sealed says what it is for, and is good for nothing else: a text that was copied into
another row, or whose server has moved to another host, does not open.
"""

from __future__ import annotations

import json
import logging
from base64 import urlsafe_b64encode
from typing import Any, Final

from cryptography.fernet import Fernet, InvalidToken, MultiFernet
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF
from django.conf import settings
from django.utils.encoding import force_bytes

logger = logging.getLogger("django_mcp.remote")

#: What makes the derived keys different from those of anything else.
_PURPOSE: Final = b"django_mcp.remote.sealing"


def seal(value: Any, use: str) -> str:
    """`value`, which is written as JSON, encrypted for `use`."""
    text = json.dumps({"use": use, "value": value})
    return _keys().encrypt(text.encode()).decode("ascii")


def unseal(sealed: str, use: str, what: str) -> Any:
    """What was sealed for `use`; None for nothing, and for what cannot be opened.

    `what` names the row for the log, which says no more than that.
    """
    if not sealed:
        return None
    try:
        kept = json.loads(_keys().decrypt(sealed.encode("ascii")))
        if kept["use"] == use:
            return kept["value"]
    except (InvalidToken, ValueError, TypeError, KeyError):
        pass
    logger.warning("What is sealed in the %s cannot be opened, and counts as not there.", what)
    return None


def sealed_anew(sealed: str) -> str | None:
    """The same under SECRET_KEY; None where no key opens it."""
    try:
        return _keys().rotate(sealed.encode("ascii")).decode("ascii")
    except (InvalidToken, ValueError):
        return None


def _keys() -> MultiFernet:
    secrets = [settings.SECRET_KEY, *settings.SECRET_KEY_FALLBACKS]
    return MultiFernet([Fernet(_key_of(secret)) for secret in secrets])


def _key_of(secret: str | bytes) -> bytes:
    derived = HKDF(algorithm=SHA256(), length=32, salt=None, info=_PURPOSE)
    return urlsafe_b64encode(derived.derive(force_bytes(secret)))
