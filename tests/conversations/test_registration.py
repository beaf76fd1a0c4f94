"""What can be registered, and how a mistake is named while the project is being imported."""

from __future__ import annotations

import functools
from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from typing import Any

import pytest

from django_mcp import Context, MCPServer
from django_mcp.server.errors import RegistrationError
from tests.conversations.talk import said
from tests.doors import Door

# Ways to register


async def test_decorators_take_parentheses_or_not(door: Door, server: MCPServer) -> None:
    @server.tool
    def bare():  # type: ignore[no-untyped-def]
        return "bare"

    @server.tool()
    def empty():  # type: ignore[no-untyped-def]
        return "empty"

    @server.tool("other")
    def renamed():  # type: ignore[no-untyped-def]
        return "renamed"

    @server.prompt
    def first() -> str:
        return "first"

    @server.prompt()
    def second() -> str:
        return "second"

    @server.prompt("third")
    def other() -> str:
        return "third"

    for name, text in (("bare", "bare"), ("empty", "empty"), ("other", "renamed")):
        assert await door.tool(name) == said(text)
    for name in ("first", "second", "third"):
        result = (await door.call("prompts/get", {"name": name})).result
        assert result["messages"][0]["content"]["text"] == name


async def test_a_name_may_be_given_by_keyword_as_with_the_official_sdk(
    door: Door, server: MCPServer
) -> None:
    @server.tool(name="greet", description="Say hello.")
    def hello():  # type: ignore[no-untyped-def]
        return "Hello"

    @server.prompt(name="review")
    def write() -> str:
        return "text"

    assert await door.tool("greet") == said("Hello")
    assert (await door.call("prompts/get", {"name": "review"})).status == 200


def test_a_decorator_leaves_the_function_as_it_is(server: MCPServer) -> None:
    def one() -> str:
        return "one"

    assert server.tool(one) is one
    assert server.tool("two")(one) is one
    assert server.prompt(one) is one
    assert server.resource("x://one")(one) is one
    assert one() == "one"


class Library:
    """Something with methods."""

    def __init__(self, motto: str) -> None:
        self.motto = motto

    def plain(self, word: str):  # type: ignore[no-untyped-def]
        return f"{self.motto} {word}"

    async def awaited(self, word: str):  # type: ignore[no-untyped-def]
        return f"{self.motto} {word}"

    @staticmethod
    def static(word: str):  # type: ignore[no-untyped-def]
        return word

    @classmethod
    def of_class(cls, word: str):  # type: ignore[no-untyped-def]
        return f"{cls.__name__} {word}"

    async def __call__(self, word: str):  # type: ignore[no-untyped-def]
        return f"{self.motto} {word}"


async def test_methods_and_other_callables_are_functions_too(door: Door, server: MCPServer) -> None:
    library = Library("Read")
    server.add_tool(library.plain)
    server.add_tool(library.awaited)
    server.add_tool(Library.static)
    server.add_tool(Library.of_class)
    server.add_tool(library, "object")
    server.add_tool(functools.partial(library.plain, word="bound"), "partial")

    for name, arguments, text in (
        ("plain", {"word": "Momo"}, "Read Momo"),
        ("awaited", {"word": "Momo"}, "Read Momo"),
        ("static", {"word": "Momo"}, "Momo"),
        ("of_class", {"word": "Momo"}, "Library Momo"),
        ("object", {"word": "Momo"}, "Read Momo"),
        ("partial", {}, "Read bound"),
    ):
        assert await door.tool(name, arguments) == said(text)


async def test_a_context_may_stand_anywhere_and_is_not_shown(door: Door, server: MCPServer) -> None:
    @server.tool
    async def look(word: str, here: Context, other: str = "x"):  # type: ignore[no-untyped-def]
        return f"{word} {here.target}"

    (tool,) = (await door.call("tools/list")).result["tools"]

    assert set(tool["inputSchema"]["properties"]) == {"word", "other"}
    assert await door.tool("look", {"word": "hi"}) == said("hi look")
    assert (await door.tool("look", {"word": "hi", "here": {}}))["isError"] is True


# Mistakes: each is named, with what to do


def refused(text: str) -> Any:
    return pytest.raises(RegistrationError, match=text)


@pytest.mark.parametrize(
    "name", ["", " ", "a b", "a/b", "ä", "x" * 129, "a\n", "a:b", "a,b", "<lambda>"]
)
def test_a_name_the_specification_does_not_allow_is_refused(server: MCPServer, name: str) -> None:
    def give() -> None:
        raise NotImplementedError

    give.__name__ = name or "<lambda>"
    with refused(r"name"):
        server.add_tool(give, name)
    with refused(r"name"):
        server.add_tool(give)


