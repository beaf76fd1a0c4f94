"""What views and viewsets of Django REST Framework say of themselves.

Their serializers become the input and the output schema, their filters and paginators arguments of
lists. Nothing is called in place of REST framework and nothing of the view's is changed: how a
request is parsed, who may make it, how often, and what is rendered, is the view's own business when
it is called. That it knows the caller is the doing of `requests`.
"""

from __future__ import annotations

import inspect
from collections.abc import Iterator, Mapping
from typing import Any, Final

from django.db.models import Model
from django.http import HttpRequest
from django.utils.encoding import force_str
from rest_framework import mixins
from rest_framework.generics import GenericAPIView
from rest_framework.parsers import JSONParser
from rest_framework.renderers import JSONRenderer
from rest_framework.views import APIView

from ...server import docstrings
from ...server.errors import RegistrationError
from ..form_fields import key_type
from ..views.facts import METHODS, Facts, Wanted, choose, own_doc
from ..views.inputs import Input, Place, Source
from ..views.routes import Route, View
from ..views.sources import filter_form, from_form
from .serializers import from_serializer, written_schema

_WRITES: Final = ("POST", "PUT", "PATCH")


def is_view(callback: View) -> bool:
    """True for a view made by REST framework: a function, a class, or a viewset."""
    cls = getattr(callback, "cls", None)
    return inspect.isclass(cls) and issubclass(cls, APIView)


def facts_of(route: Route, wanted: Wanted) -> Facts:
    """The facts of a view, for the method that was asked for or the one it is likely meant for."""
    callback: Any = route.callback
    actions: Mapping[str, str] | None = getattr(callback, "actions", None)
    methods = _methods(callback.cls, actions)
    method = choose(methods, wanted, callback.cls.__name__)
    view = _instance(callback, method)
    handler = getattr(callback.cls, (actions or {}).get(method.lower(), method.lower()), None)
    doc = docstrings.parse(_doc(callback.cls, handler))
    body = None
    if method in _WRITES and not wanted.has_body:
        body = _body(view, method)
    return Facts(
        method=method,
        description=doc.description,
        parameters=doc.parameters,
        path=dict(_path_schemas(view, route)),
        query=_list_arguments(view, method),
        body=body,
        output=None if wanted.has_output else _output(view, method, handler),
        deletes=method == "DELETE",
    )


def _methods(cls: Any, actions: Mapping[str, str] | None) -> tuple[str, ...]:
    allowed = {name.upper() for name in cls.http_method_names}
    if actions is not None:
        return tuple(m for m in METHODS if m.lower() in actions and m in allowed)
    return tuple(m for m in METHODS if m in allowed and hasattr(cls, m.lower()))


def _instance(callback: Any, method: str) -> Any:
    """The view as it is before a request, asked by nobody for nothing.

    `swagger_fake_view` is what views look at that have to know it (drf-spectacular, drf-yasg).
    """
    view = callback.cls(**getattr(callback, "initkwargs", {}))
    view.swagger_fake_view = True
    view.args, view.kwargs, view.format_kwarg = (), {}, None
    actions = getattr(callback, "actions", None)
    if actions is not None:
        view.action_map = actions
        view.action = actions.get(method.lower())
        view.detail = getattr(view, "detail", None)
    request = HttpRequest()
    request.method = method
    request.META.update(SERVER_NAME="localhost", SERVER_PORT="80", REQUEST_METHOD=method)
    view.request = view.initialize_request(request)
    return view


def _doc(cls: Any, handler: Any) -> str | None:
    """The docstring of the action if the project wrote it, of the class, or of the mixin."""
    if handler is not None and not handler.__module__.startswith("rest_framework."):
        written = inspect.getdoc(handler)
        if written:
            return written
    return own_doc(cls) or (inspect.getdoc(handler) if handler is not None else None)


# ------------------------------------------------------------------------------------------- path


def _path_schemas(view: Any, route: Route) -> Iterator[tuple[str, Mapping[str, Any]]]:
    """The row's key has the type of its field: to a router's regular expression all is text."""
    model = _model(view)
    if model is None:
        return
    lookup = getattr(view, "lookup_field", "pk")
    name = getattr(view, "lookup_url_kwarg", None) or lookup
    if route.converters.get(name, ...) is not None:
        return
    try:
        field = model._meta.pk if lookup == "pk" else model._meta.get_field(lookup)
    except Exception:
        return
    kind = key_type(field)
    about = f"The {field.name} of a {force_str(model._meta.verbose_name)}."
    yield name, {"type": kind, "description": about}


def _model(view: Any) -> type[Model] | None:
    queryset = getattr(view, "queryset", None)
    if queryset is None and isinstance(view, GenericAPIView):
        try:
            queryset = view.get_queryset()
        except Exception:
            return None
    model: type[Model] | None = getattr(queryset, "model", None)
    return model


# ------------------------------------------------------------------------------------------ lists


def _is_list(view: Any, method: str) -> bool:
    if method != "GET" or not isinstance(view, GenericAPIView):
        return False
    action = getattr(view, "action", None)
    if action is not None:
        # Whether another action filters, only its code knows: what it ignores must not be offered.
        return bool(action == "list")
    return isinstance(view, mixins.ListModelMixin)


