"""The arguments of a call → validated values, and the schema they are announced with.

``Arguments`` is built once, from a ``Signature``, when a component is registered: whatever cannot
be served is refused there. ``RawArguments`` is for a tool that brings its own JSON Schema. What a
schema looks like is ``json_schema``; the words for what is wrong with a call are ``problems``; the
other direction, ``Output``, is ``outputs``.

Values are read as JSON means them (pydantic's strict mode for JSON): ``"2026-01-31"`` is a date and
3 is a float, but ``"2"`` is no integer and ``true`` is never a number. What clients send all the
same is put right by ``mending``, only after the first check has failed.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Annotated, Any, Protocol, cast

from pydantic import Field, TypeAdapter, ValidationError, with_config
from pydantic.fields import FieldInfo
from pydantic_core import PydanticSerializationError, to_json
from typing_extensions import TypedDict

from ..protocol import problems
from .errors import InvalidArguments, RegistrationError
from .json_schema import schema_of
from .mending import mended
from .outputs import Output
from .signatures import MISSING, Parameter, Signature
from .unions import ambiguity

__all__ = ["Arguments", "Input", "Output", "RawArguments", "check_json"]


class Input(Protocol):
    """What a tool takes from its caller."""

    input_schema: dict[str, Any]

    def validate(self, arguments: dict[str, Any]) -> dict[str, Any]:
        """Return the keyword arguments for the function; raises InvalidArguments."""


class Arguments:
    """What a function takes from its caller: ``input_schema``, and ``validate`` for each call."""

    __slots__ = ("_name", "_properties", "_validator", "input_schema")

    def __init__(self, signature: Signature) -> None:
        """Raises RegistrationError naming the parameter whose type has no JSON.

        Also for a union that contains itself by two of its arms: see `unions`.
        """
        self._name = signature.name
        try:
            adapter = _arguments_adapter(signature.parameters)
            self.input_schema = _input_schema(adapter)
        except Exception as error:
            raise _unservable_parameter(signature, error) from error
        _refuse_ambiguity(signature, self.input_schema)
        self._properties: dict[str, Any] = self.input_schema["properties"]
        self._validator = adapter.validator

    def validate(self, arguments: dict[str, Any]) -> dict[str, Any]:
        """Return the keyword arguments for the function: a new dict, defaults filled in.

        ``arguments`` is the JSON object of the call. Raises InvalidArguments, whose text tells the
        calling model what to mend.
        """
        written = _written(self._name, arguments)
        try:
            found: dict[str, Any] = self._validator.validate_json(written, strict=True)
        except ValidationError as error:
            return self._mend(arguments, written, error)
        if problems.mentions_non_finite(written):
            _refuse_non_finite(self._name, arguments)
        return found

    def _mend(
        self, arguments: dict[str, Any], written: bytes, error: ValidationError
    ) -> dict[str, Any]:
        """Try again with what clients write differently put right; twice, one may show another."""
        if problems.mentions_non_finite(written):
            _refuse_non_finite(self._name, arguments)
        for _ in range(2):
            better = mended(arguments, error)
            if better is None:
                break
            arguments, written = better, _written(self._name, better)
            try:
                found: dict[str, Any] = self._validator.validate_json(written, strict=True)
            except ValidationError as still:
                error = still
            else:
                _refuse_non_finite(self._name, arguments)
                return found
        lines = problems.of_validation_error(error, arguments, self._properties)
        raise InvalidArguments(self._name, lines) from None


class RawArguments:
    """What a tool takes that brings its own JSON Schema, kept and published word by word.

    The function has one parameter for the caller, ``arguments: dict``, and gets the checked object
    in it as it came.
    """

    __slots__ = ("_checker", "_name", "input_schema")

    def __init__(self, schema: dict[str, Any], *, name: str = "") -> None:
        """Raises RegistrationError for what is no schema, or not one that can be enforced here."""
        # Here, because jsonschema takes 35 ms to import and few servers need it.
        from ..protocol.json_schema.checker import Checker, InvalidSchema

        self._name = name
        _check_object(schema)
        try:
            self._checker = Checker(schema)
        except InvalidSchema as error:
            raise RegistrationError(str(error)) from error
        self.input_schema = self._checker.schema

    def validate(self, arguments: dict[str, Any]) -> dict[str, Any]:
        """Return ``{"arguments": …}``, or raise InvalidArguments as ``Arguments`` does."""
        check_json(self._name, arguments)
        if lines := self._checker.problems(arguments):
            raise InvalidArguments(self._name, lines)
        return {"arguments": arguments}


def _check_object(schema: Any) -> None:
    """Arguments are an object (2026-07-28, server/tools#tool)."""
    kind = schema.get("type") if isinstance(schema, dict) else None
    if kind != "object":
        raise RegistrationError(
            f"The input schema has the type {kind!r}: a tool's arguments are an object, so write "
            '"type": "object" at its root.'
        )


def check_json(name: str, arguments: dict[str, Any]) -> None:
    """Raise InvalidArguments for what could not be written again: half a letter, no number."""
    if problems.mentions_non_finite(_written(name, arguments)):
        _refuse_non_finite(name, arguments)


def _written(name: str, arguments: dict[str, Any]) -> bytes:
    """The arguments as JSON; raises InvalidArguments for what pydantic cannot read."""
    try:
        return to_json(arguments)
    except PydanticSerializationError as error:
        raise InvalidArguments(name, [_not_json(error)]) from None


def _refuse_non_finite(name: str, arguments: dict[str, Any]) -> None:
    """Raise InvalidArguments where a number is NaN or infinite: JSON has none, 1e999 makes one."""
    location = problems.non_finite(arguments)
    if location is not None:
        path = problems.path_of(location, arguments)
        raise InvalidArguments(name, [f"{path}: should be a finite number"])


def _arguments_adapter(parameters: Sequence[Parameter]) -> TypeAdapter[Any]:
    """One validator for all parameters: a TypedDict, since its result is what the call needs."""
    fields = {parameter.name: _field(parameter) for parameter in parameters}
    typed_dict = cast(Any, TypedDict)("Arguments", fields)  # mypy knows only literal ones
    return TypeAdapter(with_config(extra="forbid", allow_inf_nan=False)(typed_dict))


def _field(parameter: Parameter) -> Any:
    annotation, default = parameter.annotation, parameter.default
    if isinstance(default, FieldInfo):
        annotation = Annotated[annotation, default]
    elif default is not MISSING:
        annotation = Annotated[annotation, Field(default=default)]
    if parameter.description:
        annotation = Annotated[annotation, Field(description=parameter.description)]
    return annotation


def _input_schema(adapter: TypeAdapter[Any]) -> dict[str, Any]:
    schema = schema_of(adapter, "validation")
    schema.pop("title", None)
    return {"type": "object", "properties": {}, **schema}


def _refuse_ambiguity(signature: Signature, schema: dict[str, Any]) -> None:
    found = ambiguity(schema)
    if found is not None:
        one, other = found.arms
        raise RegistrationError(
            f"The parameters of {signature.name}() hold a union of {one} and {other} that both "
            f"contain it again under `{found.name}`: checking it takes twice as long with every "
            'level. Give each a tag, as in kind: Literal["a"], and write the union as '
            'Annotated[A | B, Field(discriminator="kind")], or keep only one of them.'
        )


def _unservable_parameter(signature: Signature, error: Exception) -> RegistrationError:
    """Find the parameter that alone has no schema, and say what to do."""
    for parameter in signature.parameters:
        try:
            _input_schema(_arguments_adapter([parameter]))
        except Exception as found:
            return RegistrationError(
                f"Parameter `{parameter.name}` of {signature.name}() cannot be described in JSON "
                f"Schema ({_first_line(found)}): use a type that JSON has, a dataclass, a "
                "TypedDict or a pydantic model."
            )
    return RegistrationError(
        f"The parameters of {signature.name}() cannot be described in JSON Schema "
        f"({_first_line(error)})."
    )


def _not_json(error: Exception) -> str:
    if "surrogates" in str(error):
        return "arguments: a text has half of a surrogate pair, which is no Unicode"
    return f"arguments: cannot be read as JSON ({_first_line(error)})"


def _first_line(error: Exception) -> str:
    return str(error).strip().partition("\n")[0].rstrip(".") or type(error).__name__
