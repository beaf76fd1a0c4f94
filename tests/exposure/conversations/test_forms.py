"""Django forms as tools: what is announced, what the function gets, what a caller is told."""

from __future__ import annotations

import base64
import uuid
from datetime import UTC, date, datetime, time, timedelta
from decimal import Decimal
from typing import Any

import pytest
from django import forms
from django.contrib.auth.models import User
from django.core.exceptions import ValidationError
from django.core.validators import FileExtensionValidator
from django.db import connection
from django.http import Http404
from django.utils.translation import gettext_lazy
from jsonschema import Draft202012Validator

from django_mcp import Context, MCPServer, Principal
from django_mcp.exposure import uploads
from django_mcp.server.errors import RegistrationError
from tests.conversations.talk import failed, said
from tests.doors import Door, envelope
from tests.exposure.shelf.models import Book, Branch, Tag

pytestmark = pytest.mark.django_db


async def schema_of(door: Door, name: str = "one") -> Any:
    """The input schema of a tool, which has to be one."""
    tools = (await door.call("tools/list")).result["tools"]
    (schema,) = (tool["inputSchema"] for tool in tools if tool["name"] == name)
    Draft202012Validator.check_schema(schema)
    return schema


def wrong(*lines: str, name: str = "one") -> dict[str, Any]:
    text = "".join(f"\n- {line}" for line in lines)
    return failed(f"The arguments of `{name}` are not valid:{text}")


class Loan(forms.Form):
    reader = forms.CharField(max_length=10, label="The reader", help_text="As on the card.")
    weeks = forms.IntegerField(min_value=1, max_value=8, initial=4)
    remind = forms.BooleanField(required=False)

    def clean_reader(self) -> str:
        if self.cleaned_data["reader"] == "nobody":
            raise ValidationError("Nobody has no card.")
        return self.cleaned_data["reader"].title()

    def clean(self) -> dict[str, Any]:
        data = super().clean() or {}
        if data.get("weeks") == 8 and not data.get("remind"):
            raise ValidationError("Eight weeks only with a reminder.")
        return data


@pytest.fixture
def lending(server: MCPServer) -> None:
    @server.tool.form(Loan, "one")
    def lend(cleaned_data):  # type: ignore[no-untyped-def]
        """Lend a book."""
        return " ".join(str(value) for value in cleaned_data.values())


@pytest.mark.usefixtures("lending")
async def test_the_fields_of_a_form_are_the_arguments_of_the_tool(door: Door) -> None:
    tools = (await door.call("tools/list")).result["tools"]

    assert tools == [
        {
            "name": "one",
            "description": "Lend a book.",
            "inputSchema": {
                "type": "object",
                "properties": {
                    "reader": {
                        "type": "string",
                        "minLength": 1,
                        "maxLength": 10,
                        "title": "The reader",
                        "description": "As on the card.",
                    },
                    "weeks": {"type": "integer", "minimum": 1, "maximum": 8, "default": 4},
                    "remind": {"type": "boolean"},
                },
                "additionalProperties": False,
                "required": ["reader"],
            },
        }
    ]


@pytest.mark.usefixtures("lending")
async def test_the_function_gets_what_the_form_has_cleaned(door: Door) -> None:
    assert await door.tool("one", {"reader": " ada "}) == said("Ada 4 False")
    assert await door.tool("one", {"reader": "ada", "weeks": "2", "remind": "true"}) == said(
        "Ada 2 True"
    )


@pytest.mark.usefixtures("lending")
@pytest.mark.parametrize(
    ("given", "lines"),
    [
        ({}, ["reader: This field is required."]),
        (
            {"reader": None, "weeks": None},
            ["reader: This field is required.", "weeks: This field is required."],
        ),
        ({"reader": "nobody"}, ["reader: Nobody has no card."]),
        (
            {"reader": "somebody else", "weeks": 9},
            [
                "reader: Ensure this value has at most 10 characters (it has 13).",
                "weeks: Ensure this value is less than or equal to 8.",
            ],
        ),
        ({"reader": "ada", "weeks": 8}, ["Eight weeks only with a reminder."]),
        ({"reader": "ada", "weeks": "many"}, ["weeks: Enter a whole number."]),
        (
            {"reader": ["ada"], "weeks": True, "remind": "perhaps"},
            [
                'reader: should be a string; got ["ada"]',
                "weeks: should be an integer; got true",
                'remind: should be true or false; got "perhaps"',
            ],
        ),
        ({"reader": "ada", "week": 1}, ["week: is not an argument; did you mean `weeks`?"]),
        ({"reader": "a\x00b"}, ["reader: Null characters are not allowed."]),
    ],
)  # fmt: skip
async def test_what_is_wrong_is_told_by_field_in_the_forms_own_words(
    door: Door, given: Any, lines: list[str]
) -> None:
    assert await door.tool("one", given) == wrong(*lines)


