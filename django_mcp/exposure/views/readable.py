"""HTML as text a model can read: headings, paragraphs, lists, tables, links; nothing else.

What is not for readers is left out: scripts, styles, templates, pictures without a text, the head
of the page except its title, and what is marked as hidden. Where the page has a `<main>`, that is
the page.
"""

from __future__ import annotations

import re
from html.parser import HTMLParser
from typing import Final

_SKIPPED: Final = frozenset(
    {
        "button", "canvas", "iframe", "noscript", "object", "script", "select", "style", "svg",
        "template",
    }
)  # fmt: skip
_BLOCKS: Final = frozenset(
    {
        "address", "article", "aside", "blockquote", "body", "caption", "dd", "details", "dialog",
        "div", "dl", "dt", "fieldset", "figcaption", "figure", "footer", "form", "header", "hr",
        "legend", "main", "nav", "ol", "p", "pre", "section", "summary", "table", "tbody", "tfoot",
        "thead", "ul",
    }
)  # fmt: skip
_HEADINGS: Final = {f"h{level}": "#" * level + " " for level in range(1, 7)}
_VOID: Final = frozenset(
    {
        "area", "base", "br", "col", "embed", "hr", "img", "input", "link", "meta", "source",
        "track", "wbr",
    }
)  # fmt: skip

Attributes = list[tuple[str, str | None]]


def text_of_page(html: str) -> str:
    """The text of a page, without an empty line at either end."""
    reader = _Reader()
    reader.feed(html)
    reader.close()
    return reader.text


class _Reader(HTMLParser):
    """Collects lines; what is inside a skipped element is counted out by its depth."""

    def __init__(self) -> None:
        super().__init__(convert_charrefs=True)
        self._lines: list[str] = []
        self._line = ""
        self._title = ""
        self._in_title = False
        self._in_head = False
        self._skipping: list[str] = []
        self._preformatted = 0
        self._lists: list[int | None] = []
        self._links: list[tuple[str | None, int]] = []
        self._main_from: int | None = None
        self._main: list[str] | None = None

    @property
    def text(self) -> str:
        self._break()
        lines = self._lines if self._main is None else self._main
        text = re.sub(r"\n{3,}", "\n\n", "\n".join(lines)).strip()
        title = self._title.strip()
        if title and title not in text:
            return f"{title}\n\n{text}".strip()
        return text

    # Elements

    def handle_starttag(self, tag: str, attrs: Attributes) -> None:
        if self._skipping:
            if tag not in _VOID:
                self._skipping.append(tag)
            return
        given = dict(attrs)
        if tag in _SKIPPED or "hidden" in given or given.get("aria-hidden") == "true":
            if tag not in _VOID:
                self._skipping.append(tag)
            return
        if tag == "head":
            self._in_head = True
        elif tag == "title":
            self._in_title = True
        elif tag == "body":
            self._in_head = False
        self._open(tag, given)

    def _open(self, tag: str, given: dict[str, str | None]) -> None:
        if tag in _BLOCKS:
            self._paragraph()
        if tag == "main" and self._main is None:
            self._main_from = len(self._lines)
        elif tag in _HEADINGS:
            self._paragraph()
            self._line = _HEADINGS[tag]
        elif tag == "br":
            self._break()
        elif tag in ("ul", "ol"):
            self._lists.append(0 if tag == "ol" else None)
        elif tag == "li":
            self._item()
        elif tag == "tr":
            self._break()
        elif tag in ("td", "th"):
            self._line = f"{self._line.rstrip()} | " if self._line.strip() else self._line
        elif tag == "pre":
            self._preformatted += 1
        elif tag == "a":
            self._links.append((given.get("href"), len(self._line)))
        elif tag == "img":
            self._say(given.get("alt") or "")

    def handle_endtag(self, tag: str) -> None:
        if self._skipping:
            # What was never closed inside it ends with it.
            if tag in self._skipping:
                while self._skipping.pop() != tag:
                    pass
            return
        if tag == "head":
            self._in_head = False
        elif tag == "title":
            self._in_title = False
        elif tag == "main" and self._main_from is not None:
            self._break()
            self._main, self._main_from = self._lines[self._main_from :], None
        elif tag in ("ul", "ol") and self._lists:
            self._lists.pop()
        elif tag == "pre":
            self._preformatted = max(0, self._preformatted - 1)
        elif tag == "a" and self._links:
            self._end_link(*self._links.pop())
        if tag in _BLOCKS or tag in _HEADINGS:
            self._paragraph()
        elif tag in ("li", "tr"):
            self._break()

    def _item(self) -> None:
        self._break()
        number = self._lists[-1] if self._lists else None
        mark = "- "
        if number is not None:
            self._lists[-1] = number + 1
            mark = f"{number + 1}. "
        self._line = "  " * max(0, len(self._lists) - 1) + mark

    def _end_link(self, href: str | None, start: int) -> None:
        text = self._line[start:].strip()
        if href and text and not href.startswith(("#", "javascript:", "data:")) and href != text:
            before = self._line[:start]
            gap = (
                " "
                if before and not before.endswith(" ") and self._line[start : start + 1] == " "
                else ""
            )
            self._line = f"{before}{gap}[{text}]({href})"

    # Text

    def handle_data(self, data: str) -> None:
        if self._in_title:
            self._title += data
        elif not self._skipping and not self._in_head:
            self._say(data)

    def _say(self, text: str) -> None:
        if self._preformatted:
            first, *rest = text.split("\n")
            self._line += first
            for line in rest:
                self._break(keep=True)
                self._line = line
            return
        words = re.sub(r"\s+", " ", text)
        if not self._line or self._line.endswith(" "):
            words = words.lstrip(" ")
        self._line += words

    def _break(self, keep: bool = False) -> None:
        """End the line."""
        line = self._line.rstrip()
        if line.strip(" -|#") or keep:
            self._lines.append(line)
        self._line = ""
        self._links = [(href, 0) for href, _ in self._links]

    def _paragraph(self) -> None:
        """End the line, and leave an empty one. The mark of an item stays with its text."""
        if self._line.strip() in ("-",) or re.fullmatch(r"\s*\d+\. ", self._line):
            return
        self._break()
        if self._lines and self._lines[-1] and not self._lists:
            self._lines.append("")
