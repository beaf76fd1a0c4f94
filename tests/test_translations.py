"""What people read is marked, and is there in every language.

How marked texts are found is `marked_texts`. That the pages show them is tested where the pages
are: tests/oauth/test_languages.py, tests/remote/test_flow.py, tests/admin/test_languages.py.
"""

from __future__ import annotations

import ast
import gettext
import re
import struct
from collections import Counter
from collections.abc import Iterator
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import django
import pytest
from django.template.base import TextNode

from tests.marked_texts import (
    APPS,
    PACKAGE,
    Entry,
    Text,
    catalog_of,
    files_of,
    in_python,
    in_template,
    languages_of,
    marked,
    parsed,
    read,
)

LANGUAGES = ("de", "es", "fr", "ja", "pt_BR", "zh_Hans")
CATALOGS = [(app, language) for app in APPS for language in LANGUAGES]

PLACEHOLDER = re.compile(r"%\(\w+\)[a-z]|%[a-z%]|\{\w*\}")
MARKUP = re.compile(r"<[^>]*>|[<>&\"]")

#: Words in templates that are no words of a language: names, and an attribute in a block.
NAMES = {"JSON", "client_id:", "client_secret:", 'class="wide"'}
#: Attributes that are shown or read out; "value" only on a button.
SHOWN = {"alt", "aria-label", "placeholder", "title"}

#: The modules with words for people, beside templates.
WORDED = ("admin/*.py", "*/admin.py", "**/models.py", "*/forms.py", "*/apps.py")
#: How a word for people is handed to Django: by these names, or first, to these functions.
BY_NAME = {
    "description",
    "help_text",
    "search_help_text",
    "title",
    "verbose_name",
    "verbose_name_plural",
}
FIRST = re.compile(r"(?:models\.\w+Field|(?:forms\.)?ValidationError)")


def found_in(app: str, language: str) -> list[Entry]:
    return read(catalog_of(app, language))


# ----------------------------------------------------------------------------- nothing is forgotten


def test_each_app_has_every_language() -> None:
    assert {app: languages_of(app) for app in APPS} == {app: set(LANGUAGES) for app in APPS}


@pytest.mark.parametrize(("app", "language"), CATALOGS)
def test_every_marked_text_is_translated_and_nothing_else_is(app: str, language: str) -> None:
    entries = found_in(app, language)

    # Run makemessages in the folder django_mcp: docs/howto/languages.md.
    assert {entry.text for entry in entries} == marked(app)
    assert [entry.text for entry in entries if not all(entry.forms)] == []
    assert [entry.text for entry in entries if "fuzzy" in entry.flags] == []


def test_marked_texts_are_found_however_they_are_marked() -> None:
    source = (
        "from django.utils.translation import gettext as _, npgettext, pgettext_lazy as p\n"
        '_("one"); p("context", "two"); npgettext("c", "%d a", "%d b", 3); other("three")\n'
    )
    template = (
        '{% load i18n %}{% translate "95 %" context "c" %}'
        '{% if x %}{% translate "one" %}{% endif %}'
        "{% blocktranslate count n=n with a=b %}{{ a }}<br>{% plural %}{{ n }} %"
        "{% endblocktranslate %}"
    )

    assert set(in_python(source)) == {
        Text(None, "one"),
        Text("context", "two"),
        Text("c", "%d a", "%d b"),
    }
    assert set(in_template(template)) == {
        Text("c", "95 %%"),
        Text(None, "one"),
        Text(None, "%(a)s<br>", "%(n)s %%"),
    }


# ------------------------------------------------------------------------------ nothing is unmarked


class _Words(HTMLParser):
    """The words that a template shows by itself."""

    def __init__(self) -> None:
        super().__init__()
        self.found: list[str] = []
        self._unseen = False

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self._unseen = tag in ("style", "code")
        given = dict(attrs)
        is_button = tag == "input" and given.get("type") in ("submit", "button", "reset")
        shown = SHOWN | ({"value"} if is_button else set())
        self.found += [value for name, value in attrs if name in shown and value]

    def handle_endtag(self, tag: str) -> None:
        self._unseen = False

    def handle_data(self, data: str) -> None:
        if not self._unseen:
            self.found.append(data)


def words_in(source: str) -> list[str]:
    """The words in a template that no tag of Django's has put there."""
    words = _Words()
    words.feed("".join(node.s for node in parsed(source).get_nodes_by_type(TextNode)))
    return [
        word
        for text in words.found
        for word in text.split()
        if any(map(str.isalpha, word)) and word not in NAMES
    ]


@pytest.mark.parametrize(
    "path",
    [path for app in APPS for path in files_of(app, ".html")],
    ids=lambda path: str(path.relative_to(PACKAGE)),
)
def test_no_template_has_words_of_its_own(path: Path) -> None:
    assert words_in(path.read_text()) == []


