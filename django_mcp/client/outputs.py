"""What a tool said that it would answer, and what it did.

Owns the check of structured content against a tool's output schema, and what becomes of it: typed
by the schema (`typed`), or by a type that the caller gives. Schemas are those of a server, which is
somebody else: nothing they refer to is fetched, and what cannot be checked within bounds is taken
as it came.

Source: 2026-07-28, server/tools#output-schema and basic/index#json-schema-usage.
"""

from __future__ import annotations

import logging
from functools import lru_cache
from typing import TYPE_CHECKING, Any

from pydantic import TypeAdapter, ValidationError

from ..protocol import problems
from ..protocol import types as t
from .errors import OutputMismatch
from .results import ToolResult
from .typed import Reader, reader_of, unwrapped

if TYPE_CHECKING:
    from ..protocol.json_schema.checker import Checker

logger = logging.getLogger("django_mcp.client")

ROOT = "structuredContent"


class ToolOutput:
    """The output of one tool, as the tool was last listed; None where it is not known."""

    def __init__(self, tool: t.Tool | None) -> None:
        self._name = tool.name if tool is not None else ""
        self._schema = tool.output_schema if tool is not None else None
        self._checker: Checker | None = None
        self._reader: Reader | None = None
        self._wraps = False
        if self._schema is not None:
            self._prepare(self._schema)

    def _prepare(self, schema: dict[str, Any]) -> None:
        # Here, because jsonschema takes 35 ms to import and not every tool has a schema.
        from ..protocol.json_schema.checker import Checker, InvalidSchema

        inner = unwrapped(schema)
        self._wraps = inner is not None
        self._reader = reader_of(schema if inner is None else inner)
        try:
            self._checker = Checker(
                schema, named="The output schema", root=ROOT, member="a member", is_own=False
            )
        except InvalidSchema as error:
            logger.warning("The answers of the tool %r are not checked: %s", self._name, error)

    @property
    def declared(self) -> bool:
        """Whether the tool has an output schema."""
        return self._schema is not None

    def result(self, found: t.CallToolResult, as_: Any = None) -> ToolResult[Any]:
        """The answer as the application reads it.

        Raises OutputMismatch where it does not fit the schema, or the type `as_`.
        """
        result: ToolResult[Any] = ToolResult(
            content=found.content,
            structured_content=found.structured_content,
            is_error=found.is_error,
            meta=found.meta,
            data=None if found.is_error else found.structured_content,
        )
        if result.is_error:
            return result
        self._check(result)
        plain = self._plain(result.structured_content)
        if as_ is not None:
            return _with(result, self._converted(plain, as_, result))
        if self._reader is None or plain is None:
            return result
        return _with(result, self._read(plain))

    def _plain(self, structured: Any) -> Any:
        """The structured content without what only wraps it."""
        if self._wraps and isinstance(structured, dict):
            return structured.get("result")
        return structured

    def _read(self, plain: Any) -> Any:
        return self._reader(plain) if self._reader is not None else plain

    def _check(self, result: ToolResult[Any]) -> None:
        if self._checker is None:
            return
        lines = self._problems(self._checker, result.structured_content)
        if not lines:
            return
        if result.structured_content is None:
            lines = ["there is none"]
        raise OutputMismatch(
            f"The tool {self._name!r} answered with structured content that does not fit its "
            f"output schema: {'; '.join(lines)}.",
            result,
        )

    def _problems(self, checker: Checker, value: Any) -> list[str]:
        from ..protocol.json_schema.budgets import Spent

        try:
            return checker.found(value)
        except (Spent, RecursionError):
            logger.warning("The answer of the tool %r is too complex to be checked", self._name)
            return []

    def _converted(self, plain: Any, as_: Any, result: ToolResult[Any]) -> Any:
        adapter = _adapter(as_)
        try:
            if plain is None and result.structured_content is None and result.text:
                return _from_text(adapter, result.text)
            return adapter.validate_python(plain)
        except ValidationError as error:
            lines = problems.of_validation_error(error, plain, {})
            raise OutputMismatch(
                f"The tool {self._name!r} answered with what is no "
                f"{getattr(as_, '__name__', as_)}: {'; '.join(lines)}.",
                result,
            ) from None


def _from_text(adapter: TypeAdapter[Any], text: str) -> Any:
    """Servers of older revisions write the value as JSON in the text."""
    try:
        return adapter.validate_json(text)
    except ValidationError:
        return adapter.validate_python(text)


def _with(result: ToolResult[Any], data: Any) -> ToolResult[Any]:
    return ToolResult(
        content=result.content,
        structured_content=result.structured_content,
        is_error=result.is_error,
        meta=result.meta,
        data=data,
    )


def _adapter(type_: Any) -> TypeAdapter[Any]:
    try:
        return _kept_adapter(type_)
    except TypeError:  # it cannot be hashed
        return TypeAdapter(type_)


@lru_cache(maxsize=256)
def _kept_adapter(type_: Any) -> TypeAdapter[Any]:
    return TypeAdapter(type_)
