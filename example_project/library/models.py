"""The library's shelves and its card index: authors, books, readers, loans."""

from __future__ import annotations

import datetime

from django.core.exceptions import ValidationError
from django.db import models
from django.db.models import Exists, F, OuterRef, Q
from django.urls import reverse
from django.utils import timezone


class Language(models.TextChoices):
    """The languages the books were written in, by ISO 639-1 code."""

    ARABIC = "ar", "Arabic"
    BENGALI = "bn", "Bengali"
    CHINESE = "zh", "Chinese"
    CZECH = "cs", "Czech"
    DANISH = "da", "Danish"
    DUTCH = "nl", "Dutch"
    ENGLISH = "en", "English"
    FINNISH = "fi", "Finnish"
    FRENCH = "fr", "French"
    GERMAN = "de", "German"
    HUNGARIAN = "hu", "Hungarian"
    ITALIAN = "it", "Italian"
    JAPANESE = "ja", "Japanese"
    LATIN = "la", "Latin"
    NORWEGIAN = "no", "Norwegian"
    POLISH = "pl", "Polish"
    PORTUGUESE = "pt", "Portuguese"
    RUSSIAN = "ru", "Russian"
    SPANISH = "es", "Spanish"
    SWEDISH = "sv", "Swedish"


class Author(models.Model):
    """A person who wrote at least one of the books."""

    name = models.CharField(max_length=100, unique=True)
    born = models.SmallIntegerField("year of birth", null=True, blank=True)
    died = models.SmallIntegerField("year of death", null=True, blank=True)

    class Meta:
        ordering = ("name",)
        constraints = (
            models.CheckConstraint(
                condition=Q(died__gt=F("born")),
                name="author_born_before_died",
                violation_error_message="An author dies after being born.",
            ),
        )

    def __str__(self) -> str:
        return self.name

    @property
    def years(self) -> str:
        """The years of life, such as "1775 to 1817", with a question mark for an unknown one."""
        return f"{self.born or '?'} to {self.died or '?'}"


class Subject(models.Model):
    """What a book is about, or the kind of book it is."""

    name = models.CharField(max_length=40, unique=True)

    class Meta:
        ordering = ("name",)

    def __str__(self) -> str:
        return self.name


class BookQuerySet(models.QuerySet["Book"]):
    """Books, with the questions a library asks of them."""

    def with_loan_status(self) -> BookQuerySet:
        """Add `on_loan` to each book."""
        open_loans = Loan.objects.open().filter(book=OuterRef("pk"))
        return self.annotate(on_loan=Exists(open_loans))

    def available(self) -> BookQuerySet:
        """The books that are on the shelf."""
        return self.with_loan_status().filter(on_loan=False)

    def search(self, text: str) -> BookQuerySet:
        """The books with every word of `text` in their title, author, summary or subjects."""
        books = self
        for word in text.split():
            subjects = Subject.objects.filter(book=OuterRef("pk"), name__icontains=word)
            books = books.filter(
                Q(title__icontains=word)
                | Q(author__name__icontains=word)
                | Q(summary__icontains=word)
                | Exists(subjects)
            )
        return books


class Book(models.Model):
    """A book, of which the library has one copy."""

    title = models.CharField(max_length=200)
    author = models.ForeignKey(Author, on_delete=models.PROTECT, related_name="books")
    published = models.SmallIntegerField(
        help_text="The year it was first complete as a book; serials and performances not counted."
    )
    language = models.CharField(
        max_length=2, choices=Language, help_text="The language it was written in."
    )
    subjects = models.ManyToManyField(Subject)
    summary = models.CharField(max_length=200, blank=True)

    objects = BookQuerySet.as_manager()

    class Meta:
        ordering = ("title", "pk")
        constraints = (
            models.UniqueConstraint(fields=("author", "title"), name="book_title_once_per_author"),
        )

    def __str__(self) -> str:
        return self.title

    def get_absolute_url(self) -> str:
        return reverse("library:book", args=(self.pk,))


class Reader(models.Model):
    """A person with a library card; the primary key is the number on it."""

    class Kind(models.TextChoices):
        """Who a card is for."""

        ADULT = "adult", "Adult"
        JUNIOR = "junior", "Junior"

    name = models.CharField(max_length=100)
    email = models.EmailField(unique=True)
    kind = models.CharField(max_length=6, choices=Kind, default=Kind.ADULT)
    joined = models.DateField(default=timezone.localdate)

    class Meta:
        ordering = ("name",)

    def __str__(self) -> str:
        return self.name


class LoanQuerySet(models.QuerySet["Loan"]):
    """Loans, with the questions a library asks of them."""

    def open(self) -> LoanQuerySet:
        """The loans of books that have not come back."""
        return self.filter(returned__isnull=True)

    def overdue(self) -> LoanQuerySet:
        """The open loans that should have ended before today."""
        return self.open().filter(due__lt=timezone.localdate())

    def lend(self, book: Book, reader: Reader) -> Loan:
        """Lend `book` to `reader`; raises ValidationError where it is on loan."""
        loan = Loan(book=book, reader=reader)
        loan.full_clean()
        loan.save()
        return loan


def four_weeks_from_today() -> datetime.date:
    return timezone.localdate() + datetime.timedelta(weeks=4)


class Loan(models.Model):
    """A book in the hands of a reader, now or in the past."""

    book = models.ForeignKey(Book, on_delete=models.PROTECT, related_name="loans")
    reader = models.ForeignKey(Reader, on_delete=models.PROTECT, related_name="loans")
    lent = models.DateField(default=timezone.localdate)
    due = models.DateField(default=four_weeks_from_today)
    returned = models.DateField(null=True, blank=True)

    objects = LoanQuerySet.as_manager()

    class Meta:
        ordering = ("-lent", "-pk")
        constraints = (
            models.UniqueConstraint(
                fields=("book",),
                condition=Q(returned__isnull=True),
                name="book_lent_once_at_a_time",
                violation_error_message="This book is on loan already.",
            ),
            models.CheckConstraint(
                condition=Q(due__gte=F("lent")) & (Q(returned=None) | Q(returned__gte=F("lent"))),
                name="loan_ends_after_it_begins",
                violation_error_message="A loan ends after it begins.",
            ),
        )

    def __str__(self) -> str:
        return f"{self.book} to {self.reader}"

    @property
    def is_overdue(self) -> bool:
        """True where the book should have come back before today and has not."""
        return self.returned is None and self.days_late > 0

    @property
    def days_late(self) -> int:
        """How many days after it was due the book came back, or today is; 0 for none."""
        return max(0, ((self.returned or timezone.localdate()) - self.due).days)

    def give_back(self) -> None:
        """Note that the book came back today; raises ValidationError where it had before."""
        if self.returned is not None:
            raise ValidationError("This book was returned already.")
        self.returned = timezone.localdate()
        self.save(update_fields=["returned"])
