"""A Django form as a question: `ctx.ask("Who is the card for?", ReaderForm)`.

Owns which form a client is shown, within what a question may be, and how its answer is validated.
How a question travels is `server.asking`; what one property of it may be, `server.form_fields`;
how a form is bound, `forms`.

A form is given as a class, or as an instance that is not bound: with initial values, the object of
a ModelForm, or arguments of its own.
"""

from __future__ import annotations

import copy
from collections.abc import Collection, Mapping
from typing import Any, Final

from asgiref.sync import sync_to_async
from django import forms
from django.forms.formsets import BaseFormSet
from django.forms.models import BaseModelForm
from django.forms.utils import pretty_name

from ..server import form_fields
from ..server.form_fields import FormField
from ..server.forms import InvalidAnswer, UnaskableType
from .form_fields import Property, as_json, choice_schema, describe, options
from .forms import bind_again, errors_of

#: Objects that may be chosen from; of more, a person types the key.
MOST_OBJECTS: Final = 100


def question_of(spec: Any) -> DjangoQuestion:
    """The form to ask for, of a class or an instance; raises UnaskableType where it can be none."""
    if isinstance(spec, BaseFormSet) or (isinstance(spec, type) and issubclass(spec, BaseFormSet)):
        raise UnaskableType(_kind(spec), None, "is a formset; ask for one form at a time")
    form = spec() if isinstance(spec, type) else spec
    if form.is_bound:
        raise UnaskableType(_kind(spec), None, "is bound to data; give a form without any")
    return DjangoQuestion(form)


class Unservable(ValueError):
    """Nobody can be asked for a field; the text continues "the field …"."""


class DjangoQuestion:
    """A form to ask for, made of one that is not bound."""

    def __init__(self, form: Any) -> None:
        self._form = form
        self._properties: dict[str, Property] = {}
        self._fields: dict[str, FormField] = {}
        schemas: dict[str, Any] = {}
        for name, field in form.fields.items():
            if field.disabled or (isinstance(field, forms.FileField) and not field.required):
                continue
            try:
                made = _described(form, name, field)
                schemas[name] = form_fields.simplified(made.schema)
                self._fields[name] = form_fields.parse(schemas[name], of_type=True)
            except (Unservable, ValueError) as error:
                raise UnaskableType(type(form), name, error) from error
            self._properties[name] = made
        self._required = [
            name
            for name in schemas
            if form.fields[name].required and form[name].initial in form.fields[name].empty_values
        ]
        self._schema = {"type": "object", "properties": schemas}

    @property
    def requested_schema(self) -> dict[str, Any]:
        required = {"required": list(self._required)} if self._required else {}
        return {**copy.deepcopy(self._schema), **required}

    @property
    def fields(self) -> Collection[str]:
        return self._properties

    async def read(self, content: Mapping[str, Any] | None) -> dict[str, Any]:
        """The form's `cleaned_data`; raises InvalidAnswer with what is wrong by field."""
        return await sync_to_async(self._read)(content or {})

    def _read(self, content: Mapping[str, Any]) -> dict[str, Any]:
        given: dict[str, Any] = {}
        wrong: dict[str, str] = {}
        for name, found in self._properties.items():
            answer = content.get(name)
            if answer is None:
                continue
            try:
                given[name] = found.read(self._fields[name].check(answer))
            except ValueError as error:
                wrong[name] = str(error)
        if wrong:
            raise InvalidAnswer(wrong)
        form = bind_again(_copied(self._form), given)
        if not form.is_valid():
            raise InvalidAnswer({n: " ".join(texts) for n, texts in errors_of(form).items()})
        cleaned: dict[str, Any] = form.cleaned_data
        return cleaned


def _copied(form: Any) -> Any:
    """A form to bind: the one that was asked for stays as it is, and may be asked for again."""
    copied = copy.copy(form)
    copied.fields = copy.deepcopy(form.fields)
    copied._bound_fields_cache = {}
    if isinstance(form, BaseModelForm):
        copied.instance = copy.copy(form.instance)
    return copied


def _kind(spec: Any) -> type:
    return spec if isinstance(spec, type) else type(spec)


def _described(form: Any, name: str, field: forms.Field) -> Property:
    """The property of a field as a person is shown it: with a title, and what can be chosen."""
    if isinstance(field, forms.FileField):
        raise Unservable("is a file, which nobody can type in; leave it out of the form")
    made = describe(field)
    schema = {"title": str(field.label or pretty_name(name)), **made.schema}
    if isinstance(field, forms.DecimalField):
        schema["type"] = "number"  # A question has no two types for one field.
    if isinstance(field.widget, forms.PasswordInput):
        schema["format"] = "password"
    found = _to_choose_from(field)
    if found is not None:
        schema = _with_options(schema, field, found)
    schema.pop("default", None)
    if (default := _shown(form[name].initial, field, found)) is not None:
        schema["default"] = default
    return Property(schema=schema, read=made.read)


def _to_choose_from(field: forms.Field) -> list[tuple[Any, str]] | None:
    """What a person chooses from, as texts with titles; None where they write it down.

    Objects are shown where the form asks for that, with radio buttons or boxes to tick, and there
    are few of them.
    """
    if not isinstance(field, forms.ChoiceField):
        return None
    if not isinstance(field, forms.ModelChoiceField):
        return [(str(value), title) for value, title in options(field, made=True) or ()] or None
    if not isinstance(field.widget, forms.RadioSelect | forms.CheckboxSelectMultiple):
        return None
    objects = list(field.queryset.all()[: MOST_OBJECTS + 1]) if field.queryset is not None else []
    if not 0 < len(objects) <= MOST_OBJECTS:
        return None
    return [
        (str(field.prepare_value(each)), str(field.label_from_instance(each))) for each in objects
    ]


def _with_options(
    schema: dict[str, Any], field: forms.Field, found: list[tuple[Any, str]]
) -> dict[str, Any]:
    words: dict[str, Any] = {k: schema[k] for k in ("title", "description") if k in schema}
    if isinstance(field, forms.MultipleChoiceField | forms.ModelMultipleChoiceField):
        counts = {key: schema[key] for key in ("minItems",) if key in schema}
        return {"type": "array", **words, **counts, "items": choice_schema(found, "anyOf")}
    return {**words, **choice_schema(found)}


def _shown(initial: Any, field: forms.Field, found: list[tuple[Any, str]] | None) -> Any:
    """What stands in a field of the question, where a client can show it."""
    value = field.prepare_value(initial)
    plain = as_json(value)
    if plain is None or found is None:
        return plain
    known = {const for const, _ in found}
    if isinstance(plain, list):
        return [str(each) for each in plain if str(each) in known]
    return str(plain) if str(plain) in known else None
