"""A function is read once; what could not be served is refused with the remedy."""

from __future__ import annotations

import functools
from typing import TYPE_CHECKING, Annotated, Any, Optional

import pytest
from pydantic import BaseModel, Field

from django_mcp.server.errors import RegistrationError
from django_mcp.server.signatures import MISSING, Signature, inspect_function

if TYPE_CHECKING:
    from decimal import Decimal

    from nowhere import Context  # type: ignore[import-not-found]


class Ctx:
    """Stands for the context."""


class Book(BaseModel):
    title: str


def inspect_(fn: Any, **options: Any) -> Signature:
    return inspect_function(fn, context_type=Ctx, **options)


def names(signature: Signature) -> list[str]:
    return [parameter.name for parameter in signature.parameters]


def refusal(fn: Any, **options: Any) -> str:
    with pytest.raises(RegistrationError) as caught:
        inspect_(fn, **options)
    return str(caught.value)


def test_a_function_is_described_by_its_name_its_docstring_and_its_annotations() -> None:
    def add(a: int, b: int = 2) -> str:
        """Add two numbers."""
        return str(a + b)

    signature = inspect_(add)

    assert signature.fn is add
    assert signature.name == "add"
    assert signature.description == "Add two numbers."
    assert [(p.name, p.annotation, p.default) for p in signature.parameters] == [
        ("a", int, MISSING),
        ("b", int, 2),
    ]
    assert [p.required for p in signature.parameters] == [True, False]
    assert signature.context_parameter is None
    assert signature.is_async is False
    assert signature.returns is str


def test_a_missing_return_annotation_is_not_none() -> None:
    def nothing() -> None: ...

    def unknown(): ...  # type: ignore[no-untyped-def]

    assert inspect_(nothing).returns is None
    assert inspect_(unknown).returns is MISSING


def test_a_name_that_is_handed_in_wins() -> None:
    def add() -> None: ...

    assert inspect_(add, name="sum").name == "sum"


# ------------------------------------------------------------------------- the context


def test_the_context_is_injected_and_hidden_from_the_caller() -> None:
    def plain(ctx: Ctx, a: int) -> None: ...
    def last(a: int, context: Ctx) -> None: ...
    def keyword(a: int, *, c: Ctx) -> None: ...
    def optional(a: int, ctx: Optional[Ctx] = None) -> None: ...  # noqa: UP045
    def union(a: int, ctx: Ctx | None = None) -> None: ...
    def quoted(a: int, ctx: "Ctx") -> None: ...  # noqa: UP037
    def annotated(a: int, ctx: Annotated[Ctx, "who asks"]) -> None: ...

    for fn in (plain, last, keyword, optional, union, quoted, annotated):
        signature = inspect_(fn)
        assert names(signature) == ["a"]
        assert signature.context_parameter in ("ctx", "context", "c")


def test_a_subclass_of_the_context_is_injected_too() -> None:
    class Richer(Ctx): ...

    def fn(ctx: Richer) -> None: ...

    assert inspect_(fn).context_parameter == "ctx"


def test_the_context_may_be_imported_for_type_checking_only() -> None:
    class Context: ...

    def fn(ctx: Context, a: int) -> None: ...

    del Context
    real = type("Context", (), {})

    assert inspect_function(fn, context_type=real).context_parameter == "ctx"


def test_a_parameter_named_ctx_with_another_type_is_the_callers() -> None:
    def fn(ctx: str) -> None: ...

    assert names(inspect_(fn)) == ["ctx"]


# -------------------------------------------------------------------- forward references


def test_a_class_local_to_the_enclosing_function_is_found() -> None:
    class Local(BaseModel):
        x: int

    def fn(value: Local, many: list[Local]) -> Local: ...

    signature = inspect_(fn)

    assert [p.annotation for p in signature.parameters] == [Local, list[Local]]
    assert signature.returns is Local


