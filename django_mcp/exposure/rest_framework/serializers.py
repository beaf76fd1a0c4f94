"""Serializers of Django REST Framework as JSON Schema: what they read, and what they write.

Whether a value is right is for the serializer itself, which the view asks as always; so what it
reads is never described narrower than it is. What it writes is described only where it is sure:
what the project's own code writes may be anything.
"""

from __future__ import annotations

import inspect
from collections.abc import Mapping
from typing import Any, Final

from django.core import validators
from django.utils.encoding import force_str
from rest_framework import relations, serializers

from ...server.errors import RegistrationError
from ..form_fields import MOST_CHOICES, key_type
from ..views.inputs import Input, Place, Source

#: How deep serializers are followed into one another; below that, a value is an object.
DEEPEST: Final = 6

#: The classes of the serializers that one stands in.
Above = tuple[type[Any], ...]


def is_serializer(value: Any) -> bool:
    """True for a serializer, or a class of them."""
    if inspect.isclass(value):
        return issubclass(value, serializers.BaseSerializer)
    return isinstance(value, serializers.BaseSerializer)


def from_serializer(given: Any, place: Place, *, partial: bool = False) -> Source:
    """The fields of a serializer that a caller may write; a list of rows is one argument."""
    serializer = given() if inspect.isclass(given) else given
    if isinstance(serializer, serializers.ListSerializer):
        schema = _field_schema(serializer, written=False)
        whole = Input(name="items", place="whole", schema=schema, required=not partial)
        return Source(inputs=(whole,), place="json")
    if not isinstance(serializer, serializers.Serializer):
        return Source(inputs=(Input(name="data", place="whole", schema={}, required=True),))
    inputs = []
    for name, field in serializer.fields.items():
        if field.read_only or isinstance(field, serializers.HiddenField):
            continue
        if isinstance(field, serializers.FileField):
            if field.required and not partial:
                raise RegistrationError(
                    f"{type(serializer).__name__}.{name} is a file, which the arguments of a tool "
                    "cannot carry: make it optional, or give body= without it."
                )
            continue
        required = field.required and not partial and not serializer.partial
        schema = _field_schema(field, written=False)
        inputs.append(Input(name=name, place=place, schema=schema, required=required))
    return Source(inputs=tuple(inputs), place=place if place in ("json", "form") else None)


def written_schema(given: Any) -> dict[str, Any]:
    """The schema of what a serializer writes; empty where it writes what only it knows."""
    serializer = given() if inspect.isclass(given) else given
    return _field_schema(serializer, written=True)


# ----------------------------------------------------------------------------------------- fields

_KINDS: Final[tuple[tuple[type[Any], Mapping[str, Any]], ...]] = (
    (serializers.BooleanField, {"type": "boolean"}),
    (serializers.IntegerField, {"type": "integer"}),
    (serializers.FloatField, {"type": "number"}),
    (serializers.DateTimeField, {"type": "string", "format": "date-time"}),
    (serializers.DateField, {"type": "string", "format": "date"}),
    (serializers.TimeField, {"type": "string"}),
    (serializers.DurationField, {"type": "string"}),
    (serializers.UUIDField, {"type": "string", "format": "uuid"}),
    (serializers.EmailField, {"type": "string", "format": "email"}),
    (serializers.URLField, {"type": "string"}),
    (serializers.IPAddressField, {"type": "string"}),
    (serializers.CharField, {"type": "string"}),
    (relations.HyperlinkedRelatedField, {"type": "string"}),
    (relations.StringRelatedField, {"type": "string"}),
)

#: Methods that say what is written. One of the project's own may write anything.
_SERIALIZERS: Final = (
    serializers.Serializer.to_representation,
    serializers.ListSerializer.to_representation,
)


def _field_schema(field: Any, *, written: bool, above: Above = ()) -> dict[str, Any]:
    """The schema of a field: of what it reads, or of what it has `written`."""
    schema = _kind(field, written, above)
    if isinstance(field, serializers.BaseSerializer) and not above:
        return schema
    may_be_null = field.allow_null or (written and _may_be_missing(field))
    if may_be_null and schema:
        schema = _nullable(schema)
    label = force_str(field.help_text) if field.help_text else ""
    if label:
        schema["description"] = label
    default = field.default
    if not written and isinstance(default, str | int | float | bool | None):
        schema["default"] = default
    return schema


def _may_be_missing(field: Any) -> bool:
    """True where None may be written though the field does not say so: it reads only, or looks
    through a relation."""
    parent = getattr(getattr(field.parent, "Meta", None), "model", None)
    if parent is not None and field.source in ("pk", parent._meta.pk.name):
        return False
    return bool(field.read_only) or "." in (field.source or "")


def _nullable(schema: dict[str, Any]) -> dict[str, Any]:
    if isinstance(schema.get("type"), str):
        schema = {**schema, "type": [schema["type"], "null"]}
        if "enum" in schema:
            schema["enum"] = [*schema["enum"], None]
        return schema
    if "enum" in schema:
        return {**schema, "enum": [*schema["enum"], None]}
    return {"anyOf": [schema, {"type": "null"}]}


