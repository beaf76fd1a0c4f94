"""Runs tests on another database than SQLite in memory, which has one connection:
``python -m tests.databases mariadb tests/exposure``.

Starts a throw-away PostgreSQL or MariaDB, or makes a file of SQLite, and runs pytest with that as
the project's database. What stands behind the name of the database are arguments of pytest.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path
from typing import Any

from tests import services


class SqliteFile:
    """A file of SQLite that tests have instead of one in memory."""

    def __init__(self, path: Path) -> None:
        self._path = path

    def new_database(self) -> dict[str, Any]:
        """An entry of DATABASES."""
        name = str(self._path / "tests.sqlite3")
        return {
            "ENGINE": "django.db.backends.sqlite3",
            "NAME": name,
            "TEST": {"NAME": name},
        }


@contextmanager
def sqlite() -> Iterator[SqliteFile]:
    """A directory for it, which is gone afterwards."""
    with tempfile.TemporaryDirectory() as directory:
        yield SqliteFile(Path(directory))


DATABASES: dict[str, Callable[[], AbstractContextManager[Any]]] = {
    "postgresql": services.postgres,
    "mariadb": services.mariadb,
    "sqlite": sqlite,
}


def main(name: str, *arguments: str) -> int:
    """The exit status of pytest."""
    with DATABASES[name]() as service:
        given = {**os.environ, "MCP_TEST_DATABASE": json.dumps(service.new_database())}
        return subprocess.run(
            [sys.executable, "-m", "pytest", "--migrations", *arguments], env=given
        ).returncode


if __name__ == "__main__":
    if len(sys.argv) < 2 or sys.argv[1] not in DATABASES:
        sys.exit(f"Which database? {' or '.join(DATABASES)}, then arguments of pytest.")
    sys.exit(main(*sys.argv[1:]))
