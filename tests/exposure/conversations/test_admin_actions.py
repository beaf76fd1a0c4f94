"""Actions of the admin as tools and prompts: who may use them, on what, and what they answer."""

from __future__ import annotations

from typing import Any

import pytest
from django.contrib.admin.models import LogEntry
from django.contrib.auth.models import Permission, User

from django_mcp import MCPServer, Principal
from django_mcp.authentication import HttpRequest
from django_mcp.permissions import in_group
from django_mcp.server.errors import RegistrationError
from tests.conversations.talk import DECLINED, Dialogue, accepted, calling, failed, said, texts
from tests.doors import Door, envelope
from tests.exposure.shelf.models import Book, Branch, Tag

pytestmark = pytest.mark.django_db

KINDS = pytest.mark.parametrize("kind", ["consumer", "view", "wsgi"])


async def by_user(request: HttpRequest) -> Principal:
    """An authentication that finds Django's users by their names."""
    name = request.headers.get("x-caller")
    if name is None:
        return Principal(id="anonymous")
    user = await User.objects.aget(username=name)
    return Principal(id=f"user:{user.pk}", user=user)


@pytest.fixture(autouse=True)
def users(db: None) -> None:
    rights = {
        codename: Permission.objects.get(codename=codename, content_type__app_label="shelf")
        for codename in ("view_book", "change_book", "delete_book", "view_branch", "delete_branch")
    }
    staff = {"is_staff": True}
    for name, options, codenames in (
        ("editor", staff, ["view_book", "change_book"]),
        ("viewer", staff, ["view_book"]),
        ("remover", staff, ["view_book", "delete_book", "view_branch", "delete_branch"]),
        ("nobody", staff, []),
        ("outside", {}, list(rights)),
        ("gone", {**staff, "is_active": False, "is_superuser": True}, list(rights)),
        ("super", {**staff, "is_superuser": True}, []),
    ):
        user = User.objects.create(username=name, **options)
        user.user_permissions.set([rights[codename] for codename in codenames])


@pytest.fixture
def door(guarded: Any) -> Door:
    opened: Door = guarded(by_user)
    return opened


async def two() -> list[Book]:
    """Two books, of three."""
    await Book.objects.acreate(title="Middlemarch")
    return [await Book.objects.acreate(title=title) for title in ("Emma", "Persuasion")]


async def run(door: Door, name: str, *keys: Any, caller: str = "editor", **headers: str) -> Any:
    params = {"name": name, "arguments": {"keys": list(keys)}}
    reply = await door.post(envelope("tools/call", params), x_caller=caller, **headers)
    return reply.messages[-1].get("result") or reply.error


# Who sees it, and what


async def test_an_action_is_seen_by_whom_the_admin_shows_it(server: MCPServer, door: Door) -> None:
    server.add_admin_action(Book, "make_published", prompt=True)
    server.add_admin_action(Book, "say_nothing")
    server.add_admin_action(Book, "delete_selected")
    expected = {
        "editor": {"make_published_book", "say_nothing_book"},
        "viewer": {"say_nothing_book"},
        "remover": {"say_nothing_book", "delete_selected_book"},
        "super": {"make_published_book", "say_nothing_book", "delete_selected_book"},
        "nobody": set(),
        "outside": set(),
        "gone": set(),
        None: set(),
    }

    for caller, names in expected.items():
        tools = await door.post(envelope("tools/list"), x_caller=caller)
        prompts = await door.post(envelope("prompts/list"), x_caller=caller)
        assert {tool["name"] for tool in tools.result["tools"]} == names
        assert {prompt["name"] for prompt in prompts.result["prompts"]} == names & {
            "make_published_book"
        }
        params = {"name": "make_published_book", "arguments": {"keys": []}}
        reply = await door.post(envelope("tools/call", params), x_caller=caller)
        if "make_published_book" not in names:
            assert reply.error["message"] == "Unknown tool: make_published_book"


