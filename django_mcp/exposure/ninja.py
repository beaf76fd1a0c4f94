"""What operations of Django Ninja say of themselves: their models become the schemas.

An operation is called by its URL, like every view: its authentication, throttling and validation
run as they are. `django_auth` finds the caller, who is the request's user. An authentication that
reads a header has to be given it, with `headers=` of the tool.
"""

from __future__ import annotations

import inspect
import json
from collections.abc import Callable, Iterator, Mapping
from typing import Any

from ninja.constants import NOT_SET
from ninja.operation import Operation, PathView
from ninja.renderers import JSONRenderer
from pydantic import TypeAdapter

from ..server import docstrings
from ..server.errors import RegistrationError
from ..server.json_schema import schema_of
from .views.browser import Write
from .views.facts import METHODS, Facts, Wanted, choose
from .views.inputs import Input, Place, Source, referred
from .views.routes import Route, View

_REFS = "#/$defs/"


def is_view(callback: View) -> bool:
    """True for the view of a path of Ninja's."""
    return _path_view(callback) is not None


def facts_of(route: Route, wanted: Wanted) -> Facts:
    """The facts of the operation that the URL is named after, or that has the method asked for."""
    operation = _operation(route, wanted)
    doc = docstrings.parse(operation.description)
    return Facts(
        method=choose(tuple(operation.methods), wanted, operation.view_func.__name__),
        title=operation.summary,
        description=doc.description,
        parameters=doc.parameters,
        path={each.key: each.schema for each in _of(operation, "path")},
        query=_query(operation),
        body=None if wanted.has_body else _body(operation),
        output=None if wanted.has_output else _output(operation),
        deletes="DELETE" in operation.methods,
    )


def _path_view(callback: Any) -> PathView | None:
    """Ninja keeps what it serves under a path in the closure of the view, and nowhere else."""
    function = inspect.unwrap(callback)
    if not inspect.isfunction(function) or not function.__module__.startswith("ninja."):
        return None
    for value in inspect.getclosurevars(function).nonlocals.values():
        if isinstance(value, PathView):
            return value
    return None


def _operation(route: Route, wanted: Wanted) -> Operation:
    path_view = _path_view(route.callback)
    operations: list[Operation] = [] if path_view is None else path_view.operations
    name = str(route.lookup).rpartition(":")[2]
    if wanted.method is not None:
        for operation in operations:
            if wanted.method in operation.methods:
                return operation
        taken = ", ".join(m for m in METHODS if any(m in each.methods for each in operations))
        raise RegistrationError(f"/{route.text} does not take {wanted.method}: it takes {taken}.")
    for operation in operations:
        if name in (getattr(operation, "url_name", None), operation.view_func.__name__):
            return operation
    return operations[0]


# ----------------------------------------------------------------------------------- what it takes


class _Model:
    """One of an operation's models: its schema, and what the names in it lead to."""

    def __init__(self, model: Any) -> None:
        self.model = model
        self.schema = schema_of(TypeAdapter(model), "validation")
        self.definitions: Mapping[str, Any] = self.schema.get("$defs", {})

    def resolved(self, schema: Mapping[str, Any]) -> Mapping[str, Any]:
        reference = schema.get("$ref")
        if not isinstance(reference, str):
            return schema
        found: Mapping[str, Any] = self.definitions[reference.removeprefix(_REFS)]
        return found

    def at(self, path: tuple[str, ...]) -> tuple[dict[str, Any], bool]:
        """The schema at a place, and whether a value is required there."""
        schema, required = self.schema, True
        for step in path:
            holder = self.resolved(schema)
            required = required and step in holder.get("required", ())
            schema = holder.get("properties", {}).get(step, {})
        return dict(schema), required


def _models(operation: Operation, source: str) -> Iterator[_Model]:
    for model in operation.models:
        if model.__ninja_param_source__ == source:
            yield _Model(model)


