"""2024-11-05 to 2025-11-25: a handshake, then a session in which both sides ask.

Owns the handshake, the answers to the server's own requests, and what is subscribed to. When a
session is gone, and another is opened, is `connecting`'s to decide.

Source: 2025-11-25, basic/lifecycle.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Callable, Mapping
from typing import Any, NoReturn

from ..protocol import codec, methods, revisions
from ..protocol import types as t
from ..protocol.errors import InvalidParams, MethodNotFound
from ..protocol.handshake import INITIALIZE, INITIALIZED, PING, Handshake
from ..protocol.headers import MCP_PROTOCOL_VERSION
from ..protocol.jsonrpc import Request
from .callbacks import Behalf
from .conversation import Conversation
from .errors import ClientError, ConnectionFailed, InvalidAnswer, NotSupported
from .line import Progress, Timing


class Stateful(Conversation):
    """What is said on a line to a server that remembers a session."""

    has_session = True

    def _begin(self) -> None:
        self._handshake = Handshake()
        self.line.answer_request = self._answer
        self.line.tells_cancelled = True

    async def open(self, timing: Timing) -> None:
        """Shake hands.

        Raises ConnectionFailed where the server wants a revision that this client does not speak,
        and what a request raises.
        """
        self._handshake.request("client", INITIALIZE)
        offered = self.revision
        params = t.InitializeRequestParams(
            protocol_version=offered.name,
            capabilities=self._callbacks.capabilities(),
            client_info=self._info,
        )
        result = await self.line.request(INITIALIZE, codec.encode(params, offered), timing=timing)
        try:
            opened = codec.decode(t.InitializeResult, result, offered, at="result")
        except InvalidParams as error:
            raise InvalidAnswer(f"initialize was answered with {error}") from None
        self._agree(opened.protocol_version)
        self.server_info = opened.server_info
        self.capabilities = opened.capabilities
        self.instructions = opened.instructions
        if self.revision.version_header:
            self.line.channel.settle({MCP_PROTOCOL_VERSION: self.revision.name})
        await self.line.notify(INITIALIZED)
        self._handshake.notification("client", INITIALIZED)
        self.line.channel.listen()
        if self._log_level is not None and self.capabilities.logging is not None:
            await self._set_level(self._log_level, timing)

    def _agree(self, wanted: str) -> None:
        found = revisions.find(wanted)
        if found is None or found not in self._revisions:
            ours = ", ".join(map(str, self._revisions))
            raise ConnectionFailed(
                f"The server speaks {wanted[:40]!r}, and this client speaks {ours}."
            )
        self._handshake.answered(wanted)
        self.revision = found

    def on_behalf(self, behalf: Behalf) -> NoReturn:
        """A session belongs to one client. Raises NotSupported."""
        raise NotSupported("A session is one client's: open another for somebody else.")

    # A request, and those of the server

    async def request(
        self,
        method: str,
        params: Mapping[str, Any],
        *,
        timing: Timing,
        headers: Mapping[str, str] | None = None,
        on_progress: Progress | None = None,
    ) -> dict[str, Any]:
        """Send a request, and return its result. `headers` say nothing in this era."""
        return await self.line.request(method, params, timing=timing, on_progress=on_progress)

    async def _answer(self, request: Request) -> dict[str, Any]:
        row = methods.find(request.method, self.revision, "server")
        if row is None:
            raise MethodNotFound(request.method)
        if request.method == PING:
            return {}
        params = codec.decode(row.params, request.params, self.revision)
        answer = await self._callbacks.answer(request.method, params)
        return codec.encode(answer, self.revision)

    # Other things

    async def set_log_level(self, level: str | None) -> None:
        """From now on, log lines of that level and above are sent."""
        if self.capabilities.logging is None:
            raise NotSupported("This server sends no log lines: it does not declare logging.")
        if level is not None:
            await self._set_level(level, Timing())

    async def _set_level(self, level: str, timing: Timing) -> None:
        await self.line.request("logging/setLevel", {"level": level}, timing=timing)

    async def ping(self, timing: Timing) -> None:
        """Return once the server has answered."""
        await self.line.request(PING, {}, timing=timing)

    async def roots_changed(self) -> None:
        """Tell the server, which may then ask for them."""
        await self.line.notify("notifications/roots/list_changed")

    async def listen(
        self,
        wanted: t.SubscriptionFilter,
        ready: Callable[[t.SubscriptionFilter], None],
        hear: Callable[[str, dict[str, Any]], None],
        miss: Callable[[], None],
    ) -> None:
        """Hand over changes for as long as the session lasts."""
        granted = self._grantable(wanted)
        uris = granted.resource_subscriptions or []
        stream = _Changes(granted, hear, miss)
        self.line.listeners.append(stream)
        try:
            for uri in uris:
                await self.line.request("resources/subscribe", {"uri": uri}, timing=Timing())
            ready(granted)
            await self.line.over.wait()
        finally:
            self.line.listeners.remove(stream)
            with contextlib.suppress(ClientError):
                await asyncio.shield(self._unsubscribe(uris))

    async def _unsubscribe(self, uris: list[str]) -> None:
        others = {
            uri
            for listener in self.line.listeners
            if isinstance(listener, _Changes)
            for uri in listener.uris
        }
        for uri in uris:
            if uri not in others and self.line.lost is None:
                await self.line.request(
                    "resources/unsubscribe", {"uri": uri}, timing=Timing(timeout=5)
                )

    def _grantable(self, wanted: t.SubscriptionFilter) -> t.SubscriptionFilter:
        """What of it this server says it can do."""
        tools, prompts, resources = (
            self.capabilities.tools,
            self.capabilities.prompts,
            self.capabilities.resources,
        )
        subscribes = resources is not None and bool(resources.subscribe)
        return t.SubscriptionFilter(
            tools_list_changed=_both(wanted.tools_list_changed, tools),
            prompts_list_changed=_both(wanted.prompts_list_changed, prompts),
            resources_list_changed=_both(wanted.resources_list_changed, resources),
            resource_subscriptions=wanted.resource_subscriptions if subscribes else None,
        )

    async def close(self) -> None:
        """End the session and the line."""
        self._handshake.end()
        await self.line.close()


def _both(wanted: bool | None, capability: Any) -> bool | None:
    return True if wanted and capability is not None and capability.list_changed else None


class _Changes:
    """A listener that passes on what was asked for."""

    def __init__(
        self,
        granted: t.SubscriptionFilter,
        hear: Callable[[str, dict[str, Any]], None],
        miss: Callable[[], None],
    ) -> None:
        self.uris = frozenset(granted.resource_subscriptions or ())
        self._methods = {
            method
            for method, wanted in (
                ("notifications/tools/list_changed", granted.tools_list_changed),
                ("notifications/prompts/list_changed", granted.prompts_list_changed),
                ("notifications/resources/list_changed", granted.resources_list_changed),
            )
            if wanted
        }
        self._hear = hear
        self.miss = miss

    def hear(self, method: str, params: dict[str, Any]) -> None:
        is_wanted = method in self._methods or (
            # A server may tell of a part of what was subscribed to.
            method == "notifications/resources/updated" and bool(self.uris)
        )
        if is_wanted:
            self._hear(method, params)
