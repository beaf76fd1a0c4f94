"""The client of one server: a method for each thing a server offers.

Owns what an application calls. How a call becomes a request, and a result a value, is `calls`'s;
eras, connections and their ends are `connecting`'s; what a server asks, `callbacks` answers.
"""

from __future__ import annotations

import logging
from collections.abc import AsyncIterator, Iterable, Mapping, Sequence
from contextlib import asynccontextmanager
from functools import partial
from types import EllipsisType
from typing import Any, Final, Self, TypeVar, overload

import httpx

from ..protocol import codec
from ..protocol import types as t
from ..protocol.errors import HeaderMismatch, InvalidParams
from ..protocol.headers import param_headers
from ..protocol.revisions import REVISIONS, Revision
from ..protocol.revisions import find as find_revision
from .caching import ResponseCache
from .callbacks import (
    Callbacks,
    OnElicit,
    OnLog,
    OnNotification,
    OnProgress,
    OnRoots,
    OnSample,
    Roots,
    result_of,
)
from .calls import MOST_TOOLS, Calls
from .changes import Changes, wanted_of
from .connecting import Connection, Options, Transport
from .errors import ClientError, ServerError, ToolFailed
from .line import Timing
from .results import ToolResult
from .targets import transport_for

logger = logging.getLogger("django_mcp.client")

T = TypeVar("T")

_LOG: Final = "notifications/message"


