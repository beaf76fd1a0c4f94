"""elicitation/create: asking the user, by a form or by sending them to a URL.

A form's schema is a flat object of primitives. What 2025-06-18 lacks of it (titles of choices,
several choices at once) is translated by codec.py.
"""

from collections.abc import Callable
from typing import Annotated, Any, Literal, TypeAlias

from pydantic import Discriminator, Field, Tag, model_validator

from django_mcp.protocol.revisions import V2025_11_25

from .base import JSONObject, Meta, NotificationParams, Number, Since, Until, WireModel

# ------------------------------------------------------------------------------ fields of a form


class _FieldSchema(WireModel):
    """What the schema of every field may say."""

    title: str | None = None
    description: str | None = None


class StringSchema(_FieldSchema):
    """A line of text."""

    type: Literal["string"] = "string"
    min_length: int | None = None
    max_length: int | None = None
    format: Literal["email", "uri", "date", "date-time"] | None = None
    default: Annotated[str | None, Since(V2025_11_25)] = None


class NumberSchema(_FieldSchema):
    """A number."""

    type: Literal["number", "integer"] = "number"
    minimum: Number | None = None
    maximum: Number | None = None
    default: Annotated[Number | None, Since(V2025_11_25)] = None


class BooleanSchema(_FieldSchema):
    """Yes or no."""

    type: Literal["boolean"] = "boolean"
    default: bool | None = None


class EnumOption(WireModel):
    """A choice with a title."""

    const: str
    title: str


class UntitledSingleSelectEnumSchema(_FieldSchema):
    """One of several choices."""

    type: Literal["string"] = "string"
    enum: list[str]
    default: Annotated[str | None, Since(V2025_11_25)] = None


class TitledSingleSelectEnumSchema(_FieldSchema):
    """One of several choices, each with a title."""

    type: Literal["string"] = "string"
    one_of: list[EnumOption]
    default: str | None = None


class UntitledItems(WireModel):
    """The choices of which several may be taken."""

    type: Literal["string"] = "string"
    enum: list[str]


class TitledItems(WireModel):
    """The choices of which several may be taken, each with a title."""

    any_of: list[EnumOption]


class UntitledMultiSelectEnumSchema(_FieldSchema):
    """Some of several choices."""

    type: Literal["array"] = "array"
    min_items: int | None = None
    max_items: int | None = None
    items: UntitledItems
    default: list[str] | None = None


class TitledMultiSelectEnumSchema(_FieldSchema):
    """Some of several choices, each with a title."""

    type: Literal["array"] = "array"
    min_items: int | None = None
    max_items: int | None = None
    items: TitledItems
    default: list[str] | None = None


class LegacyTitledEnumSchema(_FieldSchema):
    """One of several choices, with their titles beside them, as 2025-06-18 has it."""

    type: Literal["string"] = "string"
    enum: list[str]
    enum_names: list[str] | None = None
    default: Annotated[str | None, Since(V2025_11_25)] = None


SingleSelectEnumSchema: TypeAlias = UntitledSingleSelectEnumSchema | TitledSingleSelectEnumSchema
MultiSelectEnumSchema: TypeAlias = UntitledMultiSelectEnumSchema | TitledMultiSelectEnumSchema
EnumSchema: TypeAlias = SingleSelectEnumSchema | MultiSelectEnumSchema | LegacyTitledEnumSchema


def _kind_of_field(value: Any) -> str | None:
    """Tell the kind of a field's schema from its keywords, which its `type` alone does not."""
    if isinstance(value, WireModel):
        return type(value).__name__
    if not isinstance(value, dict):
        return None
    kind = value.get("type")
    if kind == "array":
        items = value.get("items")
        titled = isinstance(items, dict) and "anyOf" in items
        return "TitledMultiSelectEnumSchema" if titled else "UntitledMultiSelectEnumSchema"
    if kind == "string":
        return next((name for key, name in _STRING_KINDS.items() if key in value), "StringSchema")
    return _OTHER_KINDS.get(kind) if isinstance(kind, str) else None


_STRING_KINDS = {
    "enumNames": "LegacyTitledEnumSchema",
    "enum": "UntitledSingleSelectEnumSchema",
    "oneOf": "TitledSingleSelectEnumSchema",
}
_OTHER_KINDS = {"number": "NumberSchema", "integer": "NumberSchema", "boolean": "BooleanSchema"}


PrimitiveSchemaDefinition: TypeAlias = Annotated[
    Annotated[StringSchema, Tag("StringSchema")]
    | Annotated[NumberSchema, Tag("NumberSchema")]
    | Annotated[BooleanSchema, Tag("BooleanSchema")]
    | Annotated[UntitledSingleSelectEnumSchema, Tag("UntitledSingleSelectEnumSchema")]
    | Annotated[TitledSingleSelectEnumSchema, Tag("TitledSingleSelectEnumSchema")]
    | Annotated[UntitledMultiSelectEnumSchema, Tag("UntitledMultiSelectEnumSchema")]
    | Annotated[TitledMultiSelectEnumSchema, Tag("TitledMultiSelectEnumSchema")]
    | Annotated[LegacyTitledEnumSchema, Tag("LegacyTitledEnumSchema")],
    Discriminator(
        _kind_of_field,
        custom_error_type="primitive_schema",
        custom_error_message="the schema of a string, number, integer, boolean or array of choices",
    ),
]


class RequestedSchema(WireModel):
    """The fields of a form, by name."""

    schema_uri: Annotated[str | None, Field(alias="$schema"), Since(V2025_11_25)] = None
    type: Literal["object"] = "object"
    properties: dict[str, PrimitiveSchemaDefinition]
    required: list[str] | None = None


# ---------------------------------------------------------------------------------------- requests


class ElicitRequestParams(WireModel):
    """What to ask the user: in fact always one of the two subclasses, told apart by `mode`."""

    message: str
    meta: Annotated[Meta, Until(V2025_11_25)] = None

    @model_validator(mode="wrap")
    @classmethod
    def _one_of_the_modes(cls, data: Any, handler: Callable[[Any], Any]) -> Any:
        if cls is not ElicitRequestParams or not isinstance(data, dict):
            return handler(data)
        # "form" is what an absent mode means (2025-11-25, client/elicitation#elicitation-requests).
        chosen = ElicitRequestURLParams if data.get("mode") == "url" else ElicitRequestFormParams
        return chosen.model_validate(data)


class ElicitRequestFormParams(ElicitRequestParams):
    """Asks the user to fill in a form, never for a secret. Since 2025-06-18."""

    mode: Annotated[Literal["form"], Since(V2025_11_25)] = "form"
    requested_schema: RequestedSchema


class ElicitRequestURLParams(ElicitRequestParams):
    """Asks the user to visit a URL. Since 2025-11-25, where `elicitation_id` is required."""

    mode: Literal["url"] = "url"
    url: str
    elicitation_id: Annotated[str | None, Until(V2025_11_25)] = None


class ElicitRequest(WireModel):
    """The question as it travels inside an input_required result."""

    method: Literal["elicitation/create"] = "elicitation/create"
    params: ElicitRequestParams


class ElicitResult(WireModel):
    """What the user did; `content` holds the filled-in form, and is there only on `accept`.

    The values are not checked here: what they must be, only the form knows.
    """

    action: Literal["accept", "decline", "cancel"]
    content: JSONObject | None = None
    meta: Annotated[Meta, Until(V2025_11_25)] = None


class ElicitationCompleteNotificationParams(NotificationParams):
    """notifications/elicitation/complete, only in 2025-11-25: the user is back from the URL."""

    elicitation_id: str
