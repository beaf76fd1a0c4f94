"""Who is calling, and the shape of a rule that says what they may do.

How a request becomes a Principal is the business of `django_mcp.authentication`; how a Django
permission becomes a rule, of `django_mcp.permissions`. Here are only the two values they produce.
"""

from __future__ import annotations

import inspect
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, field
from typing import Any, Final

from .threads import Workers


@dataclass(frozen=True, slots=True, kw_only=True)
class Principal:
    """The party on whose behalf a request is made.

    `id` is what sessions, sealed states and streams are bound to: equal ids are the same party, so
    it must be unique across kinds ("user:7", "token:3"). `user` is the Django user where there is
    one; `scopes` are what the credential was granted; `client_id` names the OAuth client it was
    issued to.
    """

    id: str
    user: Any = None
    scopes: frozenset[str] = field(default_factory=frozenset)
    client_id: str | None = None


#: The party of an endpoint that was deliberately left open.
ANONYMOUS: Final = Principal(id="anonymous")

#: Decides whether a principal may see and use a component. A sync rule runs in a thread, so it may
#: ask the database; an async one runs on the loop.
AccessRule = Callable[[Principal], bool | Awaitable[bool]]


async def allowed(
    rules: Sequence[AccessRule | None], principal: Principal, workers: Workers
) -> list[bool]:
    """Whether each of `rules` lets `principal` pass; None lets everybody.

    All the sync rules together take one turn in a thread.
    """
    verdicts = [rule is None for rule in rules]
    sync: list[int] = []
    for index, rule in enumerate(rules):
        if rule is None:
            continue
        if inspect.iscoroutinefunction(rule):
            verdicts[index] = bool(await workers.run_async(rule, principal))
        else:
            sync.append(index)
    if sync:
        chosen = [rules[index] for index in sync]
        for index, verdict in zip(
            sync, await workers.run_sync(_ask, chosen, principal), strict=True
        ):
            verdicts[index] = verdict
    return verdicts


def _ask(rules: Sequence[AccessRule | None], principal: Principal) -> list[bool]:
    verdicts = []
    for rule in rules:
        verdict = rule is None or rule(principal)
        if not isinstance(verdict, bool):
            # A truthy object is no consent: least of all a coroutine nobody awaited.
            raise TypeError(f"The access rule {rule!r} returned {verdict!r}, not a bool.")
        verdicts.append(verdict)
    return verdicts
