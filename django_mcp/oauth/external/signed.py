"""Access tokens that are JWTs: what a provider has signed (RFC 9068, RFC 7519).

This module and `keys` alone need PyJWT and cryptography, which the extra `jwt` installs. They are
asked for signatures; what the claims must be is `claims`. Nothing in a token says where its key
is: `jku`, `x5u`, `jwk` and `x5c` are not read.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

import jwt

from ..documents import NoObject, json_object
from ..identity_providers import IdentityProvider
from .claims import NotGood
from .keys import Keys
from .segments import header_of

#: What `typ` says of an access token (RFC 9068, section 2.1), and of a JWT that may be one.
FOR_ACCESS: Final = "at+jwt"
ANY: Final = ("jwt", None)


class Signatures:
    """Tokens of a provider, verified by its keys."""

    def __init__(self, provider: IdentityProvider) -> None:
        self._provider = provider
        self._keys = Keys(provider)
        self._jws = jwt.PyJWS()

    def claims_in(self, token: str) -> Mapping[str, Any]:
        """The claims that the provider has signed; raises NotGood."""
        header = header_of(token)
        algorithm, id = header.get("alg"), header.get("kid")
        if not isinstance(algorithm, str) or algorithm not in self._provider.algorithms:
            raise NotGood("its algorithm is none that is taken")
        if not isinstance(id, str | None) or "crit" in header or "b64" in header:
            raise NotGood("its header asks for what is not known here")
        kind = _kind_of(header.get("typ"))
        if kind != FOR_ACCESS and kind not in ANY:
            raise NotGood("its type is not that of an access token")
        key = self._keys.find(id, algorithm)
        if key is None:
            raise NotGood("there is no key for it")
        try:
            signed = self._jws.decode(token, key.public, algorithms=[algorithm])
            said = json_object(signed)
        except (jwt.PyJWTError, ValueError, TypeError):
            raise NotGood("its signature is not that of the provider") from None
        except NoObject:
            raise NotGood("its claims are not JSON") from None
        if kind != FOR_ACCESS and not said.keys() & set(self._provider.scope_claims):
            # What is only called a JWT may be an ID token, and those have no scopes.
            raise NotGood(f"it has none of the claims {', '.join(self._provider.scope_claims)}")
        return said


def _kind_of(typ: object) -> object:
    """The type, without what may be left out of it (RFC 7515, section 4.1.9)."""
    return typ.lower().removeprefix("application/") if isinstance(typ, str) else typ
