"""A Python type → its JSON Schema (2020-12), written for the model that reads it.

Pydantic does the work; this module only says how the result should read: no titles made of names,
nothing that asks for ``null`` where leaving out is meant, no choice dropped in silence. Which types
a function uses is ``signatures``; what arguments and results do with a schema is ``schemas``.
"""

from __future__ import annotations

import re
from typing import Any, Literal

from pydantic import TypeAdapter
from pydantic.errors import PydanticInvalidForJsonSchema
from pydantic.json_schema import GenerateJsonSchema, JsonSchemaValue, JsonSchemaWarningKind
from pydantic_core import core_schema

NULL = {"type": "null"}


def schema_of(
    adapter: TypeAdapter[Any],
    mode: Literal["validation", "serialization"],
    *,
    by_alias: bool = True,
) -> dict[str, Any]:
    """Return the schema of what ``adapter`` accepts ("validation") or writes ("serialization").

    Raises PydanticInvalidForJsonSchema where there is none. A type that contains itself gets its
    own definition at the root, not a bare ``$ref``: a host looks for ``type`` there.
    """
    schema = adapter.json_schema(by_alias=by_alias, mode=mode, schema_generator=_Generator)
    definitions: dict[str, Any] = schema.get("$defs", {})
    for key, definition in definitions.items():
        _drop_title(definition, key)
    if set(schema) == {"$ref", "$defs"}:
        root = definitions[schema["$ref"].removeprefix("#/$defs/")]
        schema = {**root, "$defs": definitions}
    return schema


def drop_title(schema: dict[str, Any], name: str) -> None:
    """Remove the title of ``schema`` if it only repeats the name of a class."""
    if schema.get("title") == name:
        del schema["title"]


def _drop_title(definition: dict[str, Any], key: str) -> None:
    """The same for an entry of ``$defs``, whose key is the name, with its module if need be."""
    title = definition.get("title")
    if isinstance(title, str):
        plain = re.sub(r"[^a-zA-Z0-9.\-_]", "_", title)
        if key == plain or key.endswith(f"__{plain}"):
            del definition["title"]


class _Generator(GenerateJsonSchema):
    """Pydantic's generator, quieter and stricter."""

    def field_title_should_be_set(self, schema: Any) -> bool:
        return False

    def emit_warning(self, kind: JsonSchemaWarningKind, detail: str) -> None:
        """A default that is no JSON is left out; a choice that is no JSON is a mistake."""
        if kind == "skipped-choice":
            raise PydanticInvalidForJsonSchema(detail)

    def default_schema(self, schema: core_schema.WithDefaultSchema) -> JsonSchemaValue:
        """``T | None = None`` reads as an optional T: leaving it out is how to give nothing.

        A null is accepted all the same. The plain form is also what ``x-mcp-header`` needs, which
        stands on a single type only (2026-07-28, server/tools#x-mcp-header).
        """
        found = super().default_schema(schema)
        if self.mode == "serialization" or found.get("default", ...) is not None:
            return found
        del found["default"]
        choices = found.get("anyOf")
        if not isinstance(choices, list) or NULL not in choices:
            return found
        rest = [choice for choice in choices if choice != NULL]
        others = {key: value for key, value in found.items() if key != "anyOf"}
        return {**(rest[0] if len(rest) == 1 else {"anyOf": rest}), **others}

    def is_subclass_schema(self, schema: core_schema.IsSubclassSchema) -> JsonSchemaValue:
        """Pydantic would say: anything at all."""
        return self.handle_invalid_for_json_schema(schema, "a class")

    def generator_schema(self, schema: core_schema.GeneratorSchema) -> JsonSchemaValue:
        """Its items are checked while the function runs, too late to tell the caller."""
        return self.handle_invalid_for_json_schema(schema, "an iterator; a list can be used")
