"""Pictures, sounds and files as an author has them, on their way to becoming content blocks.

``Image``, ``Audio`` and ``File`` take bytes or a path and know their media type. They are values of
this library and never travel: ``to_block()`` gives the block of ``protocol.types`` that does, and
``results`` calls it for whatever a function returns.

A file is read when the object is made, so that a wrong path fails in the author's own code, on the
author's own thread. Nothing here checks where a path leads.
"""

from __future__ import annotations

import base64
import mimetypes
from collections.abc import Mapping
from pathlib import Path
from typing import Any, ClassVar
from urllib.parse import quote

from ..protocol.types import (
    Annotations,
    AudioContent,
    BlobResourceContents,
    EmbeddedResource,
    ImageContent,
    TextResourceContents,
)

# What the first bytes of a file say: (offset, bytes, media type). The first row that fits decides.
_SIGNATURES = (
    (0, b"\x89PNG\r\n\x1a\n", "image/png"),
    (0, b"\xff\xd8\xff", "image/jpeg"),
    (0, b"GIF8", "image/gif"),
    (8, b"WEBP", "image/webp"),
    (0, b"BM", "image/bmp"),
    (0, b"II*\x00", "image/tiff"),
    (0, b"MM\x00*", "image/tiff"),
    (4, b"ftypavif", "image/avif"),
    (4, b"ftypheic", "image/heic"),
    (0, b"<svg", "image/svg+xml"),
    (8, b"WAVE", "audio/wav"),
    (0, b"ID3", "audio/mpeg"),
    (0, b"\xff\xfb", "audio/mpeg"),
    (0, b"\xff\xf3", "audio/mpeg"),
    (0, b"\xff\xf2", "audio/mpeg"),
    (0, b"\xff\xf1", "audio/aac"),
    (0, b"\xff\xf9", "audio/aac"),
    (0, b"OggS", "audio/ogg"),
    (0, b"fLaC", "audio/flac"),
    (4, b"ftypM4A", "audio/mp4"),
    (0, b"%PDF-", "application/pdf"),
    (0, b"PK\x03\x04", "application/zip"),
    (0, b"\x1f\x8b", "application/gzip"),
)

# Names that systems' own tables give, and the registered ones.
_REGISTERED = {
    "audio/x-wav": "audio/wav",
    "audio/vnd.wave": "audio/wav",
    "audio/x-flac": "audio/flac",
    "audio/x-aiff": "audio/aiff",
    "image/jpg": "image/jpeg",
    "audio/mp3": "audio/mpeg",
    "audio/x-m4a": "audio/mp4",
}

_TEXTUAL = {
    "application/json",
    "application/xml",
    "application/javascript",
    "application/yaml",
    "application/x-yaml",
    "application/toml",
    "application/sql",
    "image/svg+xml",
}


def is_textual(mime_type: str) -> bool:
    """Whether contents of this type are text: ``text/*``, JSON, XML and their kin."""
    essence = mime_type.partition(";")[0].strip().lower()
    return (
        essence.startswith("text/")
        or essence in _TEXTUAL
        or essence.endswith(("+json", "+xml", "+yaml"))
    )


def guess_mime_type(data: bytes, name: str | None = None) -> str | None:
    """The media type that the first bytes or the file's name show, or None."""
    for offset, signature, mime_type in _SIGNATURES:
        if data[offset : offset + len(signature)] == signature:
            return mime_type
    guessed = mimetypes.guess_type(name)[0] if name else None
    return _REGISTERED.get(guessed, guessed) if guessed else None


class _Media:
    """Bytes with a media type of one family."""

    family: ClassVar[str]

    __slots__ = ("annotations", "data", "meta", "mime_type")

    def __init__(
        self,
        *,
        data: bytes | bytearray | memoryview | None = None,
        path: str | Path | None = None,
        mime_type: str | None = None,
        format: str | None = None,
        annotations: Annotations | None = None,
        meta: Mapping[str, Any] | None = None,
    ) -> None:
        """Take ``data`` or read ``path``; ``format="png"`` is short for its media type.

        Without either, the type is found in the first bytes or in the file's name. Raises
        ValueError when it is not, or is of another family, and OSError for an unreadable path.
        """
        kind = type(self).__name__
        self.data = _read(kind, data, path)
        found = mime_type or (f"{self.family}/{format.lower()}" if format else None)
        found = found or guess_mime_type(self.data, Path(path).name if path else None)
        if found is None:
            raise ValueError(
                f"{kind} does not know the type of these bytes: say it, for example "
                f'mime_type="{self.family}/{"png" if self.family == "image" else "wav"}".'
            )
        found = _REGISTERED.get(found, found)
        if not found.startswith(f"{self.family}/"):
            raise ValueError(f"{kind} is for {self.family}/*, and this is {found}: use File.")
        self.mime_type = found
        self.annotations = annotations
        self.meta = dict(meta) if meta else None

    def __repr__(self) -> str:
        return f"{type(self).__name__}({len(self.data)} bytes, {self.mime_type})"

    @property
    def base64(self) -> str:
        return base64.b64encode(self.data).decode("ascii")


