"""The library as a Django app."""

from django.apps import AppConfig


class LibraryConfig(AppConfig):
    """Books, their authors, and the readers who borrow them."""

    name = "library"