class Client(Calls):
    """A client of one MCP server; `async with` connects it, and everything else needs that.

    `target` is the URL of an endpoint (`https://…`, `ws://…`), a command to start as a list of
    strings, an `MCPServer` in this process, or a `Transport`.

    `headers` and `auth` (httpx's) go with every HTTP request, `http_client` is an httpx client to
    use. `timeout` is in seconds, and begins anew whenever a request makes progress; `total_timeout`
    does not; None waits for ever. `revisions` are the protocol's that may be spoken, by name or
    value; by default all, the newest that the server knows. `name` and `version` are what the
    server is told. The callbacks are those of `Callbacks`.

    Answers that the server calls fresh are not asked for again, unless `cache` is False. A
    `ResponseCache` may be shared by clients: what is for one user alone stays in the
    `cache_partition` that names the user, or where none is given, with this client.

    Raises the errors of `django_mcp.client.errors`. A connection that ends is opened again by the
    next call. One client serves any number of calls at a time.
    """

    def __init__(
        self,
        target: Any,
        *,
        headers: Mapping[str, str] | None = None,
        auth: httpx.Auth | None = None,
        http_client: httpx.AsyncClient | None = None,
        timeout: float | None = 60.0,
        total_timeout: float | None = None,
        revisions: Iterable[Revision | str] | None = None,
        name: str = "django-mcp",
        version: str = "1",
        log_level: t.LoggingLevel | None = None,
        on_elicit: OnElicit | None = None,
        elicit_modes: Sequence[str] = ("form", "url"),
        on_sample: OnSample | None = None,
        sample_tools: bool = False,
        roots: OnRoots | Roots | None = None,
        on_log: OnLog | None = None,
        on_progress: OnProgress | None = None,
        on_notification: OnNotification | None = None,
        extensions: Mapping[str, dict[str, Any]] | None = None,
        cache: ResponseCache | bool = True,
        cache_partition: str | None = None,
    ) -> None:
        callbacks = Callbacks(
            on_elicit=on_elicit,
            elicit_modes=tuple(elicit_modes),
            on_sample=on_sample,
            sample_tools=sample_tools,
            roots=roots,
            on_log=on_log,
            on_progress=on_progress,
            on_notification=on_notification,
            extensions=extensions,
        )
        timing = Timing(timeout=timeout, total=total_timeout)
        options = Options(
            callbacks=callbacks,
            info=t.Implementation(name=name, version=version),
            revisions=_newest_first(revisions),
            opening=timing,
            tell=self._tell,
        )
        transport: Transport = transport_for(target, headers=headers, auth=auth, client=http_client)
        kept = (ResponseCache() if cache else None) if isinstance(cache, bool) else cache
        connection = Connection(transport, options)
        super().__init__(connection, callbacks, timing, kept, cache_partition)
        self._connection.log_level = log_level

    # Connected

    async def __aenter__(self) -> Self:
        self._use(await self._connection.current())
        return self

    async def __aexit__(self, *exc_info: object) -> None:
        self._leave()
        await self._connection.close()

    @property
    def revision(self) -> str:
        """The revision of the protocol that is spoken, as a date."""
        return self._now.revision.name

    @property
    def has_session(self) -> bool:
        """Whether the server remembers this client between its requests."""
        return self._now.has_session

    @property
    def server_info(self) -> t.Implementation | None:
        """What the server calls itself; None if it does not."""
        return self._now.server_info

    @property
    def server_capabilities(self) -> t.ServerCapabilities:
        """What the server declares."""
        return self._now.capabilities

    @property
    def instructions(self) -> str | None:
        """What the server says about its use, for a model; None for nothing."""
        return self._now.instructions

    async def ping(self) -> None:
        """Return once the server has answered."""
        await (await self._current()).ping(self._timing)

    # Tools

    async def list_tools(self, *, fresh: bool = False) -> list[t.Tool]:
        """Every tool, from all pages. One that breaks a rule is left out, and logged.

        Here as in every list, `fresh` asks the server, whatever is known already.
        """
        return [tool async for tool in self.iter_tools(fresh=fresh)]

    async def iter_tools(self, *, fresh: bool = False) -> AsyncIterator[t.Tool]:
        """The tools, page by page as they are needed."""
        async for page in self._pages("tools/list", t.ListToolsResult, fresh):
            for tool in page.tools:
                if self._is_usable(tool):
                    self._know(tool)
                    yield tool

    @overload
    async def call_tool(
        self,
        name: str,
        arguments: Mapping[str, Any] | None = None,
        *,
        as_: type[T],
        timeout: float | EllipsisType | None = ...,
        total_timeout: float | EllipsisType | None = ...,
        on_progress: OnProgress | None = None,
        meta: Mapping[str, Any] | None = None,
        raise_on_error: bool = True,
    ) -> ToolResult[T]: ...

    @overload
    async def call_tool(
        self,
        name: str,
        arguments: Mapping[str, Any] | None = None,
        *,
        as_: Any = None,
        timeout: float | EllipsisType | None = ...,
        total_timeout: float | EllipsisType | None = ...,
        on_progress: OnProgress | None = None,
        meta: Mapping[str, Any] | None = None,
        raise_on_error: bool = True,
    ) -> ToolResult[Any]: ...

    async def call_tool(
        self,
        name: str,
        arguments: Mapping[str, Any] | None = None,
        *,
        as_: Any = None,
        timeout: float | EllipsisType | None = ...,
        total_timeout: float | EllipsisType | None = ...,
        on_progress: OnProgress | None = None,
        meta: Mapping[str, Any] | None = None,
        raise_on_error: bool = True,
    ) -> ToolResult[Any]:
        """Call a tool.

        `as_` is the type that `data` of the result is to have: anything pydantic understands.
        Raises ToolFailed where the tool says that it failed, unless `raise_on_error` is false;
        OutputMismatch where its answer does not fit its output schema, or `as_`; ServerError for
        an unknown tool, and the rest of `errors`.
        """
        params = t.CallToolRequestParams(
            name=name, arguments=dict(arguments or {}), meta=dict(meta) if meta else None
        )
        call = partial(
            self._request,
            "tools/call",
            params,
            t.CallToolResult,
            timing=self._timing_of(timeout, total_timeout),
            on_progress=on_progress,
            is_repeatable=self._may_repeat(name),
        )
        try:
            found = await call()
        except ServerError as error:
            # 2026-07-28, basic/transports/streamable-http#client-behavior
            if not isinstance(error.error, HeaderMismatch):
                raise
            await self.list_tools(fresh=True)
            found = await call()
        if found.structured_content is not None and name not in self._tools:
            await self._learn(name)
        result = self._output(name).result(found, as_)
        if result.is_error and raise_on_error:
            raise ToolFailed(name, result)
        return result

    async def _learn(self, name: str) -> None:
        """List the tools, once, to know what the answer of one should look like."""
        if name in self._unlisted:
            return
        try:
            await self.list_tools()
        except ClientError as error:
            logger.warning("The answers of %r are not checked: %s", name, error)
        if name not in self._tools and len(self._unlisted) < MOST_TOOLS:
            self._unlisted.add(name)

    def _is_usable(self, tool: t.Tool) -> bool:
        try:
            param_headers(tool.input_schema)
        except ValueError as error:
            logger.warning("The tool %r is left out: %s", tool.name, error)
            return False
        return True

    def _may_repeat(self, name: str) -> bool:
        tool = self._tools.get(name)
        hints = tool.annotations if tool is not None else None
        return hints is not None and bool(hints.read_only_hint or hints.idempotent_hint)

    # Resources

    async def list_resources(self, *, fresh: bool = False) -> list[t.Resource]:
        """Every resource, from all pages."""
        return [resource async for resource in self.iter_resources(fresh=fresh)]

    async def iter_resources(self, *, fresh: bool = False) -> AsyncIterator[t.Resource]:
        """The resources, page by page as they are needed."""
        async for page in self._pages("resources/list", t.ListResourcesResult, fresh):
            for resource in page.resources:
                yield resource

    async def list_resource_templates(self, *, fresh: bool = False) -> list[t.ResourceTemplate]:
        """Every template of resources, from all pages."""
        return [template async for template in self.iter_resource_templates(fresh=fresh)]

    async def iter_resource_templates(
        self, *, fresh: bool = False
    ) -> AsyncIterator[t.ResourceTemplate]:
        """The templates, page by page as they are needed."""
        async for page in self._pages(
            "resources/templates/list", t.ListResourceTemplatesResult, fresh
        ):
            for template in page.resource_templates:
                yield template

    async def read_resource(
        self,
        uri: str,
        *,
        timeout: float | EllipsisType | None = ...,
        on_progress: OnProgress | None = None,
        fresh: bool = False,
    ) -> list[t.AnyResourceContents]:
        """What stands at a URI: texts and blobs. Raises ServerError where there is nothing."""
        params = t.ReadResourceRequestParams(uri=uri)
        found = await self._request(
            "resources/read",
            params,
            t.ReadResourceResult,
            timing=self._timing_of(timeout, ...),
            on_progress=on_progress,
            fresh=fresh,
        )
        return list(found.contents)

    # Prompts and completion

    async def list_prompts(self, *, fresh: bool = False) -> list[t.Prompt]:
        """Every prompt, from all pages."""
        return [prompt async for prompt in self.iter_prompts(fresh=fresh)]

    async def iter_prompts(self, *, fresh: bool = False) -> AsyncIterator[t.Prompt]:
        """The prompts, page by page as they are needed."""
        async for page in self._pages("prompts/list", t.ListPromptsResult, fresh):
            for prompt in page.prompts:
                yield prompt

    async def get_prompt(
        self,
        name: str,
        arguments: Mapping[str, str] | None = None,
        *,
        timeout: float | EllipsisType | None = ...,
        on_progress: OnProgress | None = None,
    ) -> t.GetPromptResult:
        """A prompt, filled in. Raises ServerError for an unknown one, or missing arguments."""
        params = t.GetPromptRequestParams(name=name, arguments=dict(arguments or {}))
        return await self._request(
            "prompts/get",
            params,
            t.GetPromptResult,
            timing=self._timing_of(timeout, ...),
            on_progress=on_progress,
        )

    async def complete(
        self,
        argument: str,
        value: str,
        *,
        prompt: str | None = None,
        template: str | None = None,
        context: Mapping[str, str] | None = None,
    ) -> t.Completion:
        """What may stand for an argument that begins with `value`: one of the prompt, or of the
        template of resources, that is named. `context` are the arguments that stand already."""
        ref: t.PromptReference | t.ResourceTemplateReference
        if prompt is not None and template is None:
            ref = t.PromptReference(name=prompt)
        elif template is not None and prompt is None:
            ref = t.ResourceTemplateReference(uri=template)
        else:
            raise ValueError("Name the prompt or the template whose argument it is: one of them.")
        params = t.CompleteRequestParams(
            ref=ref,
            argument=t.CompletionArgument(name=argument, value=value),
            context=t.CompletionContext(arguments=dict(context)) if context else None,
        )
        return (await self._request("completion/complete", params, t.CompleteResult)).completion

    # What the server says by itself

    @asynccontextmanager
    async def listen(
        self,
        *,
        tools: bool = False,
        prompts: bool = False,
        resources: bool = False,
        uris: Iterable[str] = (),
    ) -> AsyncIterator[Changes]:
        """Hear of changes: of the lists, and of the resources at `uris`.

            async with client.listen(tools=True, uris=["library://books/1"]) as changes:
                async for change in changes:
                    ...

        The connection is kept up; a change of the kind `missed` says that it was away.
        """
        wanted = wanted_of(tools=tools, prompts=prompts, resources=resources, uris=uris)
        changes = Changes(self._connection, wanted)
        await changes.open()
        try:
            yield changes
        finally:
            await changes.close()

    async def set_log_level(self, level: t.LoggingLevel | None) -> None:
        """Have log lines of that level and above sent to `on_log`. Raises NotSupported."""
        self._connection.log_level = level
        await (await self._current()).set_log_level(level)

    async def roots_changed(self) -> None:
        """Tell the server that `roots` gives others now."""
        await (await self._current()).roots_changed()

    async def _tell(self, method: str, params: dict[str, Any]) -> None:
        on_log, on_notification = self._callbacks.on_log, self._callbacks.on_notification
        if method == _LOG and on_log is not None:
            try:
                line = codec.decode(t.LoggingMessageNotificationParams, params, self._now.revision)
            except InvalidParams as error:
                logger.warning("A log line was no such thing: %s", error)
            else:
                await result_of(on_log(line))
        if on_notification is not None:
            await result_of(on_notification(method, params))


def _newest_first(revisions: Iterable[Revision | str] | None) -> list[Revision]:
    if revisions is None:
        return list(reversed(REVISIONS))
    found = []
    for each in revisions:
        revision = each if isinstance(each, Revision) else find_revision(each)
        if revision is None:
            known = ", ".join(map(str, REVISIONS))
            raise ValueError(f"{each!r} is no revision of the protocol. Known are {known}.")
        found.append(revision)
    if not found:
        raise ValueError("revisions is empty: name one at least, or leave it out for all.")
    return sorted(set(found), key=str, reverse=True)
