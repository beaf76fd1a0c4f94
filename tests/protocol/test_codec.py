"""What a value becomes on the wire of each revision, and what input is answered with.

That the wire fits the official schemas is in test_official_schema.py; here is what they cannot say.
"""

from __future__ import annotations

from typing import Annotated, Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from django_mcp.protocol import codec
from django_mcp.protocol import types as t
from django_mcp.protocol.codec import decode, encode
from django_mcp.protocol.errors import InvalidParams
from django_mcp.protocol.methods import METHODS
from django_mcp.protocol.revisions import (
    REVISIONS,
    V2024_11_05,
    V2025_03_26,
    V2025_06_18,
    V2025_11_25,
    V2026_07_28,
    Revision,
)

from . import samples

STATEFUL = REVISIONS[:-1]
TEXT = t.TextContent(text="3")


def refusal(type_: type[t.WireModel], data: object, revision: Revision = V2025_11_25) -> str:
    with pytest.raises(InvalidParams) as caught:
        decode(type_, data, revision)
    return caught.value.message


# -------------------------------------------------------------------------- fields of a revision


def test_a_result_is_marked_complete_where_the_revision_wants_it() -> None:
    result = t.CallToolResult(content=[TEXT], structured_content={"result": 3})
    content = [{"type": "text", "text": "3"}]
    assert encode(result, V2026_07_28) == {
        "resultType": "complete",
        "content": content,
        "structuredContent": {"result": 3},
    }
    assert encode(result, V2025_11_25) == {
        "content": content,
        "structuredContent": {"result": 3},
    }
    assert encode(result, V2025_03_26) == {"content": content}


def test_a_result_that_may_be_kept_says_so_by_default_not_at_all() -> None:
    result = t.ListToolsResult(tools=[])
    assert encode(result, V2026_07_28) == {
        "resultType": "complete",
        "ttlMs": 0,
        "cacheScope": "private",
        "tools": [],
    }
    for revision in STATEFUL:
        assert encode(result, revision) == {"tools": []}


def test_a_question_is_marked_as_such() -> None:
    assert encode(t.InputRequiredResult(request_state="s"), V2026_07_28) == {
        "resultType": "input_required",
        "requestState": "s",
    }


def test_fields_are_left_out_at_every_depth() -> None:
    tool = t.Tool(name="a", title="A", input_schema={"type": "object"}, icons=[t.Icon(src="x")])
    result = t.ListToolsResult(tools=[tool])
    schema = {"name": "a", "inputSchema": {"type": "object"}}
    assert encode(result, V2025_03_26) == {"tools": [schema]}
    assert encode(result, V2025_06_18) == {"tools": [{**schema, "title": "A"}]}
    assert encode(result, V2025_11_25) == {
        "tools": [{**schema, "title": "A", "icons": [{"src": "x"}]}]
    }


def test_an_id_of_an_elicitation_exists_in_one_revision_only() -> None:
    params = t.ElicitRequestURLParams(message="?", url="https://x.org", elicitation_id="1")
    assert encode(params, V2025_11_25)["elicitationId"] == "1"
    assert "elicitationId" not in encode(params, V2026_07_28)


def test_only_an_error_is_called_an_error_or_not() -> None:
    assert "isError" not in encode(t.CallToolResult(content=[]), V2025_11_25)
    assert encode(t.CallToolResult(content=[], is_error=True), V2025_11_25)["isError"] is True


def test_false_is_not_absence() -> None:
    annotations = t.ToolAnnotations(destructive_hint=False)
    assert encode(annotations, V2025_11_25) == {"destructiveHint": False}


def test_a_required_field_is_written_even_if_it_is_null() -> None:
    params = t.LoggingMessageNotificationParams(level="info", data=None)
    assert encode(params, V2025_11_25) == {"level": "info", "data": None}


def test_plain_json_goes_through_by_reference() -> None:
    arguments, meta, content = {"a": None}, {"x.org/y": None}, {"z": None}
    params = t.CallToolRequestParams(name="a", arguments=arguments, meta=meta)
    assert encode(params, V2025_11_25)["arguments"] is arguments
    assert encode(params, V2025_11_25)["_meta"] is meta
    result = t.CallToolResult(content=[], structured_content=content)
    assert encode(result, V2025_11_25)["structuredContent"] is content


