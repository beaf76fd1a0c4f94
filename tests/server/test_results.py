"""What functions return, and the results that clients get for it."""

from __future__ import annotations

import base64
import dataclasses
import datetime
import decimal
import enum
import json
import uuid
from collections.abc import Callable
from pathlib import Path, PurePosixPath
from typing import Annotated, Any, Literal

import pytest
from pydantic import BaseModel, Field
from typing_extensions import TypedDict

from django_mcp.protocol.types import (
    AudioContent,
    BlobResourceContents,
    CallToolResult,
    EmbeddedResource,
    GetPromptResult,
    ImageContent,
    PromptMessage,
    ReadResourceResult,
    ResourceLink,
    TextContent,
    TextResourceContents,
)
from django_mcp.server.content import Audio, File, Image
from django_mcp.server.errors import InvalidResult, RegistrationError, ToolError
from django_mcp.server.outputs import Output
from django_mcp.server.results import prompt_result, resource_result, tool_result
from django_mcp.server.signatures import MISSING, inspect_function

PNG = b"\x89PNG\r\n\x1a\n" + bytes(8)
WAV = b"RIFF\x24\x00\x00\x00WAVEfmt "


class Ctx:
    """Stands for the context."""


class Colour(enum.Enum):
    RED = "red"


class Book(BaseModel):
    title: str
    written_by: str = Field(default="", alias="writtenBy")


@dataclasses.dataclass
class Point:
    x: int
    y: int


class Range(TypedDict):
    low: int


class Node(BaseModel):
    children: list[Node] = []


class Plain:
    """Nothing that JSON knows."""


def output(annotation: Any = MISSING, structured_output: bool | None = None) -> Output:
    def fn() -> None: ...

    if annotation is MISSING:
        del fn.__annotations__["return"]
    else:
        fn.__annotations__["return"] = annotation
    return Output(inspect_function(fn, context_type=Ctx), structured_output)


def result(
    value: Any,
    annotation: Any = MISSING,
    *,
    any_json: bool = True,
    structured_output: bool | None = None,
) -> CallToolResult:
    return tool_result(value, output(annotation, structured_output), any_json)


def texts(found: CallToolResult) -> list[str]:
    assert all(isinstance(block, TextContent) for block in found.content)
    return [block.text for block in found.content if isinstance(block, TextContent)]


def bug(act: Callable[[], object]) -> str:
    """The text of the author's mistake, which no caller is told."""
    with pytest.raises(InvalidResult) as caught:
        act()
    assert not isinstance(caught.value, ToolError)
    assert isinstance(caught.value, TypeError)
    return str(caught.value)


# ------------------------------------------------------------------------------- the output schema


@pytest.mark.parametrize("annotation", [Book, Point, Range, dict[str, int], dict, Node])
def test_an_object_is_described_alike_in_every_revision(annotation: Any) -> None:
    found = output(annotation)

    assert found.schema_for(any_json=True) == found.schema_for(any_json=False)
    assert (found.schema_for(any_json=True) or {})["type"] == "object"


def test_a_model_is_described_as_it_is_written() -> None:
    assert output(Book).schema_for(any_json=False) == {
        "type": "object",
        "properties": {"title": {"type": "string"}, "writtenBy": {"type": "string", "default": ""}},
        "required": ["title"],
    }


@pytest.mark.parametrize(
    ("annotation", "schema"),
    [
        (int, {"type": "integer"}),
        (str, {"type": "string"}),
        (list[int], {"type": "array", "items": {"type": "integer"}}),
        (Literal["a", "b"], {"type": "string", "enum": ["a", "b"]}),
        (datetime.date, {"type": "string", "format": "date"}),
        (int | str, {"anyOf": [{"type": "integer"}, {"type": "string"}]}),
    ],
)
def test_any_other_json_is_bare_where_that_is_allowed_and_wrapped_where_not(
    annotation: Any, schema: dict[str, Any]
) -> None:
    found = output(annotation)

    assert found.schema_for(any_json=True) == schema
    assert found.schema_for(any_json=False) == {
        "type": "object",
        "properties": {"result": schema},
        "required": ["result"],
    }


def test_definitions_stay_at_the_root_of_a_wrapped_schema() -> None:
    found = output(list[Book]).schema_for(any_json=False) or {}

    assert found["properties"]["result"] == {"type": "array", "items": {"$ref": "#/$defs/Book"}}
    assert list(found["$defs"]) == ["Book"]


