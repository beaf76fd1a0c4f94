"""What `query=` and `body=` of a view's tool may be, as arguments.

A form or a filter set of Django's, a pydantic model, a dataclass, a TypedDict, a mapping of names
to types, a JSON Schema. A serializer is the business of `rest_framework.serializers`.
"""

from __future__ import annotations

import sys
from collections.abc import Mapping
from types import MappingProxyType, ModuleType
from typing import Annotated, Any, cast

from django.forms import BaseForm, BooleanField, FileField
from pydantic import Field, TypeAdapter
from pydantic.fields import FieldInfo
from typing_extensions import TypedDict

from ...server.errors import RegistrationError
from ...server.json_schema import schema_of
from .. import form_fields
from . import browser
from .inputs import Input, Place, Source

_ALLOWED = (
    "a Django form, a filter set, a serializer, a pydantic model, a dataclass, a TypedDict, a dict "
    'of names and types ({"q": str}), or a JSON Schema of the type "object"'
)


def serializers() -> ModuleType | None:
    """Our module for the serializers of REST framework, None where the project has none."""
    if "rest_framework.serializers" not in sys.modules:
        return None
    # Here, because the project may do without it.
    from ..rest_framework import serializers as found

    return found


def source_of(given: Any, place: Place) -> Source:
    """The arguments that `given`, the value of `query=` or `body=`, stands for.

    `place` is "query" or "json"; a form is sent as a form. Raises RegistrationError for what is
    none of these.
    """
    if isinstance(given, Mapping):
        if given.get("type") == "object" and isinstance(given.get("properties", {}), Mapping):
            return from_schema(given, place)
        return from_schema(_schema_of(_typed_dict(given)), place)
    if isinstance(given, type):
        if issubclass(given, BaseForm):
            return from_form(given, place if place == "query" else "form")
        if hasattr(given, "base_filters"):
            return from_form(filter_form(given), place if place == "query" else "form")
    found = serializers()
    if found is not None and found.is_serializer(given):
        source: Source = found.from_serializer(given, place)
        return source
    if isinstance(given, type):
        return from_schema(_schema_of(given), place)
    raise RegistrationError(f"{place} arguments cannot be read from {given!r}: give {_ALLOWED}.")


def filter_form(filter_set: Any) -> type[BaseForm]:
    """The form of a filter set of django-filter."""
    form_class: type[BaseForm] = filter_set().get_form_class()
    return form_class


def from_form(
    form: type[BaseForm],
    place: Place,
    *,
    prefix: str | None = None,
    initial: Mapping[str, Any] = MappingProxyType({}),
) -> Source:
    """The fields of a form; `prefix` and `initial` are those of the form in its page."""
    fields = _fields(form)
    inputs = []
    for name, field in fields.items():
        if field.disabled:
            continue
        if isinstance(field, FileField) and place == "query":
            continue
        key = f"{prefix}-{name}" if prefix else name
        schema = dict(form_fields.describe(field).schema)
        schema.pop("default", None)
        if not (field.required or isinstance(field, BooleanField)):
            schema = form_fields.or_null(schema)
        # What a page shows first is not what it filters by.
        preset = None if place == "query" else form_fields.preset(field, initial.get(name))
        if preset is not None:
            schema["default"] = preset
        inputs.append(
            Input(
                name=name,
                place=place,
                key=key,
                schema=schema,
                required=field.required and preset is None,
                preset=preset,
                kept=isinstance(field, FileField),
                write=browser.writer(field, key),
            )
        )
    return Source(inputs=tuple(inputs), place=place if place == "form" else None)


def _fields(form: type[BaseForm]) -> Mapping[str, Any]:
    try:
        # A form may add to its fields as it is made,
        return form().fields
    except Exception:
        # and one that needs more to be made has at least those of its class.
        return cast(Mapping[str, Any], getattr(form, "base_fields", {}))


def from_schema(schema: Mapping[str, Any], place: Place) -> Source:
    """The properties of a JSON Schema."""
    required = schema.get("required", ())
    inputs = tuple(
        Input(name=name, place=place, schema=each, required=name in required)
        for name, each in schema.get("properties", {}).items()
    )
    place_of_body: Place | None = place if place in ("json", "form") else None
    return Source(inputs=inputs, definitions=schema.get("$defs", {}), place=place_of_body)


def output_schema(given: Any) -> dict[str, Any]:
    """The schema of what a view answers, as `output=` gives it."""
    if isinstance(given, Mapping):
        return dict(given)
    found = serializers()
    if found is not None and found.is_serializer(given):
        schema: dict[str, Any] = found.written_schema(given)
        return schema
    return schema_of(_adapter(given), "serialization")


def _typed_dict(given: Mapping[str, Any]) -> Any:
    """Names and types as a TypedDict: each may be left out, unless its Field has no default."""
    fields: dict[str, Any] = {}
    for name, each in given.items():
        if not isinstance(name, str):
            raise RegistrationError(f"{name!r} is no name of an argument: give {_ALLOWED}.")
        fields[name] = _annotation(name, each)
    return cast(Any, TypedDict)("Arguments", fields, total=False)


def _annotation(name: str, given: Any) -> Any:
    if isinstance(given, tuple):
        from_types, default = given
        return _with(from_types, default)
    if isinstance(given, FieldInfo | str | int | float) or given is None:
        raise RegistrationError(
            f'The argument {name!r} has {given!r} for its type: write {{"{name}": str}}, or '
            f'{{"{name}": (str, "a default")}}.'
        )
    return given


def _with(annotation: Any, default: Any) -> Any:
    info = (
        default if isinstance(default, FieldInfo) else Field(json_schema_extra={"default": default})
    )
    return Annotated[annotation, info]


def _schema_of(annotation: Any) -> dict[str, Any]:
    schema = schema_of(_adapter(annotation), "validation")
    if schema.get("type") != "object":
        raise RegistrationError(f"{annotation!r} is no object with names: give {_ALLOWED}.")
    return schema


def _adapter(annotation: Any) -> TypeAdapter[Any]:
    try:
        return TypeAdapter(annotation)
    except Exception as error:
        raise RegistrationError(
            f"{annotation!r} cannot be described in JSON Schema "
            f"({str(error).partition(chr(10))[0]}): give {_ALLOWED}."
        ) from error
