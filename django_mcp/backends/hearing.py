"""Listening to a channel layer, whatever happens to it: one channel, joined to several groups.

A layer that fails is tried once more with the same channel, which loses nothing where only a
connection broke. Where that fails too, a new layer and a new channel take over, after a delay that
grows; then what was sent meanwhile is lost. Nothing is handed over twice: batches are numbered by
whoever sends them.
"""

from __future__ import annotations

import asyncio
import logging
import random
from collections.abc import Callable, Mapping
from contextlib import suppress
from typing import Any, Final

logger = logging.getLogger("django_mcp")

#: Called with each text that is sent to a group.
Hear = Callable[[str], None]

TYPE: Final = "django_mcp.messages"
#: What a channel is sent by its own receiver, to be the last that arrives there.
GOODBYE: Final = "django_mcp.goodbye"

#: Seconds between two joinings of the same group. Memberships expire (channels_redis: after
#: `group_expiry`, a day by default), and a server that was restarted has forgotten them, which
#: goes unnoticed where the client library connects again by itself.
REJOIN: Final = 30.0
EXPIRY: Final = 86_400.0
#: Seconds a layer has to join or leave a group, and to close.
TIMEOUT: Final = 5.0
#: Seconds after which a layer that takes messages counts as one that works.
STABLE: Final = 2.0
#: Seconds before the second attempt to reach a layer, and before any later one.
FIRST_DELAY: Final = 0.1
LONGEST_DELAY: Final = 15.0
#: Batches that are remembered, so that none is heard twice.
REMEMBERED: Final = 1024
#: Seconds channels_redis may wait for a message on the server's side. It waits 5, which is what
#: redis-py 8 allows a read to take: each wait without a message would fail
#: (https://github.com/django/channels_redis/issues/422).
SERVER_WAIT: Final = 2


def retry_delay(failures: int) -> float:
    """Seconds to wait after so many failures in a row, different in each process."""
    longest = min(LONGEST_DELAY, FIRST_DELAY * 2.0 ** min(failures, 16))
    return longest * random.uniform(0.5, 1.0)  # noqa: S311 - nothing has to be secret


async def close(layer: Any) -> None:
    """Let go of the connections of a layer that is nobody else's."""
    names = ["close_pools", "close"]
    if type(layer).__module__ == "channels_redis.pubsub":
        # This is its way to close its connections. Other layers delete what is everybody's.
        names = ["flush"]
    for name in names:
        method = getattr(layer, name, None)
        if method is not None:
            try:
                await _within(method())
            except Exception as error:
                logger.debug("A channel layer could not be closed: %r", error)
            return


