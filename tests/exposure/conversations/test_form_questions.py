"""Django forms as questions: what a client is shown, and what becomes of its answer."""

from __future__ import annotations

from datetime import UTC, date, datetime
from decimal import Decimal
from typing import Any

import pytest
from django import forms
from django.core.exceptions import ValidationError

from django_mcp import Answer, Context, MCPServer, questions
from django_mcp.authentication import anonymous
from tests.conversations.talk import (
    ASKABLE,
    DECLINED,
    Client,
    accepted,
    calling,
    failed,
    form_for,
    said,
)
from tests.doors import Door
from tests.exposure.shelf.models import Book, Branch, Tag

pytestmark = pytest.mark.django_db


class Reader(forms.Form):
    name = forms.CharField(max_length=20, label="Full name", help_text="As on the card.")
    mail = forms.EmailField()
    born = forms.DateField(required=False)
    weeks = forms.IntegerField(min_value=1, max_value=8, initial=4)
    fee = forms.DecimalField(required=False, max_digits=4, decimal_places=2)
    junior = forms.BooleanField(required=False)
    colour = forms.ChoiceField(choices=[("", "---"), ("r", "Red"), ("g", "Green")], initial="g")
    number = forms.TypedChoiceField(choices=[(1, "One"), (2, "Two")], coerce=int, required=False)
    moods = forms.MultipleChoiceField(choices=[("a", "a"), ("b", "b")], required=False)
    since = forms.DateTimeField(required=False)
    fixed = forms.CharField(disabled=True, initial="fixed")

    def clean_name(self) -> str:
        if self.cleaned_data["name"] == "Nobody":
            raise ValidationError("Nobody has no card.")
        return self.cleaned_data["name"].upper()

    def clean(self) -> None:
        if self.cleaned_data.get("junior") and self.cleaned_data.get("fee"):
            raise ValidationError("Juniors pay nothing.")


PROPERTIES = {
    "name": {
        "type": "string",
        "title": "Full name",
        "description": "As on the card.",
        "minLength": 1,
        "maxLength": 20,
    },
    "mail": {
        "type": "string",
        "title": "Mail",
        "minLength": 1,
        "maxLength": 320,
        "format": "email",
    },
    "born": {"type": "string", "title": "Born", "format": "date"},
    "weeks": {"type": "integer", "title": "Weeks", "minimum": 1, "maximum": 8, "default": 4},
    "fee": {"type": "number", "title": "Fee"},
    "junior": {"type": "boolean", "title": "Junior"},
    "colour": {
        "type": "string",
        "title": "Colour",
        "oneOf": [{"const": "r", "title": "Red"}, {"const": "g", "title": "Green"}],
        "default": "g",
    },
    "number": {
        "type": "string",
        "title": "Number",
        "oneOf": [{"const": "1", "title": "One"}, {"const": "2", "title": "Two"}],
    },
    "moods": {
        "type": "array",
        "title": "Moods",
        "items": {"type": "string", "enum": ["a", "b"]},
    },
    "since": {"type": "string", "title": "Since", "format": "date-time"},
}
QUESTION = {"question-1": form_for("Who?", PROPERTIES, ["name", "mail"])}


@pytest.fixture
def seen() -> list[Answer[Any]]:
    """The answers the function of the tool got."""
    return []


@pytest.fixture(params=["sync", "async"])
def asking(request: pytest.FixtureRequest, server: MCPServer, seen: list[Any]) -> None:
    """A tool that asks for a reader."""

    def plain(ctx: Context):  # type: ignore[no-untyped-def]
        seen.append(ctx.wait(ctx.ask("Who?", Reader)))
        return "asked"

    async def awaited(ctx: Context):  # type: ignore[no-untyped-def]
        seen.append(await ctx.ask("Who?", Reader))
        return "asked"

    server.add_tool(plain if request.param == "sync" else awaited, "one")


@pytest.mark.usefixtures("asking")
async def test_a_form_is_asked_and_its_answer_arrives_cleaned(
    door: Door, seen: list[Answer[Any]]
) -> None:
    dialogue = calling(door, "one")
    assert await dialogue.asked() == QUESTION
    content = {
        "name": "Ada",
        "mail": "ada@example.org",
        "born": "1815-12-10",
        "fee": 2.5,
        "number": "2",
        "moods": ["b"],
        "since": "2026-01-31T12:30:00Z",
        "fixed": "not asked for",
    }

    assert await dialogue.ended({"question-1": accepted(**content)}) == said("asked")
    assert seen == [
        Answer(
            action="accept",
            data={
                "name": "ADA",
                "mail": "ada@example.org",
                "born": date(1815, 12, 10),
                "weeks": 4,
                "fee": Decimal("2.5"),
                "junior": False,
                "colour": "g",
                "number": 2,
                "moods": ["b"],
                "since": datetime(2026, 1, 31, 12, 30, tzinfo=UTC),
                "fixed": "fixed",
            },
        )
    ]


