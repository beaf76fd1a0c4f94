"""The questions that `Context.ask_all` takes: `form()`, `url()`, `sample()`, `roots()`."""

from __future__ import annotations

from .server.asking import Question
from .server.questions import Answer, form, roots, sample, url

__all__ = ["Answer", "Question", "form", "roots", "sample", "url"]
