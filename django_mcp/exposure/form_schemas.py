"""The fields of a Django form as JSON Schema, and as what a browser would send for them.

What a form says of its fields is published; whether a value is right is for the form itself, which
the view asks as always. So a schema here is never narrower than its field. Questions that a server
asks its user are another matter, and of `server.forms`.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from typing import Any

from django import forms
from django.core import validators
from django.forms.models import ModelChoiceField, ModelMultipleChoiceField
from django.utils.encoding import force_str

Pairs = Iterator[tuple[str, str]]
Write = Callable[[Any], Pairs]

#: Choices that are listed; of more, a caller learns only that there are some.
MOST_CHOICES = 200

_TYPES: tuple[tuple[type[forms.Field], dict[str, Any]], ...] = (
    (forms.BooleanField, {"type": "boolean"}),
    (forms.FloatField, {"type": "number"}),
    # As a text as well: a number of JSON is a float to most programs, and 0.10 is not 0.1.
    (forms.DecimalField, {"type": ["number", "string"]}),
    (forms.IntegerField, {"type": "integer"}),
    (forms.DateTimeField, {"type": "string", "description": "A date and a time."}),
    (forms.DateField, {"type": "string", "description": "A date, as 2026-01-31."}),
    (forms.TimeField, {"type": "string", "description": "A time, as 14:30."}),
    (forms.DurationField, {"type": "string", "description": "A duration, as 3 12:00:00."}),
    (forms.EmailField, {"type": "string", "format": "email"}),
    (forms.UUIDField, {"type": "string", "format": "uuid"}),
    (forms.GenericIPAddressField, {"type": "string"}),
    (forms.JSONField, {}),
    (forms.URLField, {"type": "string"}),
    (forms.CharField, {"type": "string"}),
)


def takes_file(field: forms.Field) -> bool:
    """True for what is filled with an upload, which the arguments of a tool cannot carry."""
    return isinstance(field, forms.FileField)


def field_schema(field: forms.Field) -> dict[str, Any]:
    """The schema of the values of `field`."""
    schema = _kind(field)
    label = force_str(field.label) if field.label else ""
    if label:
        schema["title"] = label
    if field.help_text:
        schema["description"] = force_str(field.help_text)
    return schema


def preset(field: forms.Field, initial: Any = None) -> Any:
    """What the field has in it before anybody has filled it in; None for nothing, or for what is
    found anew each time. `initial` is the view's, and goes before the field's."""
    found = field.initial if initial is None else initial
    return found if isinstance(found, str | int | float) and found != "" else None


def _kind(field: forms.Field) -> dict[str, Any]:
    if isinstance(field, forms.NullBooleanField):
        return {"type": ["boolean", "null"]}
    if isinstance(field, ModelMultipleChoiceField):
        return {"type": "array", "items": _key_schema(field)}
    if isinstance(field, ModelChoiceField):
        return _or_null(_key_schema(field), field)
    if isinstance(field, forms.MultipleChoiceField | forms.TypedMultipleChoiceField):
        return {"type": "array", "items": _choices_schema(field), "uniqueItems": True}
    if isinstance(field, forms.ChoiceField):
        return _choices_schema(field)
    if isinstance(field, forms.MultiValueField):
        return {"type": "array", "items": {"type": "string"}, "maxItems": len(field.fields)}
    for cls, known in _TYPES:
        if isinstance(field, cls):
            return _bounded(dict(known), field)
    return {"type": ["string", "number", "boolean", "null"]}


def _bounded(schema: dict[str, Any], field: forms.Field) -> dict[str, Any]:
    kinds = schema.get("type")
    if kinds == "string":
        for attribute, keyword in (("min_length", "minLength"), ("max_length", "maxLength")):
            limit = getattr(field, attribute, None)
            # An optional text may be empty, however long one has to be that is not.
            if isinstance(limit, int) and (keyword == "maxLength" or field.required):
                schema[keyword] = limit
    elif kinds in ("integer", "number"):
        for validator in field.validators:
            limit = getattr(validator, "limit_value", None)
            if not isinstance(limit, int | float):
                continue
            if isinstance(validator, validators.MinValueValidator):
                schema["minimum"] = limit
            elif isinstance(validator, validators.MaxValueValidator):
                schema["maximum"] = limit
        schema = _or_null(schema, field)
    return schema


def _or_null(schema: dict[str, Any], field: forms.Field) -> dict[str, Any]:
    if field.required or not isinstance(schema.get("type"), str):
        return schema
    return {**schema, "type": [schema["type"], "null"]}


def _key_schema(field: Any) -> dict[str, Any]:
    """What identifies a row: its choices are the caller's own, so they are not listed."""
    model = field.queryset.model
    target = (
        model._meta.pk if not field.to_field_name else model._meta.get_field(field.to_field_name)
    )
    kind = key_type(target)
    name = force_str(model._meta.verbose_name)
    return {"type": kind, "description": f"The {target.name} of a {name}."}


