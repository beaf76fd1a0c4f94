"""Ask another library what it has: ``manage.py neighbour http://127.0.0.1:8001/mcp emma``.

The other library is a Model Context Protocol server, and this command its client.
"""

from typing import Any

from asgiref.sync import async_to_sync
from django.core.management.base import BaseCommand, CommandError, CommandParser

from django_mcp.client import Client, ClientError


class Command(BaseCommand):
    help = "Prints what the tools of another library find."

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("url", help="the other library's MCP endpoint")
        parser.add_argument("words", help="what to look for")

    def handle(self, *args: Any, url: str, words: str, **options: Any) -> None:
        try:
            found = async_to_sync(books_of)(url, words)
        except ClientError as error:
            raise CommandError(f"The other library does not answer: {error}") from error
        for title in found:
            self.stdout.write(title)
        if not found:
            self.stdout.write("It has nothing like that.")


async def books_of(target: Any, words: str) -> list[str]:
    """The titles that another library finds."""
    async with Client(target, timeout=10) as client:
        result = await client.call_tool("search_books", {"words": words})
    return [f"{book.title}, by {book.author}" for book in result.data.books]