@pytest.mark.parametrize("sync", [True, False], ids=["sync", "async"])
async def test_a_function_takes_the_form_the_data_the_context_and_arguments_of_its_own(
    door: Door, server: MCPServer, sync: bool
) -> None:
    def plain(ctx: Context, form: Loan, cleaned_data: dict[str, Any], copies: int = 1) -> str:
        assert form.is_valid()
        assert form.cleaned_data is cleaned_data
        return f"{ctx.target} {cleaned_data['reader']} {copies + 1}"

    async def awaited(
        form: Loan, ctx: Context, cleaned_data: dict[str, Any], copies: int = 1
    ) -> str:
        return plain(ctx, form, cleaned_data, copies)

    server.tool.form(Loan, "one", structured_output=False)(plain if sync else awaited)

    assert (await schema_of(door))["properties"]["copies"] == {"type": "integer", "default": 1}
    assert await door.tool("one", {"reader": "ada", "copies": 3}) == said("one Ada 4")
    assert await door.tool("one", {"copies": "x"}) == wrong('copies: should be an integer; got "x"')


# Every kind of field


#: The bytes of a file, one more than one may have.
TOO_MUCH = base64.b64encode(b"x" * (uploads.MOST_BYTES + 1)).decode()


class Everything(forms.Form):
    title = forms.CharField(max_length=10, min_length=2, required=False)
    slug = forms.SlugField(required=False)
    count = forms.IntegerField(required=False)
    price = forms.DecimalField(min_value=Decimal("0.5"), max_digits=6, required=False)
    ratio = forms.FloatField(max_value=1, required=False)
    flag = forms.BooleanField(required=False)
    maybe = forms.NullBooleanField(required=False)
    one_of = forms.ChoiceField(
        choices=[("", "---"), ("a", "A one"), ("b", "A two")], required=False
    )
    grouped = forms.ChoiceField(choices=[("Some", [("x", "x"), ("y", "y")])], required=False)
    typed = forms.TypedChoiceField(choices=[(1, "One"), (2, "Two")], coerce=int, required=False)
    several = forms.MultipleChoiceField(choices=[("a", "a"), ("b", "b")], required=False)
    typed_several = forms.TypedMultipleChoiceField(
        choices=Book.Kind.choices, coerce=int, required=False
    )
    made = forms.ChoiceField(choices=lambda: [("made", "Made")], required=False)
    day = forms.DateField(required=False)
    german = forms.DateField(required=False, input_formats=["%d.%m.%Y"])
    hour = forms.TimeField(required=False)
    moment = forms.DateTimeField(required=False)
    split = forms.SplitDateTimeField(required=False)
    lasting = forms.DurationField(required=False)
    mail = forms.EmailField(required=False)
    link = forms.URLField(required=False, assume_scheme="https")
    unique = forms.UUIDField(required=False)
    address = forms.GenericIPAddressField(required=False)
    anything = forms.JSONField(required=False)
    branch = forms.ModelChoiceField(Branch.objects.filter(open=True), required=False)
    by_code = forms.ModelChoiceField(
        Branch.objects.filter(open=True), to_field_name="code", required=False
    )
    tags = forms.ModelMultipleChoiceField(Tag.objects.all(), required=False)
    fixed = forms.CharField(disabled=True, initial="fixed")
    file = forms.FileField(required=False)
    hidden = forms.CharField(widget=forms.HiddenInput, required=False)


