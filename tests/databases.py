"""Runs tests on another database than SQLite: ``python -m tests.databases mariadb tests/exposure``.

Starts a throw-away PostgreSQL or MariaDB, and pytest with it as the project's database. What stands
behind the name of the database are arguments of pytest.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Callable
from contextlib import AbstractContextManager
from typing import Any

from tests import services

DATABASES: dict[str, Callable[[], AbstractContextManager[Any]]] = {
    "postgresql": services.postgres,
    "mariadb": services.mariadb,
}


def main(name: str, *arguments: str) -> int:
    """The exit status of pytest."""
    with DATABASES[name]() as service:
        given = {**os.environ, "MCP_TEST_DATABASE": json.dumps(service.new_database())}
        return subprocess.run([sys.executable, "-m", "pytest", *arguments], env=given).returncode


if __name__ == "__main__":
    if len(sys.argv) < 2 or sys.argv[1] not in DATABASES:
        sys.exit(f"Which database? {' or '.join(DATABASES)}, then arguments of pytest.")
    sys.exit(main(*sys.argv[1:]))