async def test_a_tool_says_what_the_admin_says(server: MCPServer, door: Door) -> None:
    server.add_admin_action(Book, "make_published", max_objects=2, read_only=False)
    server.add_admin_action(Book, "delete_selected", "discard")

    first, second = (await door.post(envelope("tools/list"), x_caller="super")).result["tools"]

    assert first == {
        "name": "make_published_book",
        "description": "Mark books as published: 2 at most, by their keys.",
        "annotations": {"readOnlyHint": False},
        "inputSchema": {
            "type": "object",
            "properties": {
                "keys": {
                    "type": "array",
                    "items": {"type": "integer"},
                    "minItems": 1,
                    "maxItems": 2,
                    "description": "The primary keys of the books.",
                }
            },
            "required": ["keys"],
            "additionalProperties": False,
        },
    }
    assert second["description"] == "Delete selected books: 100 at most, by their keys."
    assert second["annotations"] == {"destructiveHint": True}


async def test_a_permission_may_be_asked_for_besides(server: MCPServer, door: Door) -> None:
    server.add_admin_action(Book, "make_published", permission=in_group("Librarians"))

    assert (await door.post(envelope("tools/list"), x_caller="editor")).result["tools"] == []


@pytest.mark.parametrize(
    ("model", "action", "words"),
    [
        (Tag, "delete_selected", "Tag is not registered with the admin"),
        (Book, "publish", "'publish' is no action of BookAdmin; there are make_published, "),
        (Book, "save_model", "'save_model' is no action"),
    ],
)
def test_what_the_admin_does_not_have_is_refused_when_it_is_registered(
    server: MCPServer, model: Any, action: str, words: str
) -> None:
    with pytest.raises(RegistrationError, match=words):
        server.add_admin_action(model, action)


async def test_an_action_may_be_one_that_only_a_request_knows(
    server: MCPServer, door: Door
) -> None:
    server.add_admin_action(Branch, "close", destructive=True)
    branch = await Branch.objects.acreate(code="north")

    listed = (await door.post(envelope("tools/list"), x_caller="remover")).result["tools"]
    refused = await run(door, "close_branch", branch.pk, caller="super")
    done = await run(door, "close_branch", branch.pk, caller="remover")

    assert [tool["description"] for tool in listed] == ["Close: 100 at most, by their keys."]
    assert refused["message"] == "Unknown tool: close_branch"
    assert done == said("Close: 1 branch.")
    assert not (await Branch.objects.aget()).open


# Which objects


@KINDS
async def test_an_action_runs_on_the_objects_that_are_named(
    server: MCPServer, guarded: Any, kind: str
) -> None:
    server.add_admin_action(Book, "make_published")
    first, second = await two()

    result = await run(guarded(by_user, kind), "make_published_book", first.pk, second.pk)

    assert result == said("2 & published.")
    assert [b.title async for b in Book.objects.filter(published=True).order_by("title")] == [
        "Emma",
        "Persuasion",
    ]
    entry = await LogEntry.objects.select_related("user").order_by("pk").afirst()
    assert entry is not None
    assert (entry.user.username, entry.object_repr, entry.change_message) == (
        "editor", "Emma", "Published.",
    )  # fmt: skip


async def test_with_one_that_is_not_there_nothing_is_done(server: MCPServer, door: Door) -> None:
    server.add_admin_action(Book, "make_published")
    (book, hidden) = await two()
    await Book.objects.filter(pk=hidden.pk).aupdate(note="not for editor")

    for key in (hidden.pk, 0, -1, 10**30):
        result = await run(door, "make_published_book", book.pk, key)
        assert result == failed(f"There are no books with the keys {key}. Nothing was done.")
    assert not await Book.objects.filter(published=True).aexists()
    assert await run(door, "make_published_book", book.pk, caller="super") == said("1 & published.")


async def test_no_more_than_so_many_at_once(server: MCPServer, door: Door) -> None:
    server.add_admin_action(Book, "make_published", max_objects=1)
    first, second = await two()

    for keys in ([], [first.pk, second.pk]):
        result = await run(door, "make_published_book", *keys)
        assert result["isError"] is True
        assert "keys: should have at" in result["content"][0]["text"]