@pytest.fixture
def seen(server: MCPServer) -> list[dict[str, Any]]:
    """What the function of a tool with every kind of field got."""
    calls: list[dict[str, Any]] = []

    @server.tool.form(Everything, "one")
    def one(cleaned_data):  # type: ignore[no-untyped-def]
        calls.append(cleaned_data)
        return "done"

    return calls


@pytest.mark.usefixtures("seen")
async def test_every_kind_of_field_has_a_schema(door: Door) -> None:
    found = await schema_of(door)

    assert "required" not in found
    assert found["properties"].pop("address")["type"] == "string"
    choice = {"type": "string", "enum": ["a", "b"]}
    assert found["properties"] == {
        "title": {"type": "string", "maxLength": 10},
        "slug": {"type": "string"},
        "count": {"type": "integer"},
        "price": {"type": ["number", "string"], "minimum": 0.5},
        "ratio": {"type": "number", "maximum": 1},
        "flag": {"type": "boolean"},
        "maybe": {"type": ["boolean", "null"]},
        "one_of": {
            "type": "string",
            "oneOf": [{"const": "a", "title": "A one"}, {"const": "b", "title": "A two"}],
        },
        "grouped": {"type": "string", "enum": ["x", "y"]},
        "typed": {
            "type": "integer",
            "oneOf": [{"const": 1, "title": "One"}, {"const": 2, "title": "Two"}],
        },
        "several": {"type": "array", "items": choice, "uniqueItems": True},
        "typed_several": {
            "type": "array",
            "uniqueItems": True,
            "items": {
                "type": "integer",
                "oneOf": [{"const": 1, "title": "A novel"}, {"const": 2, "title": "Poems"}],
            },
        },
        "made": {"type": "string"},
        "day": {"type": "string", "format": "date"},
        "german": {"type": "string", "format": "date"},
        "hour": {"type": "string", "format": "time"},
        "moment": {"type": "string", "format": "date-time"},
        "split": {"type": "string", "format": "date-time"},
        "lasting": {"type": "string", "format": "duration"},
        "mail": {"type": "string", "maxLength": 320, "format": "email"},
        "link": {"type": "string", "format": "uri"},
        "unique": {"type": "string", "format": "uuid"},
        "anything": {},
        "branch": {"type": "integer", "description": "The primary key of one of the branches."},
        "by_code": {"type": "string", "description": "The code of one of the branches."},
        "tags": {
            "type": "array",
            "items": {"type": "integer"},
            "uniqueItems": True,
            "description": "Tags, each by its primary key.",
        },
        "hidden": {"type": "string"},
        "file": uploads.SCHEMA,
    }


async def test_every_kind_of_field_gets_its_value(door: Door, seen: list[Any]) -> None:
    branch = await Branch.objects.acreate(code="north")
    tags = [await Tag.objects.acreate(name=name) for name in ("sea", "land")]
    id = uuid.uuid4()
    given = {
        "title": "Moby",
        "slug": "moby-dick",
        "count": 3.0,
        "price": 0.7,
        "ratio": 0.25,
        "flag": True,
        "maybe": False,
        "one_of": "a",
        "grouped": "y",
        "typed": 2,
        "several": ["b", "a"],
        "typed_several": [1, 2],
        "made": "made",
        "day": "2026-01-31",
        "german": "2026-01-31",
        "hour": "12:30",
        "moment": "2026-01-31T12:30:00Z",
        "split": "2026-01-31T12:30:00+00:00",
        "lasting": "P1DT2H",
        "mail": "ada@example.org",
        "link": "https://example.org/",
        "unique": str(id),
        "address": "::1",
        "anything": {"a": [1, "b", None]},
        "branch": branch.pk,
        "by_code": "north",
        "tags": [tag.pk for tag in tags],
        "hidden": "h",
    }

    assert await door.tool("one", given) == said("done")
    moment = datetime(2026, 1, 31, 12, 30, tzinfo=UTC)
    got = dict(seen[0], tags=set(seen[0]["tags"]))
    assert got == {
        **given,
        "count": 3,
        "price": Decimal("0.7"),
        "day": date(2026, 1, 31),
        "german": date(2026, 1, 31),
        "hour": time(12, 30),
        "moment": moment,
        "split": moment,
        "lasting": timedelta(days=1, hours=2),
        "unique": id,
        "branch": branch,
        "by_code": branch,
        "tags": set(tags),
        "fixed": "fixed",
        "file": None,
    }