def test_capabilities_nobody_knows_are_written_again() -> None:
    wire = {"x-own": {"a": 1}, "roots": {"listChanged": True}}
    assert encode(decode(t.ClientCapabilities, wire, V2025_11_25), V2025_11_25) == wire


def test_a_type_made_elsewhere_is_written_by_the_same_rules() -> None:
    class Extended(t.CallToolResult):
        """What an extension may add."""

        new_thing: Annotated[str | None, t.Since(V2026_07_28)] = None

    result = Extended(content=[samples.AUDIO], new_thing="x")
    assert encode(result, V2026_07_28)["newThing"] == "x"
    assert "newThing" not in encode(result, V2025_11_25)


# ----------------------------------------------------------------- what a revision does not carry


@pytest.mark.parametrize("value", [3, "x", [1], True, 0])
def test_structured_content_may_be_any_json_only_since_2026_07_28(value: object) -> None:
    result = t.CallToolResult(content=[TEXT], structured_content=value)
    assert encode(result, V2026_07_28)["structuredContent"] == value
    assert "structuredContent" not in encode(result, V2025_11_25)


@pytest.mark.parametrize("schema", [{"type": "array"}, {}, {"type": ["object", "null"]}])
def test_an_output_schema_may_be_of_any_type_only_since_2026_07_28(schema: dict[str, Any]) -> None:
    tool = t.Tool(name="a", input_schema={"type": "object"}, output_schema=schema)
    assert encode(tool, V2026_07_28)["outputSchema"] == schema
    assert "outputSchema" not in encode(tool, V2025_11_25)


@pytest.mark.parametrize(
    ("block", "last_without", "mentions"),
    [
        (samples.AUDIO, V2024_11_05, ["audio/wav"]),
        (samples.LINK, V2025_03_26, ["A", "file:///a.txt", "The first."]),
    ],
)
def test_a_block_the_revision_does_not_know_becomes_text_that_names_it(
    block: t.ContentBlock, last_without: Revision, mentions: list[str]
) -> None:
    for revision in REVISIONS:
        (wire,) = encode(t.CallToolResult(content=[block]), revision)["content"]
        if revision > last_without:
            assert wire["type"] == block.type
            continue
        assert wire["type"] == "text"
        for mention in [*mentions, str(revision)]:
            assert mention in wire["text"]
        assert wire["annotations"]["priority"] == 0.5


def test_a_block_inside_a_prompt_is_replaced_too() -> None:
    message = t.PromptMessage(role="user", content=samples.LINK)
    wire = encode(t.GetPromptResult(messages=[message]), V2025_03_26)
    assert wire["messages"][0]["content"]["type"] == "text"


def test_several_blocks_become_one_where_a_message_has_only_one() -> None:
    one = t.SamplingMessage(role="user", content=[samples.IMAGE])
    assert encode(one, V2025_06_18)["content"]["type"] == "image"
    several = t.SamplingMessage(role="user", content=[TEXT, samples.TOOL_USE, samples.IMAGE])
    text = encode(several, V2025_06_18)["content"]["text"]
    assert text.startswith("3\n\n")
    assert "weather" in text
    assert '{"city": "Paris"}' in text
    assert "image" in text
    assert isinstance(encode(several, V2025_11_25)["content"], list)


def test_the_result_of_a_models_tool_becomes_its_text() -> None:
    result = t.ToolResultContent(tool_use_id="7", content=[t.TextContent(text="20 degrees")])
    wire = encode(t.SamplingMessage(role="user", content=[result]), V2025_06_18)
    assert wire["content"]["type"] == "text"
    assert "20 degrees" in wire["content"]["text"]


def test_titles_of_choices_are_written_beside_them_in_2025_06_18() -> None:
    wire = encode(samples.FORM, V2025_06_18)["requestedSchema"]
    assert wire["properties"]["titled"] == {
        "title": "A field",
        "description": "What it is.",
        "type": "string",
        "enum": ["a", "b"],
        "enumNames": ["A", "B"],
    }


def test_a_form_of_2025_06_18_asks_for_nothing_it_cannot_ask() -> None:
    wire = encode(samples.FORM, V2025_06_18)["requestedSchema"]
    assert {"several titled", "several untitled"} & set(wire["properties"]) == set()
    assert wire["required"] == ["string"]
    assert "several titled" in encode(samples.FORM, V2025_11_25)["requestedSchema"]["required"]


# ------------------------------------------------------------------------------------- reading it


