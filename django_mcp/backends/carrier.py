"""The thread that talks to a channel layer on behalf of a whole process.

There is one for each process and layer, with an event loop of its own, however many servers,
event loops and connections the process has. It starts with the first message that has to go to
other processes, or with the first listener, and ends a little after the last. A thread, because
messages are published from everywhere: from event loops that end with the call they were started
for, and from threads that have none. So nobody waits for the layer who did not ask to, and what
this process publishes goes out in one order.

What a message says, and who hears it in this process, is `channel_layer`'s business; what waits to
be sent, `outbox`'s; how one listens to a layer, `hearing`'s.
"""

from __future__ import annotations

import asyncio
import atexit
import logging
import os
import secrets
import threading
import weakref
from collections.abc import Callable, Iterable, Mapping, Sequence
from concurrent.futures import Future
from contextlib import suppress
from functools import cache
from typing import Any, Final

from ..server.broker import BrokerUnavailable
from .hearing import TYPE, Hear, Receiver, close, retry_delay
from .outbox import Outbox, OutboxFull, Parcel
from .standing_thread import StandingThread, stand_still

logger = logging.getLogger("django_mcp")

#: Seconds the layer has to take a message.
SEND_TIMEOUT: Final = 5.0
#: Seconds between two batches: how what is published meanwhile comes to travel together.
PAUSE: Final = 0.01
#: Seconds a thread that has nothing to do keeps its connection.
LINGER: Final = 5.0
#: Seconds that what waits has, at the end of a server or of the process.
LAST_WORDS: Final = 2.0

AWAY: Final = (
    "Other processes of this server cannot be reached at the moment: send the request again in a "
    "few seconds."
)


class Carrier:
    """Carries texts to the other processes of a group, and hands over what they send.

    `make_layer` returns a new channel layer, for this carrier alone: one that is shared would
    share its capacity, and with channels_redis may be listened to in one event loop only.
    """

    def __init__(self, make_layer: Callable[[], Any]) -> None:
        self.make_layer = make_layer
        self._hears: dict[str, Hear] = {}
        self.begin()

    def begin(self) -> None:
        """Begin anew, as in a process that was forked: its parent's thread is the parent's."""
        self.outbox = Outbox()
        self._lock = threading.Lock()
        self._worker: _Worker | None = None

    @property
    def wanted(self) -> Mapping[str, Hear]:
        """Who hears what is sent to which group."""
        return self._hears

    def publish(self, group: str, text: str, *, lasting: bool) -> None:
        """Have `text` carried soon; what cannot be carried is logged, and lost unless `lasting`."""
        with suppress(OutboxFull):
            self.outbox.put(Parcel(group=group, text=text, lasting=lasting))
        self._wake()

    async def send(self, group: str, text: str) -> None:
        """Return once the layer has taken `text`; raises BrokerUnavailable."""
        receipt: Future[None] = Future()
        try:
            self.outbox.put(Parcel(group=group, text=text, receipt=receipt))
            self._wake(urgent=True)
            async with asyncio.timeout(SEND_TIMEOUT):
                await asyncio.wrap_future(receipt)
        except (OutboxFull, TimeoutError) as error:
            raise BrokerUnavailable(AWAY) from error

    def join(self, group: str, hear: Hear) -> None:
        """Call `hear`, in the carrier's thread, with each text that others send to `group`."""
        if self._hears.get(group) == hear:
            return
        with self._lock:
            self._hears = {**self._hears, group: hear}
        self._wake()

    def leave(self, group: str) -> None:
        """Hear no more of `group`."""
        with self._lock:
            self._hears = {name: hear for name, hear in self._hears.items() if name != group}
            worker = self._worker
            if worker is not None:
                worker.poke()

    async def settle(self) -> None:
        """Return once all is carried, joined and left that was asked for, or after LAST_WORDS
        seconds; where nobody listens any more, nothing remains of the thread."""
        with suppress(TimeoutError):
            async with asyncio.timeout(LAST_WORDS):
                await asyncio.wrap_future(self._settled())

    def close(self) -> None:
        """Carry what waits, leave every group and end the thread: LAST_WORDS seconds at most."""
        with self._lock:
            self._hears = {}
        with suppress(TimeoutError):
            self._settled().result(LAST_WORDS)

    def _settled(self) -> Future[None]:
        settled: Future[None] = Future()
        with self._lock:
            if self._worker is None:
                settled.set_result(None)
            else:
                self._worker.tell_when_settled(settled)
        return settled

    def _wake(self, *, urgent: bool = False) -> None:
        with self._lock:
            if self._worker is None:
                _carriers().add(self)
                self._worker = _Worker(self)
            self._worker.poke(urgent=urgent)

    def may_end(self) -> bool:
        """True where nothing is left to do for the worker, which then has to end."""
        with self._lock:
            if self._hears or len(self.outbox):
                return False
            self._worker = None
            return True

    def stand_still(self) -> Callable[[], None]:
        """Have nothing go on in the thread until the function is called that this returns."""
        worker = self._worker
        return _nothing if worker is None else worker.stand_still()

    def lost(self, worker: _Worker) -> None:
        """`worker` has ended, whyever."""
        with self._lock:
            if self._worker is worker:
                self._worker = None


