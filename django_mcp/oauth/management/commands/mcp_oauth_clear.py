"""Take away tokens that are good for nothing, and clients nobody has used: `mcp_oauth_clear`."""

from __future__ import annotations

from typing import Any

from django.core.management.base import BaseCommand

from ...clearing import clear


class Command(BaseCommand):
    """To be run once a day or so; running it twice at once does no harm."""

    help = "Removes tokens and codes that have run out, and clients that no user ever allowed."

    def handle(self, *args: Any, **options: Any) -> None:
        for what, count in clear().items():
            if count or options["verbosity"] > 1:
                self.stdout.write(f"{count} {what}")