@pytest.mark.parametrize("name", ["a", "x" * 128, "A-Z_a.z-0", "...", "--"])
def test_a_name_the_specification_allows_is_taken(server: MCPServer, name: str) -> None:
    server.add_tool(lambda: None, name)


def test_a_name_is_given_once(server: MCPServer) -> None:
    server.add_tool(lambda: None, "one")
    server.add_prompt(lambda: "", "one")
    server.add_resource("x://one", "")

    with refused(r"'one' is registered already: give one of the two another name"):
        server.add_tool(lambda: None, "one")
    with refused(r"'one' is registered already"):
        server.add_prompt(lambda: "", "one")
    with refused(r"'x://one' is registered already"):
        server.add_resource("x://one", "")


def test_a_template_is_registered_once(server: MCPServer) -> None:
    @server.resource("x://{a}")
    def first(a: str) -> str:
        raise NotImplementedError

    with refused(r"'x://\{a\}' is registered already"):
        server.resource("x://{a}")(first)


def test_what_was_removed_may_be_registered_again(server: MCPServer) -> None:
    server.add_tool(lambda: None, "one")
    server.remove_tool("one")
    server.add_tool(lambda: None, "one")


@pytest.mark.parametrize("remove", ["remove_tool", "remove_prompt", "remove_resource"])
def test_what_is_not_there_cannot_be_removed(server: MCPServer, remove: str) -> None:
    with pytest.raises(KeyError):
        getattr(server, remove)("nope")


def unannotated(book_id):  # type: ignore[no-untyped-def]
    raise NotImplementedError


def starred(*names: str) -> None:
    raise NotImplementedError


def double_starred(**options: str) -> None:
    raise NotImplementedError


def positional(book_id: int, /) -> None:
    raise NotImplementedError


def two_contexts(ctx: Context, again: Context) -> None:
    raise NotImplementedError


def hidden(_secret: str) -> None:
    raise NotImplementedError


def unservable(thing: Library) -> None:
    raise NotImplementedError


def unresolvable(thing: Nowhere) -> None:  # type: ignore[name-defined]  # noqa: F821
    raise NotImplementedError


def generating() -> Iterator[str]:
    yield ""


async def generating_async() -> AsyncIterator[str]:
    yield ""


def bare_bytes() -> bytes:
    raise NotImplementedError


@pytest.mark.parametrize(
    ("function", "text"),
    [
        (unannotated, r"`book_id` of unannotated\(\) has no annotation: add one.*`book_id: int`"),
        (starred, r"`\*names: 'str'`|`\*names: str`"),
        (double_starred, r"has no schema: name each parameter"),
        (positional, r"positional-only.*remove the `/`"),
        (two_contexts, r"asks for the context twice"),
        (hidden, r"starts with an underscore.*call it `secret`"),
        (unservable, r"`thing` of unservable\(\) cannot be described in JSON Schema"),
        (unresolvable, r"`Nowhere`, cannot be resolved"),
        (generating, r"is a generator: return the finished value"),
        (generating_async, r"is a generator"),
        (Library.plain, r"looks like a method taken from its class"),
        (Library, r"is a class"),
        (lambda: None, r"has no name of its own"),
        (bare_bytes, r"return an Image, an Audio or a File"),
        ("not a function", r"cannot be called"),
    ],
)
def test_a_function_that_cannot_be_a_tool_is_refused(
    server: MCPServer, function: Any, text: str
) -> None:
    with refused(text):
        server.add_tool(function)

    assert len(server.tools) == 0


@pytest.mark.parametrize("function", [unannotated, starred, unservable, generating, Library.plain])
def test_a_function_that_cannot_be_a_prompt_is_refused(server: MCPServer, function: Any) -> None:
    with pytest.raises(RegistrationError):
        server.add_prompt(function)

    assert len(server.prompts) == 0


@pytest.mark.parametrize("timeout", [0, -1])
def test_a_timeout_is_above_zero(server: MCPServer, timeout: float) -> None:
    with refused(r"timeout is in seconds and above 0"):
        server.add_tool(lambda: None, "one", timeout=timeout)


# Resources


def takes_book(book_id: int) -> str:
    raise NotImplementedError


def takes_nothing() -> str:
    raise NotImplementedError


