"""A view as a tool, put together once the project is loaded: of what its author said, of what the
view says of itself, and of the URL that leads to it."""

from __future__ import annotations

import inspect
import re
import sys
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from types import ModuleType
from typing import Any

from ...protocol import types
from ...protocol.headers import param_headers
from ...server.access import AccessRule
from ...server.components import TOOL_NAME, Tool
from ...server.errors import RegistrationError
from ...server.outputs import Output, wrapped
from ...server.schemas import RawArguments
from ..requests import NEVER_CARRIED
from .calls import ViewCall, callee
from .facts import METHODS, Facts, Wanted, facts_of
from .inputs import Inputs, Source
from .routes import Route, own_route, route_of
from .sources import output_schema, source_of

View = Callable[..., Any]
#: Bytes of a response that a tool returns, unless it says otherwise.
MAX_BYTES = 1024 * 1024


@dataclass(frozen=True, slots=True, kw_only=True)
class ViewTool:
    """What the author of a view's tool said; `build` makes the tool of it."""

    view: str | View
    name: str
    method: str | None = None
    path: str | None = None
    query: Any = None
    body: Any = None
    output: Any = None
    middleware: bool = True
    headers: tuple[str, ...] = ()
    max_bytes: int = MAX_BYTES
    title: str | None = None
    description: str | None = None
    annotations: types.ToolAnnotations | None = None
    icons: Sequence[types.Icon] = ()
    meta: Mapping[str, Any] | None = None
    timeout: float | None = None
    rule: AccessRule | None = None

    def build(self) -> Tool:
        """The tool; raises RegistrationError where the view or its URL does not make one."""
        route = self._route()
        facts = self._facts(route)
        inputs = Inputs(self._sources(route, facts), facts.parameters)
        call = ViewCall(
            tool=self.name,
            route=route,
            method=facts.method,
            inputs=inputs,
            headers=self.headers,
            middleware=self.middleware,
            max_bytes=self.max_bytes,
        )
        arguments = RawArguments(inputs.schema, name=self.name)
        output = ViewOutput(self.name, self._output(facts))
        try:
            headers = param_headers(arguments.input_schema)
        except ValueError as error:
            raise RegistrationError(f"Tool {self.name!r}: {error}") from None
        return Tool(
            definition=self._definition(facts, arguments, output),
            callee=callee(call),
            arguments=arguments,
            output=output,
            param_headers=headers,
            timeout=self.timeout,
            rule=self.rule,
        )

    def _route(self) -> Route:
        if self.path is not None:
            return own_route(_callback_of(self.view), self.path)
        route = route_of(self.view)
        if hasattr(route.callback, "mcp_endpoint"):
            raise RegistrationError(f"/{route.text} leads to the MCP endpoint itself.")
        return route

    def _facts(self, route: Route) -> Facts:
        wanted = Wanted(
            method=self.method,
            has_body=self.body is not None,
            has_output=self.output is not None,
        )
        for framework in (rest_framework(), ninja()):
            if framework is not None and framework.is_view(route.callback):
                facts: Facts = framework.facts_of(route, wanted)
                return facts
        return facts_of(route.callback, wanted)

    def _sources(self, route: Route, facts: Facts) -> list[Source]:
        sources = [route.source(facts.path), facts.query]
        if self.query is not None:
            said = source_of(self.query, "query")
            names = {each.name for each in said.inputs}
            known = tuple(each for each in facts.query.inputs if each.name not in names)
            sources[1:] = [replace(facts.query, inputs=known), said]
        if self.body is not None:
            sources.append(source_of(self.body, "json"))
        elif facts.body is not None:
            sources.append(facts.body)
        return sources

    def _output(self, facts: Facts) -> dict[str, Any] | None:
        if self.output is False:
            return None
        return facts.output if self.output is None else output_schema(self.output)

    def _definition(self, facts: Facts, arguments: RawArguments, output: Output) -> types.Tool:
        return types.Tool(
            name=self.name,
            title=self.title or facts.title,
            description=self.description or facts.description,
            input_schema=arguments.input_schema,
            output_schema=output.schema_for(True),
            annotations=self._hints(facts),
            icons=list(self.icons) or None,
            meta=dict(self.meta) if self.meta else None,
        )

    def _hints(self, facts: Facts) -> types.ToolAnnotations:
        """What the method says of the call (RFC 9110, 9.2), unless the author says otherwise."""
        known: dict[str, Any] = {"read_only_hint": facts.method == "GET"}
        if facts.deletes:
            known["destructive_hint"] = True
        if facts.method in ("PUT", "DELETE"):
            known["idempotent_hint"] = True
        said = self.annotations
        given = {} if said is None else said.model_dump(exclude_none=True)
        return types.ToolAnnotations(**{**known, **given})


