"""The app of the benchmark's project."""

from __future__ import annotations

from django.apps import AppConfig


class NotesConfig(AppConfig):
    """Notes: one table, and the tools over it."""

    name = "tests.benchmarks.site.notes"
    label = "notes"
