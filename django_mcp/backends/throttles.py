"""How often somebody may do something, counted in Django's cache, which all processes share.

Owns the counting: a window that slides, made of two that do not. A key lives for two windows, is a
digest whatever it is made of, and there is one for each principal, user and client that
authentication knows, and each address that fails; what a client only says of itself makes none.
Rates are DJANGO_MCP["THROTTLES"]. While the cache is away nobody is throttled.

Source of the estimate: the requests of the window before count by the share of it that is not over.
"""

from __future__ import annotations

import hashlib
import logging
import time
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from functools import cache
from typing import Any, Final, NamedTuple

from django.core.cache import caches

from .. import conf
from ..server.exchange import Exchange
from ..server.gates import Throttled
from ..transports.http.types import HttpRequest
from .addresses import party_of
from .threads import DjangoWorkers

logger = logging.getLogger("django_mcp")

#: Threads that ask the cache.
_THREADS: Final = 8
PREFIX: Final = "django_mcp:throttle:"


class Allowance(NamedTuple):
    """What somebody may: `scope` is for people, `key` says whose it is."""

    scope: str
    key: str
    rate: conf.Rate


@dataclass
class _Health:
    """Whether the cache was away when it was last asked, so that it is said once."""

    is_away: bool = False


_health = _Health()


async def check(exchange: Exchange) -> None:
    """Count a request; raises Throttled where it is one too many."""
    wanted = list(_allowances(exchange, conf.get().throttles))
    if wanted:
        await _workers().run_sync(spend, wanted)


def _allowances(exchange: Exchange, rates: conf.Throttles) -> Iterator[Allowance]:
    principal, server = exchange.caller.principal, exchange.server.name
    user = getattr(principal.user, "pk", None)
    known = {
        "principal": principal.id,
        "user": None if user is None else str(user),
        "client": principal.client_id,
    }
    for scope, key in known.items():
        if key and scope in rates:
            yield _allowance(scope, rates[scope], server, key)
    request = exchange.request
    if request.method == "tools/call":
        scope = f"tool:{request.params.get('name')}"
        if scope in rates:
            yield _allowance(scope, rates[scope], server, principal.id)


def _allowance(scope: str, rate: str, *key: str) -> Allowance:
    return Allowance(scope, "\0".join(key), conf.rate_of(rate))


@dataclass(frozen=True, slots=True)
class Failures:
    """Addresses from which authentication failed, which have to wait once that was too often.

    `proxies` is how many proxies of the project's own a request has passed, each of which adds an
    address to X-Forwarded-For.
    """

    rate: str
    proxies: int

    async def check(self, request: HttpRequest) -> None:
        """Raise Throttled for who has failed too often lately."""
        wanted = self._allowance(request)
        if wanted is not None:
            await _workers().run_sync(check_spent, wanted)

    async def note(self, request: HttpRequest) -> None:
        """Count a failure."""
        wanted = self._allowance(request)
        if wanted is not None:
            await _workers().run_sync(count, wanted)

    def _allowance(self, request: HttpRequest) -> Allowance | None:
        forwarded = request.headers.get("x-forwarded-for", "")
        address = party_of(request.client, forwarded, self.proxies)
        return None if address is None else _allowance("authentication", self.rate, address)


# ----------------------------------------------------------------------------------- the counting


def spend(wanted: Iterable[Allowance]) -> None:
    """Count one more for each; where it is too much for one, for none. For a thread."""
    spent: list[Allowance] = []
    for allowance in wanted:
        count(allowance)
        spent.append(allowance)
        wait = _wait(allowance, one_more=0)
        if wait > 0:
            for each in spent:
                count(each, -1)
            raise _throttled(allowance, wait)


def wait_after(scope: str, key: str, rate: conf.Rate) -> int:
    """Count one more of something else that is limited; 0 where that is within the rate, else the
    seconds until it would be. For a thread."""
    try:
        spend([Allowance(scope, key, rate)])
    except Throttled as later:
        return later.retry_after
    return 0


def check_spent(allowance: Allowance) -> None:
    """Raise Throttled where one more would be too much. For a thread."""
    wait = _wait(allowance, one_more=1)
    if wait > 0:
        raise _throttled(allowance, wait)


def _throttled(allowance: Allowance, wait: float) -> Throttled:
    rate = allowance.rate
    return Throttled(
        f"Too many requests ({allowance.scope}): {rate.number} in {rate.seconds} seconds are "
        "allowed. Try again later.",
        wait,
    )


def count(allowance: Allowance, step: int = 1) -> None:
    """Count one, or take one back."""
    key, seconds = _key(allowance, 0), allowance.rate.seconds
    try:
        store = caches[conf.get().throttle_cache]
        store.add(key, 0, timeout=2 * seconds)
        store.incr(key, step)
    except ValueError:
        return  # It was evicted in between.
    except Exception:
        _is_away()
    else:
        _health.is_away = False


def _wait(allowance: Allowance, one_more: int) -> float:
    """In how many seconds a request, already counted or one more, is within the rate; 0 for now."""
    keys = [_key(allowance, ago) for ago in (0, 1)]
    try:
        found: Any = caches[conf.get().throttle_cache].get_many(keys)
    except Exception:
        _is_away()
        return 0.0
    number, seconds = allowance.rate.number, allowance.rate.seconds
    past = time.time() % seconds / seconds
    now, before = found.get(keys[0], 0) + one_more, found.get(keys[1], 0)
    if before * (1 - past) + now <= number:
        return 0.0
    if now <= number and before:
        return float((1 - (number - now) / before - past) * seconds)
    # Not in this window: in the next one, once enough of this one no longer counts.
    return float((1 - past + max(0.0, 1 - (number - 1) / max(now - 1, 1))) * seconds)


def _key(allowance: Allowance, ago: int) -> str:
    window = int(time.time() // allowance.rate.seconds) - ago
    said = f"{allowance.scope}\0{allowance.rate.seconds}\0{allowance.key}".encode(errors="replace")
    return f"{PREFIX}{hashlib.blake2b(said, digest_size=16).hexdigest()}:{window}"


def _is_away() -> None:
    if not _health.is_away:
        _health.is_away = True
        logger.exception("The cache that throttles count in is away: nobody is throttled")


@cache
def _workers() -> DjangoWorkers:
    return DjangoWorkers(_THREADS, atomic=False)
