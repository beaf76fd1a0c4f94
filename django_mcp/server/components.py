"""What a server offers: tools, resources, resource templates, prompts and completions, as values.

A component is its definition on the wire, the function behind it and the rule that says who may use
it. How a function becomes a schema is `signatures` and `schemas`; how its result becomes one on the
wire, `results`; where components are kept, `registry`.
"""

from __future__ import annotations

import inspect
import mimetypes
import re
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final, NamedTuple

from ..protocol import types
from ..protocol.headers import ParamHeader, param_headers
from ..protocol.revisions import Revision
from ..protocol.uri_templates import InvalidTemplate, UriTemplate
from .access import AccessRule
from .context import Context
from .errors import RegistrationError
from .schemas import Arguments, Input, Output, RawArguments
from .scopes import scopes_of
from .signatures import Signature, inspect_function
from .threads import Workers

#: 2026-07-28, server/tools#tool-names (SEP-986).
TOOL_NAME: Final = re.compile(r"[A-Za-z0-9_.-]{1,128}\Z")


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Callee:
    """A function with what it takes besides the caller's arguments."""

    function: Callable[..., Any]
    is_async: bool
    context: str | None

    def call(self, workers: Workers, ctx: Context | None, kwargs: dict[str, Any]) -> Awaitable[Any]:
        """Return, awaited, what the function returns for `kwargs`; `ctx` is passed on if it takes
        one."""
        if self.context is not None:
            kwargs[self.context] = ctx
        run = workers.run_async if self.is_async else workers.run_sync
        return run(self.function, **kwargs)


class Named(NamedTuple):
    """What a URI that fits a template names: the URI, and the arguments read from it."""

    uri: str
    arguments: Mapping[str, Any]


#: Says of several things at once whether the caller may see them: `visible(ctx, named)` returns a
#: bool for each. Sync or async.
Visible = Callable[[Context, Sequence[Named]], Any]


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Tool:
    """A function the client's model may call."""

    definition: types.Tool
    callee: Callee
    arguments: Input
    output: Output
    param_headers: tuple[ParamHeader, ...] = ()
    timeout: float | None = None
    rule: AccessRule | None = None
    scopes: tuple[str, ...] | None = None

    @property
    def key(self) -> str:
        return self.definition.name

    @property
    def only_reads(self) -> bool:
        annotations = self.definition.annotations
        return annotations is not None and annotations.read_only_hint is True

    def definition_in(self, revision: Revision) -> types.Tool:
        """What a client of `revision` is told of it: the output schema is that of the structured
        content it gets, which is an object in some revisions and any JSON in others."""
        if revision.any_json_structured_content:
            return self.definition
        schema = self.output.schema_for(False)
        return self.definition.model_copy(update={"output_schema": schema})


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Resource:
    """Content under one URI."""

    definition: types.Resource
    callee: Callee
    rule: AccessRule | None = None
    scopes: tuple[str, ...] | None = None
    only_reads: bool = True

    @property
    def key(self) -> str:
        return self.definition.uri

    def definition_in(self, revision: Revision) -> types.Resource:
        return self.definition


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class ResourceTemplate:
    """Content under every URI that fits a template.

    `visible` takes `named`, and says of each whether the caller may see it; None where whoever
    passes the rule may see all. Values that are not `confined` may look like a way out of a
    directory.
    """

    definition: types.ResourceTemplate
    template: UriTemplate
    callee: Callee
    arguments: Input
    rule: AccessRule | None = None
    visible: Callee | None = None
    confined: bool = True
    scopes: tuple[str, ...] | None = None
    only_reads: bool = True

    @property
    def key(self) -> str:
        return self.definition.uri_template

    def definition_in(self, revision: Revision) -> types.ResourceTemplate:
        return self.definition


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Prompt:
    """A message, or several, that a person picks and fills in."""

    definition: types.Prompt
    callee: Callee
    arguments: Input
    rule: AccessRule | None = None
    scopes: tuple[str, ...] | None = None
    only_reads: bool = True

    @property
    def key(self) -> str:
        return self.definition.name

    def definition_in(self, revision: Revision) -> types.Prompt:
        return self.definition


