"""``manage.py load_library``: fills the shelves from ``library/data``."""

from __future__ import annotations

import csv
import datetime
import random
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from django.core.management.base import BaseCommand
from django.db import transaction
from django.utils import timezone

from library.models import Author, Book, Loan, Reader, Subject

DATA = Path(__file__).resolve().parents[2] / "data"


class Command(BaseCommand):
    """Load the books, and some readers and loans to play with; a second run changes nothing."""

    help = "Loads the library's books, authors, readers and loans. Safe to run again."

    @transaction.atomic
    def handle(self, *args: Any, **options: Any) -> None:
        load_authors()
        load_books()
        load_readers()
        if not Loan.objects.exists():
            make_loans()
        counts = ", ".join(
            f"{model.objects.count()} {model._meta.verbose_name_plural}"
            for model in (Book, Author, Subject, Reader, Loan)
        )
        self.stdout.write(f"The library has {counts}.")


def load_authors() -> None:
    Author.objects.bulk_create(
        (
            Author(name=row["name"], born=row["born"] or None, died=row["died"] or None)
            for row in rows("authors")
        ),
        update_conflicts=True,
        unique_fields=["name"],
        update_fields=["born", "died"],
    )


def load_books() -> None:
    found = list(rows("books-*"))
    authors = {author.name: author for author in Author.objects.all()}
    Book.objects.bulk_create(
        (
            Book(
                title=row["title"],
                author=authors[row["author"]],
                published=row["published"],
                language=row["language"],
                summary=row["summary"],
            )
            for row in found
        ),
        update_conflicts=True,
        unique_fields=["author", "title"],
        update_fields=["published", "language", "summary"],
    )
    names = {name for row in found for name in row["subjects"].split(";")}
    Subject.objects.bulk_create(
        [Subject(name=name) for name in sorted(names)], ignore_conflicts=True
    )
    subjects = {subject.name: subject.pk for subject in Subject.objects.all()}
    books = {(book.author_id, book.title): book.pk for book in Book.objects.all()}
    Link = Book.subjects.through
    Link.objects.bulk_create(
        (
            Link(
                book_id=books[authors[row["author"]].pk, row["title"]],
                subject_id=subjects[name],
            )
            for row in found
            for name in row["subjects"].split(";")
        ),
        ignore_conflicts=True,
    )


def load_readers() -> None:
    Reader.objects.bulk_create(
        (
            Reader(**row, joined=timezone.localdate() - datetime.timedelta(days=400))
            for row in rows("readers")
        ),
        ignore_conflicts=True,
    )


def make_loans() -> None:
    """Lend some books: always the same ones, so many days before today."""
    chance = random.Random("library")  # noqa: S311 - it has to be repeatable, not secret
    readers = list(Reader.objects.order_by("pk"))
    books = chance.sample(list(Book.objects.order_by("pk")), 90)

    def loan(book: Book, days_ago: int, days_kept: int | None) -> Loan:
        lent = timezone.localdate() - datetime.timedelta(days=days_ago)
        return Loan(
            book=book,
            reader=chance.choice(readers),
            lent=lent,
            due=lent + datetime.timedelta(weeks=4),
            returned=None if days_kept is None else lent + datetime.timedelta(days=days_kept),
        )

    past = [loan(book, chance.randint(60, 365), chance.randint(3, 40)) for book in books[:60]]
    current = [loan(book, chance.randint(0, 28), None) for book in books[60:80]]
    overdue = [loan(book, chance.randint(29, 50), None) for book in books[80:]]
    Loan.objects.bulk_create(past + current + overdue)


def rows(pattern: str) -> Iterator[dict[str, str]]:
    """The rows of every data file whose name fits."""
    for path in sorted(DATA.glob(f"{pattern}.csv")):
        with path.open(encoding="utf-8", newline="") as lines:
            yield from csv.DictReader(lines)
