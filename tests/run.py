"""Run the test-suite, from a clone and Python alone: ``python tests/run.py [arguments of pytest]``.

Without arguments everything is run, by two processes that begin with half of the files each; who is
done takes tests over from the other, so that no long file is left to one of them at the end. The
first run makes ``.venv`` in the clone; inside a virtual environment that has the package with its
extra "test" that one is used.
"""

from __future__ import annotations

import os
import random
import sys
from pathlib import Path

CLONE = Path(__file__).resolve().parent.parent
# In place of this directory, whose modules must not stand in for installed ones.
sys.path[0] = str(CLONE / ".ci")

import bootstrap  # noqa: E402 - it is found through the line above

EVERYTHING = ["-n", "2", "--dist", "worksteal"]


def main() -> None:
    """Go on as pytest."""
    arguments = sys.argv[1:] or EVERYTHING
    # One seed for both processes: some tests are named after sets.
    env = {"PYTHONHASHSEED": str(random.randrange(2**32)), **os.environ}
    bootstrap.become([bootstrap.python("test"), "-m", "pytest", *arguments], cwd=CLONE, env=env)


if __name__ == "__main__":
    main()