@pytest.mark.usefixtures("asking")
async def test_a_user_may_decline(door: Door, seen: list[Answer[Any]]) -> None:
    dialogue = calling(door, "one")
    await dialogue.asked()

    await dialogue.ended({"question-1": DECLINED})
    assert seen == [Answer(action="decline")]


WRONG = [
    ({}, "name: This field is required.; mail: This field is required."),
    ({"name": "Nobody", "mail": "a@b.org"}, "name: Nobody has no card."),
    ({"name": "Ada", "mail": "ada"}, "mail: must be a valid email, got 'ada'"),
    (
        {"name": "Ada", "mail": "a@b.org", "junior": True, "fee": 1},
        "Juniors pay nothing.",
    ),
    ({"name": "Ada", "mail": "a@b.org", "fee": 1.234}, "fee: Ensure that there are no more than"),
    ({"name": "Ada", "mail": "a@b.org", "colour": "b"}, "colour: must be one of 'r', 'g', got 'b'"),
    ({"name": "Ada", "mail": "a@b.org", "weeks": "2"}, "weeks: must be a whole number, got '2'"),
]


@pytest.mark.usefixtures("asking")
@pytest.mark.parametrize(("content", "words"), WRONG)
async def test_an_answer_that_does_not_fit_is_refused(door: Door, content: Any, words: str) -> None:
    dialogue = calling(door, "one")
    await dialogue.asked()
    error = await dialogue.refused({"question-1": accepted(**content)})

    assert error["code"] == -32602
    start = "params.inputResponses.question-1: The answer does not fit the form: "
    assert error["message"].startswith(start + words)


@pytest.mark.anyio
@pytest.mark.usefixtures("asking")
@pytest.mark.parametrize("revision", ["2025-06-18", "2025-11-25"])
async def test_a_session_is_asked_where_it_waits(
    streaming: Door, seen: list[Answer[Any]], revision: str
) -> None:
    client = await Client(streaming, revision, capabilities=ASKABLE).begin()

    for content, text in (
        ({"name": "Ada", "mail": "a@b.org", "number": "2"}, "asked"),
        ({"name": "Nobody", "mail": "a@b.org"}, "name: Nobody has no card."),
    ):
        async with client.calling("one") as stream:
            question = await stream.message()
            assert question["method"] == "elicitation/create"
            # Several choices at once came with 2025-11-25.
            lost = {"moods"} if revision == "2025-06-18" else set()
            shown = question["params"]["requestedSchema"]["properties"]
            assert set(shown) == set(PROPERTIES) - lost
            await client.answer(question, accepted(**content))
            result = (await stream.message())["result"]
            assert text in result["content"][0]["text"]
    assert seen[0].data is not None
    assert (seen[0].data["name"], seen[0].data["number"]) == ("ADA", 2)


# Instances, objects, and several questions


class BookForm(forms.ModelForm):
    class Meta:
        model = Book
        fields = ("title", "pages", "kind", "branch")


async def test_a_form_may_come_with_what_stands_in_it(door: Door, server: MCPServer) -> None:
    book = await Book.objects.acreate(title="Emma", pages=400, kind=Book.Kind.POEMS)

    @server.tool
    async def one(ctx: Context) -> str:
        form = BookForm(instance=book, prefix="book", initial={"pages": 401})
        answer = await ctx.ask("Right?", form)
        assert not form.is_bound
        assert book.title == "Emma"
        return f"{answer.data['title']} {answer.data['pages']} {answer.data['kind']!r}"

    dialogue = calling(door, "one")
    asked = (await dialogue.asked())["question-1"]["params"]["requestedSchema"]
    result = await dialogue.ended({"question-1": accepted(title="Persuasion")})

    assert {n: p.get("default") for n, p in asked["properties"].items()} == {
        "title": "Emma",
        "pages": 401,
        "kind": "2",
        "branch": None,
    }
    assert "required" not in asked
    assert result["structuredContent"] == "Persuasion 401 2"


class WithObjects(forms.Form):
    by_key = forms.ModelChoiceField(Branch.objects.filter(open=True), required=False)
    shown = forms.ModelChoiceField(
        Branch.objects.filter(open=True).order_by("pk"),
        to_field_name="code",
        widget=forms.RadioSelect,
    )
    ticked = forms.ModelMultipleChoiceField(
        Tag.objects.order_by("pk"), widget=forms.CheckboxSelectMultiple
    )


