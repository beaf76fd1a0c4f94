"""Whether a result is what its tool said that it would be."""

from __future__ import annotations

from typing import Any

import jsonschema
from referencing import Registry

from ..client import ToolResult
from ..protocol import types as t


def assert_conforms(result: ToolResult[Any], tool: t.Tool) -> None:
    """Raise AssertionError unless the structured content of `result` fits the tool's output schema.

    A tool without one promises nothing; a result that says it failed need not keep the promise.
    """
    schema = tool.output_schema
    if schema is None or result.is_error:
        return
    if result.structured_content is None:
        raise AssertionError(
            f"The tool {tool.name!r} has an output schema, and its result no structured content."
        )
    validator = jsonschema.validators.validator_for(schema, jsonschema.Draft202012Validator)
    # A registry of its own: nothing is fetched.
    errors = sorted(
        validator(schema, registry=Registry()).iter_errors(result.structured_content),
        key=lambda error: list(map(str, error.absolute_path)),
    )
    if errors:
        lines = [f"{error.json_path}: {error.message}" for error in errors[:10]]
        raise AssertionError(
            f"The result of {tool.name!r} does not fit its output schema:\n" + "\n".join(lines)
        )
