"""Who is calling, and the shape of a rule that says what they may do.

How a request becomes a Principal is the business of `django_mcp.authentication`; how a Django
permission becomes a rule, of `django_mcp.permissions`. Here are only the two values they produce.
"""

from __future__ import annotations

import inspect
import logging
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, field
from typing import Any, Final

from .scopes import ScopePolicy
from .signatures import is_async_callable
from .threads import Workers

logger = logging.getLogger("django_mcp")


@dataclass(frozen=True, slots=True, kw_only=True)
class Principal:
    """The party on whose behalf a request is made.

    `id` is what sessions, sealed states and streams are bound to: equal ids are the same party, so
    it must be unique across kinds ("user:7", "token:3"). `user` is the Django user where there is
    one; `scopes` are what the credential was granted; `client_id` names the OAuth client it was
    issued to. `limits` says how `scopes` are read, and has them take away from what the caller may
    do; without it they are there for access rules alone.
    """

    id: str
    user: Any = None
    scopes: frozenset[str] = field(default_factory=frozenset)
    client_id: str | None = None
    limits: ScopePolicy | None = field(default=None, compare=False, repr=False)

    @property
    def is_active(self) -> bool:
        """False where the user is one who was deactivated, which no access rule lets pass."""
        user = self.user
        if user is None or not getattr(user, "is_authenticated", True):
            return True  # Nobody's account; Django's AnonymousUser calls that inactive.
        return getattr(user, "is_active", True) is True


#: The party of an endpoint that was deliberately left open.
ANONYMOUS: Final = Principal(id="anonymous")
#: Who calls from the same machine or process, where nobody is named: whoever may start it.
LOCAL: Final = Principal(id="local")

#: Decides whether a principal may see and use a component. A sync rule runs in a thread, so it may
#: ask the database; an async one runs on the loop.
AccessRule = Callable[[Principal], bool | Awaitable[bool]]


async def allowed(
    rules: Sequence[AccessRule | None], principal: Principal, workers: Workers
) -> list[bool]:
    """Whether each of `rules` lets `principal` pass; None lets everybody.

    A rule that fails, or returns what is no bool, lets nobody pass, and the log says so. Neither
    does any rule let pass a user who is deactivated. All the sync rules together take one turn in
    a thread.
    """
    verdicts = [rule is None for rule in rules]
    sync: list[int] = []
    for index, rule in enumerate(rules):
        if rule is None:
            continue
        if is_async_callable(rule):
            verdicts[index] = await workers.run_async(_ask_async, rule, principal)
        else:
            sync.append(index)
    if sync:
        chosen = [rules[index] for index in sync]
        for index, verdict in zip(
            sync, await workers.run_sync(_ask, chosen, principal), strict=True
        ):
            verdicts[index] = verdict
    return verdicts


def _ask(rules: Sequence[Any], principal: Principal) -> list[bool]:
    return [_verdict(rule, principal) for rule in rules]


def _verdict(rule: Any, principal: Principal) -> bool:
    try:
        return principal.is_active and _as_bool(rule, rule(principal))
    except (Exception, SystemExit):
        logger.exception("The access rule %s failed, and so lets nobody pass", rule)
        return False


async def _ask_async(rule: Any, principal: Principal) -> bool:
    try:
        return principal.is_active and _as_bool(rule, await rule(principal))
    except (Exception, SystemExit):
        logger.exception("The access rule %s failed, and so lets nobody pass", rule)
        return False


def _as_bool(rule: Any, verdict: object) -> bool:
    if isinstance(verdict, bool):
        return verdict
    # A truthy object is no consent: least of all a coroutine nobody awaited.
    if inspect.iscoroutine(verdict):
        verdict.close()
    logger.error(
        "The access rule %s returned %.100r and not a bool, and so lets nobody pass", rule, verdict
    )
    return False
