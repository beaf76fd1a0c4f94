"""``manage.py load_library``, and the data it loads."""

from __future__ import annotations

from io import StringIO

from django.core.management import call_command
from django.test import TestCase

from library.models import Author, Book, Loan, Reader


class LoadLibraryTests(TestCase):
    @classmethod
    def setUpTestData(cls) -> None:
        cls.first = cls.load()

    @staticmethod
    def load() -> str:
        out = StringIO()
        call_command("load_library", stdout=out)
        return out.getvalue()

    def test_it_says_what_the_library_has(self) -> None:
        self.assertIn(f"{Book.objects.count()} books", self.first)

    def test_a_second_run_adds_nothing_and_keeps_what_changed(self) -> None:
        loan = Loan.objects.open().first()
        loan.give_back()
        self.assertEqual(self.load(), self.first)
        loan.refresh_from_db()
        self.assertIsNotNone(loan.returned)

    def test_it_mends_what_the_data_says_otherwise(self) -> None:
        Book.objects.filter(title="Moby-Dick").update(published=1999)
        self.load()
        self.assertEqual(Book.objects.get(title="Moby-Dick").published, 1851)

    def test_there_is_something_to_lend_and_something_to_ask_for(self) -> None:
        self.assertGreater(Book.objects.available().count(), 300)
        self.assertGreater(Loan.objects.open().count(), Loan.objects.overdue().count())
        self.assertGreater(Loan.objects.overdue().count(), 0)

    def test_every_row_is_valid(self) -> None:
        for model in (Author, Book, Loan, Reader):
            for row in model.objects.all():
                with self.subTest(row=row):
                    row.clean_fields()

    def test_every_book_has_a_subject_and_every_author_a_book(self) -> None:
        self.assertQuerySetEqual(Book.objects.filter(subjects=None), [])
        self.assertQuerySetEqual(Author.objects.filter(books=None), [])
