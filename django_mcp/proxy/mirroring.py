"""What another server has, as components of a server here: which, under which names, and as of now.

Owns the mirror: it is made when the server starts, made anew in part when the other server says
that a list changed, and stays as it was while there is no connection. What a component does when it
is called is `forwarding`.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncIterator, Callable, Collection, Iterable
from contextlib import AbstractAsyncContextManager, AsyncExitStack, asynccontextmanager, suppress
from dataclasses import dataclass
from fnmatch import fnmatchcase
from typing import Any, Final, TypeVar

from ..client import Client
from ..client.changes import Change, Changes, pause
from ..client.errors import ClientError, NotSupported, ServerError
from ..protocol import revisions
from ..protocol import types as t
from ..protocol.headers import param_headers
from ..protocol.revisions import Revision
from ..protocol.types import WireModel
from ..protocol.uri_templates import InvalidTemplate, UriTemplate
from ..server.completions import ArgumentCompletion
from ..server.components import TOOL_NAME, Callee, Prompt, Resource, ResourceTemplate, Tool
from ..server.context import Context
from ..server.outputs import Output, wrapped
from ..server.registry import Collection as Members
from ..server.server import MCPServer
from ..server.signatures import inspect_function
from .forwarding import forward
from .upstream import Upstream

logger = logging.getLogger("django_mcp.proxy")

#: Seconds that a server's start waits for the one behind it.
PATIENCE: Final = 10.0
#: Resources whose changes are followed.
MOST_FOLLOWED: Final = 200

#: Seconds between two looks at a server that does not tell of changes.
LOOK_AGAIN: Final = 300.0

M = TypeVar("M", bound=WireModel)
Rename = Callable[[str], str]


class Proxy:
    """Another server, whose components a server of this process has as its own.

    `target` and further options are those of a `Client`, credentials included: those of a caller
    are never passed on. `prefix` stands before the names of tools and prompts, with an underscore;
    `rename(name)` makes them instead. `include` and `exclude` are patterns of the names as they are
    there, like "get_*", and of URIs; what is not included, or excluded, is not there. `title` is
    what messages to callers call the server. `permission` is the rule for everything of it.

    Give `lifespan` to the server, or enter `serving(server)` while it runs. A server that cannot be
    reached is tried again; until then it has no components, and later, calls of them fail.
    """

    def __init__(
        self,
        target: Any,
        *,
        prefix: str = "",
        rename: Rename | None = None,
        include: Iterable[str] = ("*",),
        exclude: Iterable[str] = (),
        title: str | None = None,
        permission: Any = None,
        patience: float = PATIENCE,
        **options: Any,
    ) -> None:
        self._rename: Rename = rename or (lambda name: f"{prefix}_{name}" if prefix else name)
        self._include, self._exclude = tuple(include), tuple(exclude)
        self._title = title or (
            f"The server {prefix!r}" if prefix else "The server behind this one"
        )
        self._permission = permission
        self._patience = patience
        self._upstream = Upstream(target, options)

    @property
    def lifespan(self) -> Callable[[MCPServer], AbstractAsyncContextManager[None]]:
        """For `MCPServer(lifespan=…)`."""
        return self.serving

    @asynccontextmanager
    async def serving(self, server: MCPServer) -> AsyncIterator[None]:
        """Have `server` mirror the other one for as long as the block lasts."""
        rule = self._permission
        if isinstance(rule, str) and server.resolve_rule is not None:
            rule = server.resolve_rule(rule)
        mirror = _Mirror(self, self._upstream, server, rule)
        keeping = asyncio.get_running_loop().create_task(mirror.keep())
        try:
            with suppress(TimeoutError):
                async with asyncio.timeout(self._patience):
                    await mirror.tried.wait()
            yield
        finally:
            keeping.cancel()
            await asyncio.wait({keeping})
            mirror.clear()
            await self._upstream.close()

    @property
    def title(self) -> str:
        return self._title

    def name_of(self, name: str) -> str:
        """What a tool or prompt of that name is called here."""
        return self._rename(name)

    def has(self, name: str) -> bool:
        """Whether the tool or prompt of that name, or what is at that URI, is to be here."""

        def fits(patterns: Collection[str]) -> bool:
            return any(fnmatchcase(name, pattern) for pattern in patterns)

        return fits(self._include) and not fits(self._exclude)


def lifespan_of(*proxies: Proxy) -> Callable[[MCPServer], AbstractAsyncContextManager[None]]:
    """The lifespan of a server that mirrors several others, which are connected all at once."""

    @asynccontextmanager
    async def lifespan(server: MCPServer) -> AsyncIterator[None]:
        async with AsyncExitStack() as stack:
            entered = (stack.enter_async_context(proxy.serving(server)) for proxy in proxies)
            await asyncio.gather(*entered)
            yield

    return lifespan


class _Mirror:
    """The components of one proxy on one server."""

    def __init__(self, proxy: Proxy, upstream: Upstream, server: MCPServer, rule: Any) -> None:
        self.tried = asyncio.Event()
        self._proxy = proxy
        self._upstream = upstream
        self._server = server
        self._rule = rule
        self._keys: dict[str, dict[str, Any]] = {}
        self._completed: set[tuple[str, str]] = set()
        # What prompts are called there.
        self._prompts: dict[str, str] = {}

    async def keep(self) -> None:
        """Connect, mirror, and follow what changes, again and again."""
        failures = 0
        while True:
            try:
                async with self._upstream.new_client() as client:
                    self._upstream.shared = client
                    failures = 0
                    await self._follow(client)
            except ClientError as error:
                if not failures:
                    logger.warning("%s: %s", self._proxy.title, error)
            except Exception:
                logger.exception("%s cannot be mirrored", self._proxy.title)
            failures += 1
            self.tried.set()
            await asyncio.sleep(pause(failures))

    async def _follow(self, client: Client) -> None:
        """Mirror everything, then what changes."""
        while True:
            await self._mirror(client, None)
            self.tried.set()
            uris = list(self._keys.get("resources", ()))[:MOST_FOLLOWED]
            try:
                async with client.listen(
                    tools=True, prompts=True, resources=True, uris=uris
                ) as changes:
                    # What changed before it listened would be missed.
                    await self._mirror(client, None)
                    await self._hear(client, changes)
            except (ServerError, NotSupported) as error:
                logger.info("%s does not tell of changes: %s", self._proxy.title, error)
                await asyncio.sleep(LOOK_AGAIN)

    async def _hear(self, client: Client, changes: Changes) -> None:
        """Mirror what changes; returns where others are to be followed than those so far."""
        async for change in changes:
            if change.kind == "resource" and change.uri is not None:
                self._server.notify_resource_updated(change.uri)
                continue
            await self._mirror(client, change)
            if change.kind in ("resources", "missed"):
                return

    async def _mirror(self, client: Client, change: Change | None) -> None:
        kind = None if change is None or change.kind == "missed" else change.kind
        has = client.server_capabilities
        if has.tools is not None and kind in (None, "tools"):
            self._put("tools", self._server.tools, map(self._tool, await client.list_tools()))
        if has.prompts is not None and kind in (None, "prompts"):
            prompts = await client.list_prompts()
            self._put("prompts", self._server.prompts, map(self._prompt, prompts))
        if has.resources is not None and kind in (None, "resources"):
            listed = await client.list_resources()
            self._put("resources", self._server.resources, map(self._resource, listed))
            templates = await client.list_resource_templates()
            made = map(self._template, templates)
            self._put("templates", self._server.resource_templates, made)
        if has.completions is not None:
            self._complete()

    def _put(self, kind: str, members: Members[Any], made: Iterable[Any]) -> None:
        """Have exactly these components of that kind, and leave alone what stays as it is."""
        wanted = {each.key: each for each in made if each is not None}
        before = self._keys.setdefault(kind, {})
        for key in [key for key in before if key not in wanted]:
            del before[key]
            members.remove(key)
        for key, component in wanted.items():
            if before.get(key) == component.definition:
                continue
            if key in before:
                members.remove(key)
            elif key in members:
                logger.warning("%s: %r is left out: the name is taken", self._proxy.title, key)
                continue
            members.add(component)
            before[key] = component.definition

    def clear(self) -> None:
        """Take everything away again."""
        self._upstream.shared = None
        for kind, members in (
            ("tools", self._server.tools),
            ("prompts", self._server.prompts),
            ("resources", self._server.resources),
            ("templates", self._server.resource_templates),
        ):
            self._put(kind, members, ())
        for completed in self._completed:
            self._server.completions.pop(completed, None)

    # Components

    def _tool(self, tool: t.Tool) -> Tool | None:
        name = self._proxy.name_of(tool.name)
        if not self._proxy.has(tool.name):
            return None
        if not TOOL_NAME.match(name):
            logger.warning("%s: %r is left out: it is no tool name", self._proxy.title, name)
            return None

        async def call(ctx: Context, arguments: dict[str, Any]) -> t.CallToolResult:
            params = t.CallToolRequestParams(name=tool.name, arguments=arguments)
            result = await self._forward(ctx, "tools/call", params, t.CallToolResult)
            return _fitting(result, tool.output_schema, revisions.find(ctx.protocol_version))

        return _Tool(
            definition=tool.model_copy(update={"name": name}),
            callee=_callee(call),
            arguments=_AsGiven(tool.input_schema, "arguments"),
            output=Output(inspect_function(call, context_type=Context)),
            param_headers=param_headers(tool.input_schema),
            rule=self._rule,
        )

    def _prompt(self, prompt: t.Prompt) -> Prompt | None:
        if not self._proxy.has(prompt.name):
            return None

        async def get(ctx: Context, arguments: dict[str, Any]) -> t.GetPromptResult:
            params = t.GetPromptRequestParams(name=prompt.name, arguments=arguments)
            return await self._forward(ctx, "prompts/get", params, t.GetPromptResult)

        name = self._proxy.name_of(prompt.name)
        self._prompts[name] = prompt.name
        return Prompt(
            definition=prompt.model_copy(update={"name": name}),
            callee=_callee(get),
            arguments=_AsGiven({}, "arguments"),
            rule=self._rule,
        )

    def _resource(self, resource: t.Resource) -> Resource | None:
        if not self._proxy.has(resource.uri):
            return None

        async def read(ctx: Context) -> t.ReadResourceResult:
            return await self._read(ctx, resource.uri)

        return Resource(definition=resource, callee=_callee(read), rule=self._rule)

    def _template(self, template: t.ResourceTemplate) -> ResourceTemplate | None:
        if not self._proxy.has(template.uri_template):
            return None
        try:
            parsed = UriTemplate(template.uri_template)
        except InvalidTemplate as error:
            logger.warning("%s: %s", self._proxy.title, error)
            return None

        async def read(ctx: Context, values: dict[str, Any]) -> t.ReadResourceResult:
            # What was asked for, letter by letter, unless another function here reads it.
            is_asked = parsed.match(ctx.target) == values
            return await self._read(ctx, ctx.target if is_asked else parsed.expand(values))

        return ResourceTemplate(
            definition=template,
            template=parsed,
            callee=_callee(read),
            arguments=_AsGiven({}, "values"),
            rule=self._rule,
            # Where values lead is for the server to say that has what they name.
            confined=False,
        )

    async def _read(self, ctx: Context, uri: str) -> t.ReadResourceResult:
        params = t.ReadResourceRequestParams(uri=uri)
        return await self._forward(ctx, "resources/read", params, t.ReadResourceResult)

    async def _forward(self, ctx: Context, method: str, params: WireModel, type_: type[M]) -> M:
        whose = self._proxy.title
        return await forward(self._upstream, ctx, method, params, type_, whose=whose)

    # Completions

    def _complete(self) -> None:
        """Suggest for every argument and variable what the other server suggests."""
        wanted: dict[tuple[str, str], tuple[Any, list[str]]] = {}
        for name, prompt in self._keys.get("prompts", {}).items():
            names = [argument.name for argument in prompt.arguments or ()]
            ref = t.PromptReference(name=self._prompts[name])
            wanted.update({(name, argument): (ref, names) for argument in names})
        for template in self._keys.get("templates", ()):
            names = [variable.name for variable in UriTemplate(template).variables]
            place = t.ResourceTemplateReference(uri=template)
            wanted.update({(template, argument): (place, names) for argument in names})
        for gone in self._completed - wanted.keys():
            self._server.completions.pop(gone, None)
        self._completed = set(wanted)
        for (target, argument), (ref, names) in wanted.items():
            self._server.completions[target, argument] = self._completion(ref, argument, names)

    def _completion(self, ref: Any, argument: str, names: list[str]) -> ArgumentCompletion:
        async def suggest(ctx: Context, value_: str, **others: str) -> t.Completion:
            params = t.CompleteRequestParams(
                ref=ref,
                argument=t.CompletionArgument(name=argument, value=value_),
                context=t.CompletionContext(arguments=others) if others else None,
            )
            found = await self._forward(ctx, "completion/complete", params, t.CompleteResult)
            return found.completion

        others = frozenset(name for name in names if name not in (argument, "ctx", "value_"))
        callee = _callee(suggest)
        return ArgumentCompletion(callee=callee, value="value_", others=others, rule=self._rule)


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class _Tool(Tool):
    """A tool whose output schema is somebody else's."""

    def definition_in(self, revision: Revision) -> t.Tool:
        schema = self.definition.output_schema
        if schema is None or not _is_to_be_wrapped(schema, revision):
            return self.definition
        return self.definition.model_copy(update={"output_schema": wrapped(schema)})


class _AsGiven:
    """Arguments that somebody else checks; the function gets them as `name`."""

    def __init__(self, schema: dict[str, Any], name: str) -> None:
        self.input_schema = schema
        self._name = name

    def validate(self, arguments: dict[str, Any]) -> dict[str, Any]:
        return {self._name: arguments}


def _callee(function: Callable[..., Any]) -> Callee:
    return Callee(function=function, is_async=True, context="ctx")


def _is_to_be_wrapped(schema: dict[str, Any], revision: Revision) -> bool:
    """Whether structured content of `schema` has to become an object for `revision`."""
    return not revision.any_json_structured_content and schema.get("type") != "object"


def _fitting(
    result: t.CallToolResult, schema: dict[str, Any] | None, revision: Revision | None
) -> t.CallToolResult:
    """The result with structured content as `revision` may have it."""
    structured = result.structured_content
    if revision is None or structured is None:
        return result
    if schema is not None and _is_to_be_wrapped(schema, revision):
        structured = {"result": structured}
    elif not (revision.any_json_structured_content or isinstance(structured, dict)):
        structured = None
    return result.model_copy(update={"structured_content": structured})
