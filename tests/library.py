"""The example project with authorization: its books, one user, and an environment to run it in."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path
from typing import Final

REPOSITORY: Final = Path(__file__).resolve().parent.parent
PROJECT: Final = REPOSITORY / "example_project"
#: Seconds that one command may take.
PATIENCE: Final = 120.0


def environment(database: Path) -> dict[str, str]:
    """What a process needs besides this one's environment to serve it, kept in `database`."""
    return {
        "DJANGO_SETTINGS_MODULE": "config.settings",
        "PYTHONPATH": os.pathsep.join([str(PROJECT), str(REPOSITORY)]),
        "DATABASE_PATH": str(database),
        "OAUTH": "1",
    }


def prepare(database: Path) -> None:
    """Make the database: every table, the books, and the administrator anna, whose password is
    "secret"."""
    user = ["createsuperuser", "--no-input", "--username", "anna", "--email", "anna@example.com"]
    for command in (["migrate", "--verbosity", "0"], ["load_library"], user, ["check"]):
        manage(database, *command)


def manage(database: Path, *command: str) -> str:
    """Run a command of `manage.py`; what it printed. Raises CalledProcessError where it failed."""
    return subprocess.run(
        [sys.executable, "manage.py", *command],
        cwd=PROJECT,
        env={**os.environ, **environment(database), "DJANGO_SUPERUSER_PASSWORD": "secret"},
        check=True,
        capture_output=True,
        text=True,
        timeout=PATIENCE,
    ).stdout
