"""A private key that signs a client's assertions, for `private_key_jwt`.

This module alone needs PyJWT and cryptography, which the extra `private-key-jwt` installs. A key in
a vault or a hardware module is another signer: any callable that turns claims into a signed JWT.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import jwt

from .errors import OAuthError

#: Algorithms with a key of its own for each side.
ALGORITHMS = (
    "ES256",
    "ES384",
    "ES512",
    "RS256",
    "RS384",
    "RS512",
    "PS256",
    "PS384",
    "PS512",
    "EdDSA",
)


class PrivateKey:
    """Signs with the key in `pem` by `algorithm`; `key_id` names the key where there are several.

    Raises OAuthError for an algorithm that is none, or that the key is not for.
    """

    def __init__(self, pem: str, *, algorithm: str = "ES256", key_id: str | None = None) -> None:
        if algorithm not in ALGORITHMS:
            raise OAuthError(f"{algorithm!r} cannot be used; choose of {', '.join(ALGORITHMS)}.")
        self._pem = pem
        self._algorithm = algorithm
        self._headers = {} if key_id is None else {"kid": key_id}
        self({})

    def __repr__(self) -> str:
        return f"<PrivateKey {self._algorithm}>"

    def __call__(self, claims: Mapping[str, Any]) -> str:
        """The claims, signed."""
        try:
            return jwt.encode(
                dict(claims), self._pem, algorithm=self._algorithm, headers=self._headers
            )
        except (jwt.PyJWTError, ValueError, TypeError):
            # What these say may hold parts of the key.
            raise OAuthError(
                f"The key cannot sign with {self._algorithm!r}. It has to be a private key of that"
                " kind, in PEM, without a passphrase."
            ) from None
