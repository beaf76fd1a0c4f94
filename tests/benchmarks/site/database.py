"""Makes the database of one run: ``python -m tests.benchmarks.site.database``."""

from __future__ import annotations

import os

import django
from django.apps import apps
from django.core.management import call_command

NOTES = 1000


def main() -> None:
    """Create every table, and the notes, in the file that BENCHMARK_DATABASE names."""
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "tests.benchmarks.site.settings")
    django.setup()
    call_command("migrate", run_syncdb=True, verbosity=0)
    note = apps.get_model("notes", "Note")
    note.objects.bulk_create(
        note(title=f"Note number {number}", body=body(number)) for number in range(1, NOTES + 1)
    )


def body(number: int) -> str:
    """The text of a note, which nobody gets right by accident."""
    return f"note-sentinel {number}: " + "The quick brown fox jumps over the lazy dog. " * 4


if __name__ == "__main__":
    main()