def test_a_class_in_the_closure_is_found_after_the_enclosing_function_has_returned() -> None:
    def build() -> Any:
        class Local(BaseModel):
            x: int

        def fn(value: Local) -> None:
            Local(x=1)

        return fn

    assert inspect_(build()).parameters[0].annotation.__name__ == "Local"


def test_a_class_beside_a_method_is_found_while_the_class_is_written() -> None:
    found: list[Signature] = []

    def register(fn: Any) -> Any:
        found.append(inspect_(fn))
        return fn

    class Toolset:
        class Inner(BaseModel):
            x: int

        @register
        @staticmethod
        def fn(value: Inner) -> None: ...

    assert found[0].parameters[0].annotation is Toolset.Inner


def test_a_name_that_cannot_be_resolved_is_refused_with_function_parameter_and_remedy() -> None:
    def price(amount: Decimal) -> None: ...

    assert refusal(price) == (
        "The annotation of `amount` in price(), `Decimal`, cannot be resolved (name 'Decimal' is "
        "not defined): import it in the module itself, not only under `if TYPE_CHECKING`, or "
        "define it above the function."
    )


def test_an_unresolvable_return_annotation_is_refused() -> None:
    def price() -> Decimal: ...

    assert refusal(price).startswith("The return annotation in price(), `Decimal`, cannot be")


# --------------------------------------------------------------------- kinds of callable


async def coroutine(a: int) -> None:
    """A coroutine function."""


class Shelf:
    """A shelf."""

    def find(self, title: str) -> Book:
        """Find a book."""
        return Book(title=title)

    @classmethod
    async def default(cls, a: int) -> None: ...

    @staticmethod
    def size(a: int) -> None: ...

    def __call__(self, a: int) -> None:
        """Call the shelf."""


class AsyncShelf:
    async def __call__(self, a: int, ctx: Ctx) -> None: ...


def test_async_callables_are_recognised() -> None:
    assert inspect_(coroutine).is_async
    assert inspect_(functools.partial(coroutine)).is_async
    assert inspect_(functools.partial(functools.partial(coroutine))).is_async
    assert inspect_(Shelf.default).is_async
    assert inspect_(AsyncShelf(), name="shelf").is_async
    assert inspect_(functools.partial(AsyncShelf()), name="shelf").is_async


def test_sync_callables_are_recognised() -> None:
    assert not inspect_(Shelf().find).is_async
    assert not inspect_(Shelf.size).is_async
    assert not inspect_(Shelf(), name="shelf").is_async


def test_a_bound_method_does_not_show_self() -> None:
    signature = inspect_(Shelf().find)

    assert (signature.name, signature.description) == ("find", "Find a book.")
    assert names(signature) == ["title"]
    assert signature.returns is Book


def test_an_object_with_call_is_a_function_with_a_name_given() -> None:
    signature = inspect_(Shelf(), name="shelf")

    assert signature.description == "Call the shelf."
    assert names(signature) == ["a"]


def test_a_static_method_object_is_unwrapped() -> None:
    signature = inspect_(Shelf.__dict__["size"])

    assert names(signature) == ["a"]
    assert signature.fn is Shelf.size


def test_what_a_partial_binds_cannot_be_set_by_the_caller() -> None:
    def fn(tenant: int, a: int, b: int = 3) -> None: ...

    assert names(inspect_(functools.partial(fn, 1))) == ["a", "b"]
    assert names(inspect_(functools.partial(fn, tenant=1))) == ["a", "b"]
    assert names(inspect_(functools.partial(functools.partial(fn, tenant=1), b=2))) == ["a"]
    assert inspect_(functools.partial(fn, tenant=1)).name == "fn"


def test_a_decorated_function_shows_what_it_wraps() -> None:
    def noisy(fn: Any) -> Any:
        @functools.wraps(fn)
        async def wrapper(*args: Any, **kwargs: Any) -> Any:
            return fn(*args, **kwargs)

        return wrapper

    @noisy
    def add(a: int, b: int) -> int:
        """Add."""
        return a + b

    signature = inspect_(add)

    assert signature.name == "add"
    assert names(signature) == ["a", "b"]
    assert signature.is_async
    assert signature.returns is int


