"""What a server of a Django project can register beside functions.

`django_mcp.default.MCPServer` inherits this. Each method imports what it needs when it is called.
"""

from __future__ import annotations

from collections.abc import Callable
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

    def notify_changed(self, what: Any, *, using: str | None = None) -> None:
        """Tell of changes of exposed models that send no signals: `bulk_create()`, `update()`, SQL.

        `notify_changed(Book)` says that any book may have changed, and so does a queryset of books;
        `notify_changed(book)` and `notify_changed([book, …])` name those that did. In a transaction
        of the database `using` (the objects' own unless it is given), it is told after the commit.
        Of models that are not exposed, nothing is told. Raises TypeError for what is neither a
        model nor objects of one.
        """
        from .models.changes import notify_changed

        notify_changed(self, what, using)
