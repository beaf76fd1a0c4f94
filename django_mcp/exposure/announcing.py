"""Telling clients of what changed, at most once in a short while, and never too late.

What changes first is told at once. What changes in the moment after it waits until that is over,
and is then told together: each resource once, a list once, and where it is too many resources,
that all under a URI may have changed. What waits when the process ends is told before it does.

What changed is found out by the modules that expose something; who hears of it is the server's.
"""

from __future__ import annotations

import atexit
import os
import threading
import weakref
from collections.abc import Callable, Iterable
from functools import cache
from typing import Final
from weakref import WeakKeyDictionary, WeakSet

from ..server.broker import Change
from ..server.registration import Registration

#: Seconds between two times that clients are told.
PAUSE: Final = 0.1
#: Resources that are named one by one, of those under one URI that changed at once.
MANY: Final = 100


class News:
    """What changed of the resources under `base`.

    `base` is a resource itself, the collection, which changes with each of them. `uris` are those
    that changed, `everything` is true where any may have, `listed` where the list of them did.
    """

    def __init__(
        self,
        base: str,
        uris: Iterable[str] = (),
        *,
        everything: bool = False,
        listed: bool = False,
    ) -> None:
        self.base = base
        self.everything = everything
        self.listed = listed
        self._uris: dict[str, None] = {}
        self._name(uris)

    def add(self, other: News) -> None:
        """What `other` tells, too."""
        self.everything = self.everything or other.everything
        self.listed = self.listed or other.listed
        self._name(other._uris)

    def _name(self, uris: Iterable[str]) -> None:
        if not self.everything:
            self._uris.update(dict.fromkeys(uris))
            self.everything = len(self._uris) > MANY
        if self.everything:
            self._uris.clear()

    @property
    def changes(self) -> list[Change]:
        """The same as messages."""
        found = [Change("resource", uri) for uri in self._uris]
        if self.everything:
            found.append(Change("under", f"{self.base}/"))
        found.append(Change("resource", self.base))
        if self.listed:
            found.append(Change("resources", self.base))
        return found


class Announcer:
    """Tells the clients of one server; callable from any thread."""

    def __init__(self, publish: Callable[[Change], None]) -> None:
        self._publish = publish
        self.begin()

    def begin(self) -> None:
        """Begin anew, as in a process that was forked: what waits is its parent's to tell."""
        self._lock = threading.Lock()
        self._waiting: dict[str, News] = {}
        self._pause: threading.Timer | None = None

    def tell(self, news: News) -> None:
        """Tell of `news` now or in a moment."""
        with self._lock:
            waits = self._pause is not None
            if waits:
                self._waiting.setdefault(news.base, News(news.base)).add(news)
            else:
                self._begin_pause()
        if not waits:
            self._say([news])
            # After the first message, so that what carries messages is still there in the end.
            _announcers().add(self)

    def flush(self) -> None:
        """Tell at once of what waits."""
        with self._lock:
            if self._pause is not None:
                self._pause.cancel()
                self._pause = None
            waiting, self._waiting = self._waiting, {}
        self._say(waiting.values())

    def _begin_pause(self) -> None:
        pause = threading.Timer(PAUSE, _over, [weakref.ref(self)])
        pause.daemon = True
        try:
            pause.start()
        except RuntimeError:
            return  # The process ends, and has no threads to give any more: nothing waits now.
        self._pause = pause

    def _end_pause(self) -> None:
        with self._lock:
            waiting, self._waiting = self._waiting, {}
            self._pause = None
            if waiting:
                self._begin_pause()
        self._say(waiting.values())

    def _say(self, told: Iterable[News]) -> None:
        for news in told:
            for change in news.changes:
                self._publish(change)


def _over(announcer: weakref.ref[Announcer]) -> None:
    found = announcer()
    if found is not None:
        found._end_pause()


_of_servers: WeakKeyDictionary[Registration, Announcer] = WeakKeyDictionary()


def announcer_of(server: Registration) -> Announcer:
    """The announcer of a server, which has only one."""
    found = _of_servers.get(server)
    if found is None:
        found = _of_servers.setdefault(server, Announcer(server.broker.publish))
    return found


@cache
def _announcers() -> WeakSet[Announcer]:
    """The announcers of this process that ever said anything, for when it is forked or ends."""
    announcers: WeakSet[Announcer] = WeakSet()

    def flush_all() -> None:
        for announcer in list(announcers):
            announcer.flush()

    def begin_all() -> None:
        for announcer in list(announcers):
            announcer.begin()

    atexit.register(flush_all)
    if hasattr(os, "register_at_fork"):
        os.register_at_fork(after_in_child=begin_all)
    return announcers
