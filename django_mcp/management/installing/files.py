"""A file of somebody else's, read and replaced so that nothing of it can be lost.

The new text is written beside the file and takes its place at once; the old one stays as a backup.
Links are followed, and the mode and the owner stay.
"""

from __future__ import annotations

import os
import stat
import tempfile
from contextlib import suppress
from dataclasses import dataclass
from itertools import count
from pathlib import Path
from typing import Final

from .errors import Uneditable

_BOM: Final = "\ufeff"
PRIVATE: Final = 0o600
#: What is read of a file. Hosts that keep their history in it come to some MiB.
MOST_BYTES: Final = 16 * 2**20


@dataclass(frozen=True, slots=True, kw_only=True)
class File:
    """A file as it was read; `text` has no byte order mark, and is empty where there was none."""

    path: Path
    raw: bytes | None
    text: str
    has_bom: bool

    @property
    def is_open_to_others(self) -> bool:
        """True where others on this machine may read the file as it is."""
        if self.raw is None or os.name != "posix":
            return False
        return bool(self.path.stat().st_mode & (stat.S_IRGRP | stat.S_IROTH))


def read(path: Path) -> File:
    """The file at `path`, or what a link there leads to; raises Uneditable, and OSError."""
    try:
        path = Path(os.path.realpath(path))
        # A pipe would be waited for, and a device read without an end.
        if path.exists() and not path.is_file() and not path.is_dir():
            raise Uneditable("it is no file, but a device, a pipe or a socket.")
        if path.is_file() and path.stat().st_size > MOST_BYTES:
            raise Uneditable(f"it is larger than {MOST_BYTES // 2**20} MiB: do it by hand.")
        raw = path.read_bytes()
    except ValueError:
        raise Uneditable("no file can have such a name.") from None
    except FileNotFoundError:
        return File(path=path, raw=None, text="", has_bom=False)
    try:
        text = raw.decode("utf-8")
    except UnicodeDecodeError as error:
        raise Uneditable(f"it is not UTF-8 (byte {error.start}): save it as UTF-8 first.") from None
    return File(path=path, raw=raw, text=text.removeprefix(_BOM), has_bom=text.startswith(_BOM))


def replace(file: File, text: str, *, private: bool) -> Path | None:
    """Put `text` in the place of what `file` was; return the backup, None for a new file.

    A new file is for its owner alone where it is `private`. Raises Uneditable where the file
    changed meanwhile, or `text` has characters that UTF-8 has not, and OSError.
    """
    path = file.path
    try:
        raw = ((_BOM if file.has_bom else "") + text).encode("utf-8")
    except UnicodeEncodeError:
        raise Uneditable("what is to be written is no text in UTF-8.") from None
    path.parent.mkdir(parents=True, exist_ok=True)
    handle, temporary = tempfile.mkstemp(prefix=f".{path.name}.", dir=path.parent)
    try:
        with os.fdopen(handle, "wb") as opened:
            opened.write(raw)
            opened.flush()
            os.fsync(opened.fileno())
        if _bytes_of(path) != file.raw:
            raise Uneditable("it changed while this command ran: run it again.")
        _give(temporary, path if file.raw is not None else None, private)
        backup = None if file.raw is None else _keep(path, file.raw)
        os.replace(temporary, path)
    except BaseException:
        with suppress(FileNotFoundError):
            os.unlink(temporary)
        raise
    return backup


def _bytes_of(path: Path) -> bytes | None:
    try:
        return path.read_bytes()
    except FileNotFoundError:
        return None


def _give(target: str | Path, model: Path | None, private: bool) -> None:
    """Give `target` the mode and the owner of `model`, or those of a new file."""
    if model is None:
        if not private:
            mask = os.umask(0)
            os.umask(mask)
            os.chmod(target, 0o666 & ~mask)
        return
    found = model.stat()
    os.chmod(target, stat.S_IMODE(found.st_mode))
    if hasattr(os, "chown"):
        with suppress(PermissionError):
            os.chown(target, found.st_uid, found.st_gid)


def _keep(path: Path, raw: bytes) -> Path:
    """Write what the file was beside it, under a name that nothing has."""
    for number in count():
        backup = path.with_name(f"{path.name}.bak{number or ''}")
        try:
            handle = os.open(backup, os.O_WRONLY | os.O_CREAT | os.O_EXCL, PRIVATE)
        except FileExistsError:
            continue
        with os.fdopen(handle, "wb") as opened:
            opened.write(raw)
        _give(backup, path, private=True)
        return backup
    raise AssertionError  # count() has no end
