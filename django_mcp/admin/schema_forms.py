"""A JSON Schema as a Django form, and what is filled in as arguments.

For people who try something out: each property is a field, what no field suits is written as JSON,
and what is left empty is left out. Whether it fits is the server's to say.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

from django import forms

#: Properties that have a field of their own; who wants to fill in more writes JSON.
MOST_FIELDS: Final = 60


class SchemaForm(forms.Form):
    """The fields of an object's schema, and the arguments they make once they are valid."""

    def __init__(self, schema: Mapping[str, Any], *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self._names: dict[str, str] = {}
        properties = schema.get("properties")
        required = schema.get("required") or ()
        definitions = schema.get("$defs") or {}
        members = list(properties.items()) if isinstance(properties, Mapping) else []
        for number, (name, member) in enumerate(members[:MOST_FIELDS]):
            # Names of properties are anything; those of fields stand in HTML.
            field = f"field_{number}"
            self._names[field] = name
            self.fields[field] = _field(name, _resolved(member, definitions), name in required)

    @property
    def arguments(self) -> dict[str, Any]:
        """What was filled in, by the names of the properties."""
        found = {name: self.cleaned_data[field] for field, name in self._names.items()}
        return {name: value for name, value in found.items() if value not in (None, "")}


def _resolved(schema: Any, definitions: Mapping[str, Any]) -> Mapping[str, Any]:
    """A schema without its reference, and without the null it may be as well."""
    for _ in range(10):
        if not isinstance(schema, Mapping):
            return {}
        reference = schema.get("$ref")
        if isinstance(reference, str):
            found = definitions.get(reference.removeprefix("#/$defs/"))
            own = {key: value for key, value in schema.items() if key != "$ref"}
            schema = {**(found if isinstance(found, Mapping) else {}), **own}
            continue
        branches = schema.get("anyOf")
        if isinstance(branches, list):
            some = [each for each in branches if each != {"type": "null"}]
            if len(some) == 1 and isinstance(some[0], Mapping):
                own = {key: value for key, value in schema.items() if key != "anyOf"}
                schema = {**some[0], **own}
                continue
        break
    return schema if isinstance(schema, Mapping) else {}


def _field(name: str, schema: Mapping[str, Any], required: bool) -> forms.Field:
    title, description = schema.get("title"), schema.get("description")
    options: dict[str, Any] = {
        "label": name,
        "required": required,
        "help_text": description if isinstance(description, str) else str(title or ""),
    }
    if options["help_text"].lower().replace(" ", "_") == name.lower():
        options["help_text"] = ""
    default = schema.get("default")
    if isinstance(default, str | int | float) and not isinstance(default, bool):
        options["initial"] = default
    if schema.get("writeOnly") is True or schema.get("format") == "password":
        return forms.CharField(widget=forms.PasswordInput, strip=False, **options)
    choices = _choices(schema)
    if choices:
        return forms.TypedChoiceField(
            choices=[("", "---------"), *((str(i), label) for i, (_, label) in enumerate(choices))],
            coerce=lambda chosen: choices[int(chosen)][0],
            empty_value=None,
            **{**options, "initial": _index(choices, schema.get("default"))},
        )
    match schema.get("type"):
        case "integer":
            return forms.IntegerField(**options)
        case "number":
            return forms.FloatField(**options)
        case "boolean":
            return forms.TypedChoiceField(
                choices=[("", "---------"), ("true", "true"), ("false", "false")],
                coerce=lambda chosen: chosen == "true",
                empty_value=None,
                **{**options, "initial": str(schema.get("default", "")).lower()},
            )
        case "string":
            return forms.CharField(strip=False, **options)
    options["help_text"] = f"{options['help_text']} JSON.".strip()
    if schema.get("default") is not None:
        options["initial"] = schema["default"]
    return forms.JSONField(widget=forms.Textarea(attrs={"rows": 3}), **options)


def _choices(schema: Mapping[str, Any]) -> list[tuple[Any, str]]:
    """The values there are to choose from, with the words for each."""
    enum = schema.get("enum")
    if isinstance(enum, list):
        names = schema.get("enumNames")
        titles = names if isinstance(names, list) and len(names) == len(enum) else enum
        return [(value, str(title)) for value, title in zip(enum, titles, strict=True)]
    branches = schema.get("oneOf")
    if isinstance(branches, list) and all(
        isinstance(each, Mapping) and "const" in each for each in branches
    ):
        return [(each["const"], str(each.get("title", each["const"]))) for each in branches]
    return []


def _index(choices: list[tuple[Any, str]], default: Any) -> str:
    found = [number for number, (value, _) in enumerate(choices) if value == default]
    return str(found[0]) if found and default is not None else ""
