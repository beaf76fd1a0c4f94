"""The decorators `@server.tool` and `@server.prompt`, as objects: a framework's know more.

What they register is `registration`'s business, which says what each option means.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any, TypedDict, TypeVar, Unpack, overload

from ..protocol import types
from .access import AccessRule

if TYPE_CHECKING:
    from .components import Visible
    from .registration import Registration

F = TypeVar("F", bound=Callable[..., Any])
#: A rule, or whatever the server's `resolve_rule` makes one of, such as a permission's codename.
Permission = AccessRule | str


class ToolFacts(TypedDict, total=False):
    """What may be said of a tool, whatever is behind it."""

    title: str | None
    description: str | None
    read_only: bool | None
    destructive: bool | None
    idempotent: bool | None
    open_world: bool | None
    icons: Sequence[types.Icon]
    meta: Mapping[str, Any] | None
    timeout: float | None
    permission: Permission | None
    scopes: Sequence[str] | None


class ToolOptions(ToolFacts, total=False):
    """What may be said of a tool that is a function."""

    structured_output: bool | None


class OwnSchemaOptions(ToolOptions, total=False):
    """What may be said of a tool whose function is all there is of it."""

    input_schema: dict[str, Any] | None


class PromptOptions(TypedDict, total=False):
    """What may be said of a prompt, however it is made."""

    title: str | None
    description: str | None
    icons: Sequence[types.Icon]
    meta: Mapping[str, Any] | None
    permission: Permission | None
    scopes: Sequence[str] | None


class ResourceOptions(TypedDict, total=False):
    """What may be said of a resource, however it is made."""

    name: str | None
    title: str | None
    description: str | None
    mime_type: str | None
    annotations: types.Annotations | None
    icons: Sequence[types.Icon]
    meta: Mapping[str, Any] | None
    permission: Permission | None
    visible: Visible | None
    scopes: Sequence[str] | None


class ToolDecorator:
    """Registers tools; a framework's may know more kinds of things that are tools."""

    def __init__(self, registration: Registration) -> None:
        self._registration = registration

    @overload
    def __call__(self, name: F, /) -> F: ...

    @overload
    def __call__(
        self, name: str | None = None, **options: Unpack[OwnSchemaOptions]
    ) -> Callable[[F], F]: ...

    def __call__(self, name: Any = None, **options: Any) -> Any:
        """Register the decorated function as a tool; see `add_tool` for the options."""
        return _decorate(self._registration.add_tool, name, options)


class PromptDecorator:
    """Registers prompts; a framework's may know more kinds of things that are prompts."""

    def __init__(self, registration: Registration) -> None:
        self._registration = registration

    @overload
    def __call__(self, name: F, /) -> F: ...

    @overload
    def __call__(
        self, name: str | None = None, **options: Unpack[PromptOptions]
    ) -> Callable[[F], F]: ...

    def __call__(self, name: Any = None, **options: Any) -> Any:
        """Register the decorated function as a prompt; see `add_prompt` for the options."""
        return _decorate(self._registration.add_prompt, name, options)


def _decorate(
    add: Callable[..., Any], name: Any, options: dict[str, Any]
) -> Callable[[F], F] | Any:
    if callable(name):
        add(name)
        return name

    def register(function: F) -> F:
        add(function, name, **options)
        return function

    return register