def test_unknown_fields_are_ignored() -> None:
    params = decode(t.CallToolRequestParams, {"name": "a", "task": {"ttl": 1}, "x": 1}, V2025_11_25)
    assert params == t.CallToolRequestParams(name="a")


def test_fields_of_another_revision_are_ignored_whatever_they_hold() -> None:
    data = {"name": "a", "requestState": 3, "inputResponses": {"a": {}}}
    assert decode(t.CallToolRequestParams, data, V2025_11_25).input_responses is None
    assert "requestState" in refusal(t.CallToolRequestParams, data, V2026_07_28)
    assert data == {"name": "a", "requestState": 3, "inputResponses": {"a": {}}}


def test_the_wire_has_one_spelling() -> None:
    params = decode(t.CallToolRequestParams, {"name": "a", "request_state": "s"}, V2026_07_28)
    assert params.request_state is None


def test_null_is_absence() -> None:
    params = decode(t.CallToolRequestParams, {"name": "a", "arguments": None}, V2025_11_25)
    assert params.arguments is None


def test_a_result_without_a_type_is_complete() -> None:
    assert decode(t.CallToolResult, {"content": []}, V2026_07_28).result_type == "complete"


@pytest.mark.parametrize(
    ("type_", "data", "message"),
    [
        (t.CallToolRequestParams, {"name": 5}, "params.name: a string is required, not 5"),
        (t.CallToolRequestParams, {}, "params.name: a value is required"),
        (t.CallToolRequestParams, [], "params: an object is required, not an array"),
        (t.CallToolRequestParams, None, "params: an object is required, not null"),
        (
            t.CallToolRequestParams,
            {"name": "a", "arguments": []},
            "params.arguments: an object is required, not an array",
        ),
        (
            t.CancelledNotificationParams,
            {"requestId": True},
            "params.requestId: a string or a whole number is required, not true",
        ),
        (
            t.GetPromptRequestParams,
            {"name": "a", "arguments": {"b": 1}},
            "params.arguments.b: a string is required, not 1",
        ),
        (
            t.CallToolResult,
            {"content": [{"type": "text", "text": "a"}, {"type": "film"}]},
            "params.content[1].type: one of 'text', 'image', 'audio', 'resource_link', 'resource'"
            ' is required, not "film"',
        ),
        (
            t.CallToolResult,
            {"content": [{"type": "resource", "resource": {}}]},
            "params.content[0].resource: an object with text or blob is required",
        ),
        (
            t.CallToolResult,
            {"content": [{"type": "resource"}, {}]},
            "params.content[0].resource: a value is required; "
            "params.content[1].type: a value is required",
        ),
        (
            t.ElicitRequestParams,
            {"message": "?", "mode": "url"},
            "params.url: a value is required",
        ),
        (
            t.CreateMessageResult,
            {"role": "user", "model": "m", "content": [{"type": "text"}]},
            "params.content[0].text: a value is required",
        ),
        (
            t.ElicitResult,
            {"action": "yes"},
            "params.action: 'accept', 'decline' or 'cancel' is required, not \"yes\"",
        ),
    ],
)
def test_a_refusal_says_where_and_what(
    type_: type[t.WireModel], data: object, message: str
) -> None:
    assert refusal(type_, data) == message


def test_the_outermost_object_has_the_name_it_is_given() -> None:
    with pytest.raises(InvalidParams) as caught:
        decode(t.CallToolResult, {}, V2025_11_25, at="result")
    assert caught.value.message == "result.content: a value is required"


def test_no_more_than_five_problems_are_listed() -> None:
    blocks = [{"type": "text"} for _ in range(7)]
    message = refusal(t.CallToolResult, {"content": blocks})
    assert message.count("a value is required") == 5
    assert message.endswith("; and 2 more")


def test_a_great_many_problems_are_only_counted() -> None:
    def of(count: int) -> dict[str, object]:
        return {"name": "a", "arguments": {f"k{number}": number for number in range(count)}}

    assert refusal(t.GetPromptRequestParams, of(1000)).endswith("; and 995 more")
    assert refusal(t.GetPromptRequestParams, of(1001)) == (
        "params: 1001 things in it are wrong, too many to name any"
    )


def test_a_long_name_is_shown_in_part() -> None:
    data = {"name": "a", "arguments": {"x" * 5000: 10**5000}}

    message = refusal(t.GetPromptRequestParams, data)
    assert message.startswith("params.arguments.xxx")
    assert len(message) < 200