async def test_what_is_left_out_and_what_is_null_is_empty(door: Door, seen: list[Any]) -> None:
    names = [name for name in Everything.base_fields if name not in ("fixed", "file")]

    await door.tool("one", {})
    await door.tool("one", dict.fromkeys(names))

    seen[0]["tags"], seen[1]["tags"] = list(seen[0]["tags"]), list(seen[1]["tags"])
    assert seen[0] == seen[1]
    assert {name for name, value in seen[0].items() if value} == {"fixed"}


async def test_a_json_may_be_a_bare_text(door: Door, seen: list[Any]) -> None:
    for value in ("text", "{", 5, True, [], {"a": 1}):
        await door.tool("one", {"anything": value})
        assert seen[-1]["anything"] == value


@pytest.mark.usefixtures("seen")
@pytest.mark.parametrize(
    ("name", "value", "line"),
    [
        ("one_of", "c", "Select a valid choice. c is not one of the available choices."),
        ("one_of", ["a"], 'should be one value; got ["a"]'),
        ("several", "a", 'should be an array; got "a"'),
        ("several", ["a", "c"], "Select a valid choice. c is not one of the available choices."),
        ("typed", {"a": 1}, 'should be one value; got {"a":1}'),
        ("day", "soon", "Enter a valid date."),
        ("day", 5, "should be a string; got 5"),
        ("day", "2026-02-30", 'should be a date; got "2026-02-30": day is out of range for month'),
        ("moment", "2026-01-31T25:00Z", 'should be a date and a time; got "2026-01-31T25:00Z"'),
        ("price", "much", "Enter a number."),
        ("price", 1234567.5, "Ensure that there are no more than 6 digits in total."),
        ("mail", "ada", "Enter a valid email address."),
        ("unique", "7", "Enter a valid UUID."),
        ("fixed", "x", "is not an argument"),
        ("file", "x", "should be a file: an object with name, data in Base64, and mime_type"),
        ("file", {"name": "a.txt"}, "should be a file"),
        ("file", {"name": "a.txt", "data": "", "size": 1}, "should be a file"),
        ("file", {"name": "../a.txt", "data": "YQ=="}, "name should be the name of a file"),
        ("file", {"name": "..", "data": "YQ=="}, "name should be the name of a file"),
        ("file", {"name": 'a".txt', "data": "YQ=="}, "name should be the name of a file"),
        ("file", {"name": "a\r\nb.txt", "data": "YQ=="}, "name should be the name of a file"),
        ("file", {"name": "a" * 101, "data": "YQ=="}, "name should be the name of a file"),
        ("file", {"name": "a.txt", "data": "YQ"}, "data should be the bytes of the file in"),
        ("file", {"name": "a.txt", "data": "\u00e9"}, "data should be the bytes of the file in"),
        ("file", {"name": "a.txt", "data": [1]}, "data should be the bytes of the file in"),
        ("file", {"name": "a.txt", "data": TOO_MUCH}, "data should have at most 1,048,576 bytes"),
        (
            "file",
            {"name": "a.txt", "data": "YQ==", "mime_type": "text/plain\r\nX-A: 1"},
            "mime_type should be one",
        ),
        ("file", {"name": "a.txt", "data": ""}, "The submitted file is empty."),
    ],
)  # fmt: skip
async def test_what_does_not_fit_a_field_is_told(
    door: Door, name: str, value: Any, line: str
) -> None:
    result = await door.tool("one", {name: value})

    assert result["isError"] is True
    assert f"\n- {name}: {line}" in result["content"][0]["text"]


@pytest.mark.usefixtures("seen")
@pytest.mark.parametrize("name", ["branch", "by_code", "tags"])
async def test_an_object_outside_the_queryset_is_like_one_that_does_not_exist(
    door: Door, name: str
) -> None:
    closed = await Branch.objects.acreate(code="closed", open=False)
    keys: list[Any] = [10**30, -1, "x", 0.5]
    keys.append({"by_code": "closed", "branch": closed.pk, "tags": 7}[name])
    answers = set()
    null = await door.tool("one", {name: ["a\x00b"] if name == "tags" else "a\x00b"})
    assert null["isError"] is True
    for key in keys:
        result = await door.tool("one", {name: [key] if name == "tags" else key})
        assert result["isError"] is True, key
        answers.add(result["content"][0]["text"].replace(str(key), "…"))
    if name != "tags":  # Django itself tells a key that cannot be one from one that is unknown.
        assert len(answers) == 1


