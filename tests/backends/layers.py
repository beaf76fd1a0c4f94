"""A channel layer whose behaviour the test decides, and the brokers of made-up processes on it."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import Future
from contextlib import contextmanager
from typing import Any

from channels.exceptions import ChannelFull

from django_mcp.backends.carrier import Carrier
from django_mcp.backends.channel_layer import ChannelLayerBroker
from django_mcp.server.broker import Broker, Message

#: Seconds after which what a test waits for does not happen.
PATIENCE = 20.0
#: Messages that a channel keeps; the default of Channels.
CAPACITY = 100


class Board:
    """What stands behind the layers of all processes, as Redis does."""

    def __init__(self) -> None:
        self._lock = threading.RLock()
        self._awaited: list[tuple[Callable[[], bool], Future[None]]] = []
        self.channels: dict[str, Channel] = {}
        self.members: dict[str, set[str]] = {}
        self.sent: list[dict[str, Any]] = []
        self.joined: list[str] = []
        self.made = self.closed = self.attempts = self.begun = 0
        self.away = self.full = self.refuses = False
        self.goes_on = threading.Event()
        self.goes_on.set()

    def make_layer(self) -> Layer:
        with self._changing():
            self.made += 1
        return Layer(self)

    async def until(self, holds: Callable[[], bool]) -> None:
        """Wait until something holds."""
        future: Future[None] = Future()
        with self._changing():
            self._awaited.append((holds, future))
        async with asyncio.timeout(PATIENCE):
            await asyncio.wrap_future(future)

    def break_connections(self) -> None:
        """Whoever receives hears of a connection that broke."""
        for channel in list(self.channels.values()):
            channel.put(ConnectionError("secret-host:6379 went away"))

    def forget(self) -> None:
        """Lose everything, as a server that keeps nothing and is restarted."""
        with self._changing():
            self.members.clear()
            self.break_connections()

    def deliver(self, message: dict[str, Any]) -> None:
        """Have every channel receive `message`, whoever sends it."""
        for channel in list(self.channels.values()):
            channel.put(message)

    @contextmanager
    def _changing(self) -> Iterator[None]:
        with self._lock:
            yield
            for holds, future in list(self._awaited):
                if not future.done() and holds():
                    future.set_result(None)


class Channel:
    """What waits for one receiver, who is in an event loop of its own."""

    def __init__(self) -> None:
        self._loop = asyncio.get_running_loop()
        self._queue: asyncio.Queue[Any] = asyncio.Queue()

    def put(self, item: Any) -> None:
        if not self._loop.is_closed():
            self._loop.call_soon_threadsafe(self._put, item)

    def _put(self, item: Any) -> None:
        # What there is no room for is dropped without a word, as layers do with groups.
        if self._queue.qsize() < CAPACITY:
            self._queue.put_nowait(item)

    async def get(self) -> Any:
        item = await self._queue.get()
        if isinstance(item, Exception):
            raise item
        return item


class Layer:
    """A channel layer on a board."""

    def __init__(self, board: Board) -> None:
        self._board = board

    def _reach(self) -> None:
        with self._board._changing():
            self._board.attempts += 1
        if self._board.away:
            raise ConnectionError("secret-host:6379 refused")

    async def new_channel(self) -> str:
        self._reach()
        with self._board._changing():
            name = f"specific.{len(self._board.channels)}"
            self._board.channels[name] = Channel()
        return name

    async def group_add(self, group: str, channel: str) -> None:
        self._reach()
        with self._board._changing():
            self._board.members.setdefault(group, set()).add(channel)
            self._board.joined.append(channel)

    async def group_discard(self, group: str, channel: str) -> None:
        self._reach()
        with self._board._changing():
            self._board.members.get(group, set()).discard(channel)
            if not self._board.members.get(group):
                self._board.members.pop(group, None)

    async def send(self, channel: str, message: dict[str, Any]) -> None:
        self._reach()
        self._board.channels[channel].put(message)

    async def group_send(self, group: str, message: dict[str, Any]) -> None:
        with self._board._changing():
            self._board.begun += 1
        self._reach()
        if self._board.refuses:
            raise ConnectionError("secret-host:6379 refused")
        if self._board.full:
            raise ChannelFull
        if not self._board.goes_on.is_set():
            await asyncio.to_thread(self._board.goes_on.wait, PATIENCE)
        with self._board._changing():
            self._board.sent.append(message)
            for name in self._board.members.get(group, ()):
                self._board.channels[name].put(message)

    async def receive(self, channel: str) -> Any:
        self._reach()
        return await self._board.channels[channel].get()

    async def close(self) -> None:
        with self._board._changing():
            self._board.closed += 1


class Ear:
    """A listener of a broker that keeps what it hears."""

    def __init__(self, broker: Broker) -> None:
        self._heard: asyncio.Queue[Message] = asyncio.Queue()
        self.stop = broker.subscribe(self._heard.put_nowait)

    async def next(self) -> Message:
        async with asyncio.timeout(PATIENCE):
            return await self._heard.get()

    async def until(self, last: Message) -> list[Message]:
        """Everything up to `last`."""
        heard = [await self.next()]
        while heard[-1] != last:
            heard.append(await self.next())
        return heard


class Processes:
    """Made-up processes of one project, which know of each other through a layer alone."""

    def __init__(self, make_layer: Callable[[], Any]) -> None:
        self._make_layer = make_layer
        self.carriers: list[Carrier] = []

    def broker(self, name: str = "test") -> ChannelLayerBroker:
        """The broker of a server in a process of its own."""
        self.carriers.append(Carrier(self._make_layer))
        return ChannelLayerBroker(name, carrier=self.carriers[-1])

    def close(self) -> None:
        for carrier in self.carriers:
            carrier.close()


def threads() -> list[str]:
    """The threads that talk to a layer, and are not about to end."""
    found = [t for t in threading.enumerate() if t.name == "django_mcp_layer"]
    for thread in found:
        thread.join(1)
    return [thread.name for thread in found if thread.is_alive()]