def test_what_may_be_null_is_wrapped_in_every_revision() -> None:
    found = output(int | None)

    assert found.schema_for(any_json=True) == {
        "type": "object",
        "properties": {"result": {"anyOf": [{"type": "integer"}, {"type": "null"}]}},
        "required": ["result"],
    }
    assert found.structured(None, any_json=True) == {"result": None}
    assert found.structured(3, any_json=True) == {"result": 3}


@pytest.mark.parametrize(
    "annotation",
    [
        MISSING,
        None,
        Any,
        object,
        list,
        list[Any],
        CallToolResult,
        TextContent,
        Image,
        list[TextContent],
        tuple[str, Image],
        list[str | Image],
        str | Image,
        Image | None,
        Annotated[Image, "a picture"],
        Plain,
        list[Plain],
    ],
)
def test_what_says_nothing_of_its_json_has_no_schema(annotation: Any) -> None:
    found = output(annotation)

    assert found.schema_for(any_json=True) is None
    assert found.schema_for(any_json=False) is None


def test_structured_output_can_be_turned_off() -> None:
    assert output(Book, False).schema_for(any_json=True) is None
    assert result(Book(title="A"), Book, structured_output=False).structured_content is None
    assert result({"a": 1}, structured_output=False).structured_content is None


def test_structured_output_can_be_insisted_on() -> None:
    assert output(list, True).schema_for(any_json=True) == {"type": "array", "items": {}}
    assert output(Any, True).schema_for(any_json=True) == {
        "type": "object",
        "properties": {"result": {}},
        "required": ["result"],
    }
    with pytest.raises(RegistrationError, match=r"return type of fn\(\) cannot be described"):
        output(Plain, True)


def test_bytes_are_refused_when_the_tool_is_registered() -> None:
    with pytest.raises(RegistrationError, match=r"return an Image, an Audio or a File"):
        output(bytes)


def test_a_ready_result_can_declare_its_structured_content() -> None:
    annotation = Annotated[CallToolResult, Point]
    ready = CallToolResult(content=[], structured_content={"x": 1, "y": 2})

    assert (output(annotation).schema_for(any_json=True) or {})["required"] == ["x", "y"]
    assert result(ready, annotation) is ready


# ---------------------------------------------------------------------------------- tools: content


def test_text_is_text() -> None:
    assert result("Deleted.") == CallToolResult(content=[TextContent(text="Deleted.")])


def test_declared_text_is_structured_too() -> None:
    assert result("Ü", str, any_json=False) == CallToolResult(
        content=[TextContent(text="Ü")], structured_content={"result": "Ü"}
    )
    assert result("Ü", str) == CallToolResult(
        content=[TextContent(text="Ü")], structured_content="Ü"
    )


def test_nothing_is_no_content() -> None:
    assert result(None) == result(None, None) == CallToolResult(content=[])


def test_a_declared_null_is_said() -> None:
    assert result(None, int | None) == CallToolResult(
        content=[TextContent(text="null")], structured_content={"result": None}
    )


@pytest.mark.parametrize(
    ("value", "annotation", "text"),
    [
        (3, int, "3"),
        (True, bool, "true"),
        (2.5, float, "2.5"),
        ([1, 2], list[int], "[1,2]"),
        (["ä"], list[str], '["ä"]'),
        (datetime.date(2026, 1, 31), datetime.date, "2026-01-31"),
        (Colour.RED, Colour, "red"),
        ({"a": 1}, dict[str, int], '{"a":1}'),
    ],
)
def test_data_is_json_as_text_and_as_structured_content(
    value: Any, annotation: Any, text: str
) -> None:
    found = result(value, annotation)

    assert texts(found) == [text]
    plain = found.structured_content
    assert text == (
        plain
        if isinstance(plain, str)
        else json.dumps(plain, separators=(",", ":"), ensure_ascii=False)
    )


def test_models_dataclasses_and_typed_dicts_are_objects() -> None:
    book = result(Book(title="A", writtenBy="B"), Book)

    assert book.structured_content == {"title": "A", "writtenBy": "B"}
    assert texts(book) == ['{"title":"A","writtenBy":"B"}']
    assert result(Point(1, 2), Point).structured_content == {"x": 1, "y": 2}
    assert result({"low": 1}, Range).structured_content == {"low": 1}
    assert result({"title": "A"}, Book).structured_content == {"title": "A", "writtenBy": ""}


def test_an_undeclared_object_is_structured_and_an_undeclared_list_is_not() -> None:
    assert result({"a": 1}).structured_content == {"a": 1}
    assert result(Point(1, 2)).structured_content == {"x": 1, "y": 2}
    assert result([1, 2]) == CallToolResult(content=[TextContent(text="[1,2]")])
    assert result(3) == CallToolResult(content=[TextContent(text="3")])
    assert result([]) == CallToolResult(content=[TextContent(text="[]")])


