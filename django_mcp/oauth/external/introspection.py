"""Tokens that a provider is asked about (RFC 7662), and for how long its answer counts.

Answers are kept in this process, by the digest of the token, and not in Django's cache: a lookup
costs no query and no connection whatever cache there is, nobody who can write to that cache can
write who comes in, and all that sharing them would save is one question for each process and
minute. They are what the provider said, so the user behind them is looked up for each request.

A provider that does not answer is not asked again for a moment, and only so many requests ask one
at a time: what waits for it must not take every thread there is.
"""

from __future__ import annotations

import hashlib
import logging
import threading
import time
from collections import OrderedDict
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any, Final

from ..fetching import CannotFetch
from ..identity_providers import IdentityProvider
from . import asking
from .claims import NotGood, is_time

logger = logging.getLogger("django_mcp.oauth")

#: Seconds for which an answer is kept: that a token is good, and that it is not.
GOOD: Final = 60.0
NOT_GOOD: Final = 10.0
#: Answers of either kind that are kept of one provider; the longest unused go first.
MOST: Final = 2000
#: Seconds for which a provider is left alone that did not answer.
LEFT_ALONE: Final = 2.0
#: Requests that wait for one provider at a time.
AT_ONCE: Final = 8


class Introspection:
    """Tokens of a provider, each asked about."""

    def __init__(self, provider: IdentityProvider) -> None:
        self._provider = provider
        self._url = provider.introspection_url
        self._good, self._not_good = _Answers(GOOD), _Answers(NOT_GOOD)
        self._not_before = float("-inf")
        self._slots = threading.BoundedSemaphore(AT_ONCE)
        self._asking: dict[bytes, tuple[threading.Lock, int]] = {}
        self._lock = threading.Lock()

    def claims_in(self, token: str) -> Mapping[str, Any]:
        """What the provider says of a token that is active; raises NotGood."""
        digest = hashlib.sha256(token.encode()).digest()
        said = self._kept(digest)
        if said is None:
            with self._alone(digest):
                said = self._kept(digest) or self._asked(digest, token)
        if said.get("active") is not True:
            raise NotGood("it is not active")
        return said

    def _kept(self, digest: bytes) -> Mapping[str, Any] | None:
        return self._good.get(digest) or self._not_good.get(digest)

    def _asked(self, digest: bytes, token: str) -> Mapping[str, Any]:
        if now() < self._not_before:
            raise NotGood("its provider did not answer a moment ago")
        if not self._slots.acquire(timeout=asking.DEADLINE):
            raise NotGood("too many wait for its provider")
        try:
            if now() < self._not_before:
                raise NotGood("its provider did not answer a moment ago")
            said, self._url = asking.answer_about(token, self._provider, self._url)
        except CannotFetch as error:
            self._not_before = now() + LEFT_ALONE
            logger.error("%s cannot be asked about a token: %s", self._provider.issuer, error)
            raise NotGood("its provider does not answer") from None
        finally:
            self._slots.release()
        if said.get("active") is True:
            self._good.keep(digest, said, _lasts(said))
        else:
            said = {"active": False}
            self._not_good.keep(digest, said, NOT_GOOD)
        return said

    @contextmanager
    def _alone(self, digest: bytes) -> Iterator[None]:
        """Of those who have the same token, one asks; the others wait, and find the answer."""
        with self._lock:
            lock, waiting = self._asking.get(digest, (threading.Lock(), 0))
            self._asking[digest] = (lock, waiting + 1)
        try:
            with lock:
                yield
        finally:
            with self._lock:
                lock, waiting = self._asking.pop(digest)
                if waiting > 1:
                    self._asking[digest] = (lock, waiting - 1)


class _Answers:
    """Answers by the digest of the token, each with the end of its time."""

    def __init__(self, longest: float) -> None:
        self._longest = longest
        self._kept: OrderedDict[bytes, tuple[float, Mapping[str, Any]]] = OrderedDict()
        self._lock = threading.Lock()

    def get(self, digest: bytes) -> Mapping[str, Any] | None:
        with self._lock:
            until, said = self._kept.get(digest, (float("-inf"), None))
            if said is None or until <= now():
                self._kept.pop(digest, None)
                return None
            self._kept.move_to_end(digest)
            return said

    def keep(self, digest: bytes, said: Mapping[str, Any], seconds: float) -> None:
        with self._lock:
            self._kept[digest] = (now() + min(seconds, self._longest), said)
            self._kept.move_to_end(digest)
            while len(self._kept) > MOST:
                self._kept.popitem(last=False)


def _lasts(said: Mapping[str, Any]) -> float:
    """Seconds until the token ends, as far as the answer says so."""
    end = said.get("exp")
    return max(0.0, end - time.time()) if is_time(end) else GOOD


def now() -> float:
    """Seconds of a clock that nobody sets back."""
    return time.monotonic()