class Receiver:
    """Hears what is sent to the groups that are `wanted`, for as long as any are.

    `process` is who sends the batches of this process, which are not heard. `tell` is called when
    `is_settled` may have changed.
    """

    def __init__(
        self,
        make_layer: Callable[[], Any],
        wanted: Callable[[], Mapping[str, Hear]],
        process: str,
        tell: Callable[[], None],
    ) -> None:
        self._make_layer = make_layer
        self._wanted = wanted
        self._process = process
        self._tell = tell
        self._layer: Any = None
        self._channel = ""
        self._abandoned = ""
        self._joined: set[str] = set()
        self._joined_at = 0.0
        self._heard: dict[tuple[str, int], None] = {}
        self._failures = 0
        self._poked = asyncio.Event()

    @property
    def is_settled(self) -> bool:
        """True where exactly the groups that are wanted are joined, or nothing is held for none."""
        wanted = set(self._wanted())
        return self._joined == wanted if wanted else self._layer is None

    def poke(self) -> None:
        """What is wanted changed."""
        self._poked.set()

    async def run(self) -> None:
        """Listen until cancelled."""
        while True:
            self._poked.clear()
            if not self._wanted():
                await self._leave()
                await self._poked.wait()
                continue
            started = asyncio.get_running_loop().time()
            try:
                await self._listen()
            except Exception as error:
                if asyncio.get_running_loop().time() - started > STABLE:
                    self._failures = 0
                await self._recover(error)

    async def _listen(self) -> None:
        """Hear messages until nothing is wanted any more; raises whatever the layer raises."""
        loop = asyncio.get_running_loop()
        if self._layer is None:
            self._layer = self._make_layer()
            _wait_briefly(self._layer)
            self._channel = await _within(self._layer.new_channel())
        receiving: asyncio.Task[Any] | None = None
        poked: asyncio.Task[Any] | None = None
        interval = min(REJOIN, getattr(self._layer, "group_expiry", EXPIRY) / 4)
        due = loop.time()
        try:
            while wanted := set(self._wanted()):
                self._poked.clear()
                if wanted != self._joined or loop.time() >= due:
                    await self._join(wanted, again=loop.time() >= due)
                    due = loop.time() + interval
                # It is not cancelled to join again: some layers take that for the channel's end.
                receiving = receiving or asyncio.create_task(self._layer.receive(self._channel))
                poked = poked or asyncio.create_task(self._poked.wait())
                await asyncio.wait(
                    [receiving, poked],
                    timeout=max(0.0, due - loop.time()),
                    return_when=asyncio.FIRST_COMPLETED,
                )
                if poked.done():
                    poked = None
                if receiving.done():
                    message, receiving = receiving.result(), None
                    self._hear(message)
            await self._join(set(), again=False)
            if receiving is not None:
                await self._say_goodbye(receiving)
        finally:
            for task in (receiving, poked):
                if task is not None:
                    await _end(task)

    async def _say_goodbye(self, receiving: asyncio.Task[Any]) -> None:
        """Receive what is left in the channel.

        Layers are not fond of a receiver that is cancelled: what is on its way there may stay, and
        redis-py may forget to close a connection.
        """
        async with asyncio.timeout(TIMEOUT):
            await self._layer.send(self._channel, {"type": GOODBYE})
            while (await asyncio.shield(receiving)).get("type") != GOODBYE:
                receiving = asyncio.create_task(self._layer.receive(self._channel))

    async def _join(self, wanted: set[str], *, again: bool) -> None:
        for group in sorted(self._joined - wanted):
            await _within(self._layer.group_discard(group, self._channel))
            self._joined.discard(group)
        for group in sorted(wanted if again else wanted - self._joined):
            await _within(self._layer.group_add(group, self._channel))
            self._joined.add(group)
        if self._abandoned:
            for group in sorted(wanted):
                with suppress(Exception):
                    await _within(self._layer.group_discard(group, self._abandoned))
            self._abandoned = ""
        if self._failures > 1:
            logger.info("Other processes are heard again")
        self._tell()

    def _hear(self, message: Any) -> None:
        """Hand over what others sent; whatever is no message of ours is left alone."""
        if not isinstance(message, Mapping) or message.get("type") != TYPE:
            return
        process, number = message.get("process"), message.get("number")
        texts = message.get("texts")
        if not (isinstance(process, str) and isinstance(number, int) and isinstance(texts, list)):
            return
        hear = self._wanted().get(message.get("group", ""))
        if hear is None or process == self._process or (process, number) in self._heard:
            return
        self._heard[process, number] = None
        if len(self._heard) > REMEMBERED:
            del self._heard[next(iter(self._heard))]
        for text in texts:
            try:
                hear(text)
            except Exception:
                logger.exception("A message of another process could not be heard")

    async def _recover(self, error: Exception) -> None:
        self._joined.clear()
        self._tell()
        if not self._wanted():
            logger.info("A channel could not leave its groups, and expires there: %r", error)
            return
        self._failures += 1
        if self._failures == 1:
            return
        if self._failures == 2:
            logger.warning("Other processes cannot be heard: the channel layer fails: %r", error)
        self._abandoned = self._abandoned or self._channel
        await self._close()
        self._poked.clear()
        with suppress(TimeoutError):
            async with asyncio.timeout(retry_delay(self._failures)):
                while self._wanted():
                    await self._poked.wait()
                    self._poked.clear()

    async def _leave(self) -> None:
        """Let go of the channel and of the layer, which has been left if it could be reached."""
        self._joined.clear()
        await self._close()
        self._failures = 0
        self._tell()

    async def _close(self) -> None:
        if self._layer is not None:
            await close(self._layer)
        self._layer, self._channel = None, ""


def _wait_briefly(layer: Any) -> None:
    wait = getattr(layer, "brpop_timeout", None)
    if wait is not None:
        layer.brpop_timeout = min(wait, SERVER_WAIT)


async def _within(work: Any) -> Any:
    async with asyncio.timeout(TIMEOUT):
        return await work


async def _end(task: asyncio.Task[Any]) -> None:
    # Once is not always enough: before Python 3.12 `asyncio.wait_for`, with which redis-py reads
    # and writes, may swallow a cancellation (https://github.com/python/cpython/issues/86296).
    patience = 0.05
    while not task.done():
        task.cancel()
        await asyncio.wait([task], timeout=patience)
        patience *= 2
    if not task.cancelled():
        task.exception()
