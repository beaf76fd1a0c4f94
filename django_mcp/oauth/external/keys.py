"""The keys that an identity provider signs with: fetched once, kept, and looked for anew.

A token that names a key nobody has seen may have been signed with a new one, so the keys are
fetched again; but not for each such token, since anybody can make one up. While they are fetched,
whoever needs a key that is there already goes on, and all others wait for that one fetch.
"""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any, Final

import jwt

from ..fetching import CannotFetch
from ..identity_providers import ASYMMETRIC, IdentityProvider
from . import asking

logger = logging.getLogger("django_mcp.oauth")

#: Seconds after which keys are fetched anew, and up to which they are good where that fails.
FRESH: Final = 600.0
LAST_RESORT: Final = 3600.0
#: Seconds between two fetches: after one that brought keys, and after one that failed.
COOLDOWN: Final = 30.0
RETRY: Final = 10.0
#: Keys of a provider that are looked at.
MOST: Final = 100
#: Bits that a modulus of RSA must have (NIST SP 800-131A).
SHORTEST_RSA: Final = 2048

#: What kind of key an algorithm has: `kty`, and `crv` where there are several.
_KINDS: Final = {
    **{name: ("RSA", None) for name in ASYMMETRIC if name.startswith(("RS", "PS"))},
    "ES256": ("EC", "P-256"),
    "ES384": ("EC", "P-384"),
    "ES512": ("EC", "P-521"),
    "EdDSA": ("OKP", "Ed25519"),
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Key:
    """A public key, by what tokens call it, and the one algorithm it is for where it says so."""

    id: str | None
    kind: tuple[str, str | None]
    algorithm: str | None
    public: Any

    def fits(self, algorithm: str) -> bool:
        return self.algorithm in (None, algorithm) and self.kind == _KINDS.get(algorithm)


@dataclass(frozen=True, slots=True, kw_only=True)
class _Held:
    keys: tuple[Key, ...] = ()
    since: float = float("-inf")

    def find(self, id: str | None, algorithm: str) -> Key | None:
        """The key that is called so; without a name, the only one for the algorithm."""
        fitting = [key for key in self.keys if key.fits(algorithm)]
        if id is None:
            return fitting[0] if len(fitting) == 1 else None
        return next((key for key in fitting if key.id == id), None)

    def is_younger_than(self, seconds: float) -> bool:
        return now() - self.since < seconds


class Keys:
    """The keys of one provider, shared by all threads of this process."""

    def __init__(self, provider: IdentityProvider) -> None:
        self._provider = provider
        self._held = _Held()
        self._not_before = float("-inf")
        self._fetching = threading.Lock()

    def find(self, id: str | None, algorithm: str) -> Key | None:
        """The key of that name for that algorithm; None where there is none.

        Waits for a fetch no longer than twice what one may take.
        """
        held = self._held
        found = held.find(id, algorithm)
        if found is not None and held.is_younger_than(FRESH):
            return found
        usable = found if held.is_younger_than(LAST_RESORT) else None
        waits = 0.0 if usable is not None else 2 * asking.DEADLINE
        if not self._fetching.acquire(timeout=waits):
            return usable
        try:
            if self._held is held and now() >= self._not_before:
                self._fetch()
        finally:
            self._fetching.release()
        held = self._held
        return held.find(id, algorithm) if held.is_younger_than(LAST_RESORT) else None

    def _fetch(self) -> None:
        try:
            found = tuple(_keys_in(asking.keys_of(self._provider)))
        except CannotFetch as error:
            self._not_before = now() + RETRY
            logger.warning("The keys of %s are not to be had: %s", self._provider.issuer, error)
            return
        self._not_before = now() + COOLDOWN
        self._held = _Held(keys=found, since=now())
        if not found:
            logger.warning("%s has no key that tokens could be verified by", self._provider.issuer)


def now() -> float:
    """Seconds of a clock that nobody sets back."""
    return time.monotonic()


def _keys_in(document: Mapping[str, Any]) -> Iterable[Key]:
    """The public keys for signatures in a JWK set (RFC 7517, section 5), and nothing else of it."""
    listed = document.get("keys")
    if not isinstance(listed, list):
        raise CannotFetch("they are no JWK set")
    for said in listed[:MOST]:
        if isinstance(said, dict) and (key := _key_of(said)) is not None:
            yield key


def _key_of(said: dict[str, Any]) -> Key | None:
    id, algorithm, operations = said.get("kid"), said.get("alg"), said.get("key_ops")
    if not isinstance(id, str | None) or not isinstance(algorithm, str | None):
        return None
    if said.get("use", "sig") != "sig" or "d" in said:
        return None
    if operations is not None and not (isinstance(operations, list) and "verify" in operations):
        return None
    kind = (said.get("kty"), None if said.get("kty") == "RSA" else said.get("crv"))
    by = next((name for name, each in _KINDS.items() if each == kind), None)
    if by is None:
        return None
    try:
        public = jwt.PyJWK(said, algorithm=by).key
    except (jwt.PyJWTError, ValueError, TypeError, KeyError):
        return None
    if kind[0] == "RSA" and public.key_size < SHORTEST_RSA:
        return None
    return Key(id=id, kind=_KINDS[by], algorithm=algorithm, public=public)
