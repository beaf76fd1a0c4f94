"""What a server of a Django project can register beside functions.

`django_mcp.default.MCPServer` inherits this. Each method imports what it needs when it is called.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any, TypeVar, overload

from ..server.decorators import PromptDecorator, ToolDecorator
from ..server.registration import Registration

if TYPE_CHECKING:
    from django.db import models

    from .models.options import ModelResource

    R = TypeVar("R", bound=type[ModelResource])


class DjangoToolDecorator(ToolDecorator):
    """`@server.tool`, for functions and for what Django has."""


class DjangoPromptDecorator(PromptDecorator):
    """`@server.prompt`, for functions and for what Django has."""


class DjangoRegistration(Registration):
    """Adds models, views, forms, templates and actions to the collections of a server."""

    @property
    def tool(self) -> DjangoToolDecorator:
        """`@server.tool`, `@server.tool("name", …)`: register the decorated function as a tool."""
        return DjangoToolDecorator(self)

    @property
    def prompt(self) -> DjangoPromptDecorator:
        """`@server.prompt`, `@server.prompt("name", …)`: register the function as a prompt."""
        return DjangoPromptDecorator(self)

    @overload
    def expose(self, model: type[models.Model], /) -> Callable[[R], R]: ...

    @overload
    def expose(self, model: type[models.Model], resource: R, /) -> R: ...

    @overload
    def expose(self, model: type[models.Model], /, **options: Any) -> None: ...

    def expose(self, model: type[models.Model], resource: Any = None, /, **options: Any) -> Any:
        """Expose a model: as tools that list, search and get its objects, and as resources.

        `@server.expose(Book)` decorates a ModelResource that says which fields are seen, and what
        may be done. `server.expose(Book, fields=["title", "author"])` does with options alone.

        Raises RegistrationError for a model that holds credentials or is exposed already, for an
        option there is not, and for names of fields that cannot be shown, filtered or ordered.
        """
        from .models.options import ModelResource
        from .models.registry import expose

        def register(found: R) -> R:
            expose(self, model, found, options)
            return found

        if resource is not None:
            return register(resource)
        if options:
            expose(self, model, ModelResource, options)
            return None
        return register

    def add_query_tool(
        self, models: Sequence[type[models.Model]] | None = None, name: str = "query"
    ) -> None:
        """Register one tool that takes small queries of several exposed models.

        `models` are exposed on this server already; None is for all that are exposed, now or later,
        with `query=True`. Raises RegistrationError for a model that is not exposed, or where it
        depends on the object who may see it, and for a name that is taken.
        """
        from .models.registry import add_query_tool

        add_query_tool(self, models, name)