# What it answers


@pytest.mark.parametrize(
    ("action", "line"),
    [
        ("ask_more", "This action goes on with a page of the admin, and needs a person there."),
        ("go_on", "This action goes on with a page of the admin, and needs a person there."),
        ("go_wrong", "The action answered with status 409."),
        ("deny", "You may not do this to all of these objects."),
        ("fail", "Error executing tool one: internal error."),
        (
            "much",
            "The action answered with a file of more than 1,048,576 bytes: choose fewer objects.",
        ),
    ],
)
async def test_what_cannot_be_done_without_a_page_is_told(
    server: MCPServer, door: Door, action: str, line: str
) -> None:
    server.add_admin_action(Book, action, "one")
    first, _ = await two()

    assert await run(door, "one", first.pk) == failed(line)


@pytest.mark.parametrize(
    ("action", "line"),
    [("say_nothing", "Say nothing: 2 books."), ("go_back", "Go back: 2 books.")],
)
async def test_an_action_that_says_nothing_is_done(
    server: MCPServer, door: Door, action: str, line: str
) -> None:
    server.add_admin_action(Book, action, "one")
    first, second = await two()

    assert await run(door, "one", first.pk, second.pk) == said(line)


async def test_an_error_among_the_messages_is_one(server: MCPServer, door: Door) -> None:
    server.add_admin_action(Book, "complain", "one")
    first, _ = await two()

    result = await run(door, "one", first.pk)

    assert result["isError"] is True
    assert result["content"] == texts("All is well.", "Nothing is well.")
    await first.arefresh_from_db()
    assert first.note == "complained"


async def test_what_an_action_exports_is_a_file(server: MCPServer, door: Door) -> None:
    server.add_admin_action(Book, "export", "one")
    server.add_admin_action(Book, "stream", "two")
    first, second = await two()

    result = await run(door, "one", first.pk, second.pk)
    streamed = await run(door, "two", first.pk)

    assert result["content"] == [
        {
            "type": "resource",
            "resource": {
                "uri": "file:///books.csv",
                "mimeType": "text/csv",
                "text": "Emma\nPersuasion\n",
            },
        }
    ]
    assert streamed["content"][0]["resource"]["blob"] == "YWI="


async def test_what_a_person_would_fill_in_may_be_given(server: MCPServer, door: Door) -> None:
    server.add_admin_action(Book, "ask_more", "one", posted={"shelf": "the top shelf"})
    first, _ = await two()

    assert await run(door, "one", first.pk) == said("Ask more: 1 book.")
    await first.arefresh_from_db()
    assert first.note == "on the top shelf"


async def test_an_action_gets_a_request_like_that_of_the_page(
    server: MCPServer, door: Door
) -> None:
    server.add_admin_action(Book, "remember", "one")
    first, second = await two()

    result = await run(door, "one", first.pk, second.pk, accept_language="de")

    assert result == said(
        "['POST', 2, 'editor', 'testserver'] "
        "['_selected_action', 'action', 'index', 'select_across'] Montag"
    )


# Asking first


@KINDS
async def test_a_deletion_is_confirmed_first(server: MCPServer, guarded: Any, kind: str) -> None:
    server.add_admin_action(Book, "delete_selected")
    first, second = await two()
    tag = await Tag.objects.acreate(name="sea")
    await first.tags.aset([tag])
    door = guarded(by_user, kind)
    arguments = {"keys": [first.pk, second.pk]}

    kept = calling(door, "delete_selected_book", arguments=arguments, x_caller="super")
    asked = await kept.asked()
    assert asked["question-1"]["params"]["message"] == (
        "Delete selected books: Emma, Persuasion? With them go 1 book-tag relationships."
    )
    assert await kept.ended({"question-1": DECLINED}) == said("Nothing was done: the user said no.")
    assert await Book.objects.acount() == 3

    gone = calling(door, "delete_selected_book", arguments=arguments, x_caller="super")
    await gone.asked()
    assert await gone.ended({"question-1": accepted()}) == said("Successfully deleted 2 books.")
    assert await Book.objects.acount() == 1
    assert await LogEntry.objects.acount() == 2


