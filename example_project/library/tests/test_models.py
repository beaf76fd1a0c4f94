"""The rules of the library: one copy of each book, lent once at a time."""

from __future__ import annotations

import datetime

from django.core.exceptions import ValidationError
from django.db import IntegrityError
from django.test import TestCase
from django.utils import timezone

from library.models import Author, Book, Loan, Reader, Subject


class LibraryTests(TestCase):
    @classmethod
    def setUpTestData(cls) -> None:
        cls.author = Author.objects.create(name="Mary Shelley", born=1797, died=1851)
        cls.book = cls.make_book("Frankenstein", 1818)
        cls.book.subjects.add(Subject.objects.create(name="horror"))
        cls.other = cls.make_book("The Last Man", 1826)
        cls.reader = Reader.objects.create(name="Dashiell Bookend", email="d@example.org")

    @classmethod
    def make_book(cls, title: str, published: int) -> Book:
        return Book.objects.create(
            title=title, author=cls.author, published=published, language="en"
        )

    def test_a_book_on_loan_is_not_available(self) -> None:
        Loan.objects.lend(self.book, self.reader)
        self.assertQuerySetEqual(Book.objects.available(), [self.other])

    def test_a_book_that_came_back_is_available(self) -> None:
        Loan.objects.lend(self.book, self.reader).give_back()
        self.assertIn(self.book, Book.objects.available())

    def test_a_book_on_loan_cannot_be_lent(self) -> None:
        Loan.objects.lend(self.book, self.reader)
        with self.assertRaisesMessage(ValidationError, "This book is on loan already."):
            Loan.objects.lend(self.book, self.reader)

    def test_the_database_refuses_two_open_loans_of_a_book(self) -> None:
        Loan.objects.create(book=self.book, reader=self.reader)
        with self.assertRaises(IntegrityError):
            Loan.objects.create(book=self.book, reader=self.reader)

    def test_a_book_comes_back_once(self) -> None:
        loan = Loan.objects.lend(self.book, self.reader)
        loan.give_back()
        with self.assertRaisesMessage(ValidationError, "This book was returned already."):
            loan.give_back()

    def test_a_loan_is_overdue_from_the_day_after_it_was_due(self) -> None:
        today = timezone.localdate()
        lent = today - datetime.timedelta(days=28)
        Loan.objects.create(book=self.book, reader=self.reader, lent=lent, due=today)
        late = Loan.objects.create(
            book=self.other, reader=self.reader, lent=lent, due=today - datetime.timedelta(days=1)
        )
        self.assertQuerySetEqual(Loan.objects.overdue(), [late])
        self.assertTrue(late.is_overdue)

    def test_every_word_of_a_search_has_to_be_found(self) -> None:
        self.assertQuerySetEqual(Book.objects.search("shelley HORROR"), [self.book])
        self.assertQuerySetEqual(Book.objects.search("shelley sea"), [])

    def test_an_author_dies_after_being_born(self) -> None:
        with self.assertRaises(IntegrityError):
            Author.objects.create(name="Time Traveller", born=1900, died=1800)
