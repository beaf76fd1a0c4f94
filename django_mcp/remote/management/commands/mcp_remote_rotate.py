"""manage.py mcp_remote_rotate: after SECRET_KEY was changed, before its fallback is taken away."""

from __future__ import annotations

from typing import Any

from django.core.management.base import BaseCommand

from ...rotation import rotate


class Command(BaseCommand):
    """Prints how many secrets were encrypted anew."""

    help = (
        "Encrypts the secrets and tokens of remote servers with the current SECRET_KEY. Run it"
        " before a key is removed from SECRET_KEY_FALLBACKS."
    )

    def handle(self, *args: Any, **options: Any) -> None:
        done, lost = rotate()
        self.stdout.write(f"{done} encrypted with SECRET_KEY.")
        if lost:
            self.stderr.write(f"{lost} cannot be opened with any key; they count as not there.")