class _Worker:
    """One life of a carrier's thread; what it sends is signed with a name of its own."""

    def __init__(self, carrier: Carrier) -> None:
        self._carrier = carrier
        self._name = secrets.token_hex(8)
        self._number = 0
        self._layer: Any = None
        self._is_poked = False
        self._sending = False
        self._failures = 0
        self._settled: list[Future[None]] = []
        self._news = asyncio.Event()
        self._to_send = asyncio.Event()
        self._urgent = asyncio.Event()
        self._receiver = Receiver(
            carrier.make_layer, lambda: carrier.wanted, self._name, self._news.set
        )
        self._loop = asyncio.new_event_loop()
        self._lookup = StandingThread("django_mcp_layer_names")
        self._loop.set_default_executor(self._lookup)
        threading.Thread(target=self._run, name="django_mcp_layer", daemon=True).start()

    def poke(self, *, urgent: bool = False) -> None:
        """There is something new to send, to join or to leave."""
        if urgent or not self._is_poked:
            self._is_poked = True
            self._loop.call_soon_threadsafe(self._poked, urgent)

    def _poked(self, urgent: bool) -> None:
        self._is_poked = False
        self._news.set()
        self._to_send.set()
        self._receiver.poke()
        if urgent:
            self._urgent.set()

    def stand_still(self) -> Callable[[], None]:
        """See Carrier.stand_still."""
        try:
            return stand_still(self._loop.call_soon_threadsafe, self._lookup.submit)
        except RuntimeError:  # The loop is closed.
            return _nothing

    def tell_when_settled(self, settled: Future[None]) -> None:
        """Set the result of `settled` once everything that was asked for is done."""
        self._settled.append(settled)
        self.poke()

    def _tell(self) -> None:
        settled, self._settled = self._settled, []
        for future in settled:
            if future.set_running_or_notify_cancel():
                future.set_result(None)

    def _run(self) -> None:
        try:
            # Not asyncio.Runner, which would start a thread to wait for that of the names.
            self._loop.run_until_complete(self._work())
            self._loop.run_until_complete(self._loop.shutdown_asyncgens())
        except Exception:
            logger.exception("The thread for messages to other processes failed")
        finally:
            # Ends the thread of the names, too.
            self._loop.close()
            self._carrier.lost(self)
            self._tell()

    async def _work(self) -> None:
        tasks = [asyncio.create_task(self._receiver.run()), asyncio.create_task(self._send_all())]
        try:
            while True:
                self._news.clear()
                if not self._is_settled():
                    await self._news.wait()
                elif self._carrier.wanted:
                    self._tell()
                    await self._news.wait()
                elif not self._settled and await _happens(self._news, LINGER):
                    continue
                elif self._carrier.may_end():
                    return
        finally:
            for task in tasks:
                task.cancel()
            await asyncio.wait(tasks)
            await close(self._layer)

    def _is_settled(self) -> bool:
        return not self._sending and not len(self._carrier.outbox) and self._receiver.is_settled

    async def _send_all(self) -> None:
        """Send what waits, until cancelled."""
        while True:
            self._to_send.clear()
            self._urgent.clear()
            batch = self._carrier.outbox.take()
            self._sending = bool(batch)
            dropped = self._carrier.outbox.count_dropped()
            if dropped:
                logger.warning("%s messages for other processes are lost: too many wait", dropped)
            if not batch:
                self._news.set()
                await self._to_send.wait()
                continue
            try:
                await self._send(batch)
            except Exception as error:
                await self._failed(batch, error)
            else:
                self._sent(batch)
                await asyncio.sleep(PAUSE)

    async def _send(self, batch: Sequence[Parcel]) -> None:
        self._number += 1
        group = batch[0].group
        message = {
            "type": TYPE,
            "process": self._name,
            "number": self._number,
            "group": group,
            "texts": [parcel.text for parcel in batch],
        }
        if self._layer is None:
            self._layer = self._carrier.make_layer()
        async with asyncio.timeout(SEND_TIMEOUT):
            if not self._failures:
                # The connection may be an old one, which breaks when it is used.
                with suppress(Exception):
                    await self._layer.group_send(group, message)
                    return
            await self._layer.group_send(group, message)

    def _sent(self, batch: Iterable[Parcel]) -> None:
        if self._failures:
            logger.info("Other processes can be reached again")
        self._failures = 0
        for parcel in batch:
            if parcel.receipt is not None:
                parcel.receipt.set_result(None)

    async def _failed(self, batch: Sequence[Parcel], error: Exception) -> None:
        """Tell those who wait for it, keep what lasts, and wait a little."""
        self._failures += 1
        if self._failures == 1:
            logger.warning("Other processes cannot be reached: the channel layer fails: %r", error)
        outbox = self._carrier.outbox
        outbox.put_back(batch)
        for parcel in [*batch, *outbox.take_awaited()]:
            if parcel.receipt is not None:
                parcel.receipt.set_exception(BrokerUnavailable(AWAY))
        self._sending = False
        self._news.set()
        # Somebody who waits for the outcome of a message is told what is true now.
        await _happens(self._urgent, retry_delay(self._failures))


def _nothing() -> None:
    """What there is to do for a thread that does not stand still."""


async def _happens(event: asyncio.Event, seconds: float) -> bool:
    """Wait for `event`; False where it did not happen within so many seconds."""
    with suppress(TimeoutError):
        async with asyncio.timeout(seconds):
            await event.wait()
        return True
    return False


@cache
def _carriers() -> weakref.WeakSet[Carrier]:
    """The carriers of this process that ever began to work, for when it is forked or ends."""
    carriers: weakref.WeakSet[Carrier] = weakref.WeakSet()

    def close_all() -> None:
        for carrier in list(carriers):
            carrier.close()

    stopped: list[Callable[[], None]] = []

    def stop_all() -> None:
        stopped.extend([carrier.stand_still() for carrier in list(carriers)])

    def go_on() -> None:
        while stopped:
            stopped.pop()()

    def begin_all() -> None:
        stopped.clear()
        for carrier in list(carriers):
            carrier.begin()

    atexit.register(close_all)
    if hasattr(os, "register_at_fork"):
        os.register_at_fork(before=stop_all, after_in_parent=go_on, after_in_child=begin_all)
    return carriers
