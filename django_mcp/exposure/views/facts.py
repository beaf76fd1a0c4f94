"""What a view says of what it takes and does: `Facts`, and how Django's own views say it.

Facts are for one view and one HTTP method. What the author of a tool says himself goes before them.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from typing import Any, Final

from django.forms import BaseForm
from django.forms.models import modelform_factory
from django.views.generic.edit import DeletionMixin, ProcessFormView, UpdateView
from django.views.generic.list import MultipleObjectMixin

from ...server import docstrings
from ...server.errors import RegistrationError
from .inputs import Input, Source
from .sources import from_form

#: The methods of HTTP a tool may use; in this order they are looked for.
METHODS: Final = ("GET", "POST", "PUT", "PATCH", "DELETE")


@dataclass(frozen=True, slots=True, kw_only=True)
class Facts:
    """What is known of a view that is asked with `method`.

    `path` has schemas for values of the path that are known better than the pattern knows them, and
    `parameters` descriptions of arguments. `body` is None where the view does not say what it
    takes. `output` is the schema of what it answers.
    """

    method: str
    title: str | None = None
    description: str | None = None
    parameters: Mapping[str, str] = field(default_factory=dict)
    path: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)
    query: Source = field(default_factory=Source)
    body: Source | None = None
    output: dict[str, Any] | None = None
    deletes: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Wanted:
    """What the author of a tool said: of his view's methods, and of what it takes."""

    method: str | None = None
    has_body: bool = False
    has_output: bool = False


def choose(methods: tuple[str, ...], wanted: Wanted, label: str, usual: str = "GET") -> str:
    """The method a view is asked with: the one that was said, or `usual`, or the first it has.

    Raises RegistrationError for one the view does not take.
    """
    if wanted.method is not None:
        if methods and wanted.method not in methods:
            raise RegistrationError(
                f"{label} does not take {wanted.method}: it takes {', '.join(methods)}."
            )
        return wanted.method
    if wanted.has_body and usual == "GET":
        usual = "POST"
    if not methods or usual in methods:
        return usual
    return methods[0]


def facts_of(callback: Callable[..., Any], wanted: Wanted) -> Facts:
    """The facts of a view of Django's own: a function, or a class."""
    view_class = getattr(callback, "view_class", None)
    if view_class is None:
        doc = docstrings.parse(inspect.getdoc(callback))
        return Facts(
            method=choose((), wanted, callback.__name__),
            description=doc.description,
            parameters=doc.parameters,
        )
    options = getattr(callback, "view_initkwargs", {})
    return _of_class(view_class, options, wanted)


def _of_class(view_class: type[Any], options: Mapping[str, Any], wanted: Wanted) -> Facts:
    def option(name: str) -> Any:
        return options.get(name, getattr(view_class, name, None))

    is_form = issubclass(view_class, ProcessFormView | DeletionMixin)
    allowed = {name.upper() for name in option("http_method_names")}
    methods = tuple(m for m in METHODS if m in allowed and hasattr(view_class, m.lower()))
    method = choose(methods, wanted, view_class.__name__, "POST" if is_form else "GET")
    body = None
    if is_form and method == "POST" and not wanted.has_body:
        body = _form_body(view_class, option)
    doc = docstrings.parse(own_doc(view_class))
    return Facts(
        method=method,
        description=doc.description,
        parameters=doc.parameters,
        query=_pages(view_class, option) if method == "GET" else Source(),
        body=body,
        deletes=method == "DELETE" or (issubclass(view_class, DeletionMixin) and method == "POST"),
    )


def own_doc(view_class: type[Any]) -> str | None:
    """The docstring that was written for this class, and not for the one it is made of."""
    for cls in view_class.__mro__:
        if cls.__module__.partition(".")[0] in ("django", "rest_framework", "builtins"):
            break
        if cls.__dict__.get("__doc__"):
            return inspect.cleandoc(cls.__dict__["__doc__"])
    return None


def _pages(view_class: type[Any], option: Callable[[str], Any]) -> Source:
    if not issubclass(view_class, MultipleObjectMixin) or not option("paginate_by"):
        return Source()
    schema = {"type": "integer", "minimum": 1, "description": "Which page; the first is 1."}
    return Source(inputs=(Input(name=option("page_kwarg"), place="query", schema=schema),))


def _form_body(view_class: type[Any], option: Callable[[str], Any]) -> Source:
    form = _form_class(option)
    if form is None:
        raise RegistrationError(
            f"{view_class.__name__} does not say which form it has: set its form_class, or give "
            "body=TheForm."
        )
    source = from_form(form, "form", prefix=option("prefix"), initial=option("initial") or {})
    if not issubclass(view_class, UpdateView):
        return source
    # A page sends every field back, as the row has it, and what is left out would be emptied.
    return replace(source, inputs=tuple(_demanded(each) for each in source.inputs))


def _demanded(given: Input) -> Input:
    if given.kept:
        return replace(given, required=False)
    schema = {key: value for key, value in given.schema.items() if key != "default"}
    return replace(given, schema=schema, required=True, preset=None)


def _form_class(option: Callable[[str], Any]) -> type[BaseForm] | None:
    given = option("form_class")
    if given is not None:
        form: type[BaseForm] = given
        return form
    queryset = option("queryset")
    model = option("model") or (None if queryset is None else queryset.model)
    fields = option("fields")
    if model is None or fields is None:
        return None
    return modelform_factory(model, fields=fields)
