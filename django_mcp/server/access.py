"""Who is calling, and the shape of a rule that says what they may do.

How a request becomes a Principal is the business of `django_mcp.authentication`; how a Django
permission becomes a rule, of `django_mcp.permissions`. Here are only the two values they produce.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from typing import Any, Final


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

#: Decides whether a principal may see and use a component; may be async.
AccessRule = Callable[[Principal], bool | Awaitable[bool]]


async def allows(rule: AccessRule | None, principal: Principal) -> bool:
    """True where there is no rule, or the rule lets `principal` pass."""
    if rule is None:
        return True
    verdict = rule(principal)
    if isinstance(verdict, bool):
        return verdict
    return bool(await verdict)
