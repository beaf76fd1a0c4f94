"""What the built wheel holds: the package, whole, and nothing beside it.

``python .ci/check_wheel.py <wheel>``, in a clone whose files are those of the commit.
"""

from __future__ import annotations

import subprocess
import sys
import zipfile
from pathlib import Path

CLONE = Path(__file__).resolve().parent.parent


def main(wheel: Path) -> None:
    """Exit with the differences between the wheel and the package in the repository."""
    names = zipfile.ZipFile(wheel).namelist()
    packed = {name for name in names if ".dist-info/" not in name}
    tracked = subprocess.run(
        ["git", "ls-files", "-z", "django_mcp"],
        cwd=CLONE,
        capture_output=True,
        text=True,
        check=True,
    )
    expected = set(tracked.stdout.split("\0")) - {""}
    foreign, forgotten = sorted(packed - expected), sorted(expected - packed)
    if foreign or forgotten:
        sys.exit(f"{wheel.name} holds what is not the package: {foreign}, and lacks: {forgotten}")
    if "django_mcp/py.typed" not in packed:
        sys.exit(f"{wheel.name} has no django_mcp/py.typed")
    catalogs = sorted(name for name in packed if name.endswith(".po"))
    # Django reads what is compiled, which many people have git ignore.
    uncompiled = [name for name in catalogs if f"{name.removesuffix('.po')}.mo" not in packed]
    if uncompiled or not catalogs:
        sys.exit(f"{wheel.name} has {len(catalogs)} catalogs, not compiled are: {uncompiled}")
    if not any(name.endswith(".dist-info/licenses/LICENSE") for name in names):
        sys.exit(f"{wheel.name} has no licence")
    print(f"{wheel.name}: {len(packed)} files")


if __name__ == "__main__":
    main(Path(sys.argv[1]))
