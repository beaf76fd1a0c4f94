"""What a person picks from a menu, and help with filling it in."""

from __future__ import annotations

from typing import Any

from django_mcp import NotFound, completion, prompt
from django_mcp.types import PromptMessage, TextContent

from ..models import Author, Book, Subject


# A text is one message of the user.
@prompt
def recommend(subject: str, language: str = "English") -> str:
    """Ask for a book about something.

    Args:
        subject: What it should be about.
        language: The language it was written in.
    """
    return (
        f"Search the library for books about {subject} that were written in {language} and are on "
        "the shelf. Recommend one of them, in a sentence, and say where to find two more."
    )


# Several messages are a conversation to go on from.
@prompt("discuss", title="Discuss a book")
def discuss(author: str, title: str) -> list[PromptMessage]:
    """Start a conversation about a book."""
    return [
        PromptMessage(
            role="user", content=TextContent(text=f"I have just read {title} by {author}.")
        ),
        PromptMessage(role="assistant", content=TextContent(text="What did you think of its end?")),
    ]


# A template, whose context the function returns. In Markdown nothing is escaped, unlike in HTML.
@prompt.template("library/mcp/review.md", title="Review a book")
def review(title: str) -> dict[str, Any]:
    """Ask for a review of a book in the catalogue."""
    book = Book.objects.select_related("author").filter(title__icontains=title).first()
    if book is None:
        raise NotFound(f"There is no book called {title}.")
    return {"book": book, "subjects": book.subjects.all()}


# Completions: what fits the text typed so far. The first hundred are sent.
@completion("recommend", "subject")
def subjects(value: str) -> list[str]:
    return list(Subject.objects.filter(name__istartswith=value).values_list("name", flat=True))


@completion("discuss", "author")
def authors(value: str) -> list[str]:
    return list(Author.objects.filter(name__icontains=value).values_list("name", flat=True))


# A further parameter is another argument of the same prompt, once it has been filled in.
@completion("discuss", "title")
def titles(value: str, author: str | None = None) -> list[str]:
    books = Book.objects.filter(title__icontains=value)
    if author:
        books = books.filter(author__name=author)
    return list(books.values_list("title", flat=True))


# The variables of a resource's URI are completed in the same way.
@completion("library://books/{book_id}", "book_id")
def book_ids(value: str) -> list[str]:
    ids = Book.objects.filter(pk__startswith=value).order_by("pk").values_list("pk", flat=True)
    return [str(book_id) for book_id in ids]