def tool(
    function: Callable[..., Any],
    *,
    name: str | None = None,
    title: str | None = None,
    description: str | None = None,
    annotations: types.ToolAnnotations | None = None,
    icons: Sequence[types.Icon] = (),
    meta: Mapping[str, Any] | None = None,
    structured_output: bool | None = None,
    input_schema: dict[str, Any] | None = None,
    arguments: Input | None = None,
    timeout: float | None = None,
    rule: AccessRule | None = None,
    scopes: Sequence[str] | None = None,
) -> Tool:
    """Build the tool that calls `function`; raises RegistrationError for what cannot be served.

    With `arguments` the signature says nothing of what the caller supplies.
    """
    raw = input_schema is not None
    signature = inspect_function(function, context_type=Context, name=name, raw=raw)
    if input_schema is not None:
        arguments = RawArguments(input_schema, name=signature.name)
    elif arguments is None:
        arguments = Arguments(signature)
    name = signature.name
    if not TOOL_NAME.match(name):
        raise RegistrationError(
            f"{name!r} is no tool name: use 1 to 128 of the letters A-Z and a-z, digits, "
            'underscore, hyphen and dot, for example @tool("get_book").'
        )
    if timeout is not None and timeout <= 0:
        raise RegistrationError(f"Tool {name!r}: timeout is in seconds and above 0, not {timeout}.")
    output = Output(signature, structured_output)
    try:
        headers = param_headers(arguments.input_schema)
    except ValueError as error:
        raise RegistrationError(f"Tool {name!r}: {error}") from None
    definition = types.Tool(
        name=name,
        title=_text(title),
        description=_text(description) or signature.description or None,
        input_schema=arguments.input_schema,
        output_schema=output.schema_for(True),
        annotations=annotations,
        icons=list(icons) or None,
        meta=dict(meta) if meta else None,
    )
    return Tool(
        definition=definition,
        callee=callee(signature),
        arguments=arguments,
        output=output,
        param_headers=headers,
        timeout=timeout,
        rule=rule,
        scopes=scopes_of(scopes, f"Tool {name!r}"),
    )


def resource(
    function: Callable[..., Any],
    uri: str,
    *,
    name: str | None = None,
    title: str | None = None,
    description: str | None = None,
    mime_type: str | None = None,
    size: int | None = None,
    annotations: types.Annotations | None = None,
    icons: Sequence[types.Icon] = (),
    meta: Mapping[str, Any] | None = None,
    rule: AccessRule | None = None,
    visible: Visible | None = None,
    confined: bool = True,
    scopes: Sequence[str] | None = None,
) -> Resource | ResourceTemplate:
    """Build the resource behind `uri`: a template where the URI has variables.

    Not `confined`, its variables are no parts of paths: "..", "C:" and the like are values.
    Raises RegistrationError where the variables are not the function's parameters.
    """
    try:
        template = UriTemplate(uri)
    except InvalidTemplate as error:
        raise RegistrationError(f"{uri!r} is no URI template: {error}") from None
    if ":" not in uri:
        raise RegistrationError(
            f"{uri!r} has no scheme: a resource is named by a whole URI, for example "
            f'"library://{uri.lstrip("/")}".'
        )
    signature = inspect_function(function, context_type=Context, name=name)
    _check_variables(uri, template, signature)
    named_scopes = scopes_of(scopes, repr(uri))
    shared: dict[str, Any] = {
        "name": signature.name,
        "title": _text(title),
        "description": _text(description) or signature.description or None,
        "mime_type": mime_type,
        "annotations": annotations,
        "icons": list(icons) or None,
        "meta": dict(meta) if meta else None,
    }
    if template.is_static:
        if visible is not None:
            raise RegistrationError(
                f"{uri!r} has no variables: who may see it, its permission says, and not visible."
            )
        definition = types.Resource(uri=uri, size=size, **shared)
        return Resource(
            definition=definition, callee=callee(signature), rule=rule, scopes=named_scopes
        )
    if size is not None:
        raise RegistrationError(f"{uri!r}: only a resource without variables has a size.")
    return ResourceTemplate(
        definition=types.ResourceTemplate(uri_template=uri, **shared),
        template=template,
        callee=callee(signature),
        arguments=Arguments(signature),
        rule=rule,
        visible=None if visible is None else _asked_of_several(visible),
        confined=confined,
        scopes=named_scopes,
    )


