"""Where a server keeps its components: add, remove, find, and list them page by page.

A list is written once for each revision and origin and sent as bytes from then on; a change drops
what was written. What a component is, is `components`; who hears of a change, `subscriptions`.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Generic, Literal, Protocol, TypeVar

from ..protocol import codec, jsonrpc
from ..protocol.revisions import Revision
from ..protocol.types import Icon, WireModel
from . import pagination
from .access import AccessRule, Principal, allowed
from .errors import RegistrationError
from .threads import Workers

Kind = Literal["tools", "resources", "resourceTemplates", "prompts"]
#: Turns the `src` of an icon into one a client of this origin can fetch; None drops the icon.
IconResolver = Callable[[str, str | None], str | None]

#: Written lists kept at a time; origins come from requests, so there must be an end to them.
MAX_WRITTEN = 32


class Component(Protocol):
    """What a collection needs to know of its members."""

    @property
    def key(self) -> str: ...

    @property
    def rule(self) -> AccessRule | None: ...

    def definition_in(self, revision: Revision) -> WireModel:
        """What a client of `revision` is told of it."""


C = TypeVar("C", bound=Component)


@dataclass(frozen=True, slots=True)
class Page(Generic[C]):
    """A page of a list: its members, and the cursor to the next one if there is one."""

    members: list[C]
    next_cursor: str | None


def same_origin(src: str, origin: str | None) -> str | None:
    """Complete a path to a URL of `origin`; whole URLs stay as they are."""
    if not src.startswith("/"):
        return src
    return None if origin is None else origin + src


class Collection(Generic[C]):
    """The components of one kind, by key, in the order they were added."""

    def __init__(self, kind: Kind, changed: Callable[[], None]) -> None:
        self.kind = kind
        self._members: dict[str, C] = {}
        self._changed = changed
        self._guarded = False
        self._written: dict[tuple[Revision, str | None], list[bytes]] = {}
        self.resolve_icon: IconResolver = same_origin
        #: The member of that key, whoever asks; None for none.
        self.find: Callable[[str], C | None] = self._members.get

    def __len__(self) -> int:
        return len(self._members)

    def __iter__(self) -> Iterator[C]:
        return iter(list(self._members.values()))

    def __contains__(self, key: str) -> bool:
        return key in self._members

    @property
    def guarded(self) -> bool:
        """True where not every caller sees the same members."""
        return self._guarded

    def add(self, member: C) -> None:
        """Add `member`; raises RegistrationError where its key is taken."""
        if member.key in self._members:
            raise RegistrationError(
                f"{member.key!r} is registered already: give one of the two another name, or "
                "remove the first."
            )
        self._members[member.key] = member
        self._refresh()

    def remove(self, key: str) -> None:
        """Remove the member called `key`; raises KeyError where there is none."""
        del self._members[key]
        self._refresh()

    async def visible(self, principal: Principal, workers: Workers) -> list[C]:
        """The members `principal` may know of, in order."""
        members = list(self._members.values())
        if not self._guarded:
            return members
        verdicts = await allowed([member.rule for member in members], principal, workers)
        return [member for member, verdict in zip(members, verdicts, strict=True) if verdict]

    async def page(
        self, principal: Principal, workers: Workers, cursor: str | None, size: int
    ) -> Page[C]:
        """The page after `cursor` of what `principal` may know of; raises InvalidParams for a
        cursor that is not ours."""
        members = await self.visible(principal, workers)
        keys = [member.key for member in members]
        begin = pagination.start(self.kind, cursor, keys)
        end = begin + size
        more = end < len(members)
        after = pagination.encode(self.kind, end - 1, keys[end - 1]) if more else None
        return Page(members[begin:end], after)

    def definitions(
        self, members: list[C], revision: Revision, origin: str | None
    ) -> list[WireModel]:
        """The definitions of `members` as a client that came through `origin` gets them."""
        return [self.presented(member.definition_in(revision), origin) for member in members]

    def written(self, members: list[C], revision: Revision, origin: str | None) -> list[bytes]:
        """The same definitions as JSON of `revision`, written once."""
        every = self._written.get((revision, origin))
        if every is None:
            every = self._write(revision, origin)
        if len(members) == len(self._members):
            return every
        index = {key: number for number, key in enumerate(self._members)}
        return [every[index[m.key]] for m in members if m.key in index]

    def _write(self, revision: Revision, origin: str | None) -> list[bytes]:
        if len(self._written) >= MAX_WRITTEN:
            self._written.clear()
        every = [
            jsonrpc.dumps(codec.encode(definition, revision))
            for definition in self.definitions(list(self), revision, origin)
        ]
        self._written[revision, origin] = every
        return every

    def presented(self, definition: WireModel, origin: str | None) -> WireModel:
        """A definition with the icons that a client that came through `origin` can fetch."""
        icons: list[Icon] | None = getattr(definition, "icons", None)
        if not icons:
            return definition
        return definition.model_copy(update={"icons": resolve(icons, self.resolve_icon, origin)})

    def _refresh(self) -> None:
        self._written.clear()
        self._guarded = any(member.rule is not None for member in self._members.values())
        self._changed()


def resolve(icons: list[Icon], resolver: IconResolver, origin: str | None) -> list[Icon] | None:
    """`icons` with the sources a client that came through `origin` can fetch; None for none."""
    pairs = [(icon, resolver(icon.src, origin)) for icon in icons]
    kept = [icon.model_copy(update={"src": src}) for icon, src in pairs if src is not None]
    return kept or None