def _list_arguments(view: Any, method: str) -> Source:
    """What the filters and the paginator of a list read from its query string."""
    if not _is_list(view, method):
        return Source()
    inputs: dict[str, Input] = {}
    for backend in view.filter_backends:
        for each in _filter_arguments(backend(), view):
            inputs.setdefault(each.name, each)
    if view.paginator is not None:
        for each in _described(view.paginator, view):
            inputs.setdefault(each.name, each)
    return Source(inputs=tuple(inputs.values()))


def _filter_arguments(backend: Any, view: Any) -> Iterator[Input]:
    if hasattr(backend, "get_filterset_class"):  # django-filter
        queryset = _queryset(view)
        filter_set = backend.get_filterset_class(view, queryset)
        if filter_set is not None:
            yield from from_form(filter_form(filter_set), "query").inputs
    elif hasattr(backend, "get_search_fields"):
        if getattr(view, "search_fields", None):
            yield from _described(backend, view)
    elif hasattr(backend, "get_ordering"):
        yield from _orderings(backend, view)
    else:
        yield from _described(backend, view)


def _orderings(backend: Any, view: Any) -> Iterator[Input]:
    try:
        valid = backend.get_valid_fields(_queryset(view), view, {"request": view.request})
    except Exception:
        valid = []
    names = ", ".join(str(name) for name, _ in valid)
    for each in _described(backend, view):
        schema = dict(each.schema)
        if names:
            schema["description"] = (
                f"What to sort by: one of {names}, or several with commas; -name for descending."
            )
        yield Input(name=each.name, place="query", schema=schema)


def _described(source: Any, view: Any) -> Iterator[Input]:
    """The parameters a filter or a paginator says it reads, in words of OpenAPI."""
    describe = getattr(source, "get_schema_operation_parameters", None)
    for each in describe(view) if describe is not None else ():
        if each.get("in", "query") == "query":
            schema = {**each.get("schema", {})}
            if each.get("description"):
                schema["description"] = force_str(each["description"])
            required = bool(each.get("required"))
            yield Input(name=each["name"], place="query", schema=schema, required=required)


def _queryset(view: Any) -> Any:
    try:
        return view.get_queryset()
    except Exception:
        return getattr(view, "queryset", None)


# ------------------------------------------------------------------------------------------- body


def _body(view: Any, method: str) -> Source | None:
    serializer = _serializer(view)
    if serializer is None:
        return None
    place: Place = "json" if _parses_json(view) else "form"
    return from_serializer(serializer, place, partial=method == "PATCH")


def _parses_json(view: Any) -> bool:
    return any(issubclass(parser, JSONParser) for parser in view.parser_classes)


def _serializer(view: Any) -> Any:
    """The serializer of the view's action, None where it has none.

    Raises RegistrationError where it cannot be had without a request.
    """
    if not hasattr(view, "get_serializer"):
        return None
    unset = getattr(view, "serializer_class", None) is None
    if unset and type(view).get_serializer_class is GenericAPIView.get_serializer_class:
        return None
    try:
        return view.get_serializer()
    except Exception as error:
        raise RegistrationError(
            f"{type(view).__name__} does not say what it takes without a real request "
            f"({type(error).__name__}): give body=TheSerializer, or have get_serializer_class() "
            "look at self.swagger_fake_view."
        ) from error


# ----------------------------------------------------------------------------------------- output


def _output(view: Any, method: str, handler: Any) -> dict[str, Any] | None:
    """The schema of the answer, where it is sure: the action is REST framework's own, and so is the
    JSON that is made of the serializer."""
    if getattr(handler, "__module__", "") not in (
        "rest_framework.mixins",
        "rest_framework.generics",
    ):
        return None
    if method == "DELETE" or not _writes_json(view):
        return None
    try:
        serializer = _serializer(view)
    except RegistrationError:
        return None
    if serializer is None:
        return None
    schema = written_schema(serializer)
    if not schema:
        return None
    if not _is_list(view, method):
        return schema
    many = {"type": "array", "items": schema}
    return many if view.paginator is None else _page_schema(view.paginator, many)


def _page_schema(paginator: Any, rows: dict[str, Any]) -> dict[str, Any] | None:
    """The schema of a page, where it is sure that there are pages, and that they look like this."""
    if getattr(paginator, "page_size", 1) is None or getattr(paginator, "default_limit", 1) is None:
        return None  # Without a size there is one only where the caller asks for it.
    cls = type(paginator)
    writes, tells = cls.get_paginated_response, cls.get_paginated_response_schema
    if writes.__module__ != tells.__module__:
        return None  # The project has changed the one, and not the other.
    found: dict[str, Any] = _plain(paginator.get_paginated_response_schema(rows))
    return found


def _plain(schema: Any) -> Any:
    """A schema of OpenAPI 3.0 in words of JSON Schema: what may be null is so by its type."""
    if isinstance(schema, list):
        return [_plain(each) for each in schema]
    if not isinstance(schema, dict):
        return schema
    found = {
        key: {name: _plain(inner) for name, inner in each.items()}
        if key == "properties"
        else _plain(each)
        for key, each in schema.items()
        if key not in ("nullable", "example")
    }
    if schema.get("nullable") is True and isinstance(schema.get("type"), str):
        found["type"] = [schema["type"], "null"]
    return found


def _writes_json(view: Any) -> bool:
    """True where a request for JSON gets it from REST framework's own renderer."""
    for renderer in view.get_renderers():
        if renderer.media_type == "application/json":
            return type(renderer) is JSONRenderer
    return False
