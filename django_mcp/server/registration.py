"""How functions, texts and files become components of a server.

`MCPServer` inherits this; `django_mcp` binds it to the default server. What a component is made of
is `components`; where it is kept, `registry`.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, TypeVar, Unpack, overload

from ..protocol import types
from . import components
from .access import AccessRule
from .broker import Broker
from .completions import (
    ArgumentCompletion,
    ServerCompletion,
    argument_completion,
    server_completion,
)
from .components import Prompt, Resource, ResourceTemplate, Tool, Visible
from .decorators import Permission, PromptDecorator, ToolDecorator, ToolOptions
from .errors import RegistrationError
from .listings import Listings
from .registry import Collection
from .waiting import Waiting

F = TypeVar("F", bound=Callable[..., Any])


class Registration:
    """Adds to the collections of a server, and takes away from them."""

    tools: Collection[Tool]
    resources: Collection[Resource]
    resource_templates: Collection[ResourceTemplate]
    resource_listings: Listings
    broker: Broker
    prompts: Collection[Prompt]
    completions: dict[tuple[str, str], ArgumentCompletion]
    any_completion: ServerCompletion | None
    waiting: Waiting
    resolve_rule: Callable[[str], AccessRule] | None

    @property
    def tool(self) -> ToolDecorator:
        """`@server.tool`, `@server.tool("name", …)`: register the decorated function as a tool."""
        return ToolDecorator(self)

    def add_tool(
        self,
        function: Callable[..., Any],
        name: str | None = None,
        *,
        title: str | None = None,
        description: str | None = None,
        read_only: bool | None = None,
        destructive: bool | None = None,
        idempotent: bool | None = None,
        open_world: bool | None = None,
        icons: Sequence[types.Icon] = (),
        meta: Mapping[str, Any] | None = None,
        structured_output: bool | None = None,
        input_schema: dict[str, Any] | None = None,
        timeout: float | None = None,
        permission: Permission | None = None,
        scopes: Sequence[str] | None = None,
    ) -> Tool:
        """Register `function` as a tool.

        The name is the function's, the description its docstring, the input schema its signature.
        `read_only`, `destructive`, `idempotent` and `open_world` tell a host how careful to be.
        `structured_output=False` sends text only; `input_schema` replaces what the signature says
        by a JSON Schema, and the function then takes one dict, `arguments`. `timeout` is in
        seconds. `permission` is a rule taking the principal, or the name of a permission. `scopes`
        are what an access token needs; None for what the annotations say.

        Raises RegistrationError for a name that is taken and for a signature that cannot be served.
        """
        options = self._tool_options(
            title=title,
            description=description,
            read_only=read_only,
            destructive=destructive,
            idempotent=idempotent,
            open_world=open_world,
            icons=icons,
            meta=meta,
            structured_output=structured_output,
            timeout=timeout,
            permission=permission,
            scopes=scopes,
        )
        built = components.tool(function, name=name, input_schema=input_schema, **options)
        self.tools.add(built)
        return built

    def _tool_options(self, **given: Unpack[ToolOptions]) -> dict[str, Any]:
        """The options of `add_tool` as `components.tool` takes them."""
        hints = {
            "read_only_hint": given.pop("read_only", None),
            "destructive_hint": given.pop("destructive", None),
            "idempotent_hint": given.pop("idempotent", None),
            "open_world_hint": given.pop("open_world", None),
        }
        said: dict[str, Any] = {k: value for k, value in hints.items() if value is not None}
        annotations = types.ToolAnnotations(**said) if said else None
        rule = self._rule(given.pop("permission", None))
        return {**given, "annotations": annotations, "rule": rule}

    def remove_tool(self, name: str) -> None:
        """Take a tool away; raises KeyError where there is none of that name."""
        if not self.waiting.remove(name):
            self.tools.remove(name)

    def resource(
        self,
        uri: str,
        /,
        *,
        name: str | None = None,
        title: str | None = None,
        description: str | None = None,
        mime_type: str | None = None,
        size: int | None = None,
        annotations: types.Annotations | None = None,
        icons: Sequence[types.Icon] = (),
        meta: Mapping[str, Any] | None = None,
        permission: Permission | None = None,
        visible: Visible | None = None,
        scopes: Sequence[str] | None = None,
    ) -> Callable[[F], F]:
        """Register the decorated function as the content of `uri`.

        A URI with variables ("library://books/{book_id}") is a template, and the variables are the
        function's parameters, converted to their types. The function returns a string, bytes,
        anything that is JSON, or contents of its own making.

        `visible(ctx, named)` says whether the caller may follow what several URIs of a template
        name: each of `named` has `uri` and `arguments`, and the result is a bool for each.

        Raises RegistrationError where variables and parameters differ, or the URI is taken.
        """
        if not isinstance(uri, str):
            raise RegistrationError('A resource needs its URI: @resource("library://catalogue").')
        options: dict[str, Any] = {
            "name": name,
            "title": title,
            "description": description,
            "mime_type": mime_type,
            "size": size,
            "annotations": annotations,
            "icons": icons,
            "meta": meta,
            "rule": self._rule(permission),
            "visible": visible,
            "scopes": scopes,
        }

        def register(function: F) -> F:
            self._add_resource(components.resource(function, uri, **options))
            return function

        return register

    def add_resource(
        self,
        uri: str,
        content: str | bytes | Path,
        *,
        permission: Permission | None = None,
        **options: Any,
    ) -> None:
        """Register a text, bytes, or a file as the content of `uri`; options as for `resource`.

        A file is read each time it is asked for. Its type is guessed from its name.
        """
        rule = self._rule(permission)
        self._add_resource(components.content(uri, content, rule=rule, **options))

    def remove_resource(self, uri: str) -> None:
        """Take a resource or a template away; raises KeyError where there is none at `uri`."""
        if uri in self.resource_templates:
            self.resource_templates.remove(uri)
        else:
            self.resources.remove(uri)

    @property
    def prompt(self) -> PromptDecorator:
        """`@server.prompt`, `@server.prompt("name", …)`: register the function as a prompt."""
        return PromptDecorator(self)

    def add_prompt(
        self,
        function: Callable[..., Any],
        name: str | None = None,
        *,
        title: str | None = None,
        description: str | None = None,
        icons: Sequence[types.Icon] = (),
        meta: Mapping[str, Any] | None = None,
        permission: Permission | None = None,
        scopes: Sequence[str] | None = None,
    ) -> Prompt:
        """Register `function` as a prompt: it returns a string, a message, or several.

        Raises RegistrationError for a name that is taken and for a signature that cannot be served.
        """
        built = components.prompt(
            function,
            name=name,
            title=title,
            description=description,
            icons=icons,
            meta=meta,
            rule=self._rule(permission),
            scopes=scopes,
        )
        self.prompts.add(built)
        return built

    def remove_prompt(self, name: str) -> None:
        """Take a prompt away; raises KeyError where there is none of that name."""
        self.prompts.remove(name)

    @overload
    def completion(self, target: F, /) -> F: ...

    @overload
    def completion(
        self,
        target: str | None = None,
        argument: str | None = None,
        /,
        *,
        permission: Permission | None = None,
    ) -> Callable[[F], F]: ...

    def completion(
        self,
        target: Any = None,
        argument: str | None = None,
        /,
        *,
        permission: Permission | None = None,
    ) -> Any:
        """Register the decorated function to suggest values.

        `@completion("review", "book")` completes the argument `book` of the prompt or resource
        template `review`: the function takes the text typed so far and, by name, any of the other
        arguments. `@completion` alone completes whatever nobody else does: the function takes
        `(ref, argument, context)`. Either returns strings, of which the first hundred are sent.
        Whom `permission` does not let pass gets none.
        """
        rule = self._rule(permission)
        if callable(target):
            self._complete_anything(target, rule)
            return target
        if target is not None and argument is None:
            raise RegistrationError(
                f"Which argument of {target!r} is completed? Write "
                f'@completion({target!r}, "argument").'
            )

        def register(function: F) -> F:
            if target is None or argument is None:
                self._complete_anything(function, rule)
                return function
            if (target, argument) in self.completions:
                raise RegistrationError(f"{argument!r} of {target!r} is completed already.")
            self.completions[target, argument] = argument_completion(function, target, rule)
            return function

        return register

    def _add_resource(self, built: Resource | ResourceTemplate) -> None:
        if isinstance(built, ResourceTemplate):
            self.resource_templates.add(built)
        else:
            self.resources.add(built)

    def _complete_anything(self, function: Callable[..., Any], rule: AccessRule | None) -> None:
        if self.any_completion is not None:
            raise RegistrationError(
                "There is a completion for the whole server already; name the argument this one "
                'completes: @completion("prompt name or URI template", "argument").'
            )
        self.any_completion = server_completion(function, rule)

    def _rule(self, permission: Permission | None) -> AccessRule | None:
        if permission is None or callable(permission):
            return permission
        if not isinstance(permission, str):
            raise RegistrationError(
                f"permission is a function taking the principal, or the name of a permission, not "
                f"{permission!r}."
            )
        if self.resolve_rule is None:
            raise RegistrationError(
                f"{permission!r} names a permission, and this server knows none: give a function "
                "taking the principal."
            )
        return self.resolve_rule(permission)
