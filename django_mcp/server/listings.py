"""Resources that are not registered one by one, but found when somebody lists them.

A listing has its pages after the registered resources, in the order in which listings were added.
A framework adds them for what it keeps in a database. What a registered resource is, is
`components`; how a page is answered, `handlers.listing`.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any, NamedTuple

from ..protocol.types import Resource
from .access import AccessRule
from .components import Callee
from .context import Context
from .errors import RegistrationError
from .exchange import Exchange


class ListedPage(NamedTuple):
    """Some resources of a listing, and where the next page begins; None after the last one."""

    resources: Sequence[Resource]
    after: str | None = None


#: Finds a page: `page(ctx, after, limit)`, sync or async, returns a ListedPage of at most `limit`
#: resources this caller may know of; those that follow `after`, or the first. `after` is text the
#: function made itself, but a client may change it: raises InvalidParams for what it does not know.
PageFunction = Callable[[Context, str | None, int], Any]


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Listing:
    """Resources that `callee` finds, for those whom `rule` lets."""

    name: str
    callee: Callee
    rule: AccessRule | None = None

    async def page(self, exchange: Exchange, after: str | None, limit: int) -> ListedPage:
        """At most `limit` resources that follow `after`."""
        asked = {"after": after, "limit": limit}
        found: ListedPage = await self.callee.call(exchange.server.workers, exchange.context, asked)
        return found


@dataclass
class Listings:
    """The listings of a server, by name, in the order they were added."""

    changed: Callable[[], None]
    _members: dict[str, Listing] = field(default_factory=dict)

    def __len__(self) -> int:
        return len(self._members)

    def __contains__(self, name: str) -> bool:
        return name in self._members

    def add(
        self, name: str, function: PageFunction, *, permission: AccessRule | None = None
    ) -> None:
        """Add a listing; `name` stands in cursors, so it must be the same in every process.

        Raises RegistrationError where the name is taken.
        """
        if name in self._members:
            raise RegistrationError(f"There is a listing of resources called {name!r} already.")

        is_async = inspect.iscoroutinefunction(function)

        def call(ctx: Context, after: str | None, limit: int) -> Any:
            return function(ctx, after, limit)

        callee = Callee(function=call, is_async=is_async, context="ctx")
        self._members[name] = Listing(name=name, callee=callee, rule=permission)
        self.changed()

    def remove(self, name: str) -> None:
        """Take a listing away; raises KeyError where there is none of that name."""
        del self._members[name]
        self.changed()

    @property
    def members(self) -> list[Listing]:
        return list(self._members.values())
