"""Which changes the client of one stream is told of: those of what it may see, or saw until now.

A follower may see some objects under a template and not others, and that changes. What it sees no
more, because it was deleted or is now another's, it is told of once, as it would be of any change;
after that it is as unknown as what never existed. Which changes concern a client at all is
`subscriptions`; whether it may see something, `finding`.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence

from .broker import Change
from .exchange import Exchange
from .finding import seen


class Sight:
    """What one client sees of what it follows, as it was when that was last looked at."""

    def __init__(self, exchange: Exchange) -> None:
        self._exchange = exchange
        self._followed: frozenset[str] = frozenset()
        self._seen: set[str] = set()

    async def begin(self, followed: Collection[str]) -> None:
        """Look at what is followed already."""
        self._followed = frozenset(followed)
        self._seen = set(followed)
        templates = self._exchange.server.resource_templates
        if followed and any(template.visible is not None for template in templates):
            known = await seen(self._exchange, sorted(followed))
            self._seen = {uri for uri, visible in known.items() if visible}

    def follow(self, followed: Collection[str]) -> None:
        """Note what is followed now. What is new was seen when the client asked to follow it."""
        now = frozenset(followed)
        self._seen = (self._seen | (now - self._followed)) & now
        self._followed = now

    async def of(self, changes: Sequence[Change]) -> list[Change]:
        """Those of `changes` that the client is told of, each once.

        A right may have been taken away since the client asked to hear of something: of what it
        may not read any more, whatever it names, it is not told.
        """
        uris = dict.fromkeys(change.uri for change in changes if change.uri is not None)
        known: Mapping[str, bool] = {}
        if uris:
            await self._exchange.renew()
            known = await seen(self._exchange, uris)
        told = [
            change
            for change in changes
            if change.uri is None
            or (change.uri in known and (known[change.uri] or change.uri in self._seen))
        ]
        self._note(known.items())
        # Which of several lists of the same kind changed, no notification says.
        return list(dict.fromkeys(change.said for change in told))

    def _note(self, known: Iterable[tuple[str, bool]]) -> None:
        for uri, visible in known:
            if not visible:
                self._seen.discard(uri)
            elif uri in self._followed:
                self._seen.add(uri)