# Forms of models


class BookForm(forms.ModelForm):
    class Meta:
        model = Book
        fields = ("title", "pages", "kind", "branch", "tags", "note")


def test_an_argument_of_the_function_needs_its_annotation(server: MCPServer) -> None:
    with pytest.raises(RegistrationError, match="`book_id`"):
        server.tool.form(Loan)(lambda form, book_id: None)


@pytest.fixture
def shelves(server: MCPServer) -> None:
    """Tools that add a book, and change one."""

    def book(book_id: int) -> Book:
        """A published book."""
        return Book.objects.get(pk=book_id)

    def by_title(title_now: str) -> Book:
        raise Http404

    @server.tool.form(BookForm)
    def add_book(form: BookForm):  # type: ignore[no-untyped-def]
        return f"added {form.save().title}"

    @server.tool.form(BookForm, instance=book)
    def change_book(form: BookForm, book_id: int):  # type: ignore[no-untyped-def]
        form.save()
        return f"changed {', '.join(form.changed_data)}"

    @server.tool.form(BookForm, instance=by_title)
    def nothing(form: BookForm) -> str:
        raise NotImplementedError


@pytest.mark.usefixtures("shelves")
async def test_a_model_form_makes_an_object(door: Door) -> None:
    schema = await schema_of(door, "add_book")
    tag = await Tag.objects.acreate(name="sea")

    result = await door.tool("add_book", {"title": "Moby-Dick", "tags": [tag.pk]})

    assert result == said("added Moby-Dick")
    book = await Book.objects.aget()
    assert (book.pages, book.kind, book.note) == (100, Book.Kind.NOVEL, "")
    assert [tag async for tag in book.tags.all()] == [tag]
    assert schema["required"] == ["title"]
    assert schema["properties"]["kind"]["default"] == 1
    assert schema["properties"]["note"] == {
        "type": "string",
        "title": "Note",
        "description": "For the staff.",
    }


@pytest.mark.usefixtures("shelves")
async def test_the_models_own_validation_is_told(door: Door) -> None:
    await Book.objects.acreate(title="Emma")

    assert await door.tool("add_book", {"title": "Emma"}) == wrong(
        "title: Book with this Title already exists.", name="add_book"
    )


@pytest.mark.usefixtures("shelves")
async def test_an_object_keeps_what_is_left_out_and_loses_what_is_null(door: Door) -> None:
    branch = await Branch.objects.acreate(code="north")
    tag = await Tag.objects.acreate(name="sea")
    book = await Book.objects.acreate(title="Emma", pages=400, branch=branch, note="Old.", kind=2)
    await book.tags.aset([tag])
    schema = await schema_of(door, "change_book")

    result = await door.tool("change_book", {"book_id": book.pk, "pages": 401, "branch": None})

    assert result == said("changed pages, branch")
    await book.arefresh_from_db()
    assert (book.title, book.pages, book.branch_id, book.note, book.kind) == (
        "Emma", 401, None, "Old.", 2,
    )  # fmt: skip
    assert [tag async for tag in book.tags.all()] == [tag]
    assert schema["required"] == ["book_id"]

    await door.tool("change_book", {"book_id": book.pk, "tags": []})
    assert [tag async for tag in book.tags.all()] == []


@pytest.mark.usefixtures("shelves")
async def test_an_object_that_is_not_there_is_not_found(door: Door) -> None:
    assert await door.tool("change_book", {"book_id": 7}) == failed("Not found.")
    assert await door.tool("nothing", {"title_now": "x"}) == failed("Not found.")


# What a form is made with


