"""Tools that answer with more than text: pictures, files, links to resources, and a page."""

from __future__ import annotations

from django_mcp import File, Image, ToolError, add_view, tool
from django_mcp.types import ResourceLink

from ..covers import draw
from ..models import Book, Loan


@tool(read_only=True)
def show_cover(book_id: int) -> Image:
    """Show the cover of a book."""
    book = Book.objects.filter(pk=book_id).first()
    if book is None:
        raise ToolError(f"There is no book {book_id}.")
    return Image(data=draw(book.title), format="png")


# A list with several parts. The file travels inside the answer (an embedded resource); of the
# book there is only a link, which the client may follow.
@tool(read_only=True)
def loan_slip(book_id: int) -> list[str | File | ResourceLink]:
    """Write the slip that is put into a book on loan."""
    loan = Loan.objects.open().select_related("book").filter(book=book_id).first()
    if loan is None:
        raise ToolError(f"Book {book_id} is not on loan.")
    slip = f"{loan.book}\nLent on {loan.lent:%d %B %Y}\nPlease return by {loan.due:%d %B %Y}\n"
    return [
        "Here is the slip.",
        File(data=slip, name=f"slip-{loan.pk}.txt"),
        ResourceLink(
            uri=f"library://books/{book_id}",
            name=f"book-{book_id}",
            title=loan.book.title,
            mime_type="application/json",
        ),
    ]


# A page of the site, by the name of its URL. The view says that it has pages, and not what it
# searches by.
add_view("library:books", "browse_catalogue", query={"q": str})