async def test_what_may_not_be_deleted_is_told_before_anybody_is_asked(
    server: MCPServer, door: Door
) -> None:
    server.add_admin_action(Branch, "delete_selected")
    branch = await Branch.objects.acreate(code="north")
    await Book.objects.acreate(title="Emma", branch=branch)

    assert await run(door, "delete_selected_branch", branch.pk, caller="remover") == failed(
        "They cannot be deleted while there is Book: Emma."
    )
    assert await Branch.objects.acount() == 1


async def test_a_client_that_cannot_be_asked_deletes_nothing(server: MCPServer, door: Door) -> None:
    server.add_admin_action(Book, "delete_selected")
    first, _ = await two()

    error = await run(door, "delete_selected_book", first.pk, caller="remover")

    assert error["code"] == -32021
    assert await Book.objects.acount() == 3


async def test_any_action_may_ask_first_and_a_deletion_need_not(
    server: MCPServer, door: Door
) -> None:
    server.add_admin_action(Book, "make_published", confirm=True)
    server.add_admin_action(Book, "delete_selected", confirm=False)
    first, _ = await two()
    dialogue = calling(
        door, "make_published_book", arguments={"keys": [first.pk]}, x_caller="editor"
    )

    asked = await dialogue.asked()
    assert asked["question-1"]["params"]["message"] == "Mark books as published: Emma?"
    assert await dialogue.ended({"question-1": accepted()}) == said("1 & published.")
    result = await run(door, "delete_selected_book", first.pk, caller="remover")
    assert result == said("Successfully deleted 1 book.")


async def test_a_right_that_is_gone_when_the_answer_comes_does_nothing(
    server: MCPServer, door: Door
) -> None:
    server.add_admin_action(Book, "delete_selected")
    first, _ = await two()
    dialogue = calling(
        door, "delete_selected_book", arguments={"keys": [first.pk]}, x_caller="remover"
    )
    await dialogue.asked()
    await User.objects.filter(username="remover").aupdate(is_staff=False)

    error = await dialogue.refused({"question-1": accepted()})
    assert error["message"] == "Unknown tool: delete_selected_book"
    assert await Book.objects.acount() == 3


# As a prompt


async def test_a_prompt_finds_the_objects_a_person_means(server: MCPServer, door: Door) -> None:
    server.add_admin_action(Book, "make_published", prompt=True, max_objects=2)
    first, _ = await two()

    async def got(search: str) -> str:
        dialogue = Dialogue(
            door,
            "prompts/get",
            {"name": "make_published_book", "arguments": {"search": search}},
            x_caller="editor",
        )
        text: str = (await dialogue.ended())["messages"][0]["content"]["text"]
        return text

    assert await got("emm") == (
        "Mark books as published, with the tool `make_published_book`. These books were found for "
        "'emm', each with its key; where it is not clear which I mean, ask me first:\n"
        f"- {first.pk}: Emma"
    )
    assert len((await got("")).splitlines()) == 3
    assert await got("whale") == "There are no books for 'whale'. Ask me which ones I mean."


@pytest.mark.parametrize(
    ("search", "words"),
    [("w " * 3000, "should have at most 200 characters"), ("Emm\0", "There are no books for")],
)
async def test_what_no_database_can_be_asked_for_is_no_crash(
    server: MCPServer, door: Door, search: str, words: str
) -> None:
    server.add_admin_action(Book, "make_published", prompt=True)
    await Book.objects.acreate(title="Emma")
    params = {"name": "make_published_book", "arguments": {"search": search}}

    reply = await door.post(envelope("prompts/get", params), x_caller="editor")

    told = reply.messages[-1]
    assert words in str(told.get("result") or told["error"]["message"])
