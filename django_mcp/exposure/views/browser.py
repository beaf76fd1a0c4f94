"""What a browser sends for the values of a form: pairs of a name and a text, or a file.

What callers are told of a field, and how their values are read, is `form_fields`.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from typing import Any

from django import forms
from django.core.files.uploadedfile import SimpleUploadedFile
from django.utils.encoding import force_str

from ..form_fields import read_split_moment
from ..uploads import upload_of

Pairs = Iterator[tuple[str, str | SimpleUploadedFile]]
Write = Callable[[Any], Pairs]


def writer(field: forms.Field, key: str) -> Write:
    """What a browser sends under `key` for a value of `field`.

    What it makes raises ValueError for a file that cannot be read; the text says what it should be.
    """
    if isinstance(field, forms.FileField):
        return lambda value: iter([] if value is None else [(key, upload_of(value))])
    if isinstance(field, forms.NullBooleanField):
        words = {True: "true", False: "false", None: ""}
        return lambda value: iter([(key, words[value])])
    if isinstance(field, forms.BooleanField):
        # A box that is not ticked sends nothing.
        return lambda value: iter([(key, "on")] if value else [])
    if isinstance(field, forms.SplitDateTimeField):
        return lambda value: _moment(key, value)
    if isinstance(field, forms.MultiValueField):
        names = getattr(field.widget, "widgets_names", None)
        endings = names or [f"_{number}" for number in range(len(field.fields))]
        return lambda value: (
            (f"{key}{ending}", text_of(part)) for ending, part in zip(endings, value, strict=False)
        )
    if isinstance(field, forms.ChoiceField):
        return lambda value: _chosen(key, value)
    if isinstance(field, forms.JSONField):
        return lambda value: iter([(key, force_str(field.prepare_value(value)))])
    return lambda value: pairs_of(key, value)


def _chosen(key: str, value: Any) -> Pairs:
    """What is chosen of a list. True is one of its values there, and no box that is ticked."""
    for each in value if isinstance(value, list) else [value]:
        if each is not None:
            yield key, str(each) if isinstance(each, bool) else text_of(each)


def _moment(key: str, value: Any) -> Pairs:
    """A moment in its two boxes."""
    found = read_split_moment(value) if value is not None else [None, None]
    for ending, part in zip(("_0", "_1"), found, strict=True):
        yield f"{key}{ending}", text_of(part)


def pairs_of(key: str, value: Any) -> Iterator[tuple[str, str]]:
    """A value as pairs of a query string: a list has one for each of its members."""
    if isinstance(value, list):
        for each in value:
            yield key, text_of(each)
    elif value is not None:
        yield key, text_of(value)


def text_of(value: Any) -> str:
    """A value of JSON as the text that stands for it in a URL or a form."""
    if value is None:
        return ""
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, float) and value.is_integer():
        return str(int(value))
    if isinstance(value, dict | list):
        return json.dumps(value)
    return str(value)
