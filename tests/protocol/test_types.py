"""The wire types as values: how they are built, what they accept, what they refuse."""

from __future__ import annotations

import pytest
from pydantic import ValidationError

from django_mcp.protocol import types as t

TYPES = [
    type_
    for type_ in vars(t).values()
    if isinstance(type_, type) and issubclass(type_, t.WireModel)
]


@pytest.mark.parametrize("type_", TYPES, ids=lambda type_: type_.__name__)
def test_every_type_is_frozen_exact_and_takes_both_spellings(type_: type[t.WireModel]) -> None:
    config = type_.model_config
    assert config.get("frozen")
    assert config.get("strict")
    assert config.get("validate_by_name")
    assert config.get("validate_by_alias")
    assert config.get("extra") != "forbid"


@pytest.mark.parametrize("type_", TYPES, ids=lambda type_: type_.__name__)
def test_every_type_says_what_it_is(type_: type[t.WireModel]) -> None:
    assert type_.__doc__


@pytest.mark.parametrize("type_", TYPES, ids=lambda type_: type_.__name__)
def test_an_optional_field_is_absent_unless_its_default_says_more(
    type_: type[t.WireModel],
) -> None:
    # Otherwise a peer that writes null for "absent" would be refused.
    for name, field in type_.model_fields.items():
        if not field.is_required() and field.default is None:
            assert type(None) in field.annotation.__args__, name  # type: ignore[union-attr]


def test_a_value_is_built_by_snake_case_or_by_its_wire_name() -> None:
    assert t.ImageContent(data="", mime_type="image/png") == t.ImageContent.model_validate(
        {"data": "", "mimeType": "image/png"}
    )


def test_a_value_cannot_be_changed() -> None:
    with pytest.raises(ValidationError, match="frozen"):
        t.TextContent(text="a").text = "b"  # type: ignore[misc]


def test_plain_json_is_kept_by_reference() -> None:
    schema = {"type": "object"}
    arguments = {"a": [1]}
    assert t.Tool(name="a", input_schema=schema).input_schema is schema
    assert t.CallToolRequestParams(name="a", arguments=arguments).arguments is arguments


def test_unknown_capabilities_are_kept() -> None:
    capabilities = t.ClientCapabilities.model_validate({"x-own": {"a": 1}})
    assert capabilities.model_extra == {"x-own": {"a": 1}}


@pytest.mark.parametrize(
    ("type_", "data"),
    [
        (t.CallToolResult, {"content": [], "isError": "true"}),
        (t.CallToolResult, {"content": [], "isError": 1}),
        (t.ProgressNotificationParams, {"progressToken": True, "progress": 1}),
        (t.ProgressNotificationParams, {"progressToken": 1, "progress": "1"}),
        (t.GetPromptRequestParams, {"name": "a", "arguments": {"a": 1}}),
        (t.PaginatedRequestParams, {"cursor": 1}),
        (t.TextContent, {"text": b"bytes"}),
    ],
)
def test_json_types_are_not_converted_into_each_other(
    type_: type[t.WireModel], data: object
) -> None:
    with pytest.raises(ValidationError):
        type_.model_validate(data)


def test_a_whole_number_stays_whole() -> None:
    progress = t.ProgressNotificationParams(progress_token="a", progress=1, total=2.5)
    assert repr((progress.progress, progress.total)) == "(1, 2.5)"


def test_a_negative_time_to_live_counts_as_zero() -> None:
    assert t.ListToolsResult(tools=[], ttl_ms=-1).ttl_ms == 0


def test_log_levels_go_from_the_least_severe_to_the_most() -> None:
    assert t.LOGGING_LEVELS[0] == "debug"
    assert t.LOGGING_LEVELS[-1] == "emergency"
    assert len(t.LOGGING_LEVELS) == 8


def test_a_message_gives_its_blocks_as_a_list_whether_it_has_one_or_several() -> None:
    text = t.TextContent(text="a")
    assert t.SamplingMessage(role="user", content=text).blocks == [text]
    assert t.SamplingMessage(role="user", content=[text, text]).blocks == [text, text]


@pytest.mark.parametrize(
    ("schema", "type_"),
    [
        ({"type": "string"}, t.StringSchema),
        ({"type": "string", "format": "date"}, t.StringSchema),
        ({"type": "number"}, t.NumberSchema),
        ({"type": "integer"}, t.NumberSchema),
        ({"type": "boolean"}, t.BooleanSchema),
        ({"type": "string", "enum": ["a"]}, t.UntitledSingleSelectEnumSchema),
        (
            {"type": "string", "oneOf": [{"const": "a", "title": "A"}]},
            t.TitledSingleSelectEnumSchema,
        ),
        (
            {"type": "array", "items": {"type": "string", "enum": ["a"]}},
            t.UntitledMultiSelectEnumSchema,
        ),
        (
            {"type": "array", "items": {"anyOf": [{"const": "a", "title": "A"}]}},
            t.TitledMultiSelectEnumSchema,
        ),
        ({"type": "string", "enum": ["a"], "enumNames": ["A"]}, t.LegacyTitledEnumSchema),
    ],
)
def test_a_field_of_a_form_is_known_by_its_keywords(
    schema: dict[str, object], type_: type[t.WireModel]
) -> None:
    form = t.RequestedSchema.model_validate({"type": "object", "properties": {"a": schema}})
    assert type(form.properties["a"]) is type_


def test_an_elicitation_without_a_mode_is_a_form() -> None:
    form = {"message": "?", "requestedSchema": {"type": "object", "properties": {}}}
    assert isinstance(t.ElicitRequestParams.model_validate(form), t.ElicitRequestFormParams)
    url = {"message": "?", "mode": "url", "url": "https://x.org"}
    assert isinstance(t.ElicitRequestParams.model_validate(url), t.ElicitRequestURLParams)


def test_answers_may_be_given_as_values_and_are_received_as_plain_json() -> None:
    given = t.CallToolRequestParams(
        name="a", input_responses={"a": t.ElicitResult(action="cancel")}
    )
    assert given.input_responses == {"a": t.ElicitResult(action="cancel")}
    received = t.CallToolRequestParams.model_validate(
        {"name": "a", "inputResponses": {"a": {"action": "cancel"}}}
    )
    assert received.input_responses == {"a": {"action": "cancel"}}
