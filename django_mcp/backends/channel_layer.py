"""The broker on Django Channels' channel layer: how the processes of a server hear of each other.

Listeners of this process get a message at once, as with the broker in memory; other processes get
it as text through the layer, which `carrier` talks to. Without a layer that processes share there
is nothing but this process.
"""

from __future__ import annotations

import json
import threading
from collections.abc import Callable
from functools import cache, cached_property, partial
from typing import Any

from channels import DEFAULT_CHANNEL_LAYER
from channels.layers import InMemoryChannelLayer, channel_layers
from django.apps import apps
from django.utils.crypto import salted_hmac
from django.utils.module_loading import import_string

from ..server.broker import (
    Change,
    Elicited,
    InMemoryBroker,
    Listener,
    Message,
    from_json,
    to_json,
)
from .carrier import Carrier


class ChannelLayerBroker:
    """Carries the messages of the server called `name` between the processes of a project.

    Uses the channel layer called `alias` in CHANNEL_LAYERS. All servers of a process share one
    carrier for each layer; another one may be handed in.
    """

    def __init__(
        self, name: str, alias: str = DEFAULT_CHANNEL_LAYER, *, carrier: Carrier | None = None
    ) -> None:
        self._name = name
        self._alias = alias
        self._given = carrier
        self._here = InMemoryBroker()
        self._lock = threading.Lock()

    @cached_property
    def reaches_others(self) -> bool:
        """True where the layer is one that processes share."""
        return self._given is not None or is_shared(self._alias)

    @cached_property
    def _carrier(self) -> Carrier:
        return self._given or carrier_of(self._alias)

    @cached_property
    def _group(self) -> str:
        """The group of the processes of this server.

        Made with SECRET_KEY, so that two projects on one Redis do not hear each other. A name for a
        group is 99 characters of a few kinds; a server's may be anything.
        """
        digest = salted_hmac("django_mcp.channel_layer", self._name, algorithm="sha256").hexdigest()
        return f"django_mcp.{digest}"

    @property
    def has_listeners(self) -> bool:
        """True where anybody in this process listens."""
        return self._here.has_listeners

    def publish(self, message: Message) -> None:
        self._here.publish(message)
        # What is registered while the project loads is no change to anybody.
        if apps.ready and self.reaches_others:
            # To hear late of these is better than never; the others are about what happens now.
            lasting = isinstance(message, Change | Elicited)
            self._carrier.publish(self._group, encode(message), lasting=lasting)

    async def send(self, message: Message) -> None:
        self._here.publish(message)
        if self.reaches_others:
            await self._carrier.send(self._group, encode(message))

    def subscribe(self, listener: Listener) -> Callable[[], None]:
        if not self.reaches_others:
            return self._here.subscribe(listener)
        with self._lock:
            unsubscribe = self._here.subscribe(listener)
            self._carrier.join(self._group, self._hear)

        def leave() -> None:
            unsubscribe()
            self._leave_if_alone()

        return leave

    async def settle(self) -> None:
        if self.reaches_others:
            await self._carrier.settle()

    def _hear(self, text: str) -> None:
        message = decode(text)
        if message is not None:
            self._here.publish(message)
        # Event loops may end without a word: those of requests under WSGI do.
        self._leave_if_alone()

    def _leave_if_alone(self) -> None:
        with self._lock:
            if not self.has_listeners:
                self._carrier.leave(self._group)


def encode(message: Message) -> str:
    """The message as JSON, in ASCII: half a surrogate pair is nothing that a layer can write."""
    return json.dumps(to_json(message), separators=(",", ":"))


def decode(text: Any) -> Message | None:
    """The message of a text; None for what another version of this package may have sent."""
    try:
        data = json.loads(text)
    except (TypeError, ValueError, RecursionError):
        return None
    return from_json(data) if isinstance(data, dict) else None


def is_shared(alias: str) -> bool:
    """True where `alias` is a channel layer that reaches other processes.

    A backend that cannot be imported counts as one: that is a mistake to hear of, not to hide.
    """
    backend = channel_layers.configs.get(alias, {}).get("BACKEND")
    if backend is None:
        return False
    try:
        kind = import_string(backend)
    except ImportError:
        return True
    return not (isinstance(kind, type) and issubclass(kind, InMemoryChannelLayer))


@cache
def carrier_of(alias: str) -> Carrier:
    """The carrier of this process for a channel layer of the project."""
    return Carrier(partial(channel_layers.make_backend, alias))