def _kind(field: Any, written: bool, above: Above) -> dict[str, Any]:
    if written and not _is_known(field):
        return {}
    if isinstance(field, serializers.ListSerializer | serializers.ListField):
        return _list(field, written, above)
    if isinstance(field, relations.ManyRelatedField):
        items = _kind(field.child_relation, written, above)
        return {"type": "array", "items": items}
    if isinstance(field, serializers.Serializer):
        return _object(field, written, above)
    if isinstance(field, serializers.DictField):
        inner = _field_schema(field.child, written=written, above=above)
        return {"type": "object", "additionalProperties": inner or True}
    if isinstance(field, serializers.MultipleChoiceField):
        return {"type": "array", "items": _choices(field, written)}
    if isinstance(field, serializers.ChoiceField):
        return _choices(field, written)
    if isinstance(field, serializers.DecimalField):
        as_text = getattr(field, "coerce_to_string", True)
        kind: Any = ("string" if as_text else "number") if written else ["number", "string"]
        return {"type": kind}
    if isinstance(field, relations.PrimaryKeyRelatedField):
        return _key(field)
    if isinstance(field, relations.SlugRelatedField):
        return {} if written else {"type": ["string", "integer"]}
    for cls, known in _KINDS:
        if isinstance(field, cls):
            if written and _formats(field):
                return {}
            return _sent(known) if written else _bounded(dict(known), field)
    return {}


def _sent(known: Mapping[str, Any]) -> dict[str, Any]:
    """What is written may be empty where what is read has a form."""
    return {key: value for key, value in known.items() if value != "email"}


def _is_known(field: Any) -> bool:
    """False where the project's own code decides what is written."""
    if isinstance(field, serializers.BaseSerializer):
        return type(field).to_representation in _SERIALIZERS or (
            type(field).to_representation is serializers.ModelSerializer.to_representation
        )
    module: str = type(field).to_representation.__module__
    return module.startswith("rest_framework.")


def _formats(field: Any) -> bool:
    """True where a time is written in a format of the project's, or as Python has it."""
    form = getattr(field, "format", "iso-8601")
    return isinstance(field, serializers.DateTimeField | serializers.DateField) and (
        form is None or str(form).lower() != "iso-8601"
    )


def _list(field: Any, written: bool, above: Above) -> dict[str, Any]:
    schema: dict[str, Any] = {"type": "array"}
    items = _field_schema(field.child, written=written, above=above)
    if items:
        schema["items"] = items
    if not written:
        for attribute, keyword in (("min_length", "minItems"), ("max_length", "maxItems")):
            if isinstance(limit := getattr(field, attribute, None), int):
                schema[keyword] = limit
        if getattr(field, "allow_empty", True) is False:
            schema.setdefault("minItems", 1)
    return schema


def _object(serializer: Any, written: bool, above: Above) -> dict[str, Any]:
    """The fields of a serializer; inside itself, one is followed once more and then an object."""
    kind = type(serializer)
    if len(above) >= DEEPEST or above.count(kind) > 1:
        return {"type": "object"}
    above = (*above, kind)
    properties: dict[str, Any] = {}
    required = []
    for name, field in serializer.fields.items():
        if field.write_only if written else field.read_only:
            continue
        if isinstance(field, serializers.HiddenField):
            continue
        if isinstance(field, serializers.FileField) and not written:
            continue
        properties[name] = _field_schema(field, written=written, above=above)
        if not written and field.required and not serializer.partial:
            required.append(name)
    schema: dict[str, Any] = {"type": "object", "properties": properties}
    if required:
        schema["required"] = required
    return schema


def _choices(field: Any, written: bool) -> dict[str, Any]:
    values = list(field.choices)
    if not values or len(values) > MOST_CHOICES:
        return {}
    if not all(isinstance(value, str | int) for value in values):
        return {}
    if written:
        # A row may have a value from before the choices were these.
        return {}
    if field.allow_blank and "" not in values:
        values.append("")
    labels = [
        f"{value}: {force_str(label)}"
        for value, label in field.choices.items()
        if str(value) != force_str(label)
    ]
    schema: dict[str, Any] = {"enum": values}
    if labels:
        schema["description"] = "; ".join(labels)
    return schema


def _key(field: Any) -> dict[str, Any]:
    if field.pk_field is not None:
        return {}
    queryset = field.queryset
    model = getattr(queryset, "model", None)
    if model is None:
        return {"type": ["string", "integer"]}
    return {"type": key_type(model._meta.pk)}


def _bounded(schema: dict[str, Any], field: Any) -> dict[str, Any]:
    kind = schema["type"]
    for validator in field.validators:
        limit = getattr(validator, "limit_value", None)
        limit = limit() if callable(limit) else limit
        if not isinstance(limit, int | float):
            continue
        for cls, of_kind, keyword in _LIMITS:
            if isinstance(validator, cls) and kind in of_kind:
                schema[keyword] = limit
    if kind == "string" and getattr(field, "allow_blank", False):
        schema.pop("minLength", None)
    return schema


_LIMITS: Final = (
    (validators.MinValueValidator, ("integer", "number"), "minimum"),
    (validators.MaxValueValidator, ("integer", "number"), "maximum"),
    (validators.MinLengthValidator, ("string",), "minLength"),
    (validators.MaxLengthValidator, ("string",), "maxLength"),
)
