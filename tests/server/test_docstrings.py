"""Three docstring styles give the same two things: a description, and a text a parameter."""

from __future__ import annotations

import pytest

from django_mcp.server.docstrings import Docstring, parse

GOOGLE = """Find books.

    Looks in every shelf.

    Args:
        title (str, optional): What the title
            holds.
        limit: At most so many: never more
          than 100.

    Returns:
        The books.
    """

NUMPY = """
    Find books.

    Looks in every shelf.

    Parameters
    ----------
    title : str, optional
        What the title
        holds.
    limit
        At most so many: never more than 100.

    Returns
    -------
    list
        The books.
    """

REST = """Find books.

    Looks in every shelf.

    :param str title: What the title
        holds.
    :param limit: At most so many: never more than 100.
    :type limit: int
    :returns: The books.
    """


@pytest.mark.parametrize("text", [GOOGLE, NUMPY, REST], ids=["google", "numpy", "rest"])
def test_every_style_gives_the_same_parameters(text: str) -> None:
    found = parse(text)

    assert found.parameters == {
        "title": "What the title holds.",
        "limit": "At most so many: never more than 100.",
    }


@pytest.mark.parametrize(
    ("text", "tail"),
    [
        (GOOGLE, "Returns:\n    The books."),
        (NUMPY, "Returns\n-------\nlist\n    The books."),
        (REST, ":returns: The books."),
    ],
    ids=["google", "numpy", "rest"],
)
def test_the_description_keeps_everything_but_the_parameters(text: str, tail: str) -> None:
    assert parse(text).description == f"Find books.\n\nLooks in every shelf.\n\n{tail}"


def test_no_docstring_says_nothing() -> None:
    assert parse(None) == parse("") == parse("  \n ") == Docstring()


def test_a_docstring_of_parameters_only_has_no_description() -> None:
    assert parse("Args:\n    a: The first.") == Docstring(parameters={"a": "The first."})


def test_plain_prose_is_left_alone() -> None:
    text = "Find books.\n\nParameters: see above.\n\n    code: here\n\nArgs:\nnot indented"

    assert parse(text) == Docstring(description=text)


def test_numpy_names_can_share_a_text() -> None:
    text = "Do.\n\nParameters\n----------\nx, y : int\n    A coordinate.\n\nAnd some prose here."

    assert parse(text) == Docstring(
        description="Do.\n\nAnd some prose here.",
        parameters={"x": "A coordinate.", "y": "A coordinate."},
    )


def test_a_type_with_brackets_does_not_hide_the_parameter() -> None:
    text = "Do.\n\nArgs:\n    a (Callable[[int], str] (old)): One.\n    **options: Two."

    assert parse(text).parameters == {"a": "One.", "options": "Two."}


def test_a_blank_line_inside_the_section_does_not_end_it() -> None:
    text = "Do.\n\nArgs:\n    a: One.\n\n    b: Two.\n\nThe end."

    assert parse(text) == Docstring(
        description="Do.\n\nThe end.", parameters={"a": "One.", "b": "Two."}
    )