def _of(operation: Operation, source: Place | str, place: Place = "path") -> list[Input]:
    """The values of the path, the query string or a form, however deep in models they stand."""
    found = []
    for model in _models(operation, source):
        for name, path in model.model.__ninja_flatten_map__.items():
            schema, required = model.at(path)
            found.append(Input(name=name, key=name, place=place, schema=schema, required=required))
    return found


def _definitions(operation: Operation, *sources: str) -> dict[str, Any]:
    found: dict[str, Any] = {}
    for source in sources:
        for model in _models(operation, source):
            found.update(model.definitions)
    return found


def _query(operation: Operation) -> Source:
    for source in ("header", "cookie"):
        for each in _of(operation, source):
            if each.required:
                raise RegistrationError(
                    f"{operation.view_func.__name__}() needs the {source} {each.name!r}, which is "
                    "no argument of a tool: give it a default."
                )
    # The path's definitions come along: its schemas are in `Facts.path`.
    definitions = _definitions(operation, "path", "query")
    return Source(inputs=tuple(_of(operation, "query", "query")), definitions=definitions)


def _body(operation: Operation) -> Source | None:
    for model in _models(operation, "file"):
        if model.schema.get("required"):
            raise RegistrationError(
                f"{operation.view_func.__name__}() needs a file, which the arguments of a tool "
                "cannot carry: give it a default."
            )
    form = _of(operation, "form", "form")
    inputs = list(form)
    for model in _models(operation, "body"):
        inputs.extend(_of_body(model))
    if not inputs:
        return None
    place: Place = "form" if any(each.place == "form" for each in inputs) else "json"
    definitions = _definitions(operation, "form", "body")
    return Source(inputs=tuple(inputs), definitions=definitions, place=place)


def _of_body(model: _Model) -> Iterator[Input]:
    single = getattr(model.model, "__read_from_single_attr__", None)
    if hasattr(model.model, "__ninja_body_params__"):
        # Beside form fields a body is sent as fields as well, whose texts are JSON.
        for name in model.model.__ninja_body_params__:
            schema, required = model.at((name,))
            write = _as_json(name)
            yield Input(name=name, place="form", schema=schema, required=required, write=write)
    elif single is None:
        for name in model.schema["properties"]:
            schema, required = model.at((name,))
            yield Input(name=name, place="json", schema=schema, required=required)
    else:
        yield from _of_single(model, next(iter(model.schema["properties"])))


def _of_single(model: _Model, name: str) -> Iterator[Input]:
    schema, required = model.at((name,))
    inner = model.resolved(schema)
    if inner.get("type") != "object" or "properties" not in inner:
        yield Input(name=name, place="whole", schema=schema, required=required)
        return
    for each, each_schema in inner["properties"].items():
        needed = required and each in inner.get("required", ())
        yield Input(name=each, place="json", schema=each_schema, required=needed)


def _as_json(key: str) -> Write:
    write: Callable[[Any], Iterator[tuple[str, str]]] = lambda value: iter(  # noqa: E731
        [(key, json.dumps(value))]
    )
    return write


# ---------------------------------------------------------------------------------- what it answers


def _output(operation: Operation) -> dict[str, Any] | None:
    """The schema of the answer, where there is one for all that goes well."""
    models = [
        model
        for status, model in operation.response_models.items()
        if isinstance(status, int) and 200 <= status < 300
    ]
    sure = (
        len(models) == 1
        and models[0] is not None
        and models[0] is not NOT_SET
        and operation.stream_format is None
        and not (operation.exclude_unset or operation.exclude_defaults or operation.exclude_none)
        and type(operation.api.renderer) is JSONRenderer
    )
    if not sure:
        return None
    adapter = TypeAdapter(models[0])
    schema = schema_of(adapter, "serialization", by_alias=operation.by_alias)
    answer: dict[str, Any] = dict(schema["properties"]["response"])
    definitions = schema.get("$defs", {})
    if "$ref" in answer:
        answer = dict(definitions[answer["$ref"].removeprefix(_REFS)])
    if answer.get("type") not in ("object", "array"):
        return None
    needed = referred(answer, definitions)
    return {**answer, "$defs": needed} if needed else answer
