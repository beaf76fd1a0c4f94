"""What answers for a URI: a resource, or the template it fits, and whether this caller may know it.

What the caller may not know of is found as little as what does not exist. Reading what was found is
`handlers.resources`; who is told of its changes, `sight`.
"""

from __future__ import annotations

import asyncio
import re
from collections.abc import Iterable, Mapping
from typing import Any, Final, NamedTuple

from .access import AccessRule
from .components import Callee, Named
from .errors import InvalidArguments, NotFound, NotPermitted
from .exchange import Exchange
from .scopes import InsufficientScope

#: Values that would leave a directory they are joined to: a parent segment, a root, a drive, NUL.
#: "C:secret" has no slash, and yet Windows looks for it in whatever directory that drive is at.
_ESCAPES: Final = re.compile(r"(?:^|[/\\])\.\.(?:[/\\]|$)|^[/\\]|^[A-Za-z]:|\x00")
#: URIs that are matched before the loop may turn to somebody else.
_AT_ONCE: Final = 20


class Found(NamedTuple):
    """What answers for a URI; `guarded` where another caller might find something else there.

    `visible` says whether the caller may see what the arguments name; None where all may.
    """

    callee: Callee
    kwargs: dict[str, Any]
    mime_type: str | None
    guarded: bool
    visible: Callee | None = None


class Finder:
    """Finds what answers for URIs, for one caller at one moment: each rule is asked once."""

    def __init__(self, exchange: Exchange) -> None:
        self._exchange = exchange
        self._verdicts: dict[AccessRule | None, bool] = {None: True}

    async def find(self, uri: str) -> Found:
        """What answers for `uri`; raises NotFound for what is unknown, hidden or out of bounds, and
        InsufficientScope for what more scopes would lead to."""
        server = self._exchange.server
        guarded = False
        resource = server.resources.find(uri)
        if resource is not None:
            guarded = resource.rule is not None
            if await self._allows(resource.rule):
                self._exchange.require_scopes(resource)
                return Found(resource.callee, {}, resource.definition.mime_type, guarded)
        for template in server.resource_templates:
            values = template.template.match(uri)
            if values is None:
                continue
            guarded = guarded or template.rule is not None or template.visible is not None
            if not await self._allows(template.rule):
                continue
            if template.confined and any(_escapes(value) for value in values.values()):
                raise NotFound(uri)
            try:
                kwargs = template.arguments.validate(dict(values))
            except InvalidArguments:
                continue  # "{year}" is an int: "/books/new" is somebody else's URI, or nobody's.
            self._exchange.require_scopes(template)
            mime_type = template.definition.mime_type
            return Found(template.callee, kwargs, mime_type, guarded, template.visible)
        raise NotFound(uri)

    async def _allows(self, rule: AccessRule | None) -> bool:
        if rule not in self._verdicts:
            self._verdicts[rule] = await self._exchange.allows(rule)
        return self._verdicts[rule]


async def seen(
    exchange: Exchange, uris: Iterable[str], *, challenge: bool = False
) -> Mapping[str, bool]:
    """Which of `uris` the caller may read, as far as that is known without reading them.

    True for those. False where something answers for the URI and what it names is hidden from the
    caller, or is not there. Any other URI is left out. However many there are, each template is
    asked once. What the caller's credential lacks a scope for is left out too; with `challenge` it
    raises InsufficientScope.
    """
    finder = Finder(exchange)
    known: dict[str, bool] = {}
    named: dict[Callee, list[Named]] = {}
    for count, uri in enumerate(uris):
        if count % _AT_ONCE == 0:
            await asyncio.sleep(0)
        try:
            found = await finder.find(uri)
        except NotFound:
            continue
        except InsufficientScope:
            if challenge:
                raise
            continue
        known[uri] = found.visible is None
        if found.visible is not None:
            named.setdefault(found.visible, []).append(Named(uri, found.kwargs))
    for visible, asked in named.items():
        verdicts = await _ask(exchange, visible, asked)
        known.update(zip((each.uri for each in asked), verdicts, strict=True))
    return known


async def _ask(exchange: Exchange, visible: Callee, named: list[Named]) -> list[bool]:
    try:
        verdicts = list(
            await visible.call(exchange.server.workers, exchange.context, {"named": named})
        )
    except (NotFound, NotPermitted):
        return [False] * len(named)
    if len(verdicts) != len(named) or not all(isinstance(verdict, bool) for verdict in verdicts):
        # A truthy object is no consent, as with an access rule.
        raise TypeError(f"{visible.function!r} returned no list of {len(named)} bools.")
    return verdicts


def _escapes(value: object) -> bool:
    if isinstance(value, str):
        return _ESCAPES.search(value) is not None
    if isinstance(value, dict):
        return any(_escapes(item) for pair in value.items() for item in pair)
    if not isinstance(value, list | tuple):
        return False
    # What was taken apart at its slashes will be put together again. An empty item begins a root
    # there, except for the last, which says no more than that a slash came at the end.
    if "" in value[:-1] or _escapes("/".join(str(item) for item in value)):
        return True
    return any(_escapes(item) for item in value)