class Image(_Media):
    """A picture."""

    family = "image"
    __slots__ = ()

    def to_block(self) -> ImageContent:
        """The block that shows it (server/tools#image-content)."""
        return ImageContent(
            data=self.base64,
            mime_type=self.mime_type,
            annotations=self.annotations,
            meta=self.meta,
        )


class Audio(_Media):
    """A sound."""

    family = "audio"
    __slots__ = ()

    def to_block(self) -> AudioContent:
        """The block that plays it (server/tools#audio-content)."""
        return AudioContent(
            data=self.base64,
            mime_type=self.mime_type,
            annotations=self.annotations,
            meta=self.meta,
        )


class File:
    """A file of any type, with its contents: text where the type is text, else bytes."""

    __slots__ = ("annotations", "data", "meta", "mime_type", "uri")

    def __init__(
        self,
        *,
        data: bytes | bytearray | memoryview | str | None = None,
        path: str | Path | None = None,
        name: str | None = None,
        uri: str | None = None,
        mime_type: str | None = None,
        annotations: Annotations | None = None,
        meta: Mapping[str, Any] | None = None,
    ) -> None:
        """Take ``data`` or read ``path``; ``uri`` is what the client will know it by.

        Without one the URI is ``file:///`` and the name: the directories of ``path`` stay private.
        """
        name = name or (Path(path).name if path is not None else None)
        if uri is None and name is None:
            raise ValueError('File needs a name or a URI, for example name="report.pdf".')
        self.uri = uri or f"file:///{quote(name or '')}"
        if isinstance(data, str):
            self.data, fallback = data.encode(), "text/plain"
        else:
            self.data, fallback = _read("File", data, path), "application/octet-stream"
        by_name = name or self.uri.rpartition("/")[2]
        self.mime_type = mime_type or guess_mime_type(self.data, by_name) or fallback
        self.annotations = annotations
        self.meta = dict(meta) if meta else None

    def __repr__(self) -> str:
        return f"File({self.uri!r}, {len(self.data)} bytes, {self.mime_type})"

    def to_block(self) -> EmbeddedResource:
        """The block that carries it (server/tools#embedded-resources)."""
        return EmbeddedResource(
            resource=self.to_contents(), annotations=self.annotations, meta=self.meta
        )

    def to_contents(self, uri: str | None = None) -> TextResourceContents | BlobResourceContents:
        """Its contents as a resource's, under ``uri`` if that is given."""
        return contents(uri or self.uri, self.data, self.mime_type)


def contents(uri: str, data: bytes, mime_type: str) -> TextResourceContents | BlobResourceContents:
    """Contents as text where the type is a text's and the bytes are UTF-8, else as a blob."""
    if is_textual(mime_type):
        try:
            return TextResourceContents(uri=uri, mime_type=mime_type, text=data.decode("utf-8-sig"))
        except UnicodeDecodeError:
            pass
    return blob(uri, data, mime_type)


def blob(uri: str, data: bytes, mime_type: str) -> BlobResourceContents:
    """Contents as bytes."""
    encoded = base64.b64encode(data).decode("ascii")
    return BlobResourceContents(uri=uri, mime_type=mime_type, blob=encoded)


def _read(kind: str, data: bytes | bytearray | memoryview | None, path: str | Path | None) -> bytes:
    if (data is None) == (path is None):
        raise ValueError(f"{kind} takes data=… or path=…, one of the two.")
    if path is not None:
        return Path(path).read_bytes()
    if not isinstance(data, bytes | bytearray | memoryview):
        raise TypeError(
            f"{kind} takes its data as bytes, not {type(data).__name__}; Base64 text is decoded "
            "with base64.b64decode(…) first."
        )
    return bytes(data)