def test_only_the_problems_that_are_listed_are_put_in_words(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    echoed: list[object] = []
    echo = codec._echo
    monkeypatch.setattr(codec, "_echo", lambda value: echoed.append(value) or echo(value))

    refusal(t.GetPromptRequestParams, {"name": "a", "arguments": dict.fromkeys("abcdefgh", 1)})

    assert echoed == [1] * 5


@pytest.mark.parametrize(
    "data",
    [
        {"name": "a", "arguments": "x" * 5000},
        {"name": "a", "arguments": 10**5000},
        {"name": "a", "arguments": "\ud800" * 50},
    ],
    ids=["long text", "long number", "lone surrogates"],
)
def test_input_is_not_echoed_at_length(data: object) -> None:
    message = refusal(t.CallToolRequestParams, data)
    assert len(message.encode()) < 500
    assert message.startswith("params.arguments: an object is required, not ")


def test_long_names_are_not_echoed_at_length() -> None:
    message = refusal(t.GetPromptRequestParams, {"name": "a", "arguments": {"b" * 5000: 1}})
    assert len(message) < 250


def test_no_refusal_mentions_pydantic() -> None:
    message = refusal(
        t.CreateMessageRequestParams, {"messages": [{"content": 5}], "maxTokens": "x"}
    )
    assert "http" not in message
    assert "pydantic" not in message


KEYS = st.sampled_from(
    sorted(
        {
            field.alias or name
            for type_ in vars(t).values()
            if isinstance(type_, type) and issubclass(type_, t.WireModel)
            for name, field in type_.model_fields.items()
        }
    )
)
SCALARS = (
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats()
    | st.text(st.characters(exclude_categories=()))
    | st.sampled_from(
        ["text", "image", "resource", "tool_result", "url", "form", "string", "array", "user"]
    )
)
JSON = st.recursive(
    SCALARS,
    lambda inner: (
        st.lists(inner, max_size=4) | st.dictionaries(KEYS | st.text(), inner, max_size=8)
    ),
    max_leaves=20,
)
READABLE = sorted(
    {method.params for method in METHODS}
    | {method.result for method in METHODS if method.result is not None}
    | {t.InputRequiredResult, t.RequestMetaObject},
    key=lambda type_: type_.__name__,
)


def written_again_or_refused(type_: type[t.WireModel], data: object, revision: Revision) -> str:
    """Read it, and write what was read; give the message if it is refused."""
    try:
        value = decode(type_, data, revision)
    except InvalidParams as refused:
        return refused.message
    encode(value, revision)
    return ""


@given(
    type_=st.sampled_from(READABLE),
    data=JSON | st.dictionaries(KEYS, JSON, max_size=6),
    revision=st.sampled_from(REVISIONS),
)
def test_whatever_the_input_it_is_read_or_refused_in_words(
    type_: type[t.WireModel], data: object, revision: Revision
) -> None:
    message = written_again_or_refused(type_, data, revision)
    assert len(message.encode()) < 4000


@given(
    sample=st.sampled_from(samples.every_sample()),
    revision=st.sampled_from(REVISIONS),
    data=st.data(),
)
def test_a_broken_message_is_read_or_refused_in_words(
    sample: t.WireModel, revision: Revision, data: st.DataObject
) -> None:
    wire = broken(encode(sample, revision), data)
    assert len(written_again_or_refused(type(sample), wire, revision).encode()) < 4000


def broken(value: Any, data: st.DataObject) -> Any:
    """Replace one thing, somewhere in it, by something else."""
    if not value or not isinstance(value, dict | list) or data.draw(st.integers(0, 5)) == 0:
        return data.draw(JSON)
    place = data.draw(
        st.sampled_from(sorted(value) if isinstance(value, dict) else range(len(value)))
    )
    copy: Any = value.copy()
    copy[place] = broken(value[place], data)
    return copy


@pytest.mark.parametrize("data", [object(), {1: 2}, {"name": object()}, b"{}", {"name": {1, 2}}])
def test_what_json_cannot_hold_is_refused_too(data: object) -> None:
    assert refusal(t.CallToolRequestParams, data).startswith("params")


def test_a_loop_is_refused() -> None:
    loop: dict[str, Any] = {"role": "user", "model": "m"}
    loop["content"] = {"type": "tool_result", "toolUseId": "1", "content": [loop]}
    assert refusal(t.CreateMessageResult, loop)
