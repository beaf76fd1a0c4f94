"""What processes tell each other: the messages, the interface that carries them, one in memory.

A broker carries a message from whoever publishes it to every listener of every process. Which
client wants to hear of which change is `subscriptions`; who waits for an answer, runs a call or
writes a stream, `hub`. Sessions are named by the key they are kept under, never by their id.
"""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import asdict, dataclass
from typing import Any, ClassVar, Literal, Protocol, TypeAlias

from ..protocol.errors import ProtocolError
from ..protocol.jsonrpc import RequestId


class BrokerUnavailable(ProtocolError):
    """What carries messages between the processes is away; the request may be sent again."""

    code = -32000
    status = 503


@dataclass(frozen=True, slots=True)
class Change:
    """Something of a server changed: a list, or resources.

    A "resource" is named by its URI; "under" stands for every resource whose URI begins with
    `uri`. Where the list of "resources" has a `uri`, it concerns those who may read what is there.
    """

    name: ClassVar[str] = "change"

    kind: Literal["tools", "prompts", "resources", "resource", "under"]
    uri: str | None = None

    @property
    def said(self) -> Change:
        """The change as a client is told of it."""
        return self if self.kind == "resource" else Change(self.kind)


@dataclass(frozen=True, slots=True)
class Elicited:
    """What a user was sent to a URL for is done; `id` is the elicitation's."""

    name: ClassVar[str] = "elicited"

    id: str


@dataclass(frozen=True, slots=True)
class Answered:
    """A client answered a question: `result`, or `error` where it failed."""

    name: ClassVar[str] = "answered"

    session: str
    id: RequestId
    result: dict[str, Any] | None = None
    error: dict[str, Any] | None = None


@dataclass(frozen=True, slots=True)
class Taken:
    """An answer has reached the call that waited for it."""

    name: ClassVar[str] = "taken"

    session: str
    id: RequestId


@dataclass(frozen=True, slots=True)
class Cancelled:
    """A client no longer wants the answer to a request."""

    name: ClassVar[str] = "cancelled"

    session: str
    id: RequestId


@dataclass(frozen=True, slots=True)
class Changed:
    """What is kept of a session changed; whoever holds a copy reads it anew."""

    name: ClassVar[str] = "changed"

    session: str


@dataclass(frozen=True, slots=True)
class Ended:
    """A session ended: its calls are cancelled and its streams closed."""

    name: ClassVar[str] = "ended"

    session: str


@dataclass(frozen=True, slots=True)
class Listening:
    """A client listens to a session on a new connection, called `by`; earlier ones give way."""

    name: ClassVar[str] = "listening"

    session: str
    by: str


@dataclass(frozen=True, slots=True)
class Followed:
    """A stream is resumed on a new connection, called `by`; whoever wrote it lets go."""

    name: ClassVar[str] = "followed"

    session: str
    stream: str
    by: str


@dataclass(frozen=True, slots=True)
class Grew:
    """There are new events in the log of a stream that is followed; also the answer to Sought."""

    name: ClassVar[str] = "grew"

    session: str
    stream: str


@dataclass(frozen=True, slots=True)
class Sought:
    """Who follows a stream asks whether the call behind it still runs anywhere."""

    name: ClassVar[str] = "sought"

    session: str
    stream: str


@dataclass(frozen=True, slots=True)
class Incoming:
    """A message of a client whose connection another process holds; `body` is its JSON."""

    name: ClassVar[str] = "incoming"

    session: str
    body: str


Message: TypeAlias = (
    Change
    | Elicited
    | Answered
    | Taken
    | Cancelled
    | Changed
    | Ended
    | Listening
    | Followed
    | Grew
    | Sought
    | Incoming
)

_BY_NAME: Mapping[str, type[Any]] = {
    kind.name: kind
    for kind in (
        Change,
        Elicited,
        Answered,
        Taken,
        Cancelled,
        Changed,
        Ended,
        Listening,
        Followed,
        Grew,
        Sought,
        Incoming,
    )
}


def to_json(message: Message) -> dict[str, Any]:
    """The message as JSON, for a carrier that takes nothing else."""
    return {"name": message.name, **asdict(message)}


def from_json(data: Mapping[str, Any]) -> Message | None:
    """What `to_json` wrote; None for a message of another version of this package."""
    fields = dict(data)
    kind = _BY_NAME.get(fields.pop("name", ""))
    try:
        return None if kind is None else kind(**fields)
    except TypeError:
        return None


Listener = Callable[[Message], None]


class Broker(Protocol):
    """Carries messages between processes."""

    @property
    def reaches_others(self) -> bool:
        """True where listeners in other processes hear what is published here."""

    def publish(self, message: Message) -> None:
        """Hand `message` to every listener, soon; callable from any thread, never blocks.

        Equal messages that wait to be carried to other processes may be heard there once. What
        cannot be carried is logged, and lost unless it is a change, which is carried later.
        """

    async def send(self, message: Message) -> None:
        """Hand `message` to every listener; raises BrokerUnavailable where others cannot be
        reached now."""

    def subscribe(self, listener: Listener) -> Callable[[], None]:
        """Call `listener` in the running event loop for each message, until the result is
        called."""

    async def settle(self) -> None:
        """Return once what was published is carried and what was subscribed or unsubscribed is in
        effect everywhere, or after a few seconds."""


class InMemoryBroker:
    """Reaches the listeners of this process, in whatever event loop they live."""

    reaches_others = False

    def __init__(self) -> None:
        self._listeners: dict[asyncio.AbstractEventLoop, dict[int, Listener]] = {}
        self._last = 0
        self._lock = threading.Lock()

    @property
    def has_listeners(self) -> bool:
        """True where somebody listens, in an event loop that is not closed."""
        return bool(self._living())

    def publish(self, message: Message) -> None:
        # To wake a loop takes a system call: one, however many listen there.
        for loop in self._living():
            # A loop of another thread may be closed at this very moment.
            with suppress(RuntimeError):
                loop.call_soon_threadsafe(self._tell, loop, message)

    async def send(self, message: Message) -> None:
        self.publish(message)

    def subscribe(self, listener: Listener) -> Callable[[], None]:
        self._living()
        loop = asyncio.get_running_loop()
        with self._lock:
            self._last += 1
            key = self._last
            self._listeners.setdefault(loop, {})[key] = listener

        def unsubscribe() -> None:
            with self._lock:
                listeners = self._listeners.get(loop, {})
                listeners.pop(key, None)
                if not listeners:
                    self._listeners.pop(loop, None)

        return unsubscribe

    async def settle(self) -> None:
        return None

    def _tell(self, loop: asyncio.AbstractEventLoop, message: Message) -> None:
        """Call every listener of `loop`, which is the one that runs."""
        with self._lock:
            listeners = list(self._listeners.get(loop, {}).values())
        for listener in listeners:
            try:
                listener(message)
            except Exception as error:
                # As where the loop calls it itself.
                context = {"message": "A listener of the broker failed", "exception": error}
                loop.call_exception_handler(context)

    def _living(self) -> list[asyncio.AbstractEventLoop]:
        """Where anybody listens; loops that were closed without a word are forgotten."""
        with self._lock:
            for loop in list(self._listeners):
                if loop.is_closed():
                    del self._listeners[loop]
            return list(self._listeners)
