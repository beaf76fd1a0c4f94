"""Several servers as one: one list of tools, and each call to the server that has it.

Owns the names, which server answers for one, and that a server which is down holds up none of the
others. Each server has a `Client` of its own, which is what talks to it.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass
from functools import partial
from typing import Any, Final, Generic, Protocol, Self, TypeVar

from ..protocol import types as t
from ..protocol.uri_templates import UriTemplate
from .callbacks import result_of
from .changes import pause
from .client import Client
from .configuration import transports_of
from .errors import ClientError, ConnectionFailed, NotSupported
from .results import ToolResult

logger = logging.getLogger("django_mcp.client")

#: Seconds that entering a group waits for servers that are slow to connect.
PATIENCE: Final = 10.0
#: Callbacks that are given the name of the server that asks, before everything else.
_OF_SERVERS: Final = ("on_elicit", "on_sample", "on_log", "on_progress", "on_notification")

Naming = Callable[[str, str], str]
OnStatus = Callable[[str, ClientError | None], Awaitable[None] | None]


def prefixed(server: str, name: str) -> str:
    """How a tool or a prompt of a server is called in a group."""
    return f"{server}_{name}"


class _Named(Protocol):
    @property
    def name(self) -> str: ...

    def model_copy(self, *, update: Mapping[str, Any]) -> Any: ...


C = TypeVar("C", bound=_Named)
X = TypeVar("X")


@dataclass(frozen=True, slots=True)
class _Place(Generic[C]):
    """Where something is: the server, and what it is there."""

    server: str
    item: C


class ClientGroup:
    """Clients of several servers; `async with` connects them all.

    `servers` maps a name to what a `Client` may be pointed at. `name_of(server, name)` makes the
    name of a tool or a prompt in the group. Further options are those of `Client`, for each of
    them; `on_elicit`, `on_sample`, `on_log`, `on_progress` and `on_notification` are given the name
    of the server first, and `roots` as a function, that name alone.

    A server that cannot be reached is left out, and tried again from time to time; `failures` says
    why, and `on_status(server, error)` is told when that changes, with None once it is connected.
    """

    def __init__(
        self,
        servers: Mapping[str, Any],
        *,
        name_of: Naming = prefixed,
        on_status: OnStatus | None = None,
        patience: float = PATIENCE,
        **options: Any,
    ) -> None:
        self.failures: dict[str, ClientError] = {}
        self._name_of = name_of
        self._on_status = on_status
        self._patience = patience
        self._clients = {
            name: target if isinstance(target, Client) else Client(target, **_for(name, options))
            for name, target in servers.items()
        }
        self._connected: set[str] = set()
        self._tasks: list[asyncio.Task[None]] = []
        self._tools: dict[str, _Place[t.Tool]] = {}
        self._prompts: dict[str, _Place[t.Prompt]] = {}
        self._resources: dict[str, str] = {}
        self._templates: dict[str, str] = {}

    @classmethod
    def from_config(cls, config: Mapping[str, Any], **options: Any) -> Self:
        """A group of the servers in the `mcpServers` of a host's configuration."""
        return cls(transports_of(config), **options)

    # Connected

    async def __aenter__(self) -> Self:
        loop = asyncio.get_running_loop()
        tried = {name: asyncio.Event() for name in self._clients}
        self._tasks = [loop.create_task(self._keep(name, tried[name])) for name in self._clients]
        with suppress(TimeoutError):
            async with asyncio.timeout(self._patience):
                for each in tried.values():
                    await each.wait()
        return self

    async def __aexit__(self, *exc_info: object) -> None:
        for task in self._tasks:
            task.cancel()
        if self._tasks:
            await asyncio.wait(self._tasks)
        await asyncio.gather(*(self._clients[name].__aexit__() for name in self._connected))
        self._connected.clear()

    async def _keep(self, name: str, tried: asyncio.Event) -> None:
        """Connect one server, however often that takes."""
        attempts = 0
        while True:
            try:
                await self._clients[name].__aenter__()
            except ClientError as error:
                await self._failed(name, error)
            except Exception as error:
                logger.exception("The server %r cannot be connected", name)
                await self._failed(name, ConnectionFailed(f"{name}: {type(error).__name__}"))
            else:
                self._connected.add(name)
                await self._works(name)
                tried.set()
                return
            tried.set()
            await asyncio.sleep(pause(attempts))
            attempts += 1

    async def _failed(self, name: str, error: ClientError) -> None:
        was_known = name in self.failures
        self.failures[name] = error
        if not was_known:
            logger.warning("The server %r is not available: %s", name, error)
            await self._report(name, error)

    async def _works(self, name: str) -> None:
        self.failures.pop(name, None)
        await self._report(name, None)

    async def _report(self, name: str, error: ClientError | None) -> None:
        if self._on_status is not None:
            await result_of(self._on_status(name, error))

    def __iter__(self) -> Iterator[str]:
        return iter(self._clients)

    def __getitem__(self, server: str) -> Client:
        """The client of a server. Raises KeyError, or ConnectionFailed while there is none."""
        client = self._clients[server]
        if server not in self._connected:
            raise ConnectionFailed(f"{server!r} is not connected: {self.failures.get(server)}")
        return client

    # Lists

    async def list_tools(self, *, fresh: bool = False) -> list[t.Tool]:
        """The tools of every server that is there, under their names in the group."""
        return await self._named(
            self._tools, lambda client: client.list_tools(fresh=fresh), self._tools_of
        )

    async def list_prompts(self, *, fresh: bool = False) -> list[t.Prompt]:
        """The prompts of every server that is there, under their names in the group."""
        return await self._named(
            self._prompts, lambda client: client.list_prompts(fresh=fresh), _has_prompts
        )

    async def list_resources(self, *, fresh: bool = False) -> list[t.Resource]:
        """The resources of every server that is there. A URI that several have is the first's."""
        found: list[t.Resource] = []
        self._resources.clear()
        async for server, resources in self._each(
            lambda client: client.list_resources(fresh=fresh), _has_resources
        ):
            found += [
                each for each in resources if self._resources.setdefault(each.uri, server) == server
            ]
        return found

    async def list_resource_templates(self, *, fresh: bool = False) -> list[t.ResourceTemplate]:
        """The templates of every server that is there."""
        found: list[t.ResourceTemplate] = []
        self._templates.clear()
        async for server, templates in self._each(
            lambda client: client.list_resource_templates(fresh=fresh), _has_resources
        ):
            found += [
                each
                for each in templates
                if self._templates.setdefault(each.uri_template, server) == server
            ]
        return found

    @staticmethod
    def _tools_of(client: Client) -> bool:
        return client.server_capabilities.tools is not None

    async def _named(
        self,
        places: dict[str, _Place[C]],
        ask: Callable[[Client], Awaitable[list[C]]],
        has: Callable[[Client], bool],
    ) -> list[C]:
        """The items of all servers, renamed; `places` says afterwards where each of them is."""
        found: dict[str, _Place[C]] = {}
        items: list[C] = []
        async for server, listed in self._each(ask, has):
            for item in listed:
                name = self._name_of(server, item.name)
                if name in found:
                    logger.warning("%r of %r is left out: the name is taken", name, server)
                    continue
                found[name] = _Place(server, item)
                items.append(item.model_copy(update={"name": name}))
        places.clear()
        places.update(found)
        return items

    async def _each(
        self, ask: Callable[[Client], Awaitable[X]], has: Callable[[Client], bool]
    ) -> AsyncIterator[tuple[str, X]]:
        """What every server answers, all asked at once, in the order of the group."""
        names = [name for name in self._clients if name in self._connected]

        async def one(name: str) -> X | ClientError | None:
            client = self._clients[name]
            try:
                return await ask(client) if has(client) else None
            except ClientError as error:
                return error

        for name, found in zip(names, await asyncio.gather(*map(one, names)), strict=True):
            if isinstance(found, ClientError):
                await self._failed(name, found)
            elif found is not None:
                if name in self.failures:
                    await self._works(name)
                yield name, found

    # Calls

    async def call_tool(
        self, name: str, arguments: Mapping[str, Any] | None = None, **options: Any
    ) -> ToolResult[Any]:
        """Call a tool by its name in the group; `options` are those of `Client.call_tool`."""
        place = await self._find(self._tools, name, self.list_tools, "tool")
        result: ToolResult[Any] = await self[place.server].call_tool(
            place.item.name, arguments, **options
        )
        return result

    async def get_prompt(
        self, name: str, arguments: Mapping[str, str] | None = None, **options: Any
    ) -> t.GetPromptResult:
        """A prompt by its name in the group, filled in."""
        place = await self._find(self._prompts, name, self.list_prompts, "prompt")
        return await self[place.server].get_prompt(place.item.name, arguments, **options)

    async def read_resource(
        self, uri: str, *, server: str | None = None, **options: Any
    ) -> list[t.AnyResourceContents]:
        """What stands at a URI: of `server`, else of the one that lists it or has its template."""
        return await self[server or await self._holder(uri)].read_resource(uri, **options)

    async def complete(
        self,
        argument: str,
        value: str,
        *,
        prompt: str | None = None,
        template: str | None = None,
        context: Mapping[str, str] | None = None,
    ) -> t.Completion:
        """What may stand for an argument; a prompt is named as in the group."""
        if prompt is not None:
            place = await self._find(self._prompts, prompt, self.list_prompts, "prompt")
            server, prompt = place.server, place.item.name
        else:
            server = await self._holder(template or "")
        return await self[server].complete(
            argument, value, prompt=prompt, template=template, context=context
        )

    async def _find(
        self,
        places: dict[str, _Place[C]],
        name: str,
        look: Callable[[], Awaitable[list[C]]],
        kind: str,
    ) -> _Place[C]:
        if name not in places:
            await look()
        if name not in places:
            missing = ", ".join(sorted(self.failures))
            hint = f" Not available at the moment: {missing}." if missing else ""
            raise NotSupported(f"No server of the group has a {kind} {name!r}.{hint}")
        return places[name]

    async def _holder(self, uri: str) -> str:
        found = self._known_holder(uri)
        if found is None:
            await self.list_resources()
            await self.list_resource_templates()
            found = self._known_holder(uri)
        if found is None:
            raise NotSupported(
                f"No server of the group lists {uri!r}, or has a template for it: say which one "
                "to ask with server=."
            )
        return found

    def _known_holder(self, uri: str) -> str | None:
        found = self._resources.get(uri) or self._templates.get(uri)
        if found is not None:
            return found
        for template, server in self._templates.items():
            with suppress(ValueError):
                if UriTemplate(template).match(uri) is not None:
                    return server
        return None


def _has_prompts(client: Client) -> bool:
    return client.server_capabilities.prompts is not None


def _has_resources(client: Client) -> bool:
    return client.server_capabilities.resources is not None


def _for(server: str, options: Mapping[str, Any]) -> dict[str, Any]:
    """The options of one server's client: what it is to call knows which server asks."""
    own = {
        name: partial(value, server) if name in _OF_SERVERS and value is not None else value
        for name, value in options.items()
    }
    if callable(own.get("roots")):
        own["roots"] = partial(own["roots"], server)
    return own