def test_words_in_a_template_are_found() -> None:
    source = (
        '{% load i18n %}<p class="x">{{ a }} Bare</p>'
        '<a aria-label="Label {{ b }}" href="/x">&lsaquo;</a><button value="not"></button>'
        '<input type="submit" value="Go"><input type="hidden" value="not"><code>no</code>'
        '{% translate "marked" %}'
    )

    assert words_in(source) == ["Bare", "Label", "Go"]


def bare_words_of(source: str) -> Iterator[tuple[int, str]]:
    """The words that a module hands to Django for people, without marking them."""
    for node in ast.walk(ast.parse(source)):
        handed: list[Any] = []
        if isinstance(node, ast.Call):
            handed = [each.value for each in node.keywords if each.arg in {*BY_NAME, "label"}]
            if FIRST.fullmatch(ast.unparse(node.func)):
                handed += node.args[:1]
        elif isinstance(node, ast.Assign):
            names = {each.id for each in node.targets if isinstance(each, ast.Name)}
            handed = [node.value] if names & BY_NAME else []
        for value in handed:
            if isinstance(value, ast.JoinedStr):
                yield value.lineno, ast.unparse(value)
            elif isinstance(value, ast.Constant) and isinstance(value.value, str) and value.value:
                yield value.lineno, value.value


def test_no_word_for_people_is_handed_to_django_unmarked() -> None:
    modules = {path for pattern in WORDED for path in PACKAGE.glob(pattern)}
    found = {
        f"{path.relative_to(PACKAGE)}:{line}: {words}"
        for path in modules
        for line, words in bare_words_of(path.read_text())
    }

    assert len(modules) > 10
    assert found == set()


def test_unmarked_words_are_found() -> None:
    source = (
        'a = models.CharField("bare"); b = models.CharField(_("marked"), help_text="help")\n'
        'title = "a title"\n@admin.display(description=_("marked"))\ndef f(): ...\n'
        'raise ValidationError(f"wrong: {it}")\n'
    )

    assert {words for _, words in bare_words_of(source)} == {
        "bare",
        "help",
        "a title",
        "f'wrong: {it}'",
    }


# ---------------------------------------------------------------------------- what translations are


@pytest.mark.parametrize(("app", "language"), CATALOGS)
def test_what_is_filled_in_and_the_markup_are_those_of_the_text(app: str, language: str) -> None:
    """A translation brings no markup of its own: it is put into pages as it is."""
    wrong = []
    for entry in found_in(app, language):
        originals = [entry.text.text, *([entry.text.plural] if entry.text.plural else [])]
        # The form for one may do without the number; the last is for many.
        allowed = [[*originals][-1]] if len(entry.forms) == 1 else originals
        for pattern in (PLACEHOLDER, MARKUP):
            counted = [Counter(pattern.findall(original)) for original in allowed]
            wrong += [f for f in entry.forms if Counter(pattern.findall(f)) not in counted]
            if Counter(pattern.findall(entry.forms[-1])) != counted[-1]:
                wrong.append(entry.forms[-1])

    assert wrong == []


@pytest.mark.parametrize(("app", "language"), CATALOGS)
def test_what_is_compiled_is_what_is_written(app: str, language: str) -> None:
    source = catalog_of(app, language)
    binary = source.with_suffix(".mo").read_bytes()
    with source.with_suffix(".mo").open("rb") as file:
        compiled = gettext.GNUTranslations(file)
    entries = read(source)

    for entry in entries:
        context, text, plural = entry.text
        if plural:
            numbers = (0, 1, 2, 5, 1_000_000)
            assert context is None
            found = {compiled.ngettext(text, plural, number) for number in numbers}
            assert found == set(entry.forms)
        else:
            found_one = compiled.pgettext(context, text) if context else compiled.gettext(text)
            assert [found_one] == entry.forms
    # The header is an entry as well (gettext manual, "The Format of GNU MO Files").
    assert struct.unpack("<I", binary[8:12]) == (len(entries) + 1,)


@pytest.mark.parametrize("language", LANGUAGES)
def test_what_others_say_as_well_is_translated_in_one_way(language: str) -> None:
    """Django merges the catalogs of all apps: another word for a text of Django's would change
    Django's own pages, and of two of ours one would be lost."""
    said: dict[Text, set[tuple[str, ...]]] = {}
    for app in APPS:
        for entry in found_in(app, language):
            said.setdefault(entry.text, set()).add(tuple(entry.forms))
    assert {text: forms for text, forms in said.items() if len(forms) > 1} == {}

    ours = {text.text: min(forms)[0] for text, forms in said.items() if not text.context}
    root = Path(django.__file__).parent
    theirs = sorted(root.glob(f"c*/**/locale/{language}/LC_MESSAGES/django.mo"))
    assert len(theirs) > 5
    compared = 0
    for path in theirs:
        with path.open("rb") as file:
            catalog = gettext.GNUTranslations(file)
        for text, translated in ours.items():
            known = catalog.gettext(text)
            if known != text:
                compared += 1
                assert (text, translated) == (text, known)
    assert compared > 5