@pytest.mark.parametrize("sync", [True, False], ids=["sync", "async"])
async def test_objects_are_shown_where_the_form_shows_them_all(
    door: Door, server: MCPServer, sync: bool
) -> None:
    await Branch.objects.acreate(code="north")
    await Branch.objects.acreate(code="closed", open=False)
    tag = await Tag.objects.acreate(name="sea")
    seen: list[Any] = []

    def plain(ctx: Context):  # type: ignore[no-untyped-def]
        answer = ctx.wait(ctx.ask("Where?", WithObjects(initial={"shown": "north"})))
        seen.append({**answer.data, "ticked": list(answer.data["ticked"])})

    async def awaited(ctx: Context):  # type: ignore[no-untyped-def]
        answer = await ctx.ask("Where?", WithObjects(initial={"shown": "north"}))
        seen.append({**answer.data, "ticked": [tag async for tag in answer.data["ticked"]]})

    server.add_tool(plain if sync else awaited, "one")
    dialogue = calling(door, "one")
    asked = (await dialogue.asked())["question-1"]["params"]["requestedSchema"]["properties"]

    assert asked == {
        "by_key": {
            "type": "integer",
            "title": "By key",
            "description": "The primary key of one of the branches.",
        },
        "shown": {
            "type": "string",
            "title": "Shown",
            "description": "The code of one of the branches.",
            "oneOf": [{"const": "north", "title": "Branch north"}],
            "default": "north",
        },
        "ticked": {
            "type": "array",
            "title": "Ticked",
            "description": "Tags, each by its primary key.",
            "minItems": 1,
            "items": {"anyOf": [{"const": str(tag.pk), "title": "sea"}]},
        },
    }
    content = {"shown": "north", "ticked": [str(tag.pk)]}
    await dialogue.ended({"question-1": accepted(**content)})
    assert seen == [
        {"by_key": None, "shown": await Branch.objects.aget(code="north"), "ticked": [tag]}
    ]


async def test_of_many_objects_a_person_types_the_key(door: Door, server: MCPServer) -> None:
    await Branch.objects.abulk_create(Branch(code=f"b{number}") for number in range(101))

    class Where(forms.Form):
        branch = forms.ModelChoiceField(Branch.objects.all(), widget=forms.RadioSelect)

    @server.tool
    async def one(ctx: Context) -> None:
        await ctx.ask("Where?", Where)

    asked = (await calling(door, "one").asked())["question-1"]["params"]["requestedSchema"]
    assert asked["properties"]["branch"]["type"] == "integer"
    assert "oneOf" not in asked["properties"]["branch"]


async def test_several_forms_are_asked_at_once(door: Door, server: MCPServer) -> None:
    class Name(forms.Form):
        name = forms.CharField()

    @server.tool
    async def one(ctx: Context) -> str:
        answers = await ctx.ask_all(
            {"a": questions.form("A?", Name), "b": questions.form("B?", int)}
        )
        return f"{answers['a'].data} {answers['b'].data}"

    dialogue = calling(door, "one")
    assert set(await dialogue.asked()) == {"a", "b"}
    result = await dialogue.ended({"a": accepted(name="Ada"), "b": accepted(value=5)})
    assert result["structuredContent"] == "{'name': 'Ada'} 5"


# What cannot be asked


class Secret(forms.Form):
    word = forms.CharField(widget=forms.PasswordInput)


class Nested(forms.Form):
    anything = forms.JSONField()


class ManyKeys(forms.Form):
    tags = forms.ModelMultipleChoiceField(Tag.objects.all())


class File(forms.Form):
    file = forms.FileField()


@pytest.mark.parametrize(
    ("form", "words"),
    [
        (Secret, "the field 'word' is a secret"),
        (Nested, "the field 'anything' has no type"),
        (ManyKeys, "the field 'tags' is a list of anything"),
        (File, "the field 'file' is a file"),
        (forms.formset_factory(Secret), "is a formset"),
        (Reader({"name": "Ada"}), "is bound to data"),
    ],
)
async def test_a_form_that_no_question_can_be_says_why(
    guarded: Any, server: MCPServer, form: Any, words: str, caplog: pytest.LogCaptureFixture
) -> None:
    with pytest.raises(ValueError, match=words):
        questions.form("Well?", form)

    @server.tool
    async def one(ctx: Context) -> None:
        await ctx.ask("Well?", form)

    result = await guarded(anonymous).tool("one")
    assert result == failed("Error executing tool one: internal error.")
    assert words in caplog.text