@pytest.mark.parametrize(
    ("uri", "function", "text"),
    [
        ("catalogue", takes_nothing, r'has no scheme.*"library://catalogue"'),
        ("x://{book_id", takes_book, r"is no URI template"),
        ("x://books", takes_book, r"takes 'book_id', which 'x://books' does not have"),
        ("x://{book_id}", takes_nothing, r"has 'book_id', which takes_nothing\(\) does not take"),
        ("x://{id}", takes_book, r"'id'.*add the parameter"),
        ("x://{book_id}/{page}", takes_book, r"has 'page'"),
        ("x://books{?book_id}", takes_book, r"may be left out of the URI, so it needs a default"),
    ],
)
def test_a_uri_and_its_function_agree_on_the_variables(
    server: MCPServer, uri: str, function: Any, text: str
) -> None:
    with refused(text):
        server.resource(uri)(function)

    assert len(server.resources) == len(server.resource_templates) == 0


def test_a_resource_needs_its_uri(server: MCPServer) -> None:
    with refused(r'needs its URI: @resource\("library://catalogue"\)'):
        server.resource(takes_nothing)  # type: ignore[arg-type]


def test_only_what_has_no_variables_has_a_size(server: MCPServer) -> None:
    with refused(r"only a resource without variables has a size"):
        server.resource("x://{book_id}", size=3)(takes_book)


def test_a_file_that_is_not_there_is_refused(server: MCPServer, tmp_path: Path) -> None:
    with refused(r"there is no file"):
        server.add_resource("x://page", tmp_path / "nope.html")
    with refused(r"there is no file"):
        server.add_resource("x://page", tmp_path)


def test_a_text_stands_at_one_uri(server: MCPServer) -> None:
    with refused(r"does not take"):
        server.add_resource("x://{a}", "text")


# Completions


def test_a_completion_says_what_it_completes(server: MCPServer) -> None:
    with refused(r'Which argument of \'review\' is completed\?.*@completion\(\'review\', "arg'):
        server.completion("review")


def test_an_argument_is_completed_once(server: MCPServer) -> None:
    def suggest(value: str) -> list[str]:
        raise NotImplementedError

    server.completion("review", "book")(suggest)

    with refused(r"'book' of 'review' is completed already"):
        server.completion("review", "book")(suggest)


def no_value() -> list[str]:
    raise NotImplementedError


def required_other(value: str, shelf: str) -> list[str]:
    raise NotImplementedError


@pytest.mark.parametrize(
    ("function", "text"),
    [
        (no_value, r"takes the text typed so far as its first parameter"),
        (required_other, r"'shelf' may not have been filled in yet, so it needs a default"),
    ],
)
def test_a_completion_takes_what_there_is(server: MCPServer, function: Any, text: str) -> None:
    with refused(text):
        server.completion("review", "book")(function)


def test_one_function_completes_the_whole_server(server: MCPServer) -> None:
    def anything(ref: Any, argument: Any, context: Any) -> list[str]:
        raise NotImplementedError

    with refused(r"takes \(ref, argument, context\)"):
        server.completion(no_value)
    assert server.completion(anything) is anything
    with refused(r"There is a completion for the whole server already"):
        server.completion()(anything)


# Schemas and servers


@pytest.mark.parametrize(
    ("schema", "text"),
    [
        ({"type": "array"}, r'"type": "object"'),
        ({"type": "object", "properties": {"a": {"type": "strong"}}}, r"not valid"),
        (
            {
                "type": "object",
                "properties": {
                    "a": {"type": "string", "x-mcp-header": "Region"},
                    "b": {"type": "string", "x-mcp-header": "region"},
                },
            },
            r"Tool 'one': .*[Rr]egion",
        ),
        (
            {
                "type": "object",
                "properties": {"a": {"type": "number", "x-mcp-header": "Region"}},
            },
            r"Tool 'one'",
        ),
    ],
)
def test_a_schema_of_ones_own_is_checked(server: MCPServer, schema: Any, text: str) -> None:
    def one(arguments: dict[str, Any]) -> None:
        raise NotImplementedError

    with refused(text):
        server.add_tool(one, input_schema=schema)


def test_a_function_with_a_schema_of_its_own_takes_one_object(server: MCPServer) -> None:
    with refused(r"takes the whole object as one parameter: `arguments: dict`"):
        server.add_tool(takes_book, input_schema={"type": "object"})


@pytest.mark.parametrize(
    ("options", "text"), [({"name": ""}, r"needs a name"), ({"page_size": 0}, r"at least 1")]
)
def test_a_server_has_a_name_and_pages(options: dict[str, Any], text: str) -> None:
    with refused(text):
        MCPServer(**{"name": "test", **options})


@pytest.mark.parametrize("codename", ["change_book", "library.", ".change_book", "a.b.c", ""])
def test_a_permission_is_named_with_its_app(server: MCPServer, codename: str) -> None:
    with refused(r'write "app_label.codename"'):
        server.add_tool(lambda: None, "one", permission=codename)