def content(uri: str, body: str | bytes | Path, **options: Any) -> Resource:
    """Build the resource of a text, of bytes, or of a file, read each time it is asked for."""
    if isinstance(body, Path):
        if not body.is_file():
            raise RegistrationError(f"{uri!r}: there is no file {str(body)!r} to serve.")
        read, size = _reader(body), body.stat().st_size
        mime_type, name = mimetypes.guess_type(body.name)[0], body.name
    else:
        read, size = _constant(body), len(body.encode() if isinstance(body, str) else body)
        mime_type = "text/plain" if isinstance(body, str) else "application/octet-stream"
        name = uri.rpartition("/")[2] or uri
    defaults = {"mime_type": mime_type, "name": name, "size": size}
    built = resource(read, uri, **{**defaults, **options})
    if not isinstance(built, Resource):
        raise RegistrationError(f"{uri!r} has variables: register a function for a template.")
    return built


def prompt(
    function: Callable[..., Any],
    *,
    name: str | None = None,
    title: str | None = None,
    description: str | None = None,
    icons: Sequence[types.Icon] = (),
    meta: Mapping[str, Any] | None = None,
    rule: AccessRule | None = None,
    scopes: Sequence[str] | None = None,
) -> Prompt:
    """Build the prompt that `function` writes."""
    signature = inspect_function(function, context_type=Context, name=name)
    arguments = Arguments(signature)
    definition = types.Prompt(
        name=signature.name,
        title=_text(title),
        description=_text(description) or signature.description or None,
        arguments=_prompt_arguments(arguments.input_schema) or None,
        icons=list(icons) or None,
        meta=dict(meta) if meta else None,
    )
    return Prompt(
        definition=definition,
        callee=callee(signature),
        arguments=arguments,
        rule=rule,
        scopes=scopes_of(scopes, f"Prompt {signature.name!r}"),
    )


def callee(signature: Signature) -> Callee:
    return Callee(
        function=signature.fn, is_async=signature.is_async, context=signature.context_parameter
    )


def _asked_of_several(visible: Visible) -> Callee:
    def ask(ctx: Context, named: Sequence[Named]) -> Any:
        return visible(ctx, named)

    return Callee(function=ask, is_async=inspect.iscoroutinefunction(visible), context="ctx")


def _text(text: Any) -> str | None:
    """A text that is yet to be translated, in the language that is active now: once for all."""
    return None if text is None else str(text)


def _check_variables(uri: str, template: UriTemplate, signature: Signature) -> None:
    variables = {variable.name for variable in template.variables}
    parameters = {parameter.name: parameter for parameter in signature.parameters}
    if extra := variables - parameters.keys():
        raise RegistrationError(
            f"{uri!r} has {_listed(extra)}, which {signature.name}() does not take: add the "
            "parameter, or take the variable out."
        )
    if lacking := parameters.keys() - variables:
        raise RegistrationError(
            f"{signature.name}() takes {_listed(lacking)}, which {uri!r} does not have: add "
            f"{{{sorted(lacking)[0]}}} to the URI, or remove the parameter."
        )
    for variable in template.variables:
        if variable.optional and parameters[variable.name].required:
            raise RegistrationError(
                f"{uri!r}: {variable.name} may be left out of the URI, so it needs a default in "
                f"{signature.name}()."
            )


def _listed(names: set[str]) -> str:
    return ", ".join(repr(name) for name in sorted(names))


def _prompt_arguments(schema: Mapping[str, Any]) -> list[types.PromptArgument]:
    required = schema.get("required", ())
    return [
        types.PromptArgument(
            name=name,
            title=value.get("title"),
            description=value.get("description"),
            required=name in required,
        )
        for name, value in schema.get("properties", {}).items()
    ]


def _reader(path: Path) -> Callable[[], str | bytes]:
    def read_file() -> str | bytes:
        data = path.read_bytes()
        mime_type = mimetypes.guess_type(path.name)[0] or ""
        if mime_type.startswith("text/") or mime_type in _TEXTUAL:
            return data.decode("utf-8-sig")
        return data

    return read_file


_TEXTUAL: Final = frozenset({"application/json", "application/xml", "image/svg+xml"})


def _constant(body: str | bytes) -> Callable[..., Any]:
    async def read_content() -> str | bytes:  # async: nothing to wait for, so no thread
        return body

    return read_content
