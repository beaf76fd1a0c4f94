"""Names that look like those of secrets, wherever a name is all that can be judged by."""

from __future__ import annotations

import re
from typing import Final

_SECRET: Final = re.compile(
    r"password|passwd|passphrase|secret|token|api_?key|private_?key|credential|session_?key|"
    r"(?:^|_)(?:hash|salt|otp|pin|cvv|cvc|iban|ssn|mfa|totp|nonce)(?:$|_)",
    re.IGNORECASE,
)


def looks_secret(name: str) -> bool:
    """True for the name of what is best not shown."""
    return _SECRET.search(name) is not None