def test_undeclared_values_of_the_standard_library_are_written() -> None:
    identity = uuid.uuid4()
    value = {
        "day": datetime.date(2026, 1, 31),
        "price": decimal.Decimal("1.50"),
        "id": identity,
        "colour": Colour.RED,
        "path": PurePosixPath("/a"),
        "many": {1},
        "book": Book(title="A"),
        3: None,
    }

    assert result(value).structured_content == {
        "day": "2026-01-31",
        "price": "1.50",
        "id": str(identity),
        "colour": "red",
        "path": "/a",
        "many": [1],
        "book": {"title": "A", "writtenBy": ""},
        "3": None,
    }


def test_blocks_are_passed_on() -> None:
    block = ResourceLink(uri="library://a", name="a")

    assert result(block, ResourceLink).content == [block]
    assert result([block, block]).content == [block, block]


def test_pictures_sounds_and_files_become_their_blocks() -> None:
    assert [type(block) for block in result((Image(data=PNG), Audio(data=WAV))).content] == [
        ImageContent,
        AudioContent,
    ]
    assert isinstance(result(File(data="x", name="a.txt")).content[0], EmbeddedResource)


def test_a_list_with_a_block_in_it_is_a_mixture() -> None:
    found = result(["Look:", Image(data=PNG), {"a": 1}, 3, None], list[Any])

    assert [block.type for block in found.content] == ["text", "image", "text", "text"]
    assert found.structured_content is None


def test_an_empty_list_of_blocks_is_no_content() -> None:
    assert result([], list[Image]) == CallToolResult(content=[])


def test_a_ready_result_is_passed_on_as_it_is() -> None:
    ready = CallToolResult(content=[], is_error=True, meta={"a": 1})

    assert result(ready) is ready
    assert result(ready, int) is ready


# ------------------------------------------------------------------------ tools: the author's bugs


def test_a_value_that_is_not_the_declared_one_is_a_bug() -> None:
    assert bug(lambda: result("three", int)).startswith(
        'fn() returned "three", which is not what its return annotation promises: '
    )
    assert "title: is missing" in bug(lambda: result({}, Book))
    assert bug(lambda: result(None, Book))


def test_bytes_are_a_bug_with_a_remedy() -> None:
    assert bug(lambda: result(PNG)).endswith(
        "return Image(data=…), Audio(data=…) or File(data=…, name=…)."
    )
    assert "Image(data=…)" in bug(lambda: result([Image(data=PNG), PNG]))


def test_an_object_json_does_not_know_is_a_bug_that_names_its_type() -> None:
    assert bug(lambda: result(Plain())).startswith(
        "fn() returned a Plain object, which JSON cannot write"
    )
    assert "dataclass" in bug(lambda: result({"a": Plain()}))
    assert "a Plain object" in bug(lambda: result(Plain(), Plain))


def test_a_value_that_holds_itself_is_a_bug() -> None:
    endless: dict[str, Any] = {}
    endless["a"] = endless

    assert "JSON cannot write" in bug(lambda: result(endless))
    assert "JSON cannot write" in bug(lambda: result(endless, dict))


def test_text_with_half_a_surrogate_pair_is_a_bug() -> None:
    assert "JSON cannot write" in bug(lambda: result({"a": "\ud800"}))
    assert "JSON cannot write" in bug(lambda: result({"a": "\ud800"}, dict))


def test_a_picture_where_data_is_declared_is_a_bug() -> None:
    assert "annotate it with -> Image" in bug(lambda: result(Image(data=PNG), dict))


@pytest.mark.parametrize("annotation", [float, MISSING, dict[str, float], list[float]])
def test_a_number_that_is_not_finite_is_a_bug(annotation: Any) -> None:
    nan = float("nan")
    value = {dict[str, float]: {"a": nan}, list[float]: [nan]}.get(annotation, nan)

    assert "NaN or infinite" in bug(lambda: result(value, annotation))


# -------------------------------------------------------------------------------------- resources

URI = "library://a"


def text_of(value: Any, mime_type: str | None = None) -> tuple[str | None, str]:
    (found,) = resource_result(value, URI, mime_type).contents
    assert isinstance(found, TextResourceContents)
    assert found.uri == URI
    return found.mime_type, found.text


def test_text_is_read_as_text() -> None:
    assert resource_result("Hi", URI, None) == ReadResourceResult(
        contents=[TextResourceContents(uri=URI, mime_type="text/plain", text="Hi")]
    )
    assert text_of("# Hi", "text/markdown") == ("text/markdown", "# Hi")
    assert text_of(TextContent(text="Hi")) == ("text/plain", "Hi")