def key_type(field: Any) -> str:
    """The JSON type of the values of a model field that identifies rows."""
    while getattr(field, "remote_field", None) is not None:
        field = field.target_field
    return (
        "integer"
        if "Integer" in field.get_internal_type() or ("AutoField" in field.get_internal_type())
        else "string"
    )


def _choices_schema(field: Any) -> dict[str, Any]:
    given = getattr(field, "_choices", None)
    if given is None or callable(getattr(given, "func", None)):
        return {"type": ["string", "number"]}  # They come from elsewhere, a table perhaps.
    flat = list(_flat(field.choices))
    if not flat or len(flat) > MOST_CHOICES:
        return {"type": ["string", "number"]}
    values = [value for value, _ in flat]
    if not all(isinstance(value, str | int) for value in values):
        return {"type": ["string", "number"]}
    schema: dict[str, Any] = {"enum": values if field.required else [*_without("", values), ""]}
    named = [f"{value}: {label}" for value, label in flat if str(value) != label and value != ""]
    if named:
        schema["description"] = "; ".join(named)
    return schema


def _without(value: object, values: list[Any]) -> list[Any]:
    return [each for each in values if each != value]


def _flat(choices: Any) -> Iterator[tuple[Any, str]]:
    for value, label in choices:
        if isinstance(label, list | tuple):
            yield from _flat(label)
        else:
            yield value, force_str(label)


# ------------------------------------------------------------------------------------- the browser


def writer(field: forms.Field, key: str) -> Write:
    """What a browser sends under `key` for a value of `field`: pairs of a name and a text."""
    if isinstance(field, forms.NullBooleanField):
        words = {True: "true", False: "false", None: ""}
        return lambda value: iter([(key, words[value])])
    if isinstance(field, forms.BooleanField):
        # A box that is not ticked sends nothing.
        return lambda value: iter([(key, "on")] if value else [])
    if isinstance(field, forms.MultiValueField):
        names = getattr(field.widget, "widgets_names", None)
        endings = names or [f"_{number}" for number in range(len(field.fields))]
        return lambda value: (
            (f"{key}{ending}", text_of(part)) for ending, part in zip(endings, value, strict=False)
        )
    if isinstance(field, forms.JSONField):
        return lambda value: iter([(key, force_str(field.prepare_value(value)))])
    return lambda value: pairs_of(key, value)


def pairs_of(key: str, value: Any) -> Pairs:
    """A value as pairs of a query string: a list has one for each of its members."""
    if isinstance(value, list):
        for each in value:
            yield key, text_of(each)
    elif value is not None:
        yield key, text_of(value)


def text_of(value: Any) -> str:
    """A value of JSON as the text that stands for it in a URL or a form."""
    if value is None:
        return ""
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, float) and value.is_integer():
        return str(int(value))
    if isinstance(value, dict | list):
        return json.dumps(value)
    return str(value)
