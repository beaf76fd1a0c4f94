"""What a client can read by its URI."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from django_mcp import NotFound, add_resource, resource
from django_mcp.types import Annotations

from ..covers import draw
from ..models import Author, Book, Loan
from .tools import BookDetails, book_details

DATA = Path(__file__).resolve().parent.parent / "data"

# A text.
add_resource(
    "library://opening-hours",
    "Monday to Friday 9 to 19, Saturday 10 to 16, closed on Sunday.",
    title="Opening hours",
)

# A file, read each time somebody asks for it.
add_resource("library://house-rules", DATA / "house-rules.md", title="House rules")


# Data: what is not text or bytes is written as JSON.
@resource("library://statistics", title="The library in numbers", mime_type="application/json")
def statistics() -> dict[str, Any]:
    """How many books, authors and loans there are."""
    return {
        "books": Book.objects.count(),
        "authors": Author.objects.count(),
        "open_loans": Loan.objects.open().count(),
        "overdue_loans": Loan.objects.overdue().count(),
    }


# A template: one function for many URIs. "library://books/moby" is nothing, since it is no int.
@resource("library://books/{book_id}", title="A book", mime_type="application/json")
async def book(book_id: int) -> BookDetails:
    """Everything about a book."""
    try:
        return await book_details(book_id)
    except Book.DoesNotExist:
        raise NotFound(f"There is no book {book_id}.") from None


# Bytes. Annotations say whom a thing is for: here, the user and not the model.
@resource(
    "library://books/{book_id}/cover",
    title="The cover of a book",
    mime_type="image/png",
    annotations=Annotations(audience=["user"], priority=0.2),
)
async def cover(book_id: int) -> bytes:
    """A picture of a book's cover."""
    try:
        return draw((await Book.objects.aget(pk=book_id)).title)
    except Book.DoesNotExist:
        raise NotFound(f"There is no book {book_id}.") from None
