"""The tree of errors is the one its module shows."""

from __future__ import annotations

import inspect
import re
from pathlib import Path

from django_mcp.client import auth
from django_mcp.client.auth import errors


def test_the_docstring_shows_the_whole_tree() -> None:
    shown = re.findall(r"^    ([│├└─ ]*)(\w+)  ", errors.__doc__ or "", re.MULTILINE)
    parents: list[type] = []
    for lines, name in shown:
        depth = len(lines) // 4
        found = getattr(errors, name)
        assert found.__bases__[0] is (parents[depth - 1] if depth else Exception), name
        parents[depth:] = [found]

    defined = [name for name, value in vars(errors).items() if inspect.isclass(value)]
    ours = [name for name in defined if issubclass(getattr(errors, name), errors.OAuthError)]
    assert sorted(name for _, name in shown) == sorted(ours)


def test_every_public_name_is_documented() -> None:
    page = Path(__file__).parents[3] / "docs" / "reference" / "client-auth.md"
    text = page.read_text(encoding="utf-8")

    assert [name for name in auth.__all__ if f"`{name}" not in text] == []


def test_every_error_is_a_public_name() -> None:
    ours = [
        name
        for name, value in vars(errors).items()
        if inspect.isclass(value) and issubclass(value, errors.OAuthError)
    ]

    assert set(ours) <= set(auth.__all__)
    assert auth.__all__ == sorted(auth.__all__)