def test_bytes_are_read_as_a_blob() -> None:
    assert resource_result(b"\x00", URI, None) == ReadResourceResult(
        contents=[BlobResourceContents(uri=URI, mime_type="application/octet-stream", blob="AA==")]
    )


def test_data_is_read_as_json() -> None:
    assert text_of({"a": "ä"}) == ("application/json", '{"a":"ä"}')
    assert text_of([1, "b"]) == ("application/json", '[1,"b"]')
    assert text_of(Book(title="A")) == ("application/json", '{"title":"A","writtenBy":""}')
    assert text_of(Point(1, 2), "text/x-point") == ("text/x-point", '{"x":1,"y":2}')
    assert text_of([]) == ("application/json", "[]")


def test_pictures_and_files_are_read_under_the_uri_that_was_asked_for(tmp_path: Path) -> None:
    path = tmp_path / "notes.md"
    path.write_text("# Hi")

    assert resource_result(Image(data=PNG), URI, None).contents == [
        BlobResourceContents(uri=URI, mime_type="image/png", blob=base64.b64encode(PNG).decode())
    ]
    assert text_of(File(path=path)) == ("text/markdown", "# Hi")


def test_contents_are_passed_on_one_or_several() -> None:
    one = TextResourceContents(uri="library://b", text="b")
    whole = ReadResourceResult(contents=[one])

    assert resource_result(one, URI, None) == whole
    assert resource_result([one, one], URI, None).contents == [one, one]
    assert resource_result(whole, URI, None) is whole


def test_what_cannot_be_read_is_a_bug() -> None:
    assert "raise NotFound" in bug(lambda: resource_result(None, URI, None))
    assert "a Plain object" in bug(lambda: resource_result(Plain(), URI, None))
    assert "NaN" in bug(lambda: resource_result({"a": float("nan")}, URI, None))


# ---------------------------------------------------------------------------------------- prompts


def messages(value: Any) -> list[tuple[str, Any]]:
    found = prompt_result(value, None).messages
    return [
        (each.role, each.content.text if isinstance(each.content, TextContent) else each.content)
        for each in found
    ]


def test_text_is_one_message_of_the_user() -> None:
    assert prompt_result("Review it.", "A review") == GetPromptResult(
        description="A review",
        messages=[PromptMessage(role="user", content=TextContent(text="Review it."))],
    )


@pytest.mark.parametrize(
    "value",
    [
        ["Hi", ("assistant", "Ho")],
        [{"role": "user", "content": "Hi"}, {"role": "assistant", "content": "Ho"}],
        (
            TextContent(text="Hi"),
            PromptMessage(role="assistant", content=TextContent(text="Ho")),
        ),
        [
            {"role": "user", "content": {"type": "text", "text": "Hi"}},
            {"role": "assistant", "content": TextContent(text="Ho")},
        ],
    ],
)
def test_messages_can_be_written_in_many_ways(value: Any) -> None:
    assert messages(value) == [("user", "Hi"), ("assistant", "Ho")]


def test_two_texts_are_two_messages_and_a_pair_is_one() -> None:
    assert messages(["user", "Hi"]) == [("user", "user"), ("user", "Hi")]
    assert messages(("user", "Hi")) == [("user", "Hi")]


def test_a_message_with_several_contents_is_several_messages() -> None:
    found = messages(("assistant", ["Look:", Image(data=PNG)]))

    assert found[0] == ("assistant", "Look:")
    assert found[1][0] == "assistant"
    assert isinstance(found[1][1], ImageContent)


def test_data_is_a_message_with_its_json() -> None:
    assert messages({"a": 1}) == [("user", '{"a":1}')]
    assert messages([Point(1, 2)]) == [("user", '{"x":1,"y":2}')]
    assert messages({"type": "book", "title": "A"}) == [("user", '{"type":"book","title":"A"}')]


def test_no_messages_are_no_messages() -> None:
    assert messages([]) == []


def test_a_ready_prompt_is_passed_on() -> None:
    ready = GetPromptResult(messages=[])

    assert prompt_result(ready, "ignored") is ready


def test_what_is_no_message_is_a_bug() -> None:
    assert "role 'system'" in bug(lambda: prompt_result({"role": "system", "content": "x"}, None))
    assert "returned None" in bug(lambda: prompt_result(None, None))
    assert "a bytes object" in bug(lambda: prompt_result(PNG, None))
    assert "a Plain object" in bug(lambda: prompt_result(Plain(), None))