class OfOneUser(forms.Form):
    branch = forms.ModelChoiceField(Branch.objects.none())
    shelf = forms.ChoiceField(choices=())

    def __init__(self, *args: Any, user: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.fields["branch"].queryset = Branch.objects.filter(code=user.username)
        # As pages do it, where one field depends on another.
        if self.data.get(self.add_prefix("branch")):
            self.fields["shelf"].choices = [("a", "A")]


async def test_a_form_may_be_for_a_user_and_have_a_prefix(server: MCPServer, guarded: Any) -> None:
    @server.tool.form(OfOneUser, "one", form_kwargs=lambda ctx: {"user": ctx.user, "prefix": "p"})
    def one(cleaned_data):  # type: ignore[no-untyped-def]
        return str(cleaned_data["branch"])

    north, south = [await Branch.objects.acreate(code=code) for code in ("north", "south")]
    door = guarded(lambda request: Principal(id="user:1", user=User(username="north")))
    own = await door.tool("one", {"branch": north.pk, "shelf": "a"})
    other = await door.tool("one", {"branch": south.pk, "shelf": "a"})

    assert own == said("Branch north")
    assert other["isError"] is True


async def test_a_field_the_form_takes_away_is_not_asked_for(door: Door, server: MCPServer) -> None:
    class Shorter(Loan):
        def __init__(self, *args: Any, **kwargs: Any) -> None:
            super().__init__(*args, **kwargs)
            del self.fields["remind"]

    @server.tool.form(Shorter, "one")
    def one(cleaned_data):  # type: ignore[no-untyped-def]
        return str(sorted(cleaned_data))

    assert await door.tool("one", {"reader": "ada"}) == said("['reader', 'weeks']")
    assert await door.tool("one", {"reader": "ada", "remind": True}) == wrong(
        "remind: is not asked for"
    )


async def test_a_page_may_have_other_widgets(door: Door, server: MCPServer) -> None:
    class OfThePage(forms.Form):
        day = forms.DateField(widget=forms.SelectDateWidget)
        tags = forms.CharField(widget=forms.Textarea)
        kinds = forms.MultipleChoiceField(choices=[("a", "a")], widget=forms.CheckboxSelectMultiple)

    @server.tool.form(OfThePage, "one")
    def one(form: OfThePage):  # type: ignore[no-untyped-def]
        return f"{form.cleaned_data} {form.data.getlist('kinds')}"

    given = {"day": "2026-01-31", "tags": "a", "kinds": ["a"]}
    assert await door.tool("one", given) == said(
        "{'day': datetime.date(2026, 1, 31), 'tags': 'a', 'kinds': ['a']} ['a']"
    )


async def test_a_box_that_has_to_be_ticked_says_so(door: Door, server: MCPServer) -> None:
    class Agreed(forms.Form):
        agreed = forms.BooleanField(label=gettext_lazy("Yes"))

    server.tool.form(Agreed, "one")(lambda form: "done")

    assert (await schema_of(door))["properties"]["agreed"] == {
        "type": "boolean",
        "const": True,
        "title": "Yes",
    }
    assert await door.tool("one", {"agreed": False}) == wrong("agreed: This field is required.")
    assert await door.tool("one", {"agreed": True}) == said("done")


async def test_a_file_is_given_with_its_name_and_its_bytes(door: Door, server: MCPServer) -> None:
    class Report(forms.Form):
        prefix = "report"
        scan = forms.FileField(validators=[FileExtensionValidator(["txt"])])

    @server.tool.form(Report, "one", form_kwargs=lambda ctx: {"prefix": "its"})
    def take(cleaned_data):  # type: ignore[no-untyped-def]
        scan = cleaned_data["scan"]
        return f"{scan.name} {scan.content_type} {scan.size} {scan.read()!r}"

    schema = await schema_of(door)
    assert schema["required"] == ["scan"]
    assert schema["properties"]["scan"] == uploads.SCHEMA
    file = {"name": "naïve plan.txt", "data": base64.b64encode("é".encode()).decode()}
    assert await door.tool("one", {"scan": file}) == said(
        "naïve plan.txt text/plain 2 b'\\xc3\\xa9'"
    )
    assert await door.tool("one", {"scan": {**file, "mime_type": "text/markdown"}}) == said(
        "naïve plan.txt text/markdown 2 b'\\xc3\\xa9'"
    )
    assert await door.tool("one", {"scan": {**file, "name": "plan.exe"}}) == wrong(
        "scan: File extension “exe” is not allowed. Allowed extensions are: txt."
    )
    assert await door.tool("one", {}) == wrong("scan: This field is required.")


async def test_a_field_of_several_parts_takes_them_in_order(door: Door, server: MCPServer) -> None:
    class Range(forms.MultiValueField):
        def __init__(self, **options: Any) -> None:
            super().__init__(fields=[forms.IntegerField(), forms.IntegerField()], **options)

        def compress(self, data_list: Any) -> Any:
            return list(data_list)

    class Shelf(forms.Form):
        years = Range()

    server.tool.form(Shelf, "one")(lambda cleaned_data: str(cleaned_data["years"]))

    assert await door.tool("one", {"years": [1900, "1999"]}) == said("[1900, 1999]")
    assert await door.tool("one", {"years": [1, 2, 3]}) == wrong(
        "years: should be an array of at most 2 parts; got [1,2,3]"
    )
    assert await door.tool("one", {"years": [1, None]}) == wrong("years: This field is required.")


# What cannot be registered


LoanSet = forms.formset_factory(Loan)


@pytest.mark.parametrize(
    ("form", "options", "words"),
    [
        (LoanSet, {}, "is a formset"),
        (Loan(), {}, "give a class"),
        (dict, {}, "give a class"),
        (Loan, {"instance": lambda: None}, "no ModelForm"),
    ],
)
def test_what_is_no_form_of_one_object_is_refused_when_it_is_registered(
    server: MCPServer, form: Any, options: Any, words: str
) -> None:
    with pytest.raises(RegistrationError, match=words):
        server.tool.form(form, "one", **options)(lambda form: None)
    assert len(server.tools) == 0


def test_a_function_that_does_not_fit_is_refused(server: MCPServer) -> None:
    async def later(book_id: int) -> Book:
        raise NotImplementedError

    def twice(form: Loan, weeks: int) -> None:
        raise NotImplementedError

    with pytest.raises(RegistrationError, match="neither `form`"):
        server.tool.form(Loan, "one")(lambda: None)
    with pytest.raises(RegistrationError, match="sync function"):
        server.tool.form(BookForm, "one", instance=later)(lambda form: None)
    with pytest.raises(RegistrationError, match="'weeks' is a field"):
        server.tool.form(Loan, "one")(twice)


# Who may use it, and where it runs


async def test_a_form_has_the_options_of_every_tool(server: MCPServer, guarded: Any) -> None:
    @server.tool.form(
        Loan,
        "one",
        title="Lend",
        destructive=False,
        permission=lambda principal: principal.id == "name:ada",
    )
    def lend(cleaned_data: dict[str, Any]) -> dict[str, int]:
        return {"weeks": cleaned_data["weeks"]}

    door = guarded(lambda request: Principal(id=f"name:{request.headers['x-caller']}"))
    params = {"name": "one", "arguments": {}}
    (tool,) = (await door.post(envelope("tools/list"), x_caller="ada")).result["tools"]
    refused = await door.post(envelope("tools/call", params), x_caller="bob")
    params = {"name": "one", "arguments": {"reader": "ada"}}
    called = await door.post(envelope("tools/call", params), x_caller="ada")

    assert (tool["title"], tool["annotations"]) == ("Lend", {"destructiveHint": False})
    assert tool["outputSchema"]["additionalProperties"] == {"type": "integer"}
    assert refused.error["message"] == "Unknown tool: one"
    assert called.result["structuredContent"] == {"weeks": 4}


@pytest.mark.parametrize("sync", [True, False], ids=["sync", "async"])
async def test_a_form_is_validated_in_the_transaction_of_its_call(
    door: Door, server: MCPServer, sync: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(connection.settings_dict, "ATOMIC_REQUESTS", True)

    class Writes(forms.Form):
        code = forms.CharField()

        def clean(self) -> None:
            Branch.objects.create(code=self.cleaned_data["code"])

    def plain(form: Writes) -> str:
        raise ValueError("secret")

    async def awaited(form: Writes) -> str:
        return plain(form)

    server.tool.form(Writes, "one")(plain if sync else awaited)
    result = await door.tool("one", {"code": "north"})

    assert result == failed("Error executing tool one: internal error.")
    assert not await Branch.objects.aexists()
