"""The app, which has no migrations: its tables are made for the tests alone."""

from __future__ import annotations

from django.apps import AppConfig


class ShelfConfig(AppConfig):
    name = "tests.exposure.shelf"
    label = "shelf"
    default_auto_field = "django.db.models.BigAutoField"
