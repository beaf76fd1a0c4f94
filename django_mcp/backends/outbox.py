"""What waits to be carried to other processes: in order, bounded, and what is equal only once.

Whoever publishes puts parcels in, from any thread; the thread of `carrier` takes them out in
batches. What a parcel says is `channel_layer`'s business.
"""

from __future__ import annotations

import itertools
import threading
from collections import OrderedDict
from collections.abc import Hashable, Iterable, Sequence
from concurrent.futures import Future
from dataclasses import dataclass
from typing import Final

#: Characters that wait at most, counting something for each parcel. A few times what the longest
#: message takes: a body of 4 MiB is up to 12 Mi characters of ASCII.
MAX_WAITING: Final = 48 * 1024 * 1024
PARCEL: Final = 200
#: Characters of a batch, unless its only parcel is longer. Channel layers count messages and drop
#: those beyond their capacity, 100 by default, so a burst has to fit into far fewer.
BATCH: Final = 1024 * 1024


class OutboxFull(Exception):
    """So much waits already that nothing more can be taken in."""


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Parcel:
    """One message to one group of processes.

    `lasting` is one worth carrying later when it cannot be carried now. Somebody waits for the
    outcome of one with a `receipt`.
    """

    group: str
    text: str
    lasting: bool = False
    receipt: Future[None] | None = None

    @property
    def cost(self) -> int:
        return PARCEL + len(self.text)


class Outbox:
    """The parcels that wait."""

    def __init__(self) -> None:
        self._waiting: OrderedDict[Hashable, Parcel] = OrderedDict()
        self._size = 0
        self._dropped = 0
        self._lock = threading.Lock()
        self._count = itertools.count()

    def __len__(self) -> int:
        return len(self._waiting)

    def put(self, parcel: Parcel) -> None:
        """Add `parcel`, unless an equal one without a receipt waits already.

        The oldest make room where there is too little, but never those with a receipt. Raises
        OutboxFull where that does not help.
        """
        with self._lock:
            key = self._key(parcel)
            if key in self._waiting:
                return
            self._make_room(parcel.cost)
            self._waiting[key] = parcel
            self._size += parcel.cost

    def count_dropped(self) -> int:
        """How many made room since this was last asked."""
        with self._lock:
            dropped, self._dropped = self._dropped, 0
            return dropped

    def take(self) -> list[Parcel]:
        """The next batch, all of one group, in order; empty where nothing waits."""
        with self._lock:
            batch: dict[Hashable, Parcel] = {}
            size = 0
            for key, parcel in self._waiting.items():
                first = next(iter(batch.values()), parcel)
                if parcel.group != first.group:
                    continue
                if batch and size + parcel.cost > BATCH:
                    break
                batch[key] = parcel
                size += parcel.cost
            for key, parcel in batch.items():
                self._forget(key, parcel)
        return [parcel for parcel in batch.values() if _is_wanted(parcel)]

    def put_back(self, parcels: Iterable[Parcel]) -> None:
        """Have what could not be carried wait in front of everything else, if it is lasting."""
        with self._lock:
            back = {self._key(p): p for p in parcels if p.lasting and p.receipt is None}
            waiting, self._waiting, self._size = self._waiting, OrderedDict(), 0
            for key, parcel in itertools.chain(back.items(), waiting.items()):
                if key not in self._waiting and self._size + parcel.cost <= MAX_WAITING:
                    self._waiting[key] = parcel
                    self._size += parcel.cost
                elif parcel.receipt is not None:
                    parcel.receipt.cancel()

    def take_awaited(self) -> Sequence[Parcel]:
        """Every parcel with a receipt: for telling that it cannot be carried."""
        with self._lock:
            awaited = {key: p for key, p in self._waiting.items() if p.receipt is not None}
            for key, parcel in awaited.items():
                self._forget(key, parcel)
        return [parcel for parcel in awaited.values() if _is_wanted(parcel)]

    def _key(self, parcel: Parcel) -> Hashable:
        return (parcel.group, parcel.text) if parcel.receipt is None else next(self._count)

    def _make_room(self, cost: int) -> None:
        missing = self._size + cost - MAX_WAITING
        oldest: list[Hashable] = []
        for key, parcel in self._waiting.items():
            if missing <= 0:
                break
            if parcel.receipt is None:
                oldest.append(key)
                missing -= parcel.cost
        if missing > 0:
            self._dropped += 1
            raise OutboxFull
        for key in oldest:
            self._forget(key, self._waiting[key])
        self._dropped += len(oldest)

    def _forget(self, key: Hashable, parcel: Parcel) -> None:
        del self._waiting[key]
        self._size -= parcel.cost


def _is_wanted(parcel: Parcel) -> bool:
    """False where whoever waited for the outcome has given up."""
    return parcel.receipt is None or parcel.receipt.set_running_or_notify_cancel()
