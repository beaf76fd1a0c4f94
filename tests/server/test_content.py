"""Pictures, sounds and files know their media type and become blocks."""

from __future__ import annotations

import base64
from pathlib import Path
from typing import Any

import pytest

from django_mcp.protocol.types import (
    Annotations,
    AudioContent,
    BlobResourceContents,
    EmbeddedResource,
    ImageContent,
    TextResourceContents,
)
from django_mcp.server.content import Audio, File, Image

PNG = b"\x89PNG\r\n\x1a\n" + bytes(8)
WAV = b"RIFF\x24\x00\x00\x00WAVEfmt "


def b64(data: bytes) -> str:
    return base64.b64encode(data).decode()


def test_an_image_becomes_an_image_block() -> None:
    annotations = Annotations(audience=["user"])
    image = Image(data=PNG, annotations=annotations, meta={"a": 1})

    assert image.to_block() == ImageContent(
        data=b64(PNG), mime_type="image/png", annotations=annotations, meta={"a": 1}
    )


def test_a_sound_becomes_an_audio_block() -> None:
    assert Audio(data=WAV).to_block() == AudioContent(data=b64(WAV), mime_type="audio/wav")


@pytest.mark.parametrize(
    ("data", "mime_type"),
    [
        (PNG, "image/png"),
        (b"\xff\xd8\xff\xe0", "image/jpeg"),
        (b"GIF89a", "image/gif"),
        (b"RIFF\x00\x00\x00\x00WEBPVP8 ", "image/webp"),
        (b"<svg xmlns='http://www.w3.org/2000/svg'/>", "image/svg+xml"),
    ],
)
def test_the_first_bytes_tell_what_an_image_is(data: bytes, mime_type: str) -> None:
    assert Image(data=data).mime_type == mime_type


@pytest.mark.parametrize(
    ("data", "mime_type"),
    [
        (WAV, "audio/wav"),
        (b"ID3\x04", "audio/mpeg"),
        (b"\xff\xfb\x90", "audio/mpeg"),
        (b"OggS", "audio/ogg"),
        (b"fLaC", "audio/flac"),
    ],
)
def test_the_first_bytes_tell_what_a_sound_is(data: bytes, mime_type: str) -> None:
    assert Audio(data=data).mime_type == mime_type


def test_bytes_nobody_knows_need_their_type() -> None:
    with pytest.raises(ValueError, match='say it, for example mime_type="image/png"'):
        Image(data=b"?")

    assert Image(data=b"?", mime_type="image/x-own").mime_type == "image/x-own"
    assert Image(data=b"?", format="PNG").mime_type == "image/png"
    assert Image(data=bytearray(PNG)).data == PNG


def test_a_path_is_read_at_once_and_its_name_tells_the_type(tmp_path: Path) -> None:
    path = tmp_path / "tune.wav"
    path.write_bytes(b"not really")
    audio = Audio(path=path)
    path.unlink()

    assert audio.mime_type == "audio/wav"
    assert audio.data == b"not really"


def test_a_wrong_path_fails_in_the_authors_code(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError):
        Image(path=tmp_path / "missing.png")


def test_another_family_is_refused() -> None:
    with pytest.raises(ValueError, match=r"Image is for image/\*, and this is audio/wav: use File"):
        Image(data=WAV)


@pytest.mark.parametrize("given", [{}, {"data": PNG, "path": "x.png"}])
def test_data_and_path_are_alternatives(given: dict[str, Any]) -> None:
    with pytest.raises(ValueError, match=r"Image takes data=… or path=…, one of the two"):
        Image(**given)


def test_base64_text_is_not_bytes() -> None:
    with pytest.raises(TypeError, match=r"as bytes, not str; Base64 text is decoded with"):
        Image(data=b64(PNG))  # type: ignore[arg-type]


def test_a_text_file_is_embedded_as_text(tmp_path: Path) -> None:
    path = tmp_path / "my notes.md"
    path.write_bytes(b"\xef\xbb\xbf# \xc3\x9cber")

    assert File(path=path).to_block() == EmbeddedResource(
        resource=TextResourceContents(
            uri="file:///my%20notes.md", mime_type="text/markdown", text="# Über"
        )
    )


def test_the_directories_of_a_file_stay_private(tmp_path: Path) -> None:
    path = tmp_path / "a.txt"
    path.write_text("x")

    assert str(tmp_path) not in repr(File(path=path).to_block())


def test_other_files_are_embedded_as_bytes() -> None:
    assert File(data=b"%PDF-1.7", name="a.pdf").to_block() == EmbeddedResource(
        resource=BlobResourceContents(
            uri="file:///a.pdf", mime_type="application/pdf", blob=b64(b"%PDF-1.7")
        )
    )


def test_a_text_file_that_is_no_utf8_is_bytes() -> None:
    resource = File(data=b"\xff\xfe", name="a.txt").to_block().resource

    assert resource == BlobResourceContents(
        uri="file:///a.txt", mime_type="text/plain", blob=b64(b"\xff\xfe")
    )


def test_a_file_of_text_needs_no_encoding() -> None:
    resource = File(data='{"a": 1}', uri="library://a.json").to_block().resource

    assert resource == TextResourceContents(
        uri="library://a.json", mime_type="application/json", text='{"a": 1}'
    )


def test_a_file_needs_a_name_or_a_uri() -> None:
    with pytest.raises(ValueError, match=r"File needs a name or a URI"):
        File(data=b"x")


def test_unknown_bytes_are_octets() -> None:
    assert File(data=b"\x00", name="x").mime_type == "application/octet-stream"


def test_the_representation_shows_no_contents() -> None:
    assert repr(Image(data=PNG)) == "Image(16 bytes, image/png)"
    assert repr(File(data="secret", name="a.txt")) == "File('file:///a.txt', 6 bytes, text/plain)"
