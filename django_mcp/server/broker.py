"""How processes tell each other that something changed: the interface, and the one in memory.

A broker carries `Change` values from whoever publishes to every listener of every process. Which
client wants to hear of which change is `subscriptions`.
"""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal, Protocol


@dataclass(frozen=True, slots=True)
class Change:
    """Something of a server changed: a list, or one resource named by its URI."""

    kind: Literal["tools", "prompts", "resources", "resource"]
    uri: str | None = None


Listener = Callable[[Change], None]


class Broker(Protocol):
    """Carries changes between processes."""

    def publish(self, change: Change) -> None:
        """Hand `change` to every listener, soon; callable from any thread, never blocks."""

    def subscribe(self, listener: Listener) -> Callable[[], None]:
        """Call `listener` in the running event loop for each change, until the result is called."""


class InMemoryBroker:
    """Reaches the listeners of this process, in whatever event loop they live."""

    def __init__(self) -> None:
        self._listeners: dict[int, tuple[asyncio.AbstractEventLoop, Listener]] = {}
        self._last = 0
        self._lock = threading.Lock()

    def publish(self, change: Change) -> None:
        with self._lock:
            listeners = list(self._listeners.values())
        for loop, listener in listeners:
            if not loop.is_closed():
                loop.call_soon_threadsafe(listener, change)

    def subscribe(self, listener: Listener) -> Callable[[], None]:
        with self._lock:
            self._last += 1
            key = self._last
            self._listeners[key] = (asyncio.get_running_loop(), listener)

        def unsubscribe() -> None:
            with self._lock:
                self._listeners.pop(key, None)

        return unsubscribe