# ------------------------------------------------------------------------- what is refused


def test_variable_arguments_are_refused() -> None:
    def positional(*args: int) -> None: ...
    def keyword(**kwargs: int) -> None: ...

    assert "positional() takes `*args: " in refusal(positional)
    assert "keyword() takes `**kwargs: " in refusal(keyword)


def test_positional_only_parameters_are_refused() -> None:
    def fn(a: int, /) -> None: ...

    assert refusal(fn) == (
        "Parameter `a` of fn() is positional-only, but arguments come by name: remove the `/`."
    )


def test_a_missing_annotation_is_refused_with_an_example() -> None:
    def fn(book_id): ...  # type: ignore[no-untyped-def]

    assert refusal(fn) == (
        "Parameter `book_id` of fn() has no annotation: add one, for example `book_id: int`."
    )


def test_a_method_taken_from_its_class_is_refused() -> None:
    assert "register the method of an instance" in refusal(Shelf.find)


def test_a_parameter_with_an_underscore_is_refused() -> None:
    def fn(_secret: int) -> None: ...

    assert "call it `secret`" in refusal(fn)


def test_a_second_context_is_refused() -> None:
    def fn(a: Ctx, b: Ctx) -> None: ...

    assert "as `a` and `b`: one is enough" in refusal(fn)


def test_a_function_with_a_schema_of_its_own_takes_the_whole_object() -> None:
    def whole(ctx: Ctx, arguments: dict[str, Any]) -> None: ...
    def parts(city: str) -> None: ...

    assert names(inspect_(whole, raw=True)) == ["arguments"]
    assert "one parameter: `arguments: dict`" in refusal(parts, raw=True)


def test_a_reserved_name_is_refused_with_its_reason() -> None:
    def fn(cursor: str) -> None: ...

    assert refusal(fn, reserved={"cursor": "pages are made by the server"}) == (
        "Parameter `cursor` of fn() has a reserved name: pages are made by the server. Rename it."
    )


def test_what_has_no_name_needs_one() -> None:
    assert "is a lambda and has no name of its own" in refusal(lambda: None)
    assert "is a Shelf object and has no name of its own" in refusal(Shelf())
    assert inspect_(lambda: None, name="nothing").name == "nothing"


def test_generators_are_refused() -> None:
    def sync() -> Any:
        yield 1

    async def asynchronous() -> Any:
        yield 1

    assert "sync() is a generator" in refusal(sync)
    assert "asynchronous() is a generator" in refusal(asynchronous)
    assert "is a generator" in refusal(functools.partial(sync))


def test_what_is_no_function_is_refused() -> None:
    assert "is a class" in refusal(Shelf)
    assert "cannot be called" in refusal(3)
    assert "as Class.method" in refusal(Shelf.__dict__["default"])
    assert "cannot be inspected" in refusal(min)


# ------------------------------------------------------------------------- descriptions


def test_descriptions_come_from_the_annotation_before_the_docstring() -> None:
    def fn(
        a: Annotated[int, Field(description="from Field")],
        b: Annotated[int, "from a string"],
        c: int = Field(default=3, description="from the default"),
        d: int = 4,
        e: int = 5,
    ) -> None:
        """Do it.

        Args:
            a: no
            b: no
            c: no
            d: from the docstring
        """

    assert [p.description for p in inspect_(fn).parameters] == [
        "from Field",
        "from a string",
        "from the default",
        "from the docstring",
        None,
    ]


def test_a_field_as_default_says_whether_the_parameter_is_required() -> None:
    def fn(a: int = Field(ge=1), b: int = Field(default=1)) -> None: ...

    assert [p.required for p in inspect_(fn).parameters] == [True, False]
