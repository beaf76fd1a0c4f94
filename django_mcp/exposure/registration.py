"""What a server of a Django project can register beside functions.

`django_mcp.default.MCPServer` inherits this. Each method imports what it needs when it is called.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any, TypeVar, Unpack, overload

from django.utils.translation import get_language, override

from ..server.components import Prompt, Tool
from ..server.context import Context
from ..server.decorators import (
    PromptDecorator,
    PromptOptions,
    ResourceOptions,
    ToolDecorator,
    ToolFacts,
    ToolOptions,
)
from ..server.errors import RegistrationError
from ..server.registration import Registration

if TYPE_CHECKING:
    from django.contrib.admin import AdminSite
    from django.db import models
    from django.forms.forms import BaseForm

    from .models.options import ModelResource

    R = TypeVar("R", bound=type[ModelResource])

F = TypeVar("F", bound=Callable[..., Any])
V = TypeVar("V", bound=Callable[..., Any])


class DjangoToolDecorator(ToolDecorator):
    """`@server.tool`, for functions and for what Django has."""

    _registration: DjangoRegistration

    @overload
    def view(self, view: V, /) -> V: ...

    @overload
    def view(self, name: str | None = None, /, **options: Any) -> Callable[[V], V]: ...

    def view(self, name: Any = None, /, **options: Any) -> Any:
        """Register the decorated view as a tool, and leave the view as it is.

        A function or a class, whose URL is found in the URLconf; see `add_view` for the options.
        """
        if callable(name):
            self._registration.add_view(name)
            return name

        def register(view: V) -> V:
            self._registration.add_view(view, name, **options)
            return view

        return register

    def form(
        self,
        form: type[BaseForm],
        name: str | None = None,
        *,
        instance: Callable[..., Any] | None = None,
        form_kwargs: Callable[[Context], Mapping[str, Any]] | None = None,
        **options: Unpack[ToolOptions],
    ) -> Callable[[F], F]:
        """Register the decorated function as a tool whose arguments are the fields of a form.

        The function is called when the form is valid, as a view's `form_valid` is. See
        `add_form_tool` for what it takes, and for the options.
        """

        def register(function: F) -> F:
            self._registration.add_form_tool(
                function, form, name, instance=instance, form_kwargs=form_kwargs, **options
            )
            return function

        return register


class DjangoPromptDecorator(PromptDecorator):
    """`@server.prompt`, for functions and for what Django has."""

    _registration: DjangoRegistration

    def template(
        self, template_name: str, name: str | None = None, **options: Unpack[PromptOptions]
    ) -> Callable[[F], F]:
        """Register a template as a prompt; the decorated function returns its context.

        The function's parameters are the prompt's arguments. Options as for `add_prompt`.
        """

        def register(function: F) -> F:
            self._registration.add_template_prompt(template_name, function, name, **options)
            return function

        return register


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

    def add_view(
        self,
        view: str | Callable[..., Any],
        name: str | None = None,
        *,
        method: str | None = None,
        path: str | None = None,
        query: Any = None,
        body: Any = None,
        output: Any = None,
        middleware: bool = True,
        headers: Sequence[str] = (),
        max_bytes: int = 1024 * 1024,
        **options: Unpack[ToolFacts],
    ) -> None:
        """Register a view as a tool: by the name of its URL ("library:book"), or itself.

        The view is looked for when the first request comes, once the URLconf is there; what cannot
        be served then is logged, left out, and told by `manage.py check`. A view that no URL leads
        to needs `path`, written as for `path()`. `method` is the HTTP method, where the view takes
        several.

        The arguments are those of the path, of `query` and of `body`: a Django form, a filter set,
        a serializer, a pydantic model, a dict of names and types, or a JSON Schema. A form view, a
        view of REST framework and an operation of Ninja say themselves what they take; `output`,
        which is one of the same or False, is for the output schema.

        The view runs in the project's middleware, unless `middleware` is False, with the caller as
        its user. `headers` names headers of the call that it sees, beside the usual ones. An answer
        of more than `max_bytes` is an error. The other options are those of `add_tool`.

        Raises RegistrationError for a name that is taken, and for options nobody can use.
        """
        # Here, because servers are made while apps are loaded, and most have no views.
        from .views import tools

        if not isinstance(view, str) and not callable(view):
            raise RegistrationError(
                f"{view!r} is no view: give one, or the name of its URL, as in "
                'add_view("library:book").'
            )
        if max_bytes < 1:
            raise RegistrationError(f"max_bytes is 1 or more, not {max_bytes}.")
        method = tools.checked_method(method)
        name = tools.checked_name(name or tools.name_of(view, method))
        if name in self.tools or name in self.waiting:
            raise RegistrationError(
                f"{name!r} is registered already: give one of the two another name, or remove the "
                "first."
            )
        tool = tools.ViewTool(
            view=view,
            name=name,
            method=method,
            path=path,
            query=query,
            body=body,
            output=output,
            middleware=middleware,
            headers=tools.checked_headers(headers),
            max_bytes=max_bytes,
            **self._tool_options(**options),
        )
        language = get_language()

        def build() -> None:
            # The words of a list are translated once, and not for whoever asks first.
            with override(language):
                self.tools.add(tool.build())

        self.waiting.add(name, build)

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

    def add_form_tool(
        self,
        function: Callable[..., Any],
        form: type[BaseForm],
        name: str | None = None,
        *,
        instance: Callable[..., Any] | None = None,
        form_kwargs: Callable[[Context], Mapping[str, Any]] | None = None,
        **options: Unpack[ToolOptions],
    ) -> Tool:
        """Register `function` as a tool whose arguments are the fields of `form`.

        The function takes `form`, the valid form, or `cleaned_data`, or both; what it takes besides
        are further arguments of the caller. `instance` is a function whose parameters are arguments
        as well, and that returns the object a ModelForm changes. `form_kwargs` takes the context
        and returns what the form is made with beside its data. Other options as for `add_tool`.

        Raises RegistrationError for a form that cannot be written down in JSON.
        """
        from .forms import form_tool

        made = self._tool_options(**options)
        built = form_tool(
            function, form, name=name, instance=instance, form_kwargs=form_kwargs, **made
        )
        self.tools.add(built)
        return built

    def add_template_prompt(
        self,
        template_name: str,
        context: Callable[..., Any] | type | None = None,
        name: str | None = None,
        **options: Unpack[PromptOptions],
    ) -> Prompt:
        """Register a template as a prompt, rendered in the language of each request.

        `context` is a function that returns the template's context and whose parameters are the
        prompt's arguments; or a TypedDict, whose keys are both; or nothing. Without a function the
        prompt needs a `name`. Other options as for `add_prompt`.
        """
        from .templates import template_prompt

        rule = self._rule(options.pop("permission", None))
        built = template_prompt(template_name, context, name=name, rule=rule, **options)
        self.prompts.add(built)
        return built

    def resource(
        self,
        uri: str,
        /,
        *,
        template: str | None = None,
        size: int | None = None,
        **options: Unpack[ResourceOptions],
    ) -> Callable[[F], F]:
        """Register the decorated function as the content of `uri`, as any server does.

        With `template`, the name of a template, the function returns its context, and the content
        is what it renders, in the language of each request; the type is guessed from its name.
        """
        if template is None:
            return super().resource(uri, size=size, **options)
        template_name = template

        def register(function: F) -> F:
            self.add_template_resource(uri, template_name, function, **options)
            return function

        return register

    def add_template_resource(
        self,
        uri: str,
        template_name: str,
        context: Callable[..., Any] | None = None,
        **options: Unpack[ResourceOptions],
    ) -> None:
        """Register a template as the content of `uri`; `context` is a function that returns its
        context, where it has one. Options as for `resource`, without a size."""
        from .templates import template_resource

        rule = self._rule(options.pop("permission", None))
        self._add_resource(template_resource(context, uri, template_name, rule=rule, **options))

    def add_admin_action(
        self,
        model: type[models.Model],
        action: str,
        name: str | None = None,
        *,
        site: AdminSite | None = None,
        max_objects: int = 100,
        confirm: bool | None = None,
        posted: Mapping[str, str] | None = None,
        prompt: bool = False,
        **options: Unpack[ToolOptions],
    ) -> Tool:
        """Register an action of the admin as a tool that takes the keys of objects.

        Only staff who find it on the admin's page see it. It runs within what the ModelAdmin lets
        them see, on `max_objects` at most. With `confirm` the user is asked first, as is done for
        "delete_selected" unless it is False. `posted` is what a person would fill in on a page of
        the action's own. With `prompt` there is a prompt of the same name, by which a person
        searches for the objects. `permission` is asked for besides; other options as for
        `add_tool`.

        Raises RegistrationError for a model or an action that the admin does not have.
        """
        from ..permissions import all_of
        from . import admin_actions

        model_admin = admin_actions.find(model, action, site)
        made = admin_actions.AdminAction(
            model_admin, action, max_objects=max_objects, confirm=confirm, posted=posted
        )
        more = options.pop("permission", None)
        rule = made.rule if more is None else all_of(made.rule, more)
        name = name or f"{action}_{model._meta.model_name}"
        options.setdefault("description", made.description_of_tool)
        if made.is_deletion:
            options.setdefault("destructive", True)
        options["permission"] = rule
        tool = self.add_tool(made.tool(), name, **options)
        if prompt:
            title = options.get("title")
            self.add_prompt(
                made.prompt(name), name, title=title, description=made.description, permission=rule
            )
        return tool