def rest_framework() -> ModuleType | None:
    """Our module for the views of REST framework, None where the project has none."""
    if "rest_framework.views" not in sys.modules:
        return None
    # Here, because the project may do without it.
    from ..rest_framework import views as found

    return found


def ninja() -> ModuleType | None:
    """Our module for Django Ninja, None where the project has not imported it."""
    if "ninja.operation" not in sys.modules:
        return None
    # Here, because the project may do without it.
    from .. import ninja as found

    return found


def _callback_of(view: Any) -> View:
    if inspect.isclass(view) and hasattr(view, "as_view"):
        callback: View = view.as_view()
        return callback
    if not callable(view):
        raise RegistrationError(
            f"{view!r} is a name, and path= is for a view that has none: give one of the two."
        )
    found: View = view
    return found


class ViewOutput(Output):
    """What a view answers: its schema is published, and its JSON is passed on as it came.

    The schema is what a serializer or a model says of itself, and the view answers for it; so
    nothing is checked here. JSON that is no object stands in {"result": …} where a revision needs
    one.
    """

    __slots__ = ()

    def __init__(self, name: str, schema: dict[str, Any] | None) -> None:
        self.name = name
        self.enabled = True
        self.shows = False
        self._adapter = None
        self.declared = False
        self.exact = None
        self._wraps = False
        self._schema = self._wrapped = schema
        if schema is not None and schema.get("type") != "object":
            self._wrapped = wrapped(schema)

    def wrap(self, dumped: Any, any_json: bool) -> Any:
        if any_json or isinstance(dumped, dict):
            return dumped
        return None if dumped is None else {"result": dumped}


# --------------------------------------------------------------------------------- what is said


def name_of(view: str | View, method: str | None) -> str:
    """The name of a tool that was given none: that of the URL or the view, and the method.

    "library:book-detail" is "library_book_detail", `BookDetail` is "book_detail".
    """
    if isinstance(view, str):
        base = view
    else:
        base = getattr(view, "__name__", type(view).__name__)
        base = re.sub(r"(?<=[a-z0-9])(?=[A-Z])", "_", base).lower()
    name = re.sub(r"[^A-Za-z0-9]+", "_", base).strip("_")
    return name if method in (None, "GET") else f"{name}_{(method or '').lower()}"


def checked_method(method: str | None) -> str | None:
    """`method` in capitals; raises RegistrationError for one a tool does not use."""
    if method is None:
        return None
    if method.upper() not in METHODS:
        raise RegistrationError(f"method={method!r}: use one of {', '.join(METHODS)}.")
    return method.upper()


def checked_name(name: str) -> str:
    """`name`; raises RegistrationError where no tool can be called so."""
    if not TOOL_NAME.match(name):
        raise RegistrationError(
            f"{name!r} is no tool name: use 1 to 128 of the letters A-Z and a-z, digits, "
            'underscore, hyphen and dot, for example name="book_list".'
        )
    return name


def checked_headers(headers: Sequence[str]) -> tuple[str, ...]:
    """Names of headers in lower case; raises RegistrationError for those no view is given."""
    if isinstance(headers, str):
        raise RegistrationError(f'headers={headers!r} is one text: write ["{headers}"].')
    names = tuple(name.lower() for name in headers)
    refused = sorted(NEVER_CARRIED.intersection(names))
    if refused:
        raise RegistrationError(
            f"The header {refused[0]!r} belongs to the message and not to the view: leave it out."
        )
    return names
