"""Functions the model may call. The signature is the schema, the docstring the description."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date
from typing import Annotated, Any

from django.db.models import Count
from pydantic import Field

from django_mcp import Context, Icon, ToolError, tool

from ..models import Book, Language, Loan, Reader


# The smallest tool: a typed function with a docstring. It may use the ORM: sync functions run in
# threads, side by side.
@tool
def books_by(author: str, since: int = 0) -> list[str]:
    """List an author's books, oldest first.

    Args:
        author: The name, or a part of it.
        since: Leave out what was published before this year.
    """
    books = Book.objects.filter(author__name__icontains=author, published__gte=since)
    return [f"{book.title} ({book.published})" for book in books.order_by("published")]


# What a tool returns can be described as well. The model gets it as text, a program as data.
@dataclass
class FoundBook:
    id: int
    title: str
    author: str
    published: int
    on_shelf: bool


@dataclass
class SearchResult:
    total: int
    books: list[FoundBook]
    next_offset: Annotated[int | None, Field(description="Search on from here; null at the end.")]


@tool
def search_books(
    words: Annotated[
        str,
        Field(
            max_length=100,
            description="All of them occur in title, author, summary or subjects. May be empty.",
            examples=["melville whale"],
        ),
    ] = "",
    language: Language | None = None,
    only_on_shelf: bool = False,
    limit: Annotated[int, Field(ge=1, le=50)] = 10,
    offset: Annotated[int, Field(ge=0)] = 0,
) -> SearchResult:
    """Search the catalogue."""
    books = Book.objects.select_related("author").with_loan_status().search(words)
    if language:
        books = books.filter(language=language)
    if only_on_shelf:
        books = books.filter(on_loan=False)
    total, end = books.count(), offset + limit
    return SearchResult(
        total=total,
        books=[
            FoundBook(
                id=book.pk,
                title=book.title,
                author=book.author.name,
                published=book.published,
                on_shelf=not book.on_loan,
            )
            for book in books[offset:end]
        ],
        next_offset=end if end < total else None,
    )


# The same in async: `aget`, `acount`, `async for`.
@dataclass
class BookDetails:
    id: int
    title: str
    author: str
    published: int
    language: str
    subjects: list[str]
    summary: str
    on_shelf: bool


async def book_details(book_id: int) -> BookDetails:
    book = await Book.objects.select_related("author").with_loan_status().aget(pk=book_id)
    return BookDetails(
        id=book.pk,
        title=book.title,
        author=f"{book.author} ({book.author.years})",
        published=book.published,
        language=book.get_language_display(),
        subjects=[subject.name async for subject in book.subjects.all()],
        summary=book.summary,
        on_shelf=not book.on_loan,
    )


@tool
async def get_book(book_id: int) -> BookDetails:
    """Look up everything about one book."""
    try:
        return await book_details(book_id)
    except Book.DoesNotExist:
        # The model reads this text and can try again. Of any other exception it learns nothing.
        raise ToolError(f"There is no book {book_id}. Use search_books to find its id.") from None


# Hints tell a client how careful to be: this one may be called without asking the user.
@dataclass
class OverdueLoan:
    book_id: int
    title: str
    due: date
    days_late: int


@tool(
    "overdue_loans",
    title="Overdue loans",
    read_only=True,
    open_world=False,
    icons=[Icon(src="static:library/book.svg", mime_type="image/svg+xml", sizes=["any"])],
)
def overdue() -> list[OverdueLoan]:
    """List the books that should have come back, the latest first."""
    loans = Loan.objects.overdue().select_related("book").order_by("due")
    return [
        OverdueLoan(
            book_id=loan.book_id,
            title=loan.book.title,
            due=loan.due,
            days_late=loan.days_late,
        )
        for loan in loans
    ]


# A parameter of the type Context is not the caller's: with it a tool speaks to the client while it
# runs. After `timeout` seconds the call ends with an error.
@tool(read_only=True, timeout=60)
async def check_inventory(ctx: Context) -> dict[str, int]:
    """Count the books on the shelf, language by language."""
    counted = {}
    for number, language in enumerate(Language, start=1):
        counted[language.label] = await Book.objects.available().filter(language=language).acount()
        await ctx.report_progress(number, total=len(Language), message=language.label)
    await ctx.info(f"{sum(counted.values())} books are on the shelf.")
    return counted


# A schema of your own, for what a signature cannot say: here, a property named "from".
YEARS = {
    "type": "object",
    "properties": {
        "from": {"type": "integer", "description": "The first year."},
        "to": {"type": "integer", "description": "The last year."},
    },
    "anyOf": [{"required": ["from"]}, {"required": ["to"]}],
    "additionalProperties": False,
}


@tool(input_schema=YEARS, read_only=True)
def count_by_decade(arguments: dict[str, Any]) -> dict[str, int]:
    """Count the books of each decade."""
    books = Book.objects.filter(
        published__gte=arguments.get("from", 0), published__lte=arguments.get("to", 9999)
    )
    years = books.values_list("published").annotate(books=Count("pk")).order_by("published")
    counted: dict[str, int] = {}
    for year, number in years:
        decade = f"{year // 10 * 10}s"
        counted[decade] = counted.get(decade, 0) + number
    return counted


# Only for users with this permission; nobody else learns that the tool exists. `meta` is for
# clients that know more about it than the protocol does.
@tool(read_only=True, permission="library.view_reader", meta={"example.org/audience": "staff"})
def find_readers(name: str) -> list[str]:
    """Find readers by a part of their name."""
    readers = Reader.objects.filter(name__icontains=name)
    return [f"{reader.pk}: {reader.name}" for reader in readers]
