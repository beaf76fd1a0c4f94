"""What is built with the first request: once, and before anybody goes on."""

from __future__ import annotations

import threading

import pytest

from django_mcp.server.errors import RegistrationError
from django_mcp.server.waiting import Waiting


def test_what_waits_is_built_once_and_in_order() -> None:
    waiting, built = Waiting(), []
    assert not waiting
    waiting.add("one", lambda: built.append("one"))
    waiting.add("two", lambda: built.append("two"))
    assert (bool(waiting), "one" in waiting) == (True, True)

    waiting.settle()
    waiting.settle()

    assert (built, bool(waiting), waiting.failed) == (["one", "two"], False, {})


@pytest.mark.parametrize(
    ("error", "reason"), [(RegistrationError("No."), "No."), (KeyError("x"), "KeyError: 'x'")]
)
def test_what_cannot_be_built_takes_nothing_else_away(
    error: Exception, reason: str, caplog: pytest.LogCaptureFixture
) -> None:
    def fail() -> None:
        raise error

    waiting, built = Waiting(), []
    waiting.add("bad", fail)
    waiting.add("good", lambda: built.append("good"))

    waiting.settle()

    assert (built, waiting.failed) == (["good"], {"bad": reason})
    assert "bad is left out" in caplog.text
    assert not waiting.remove("bad")
    assert waiting.failed == {}


def test_what_another_thread_builds_is_waited_for() -> None:
    waiting, told = Waiting(), []
    begun, released = threading.Event(), threading.Event()

    def build() -> None:
        begun.set()
        assert released.wait(10)
        told.append("built")

    def settle() -> None:
        waiting.settle()
        told.append("settled")

    waiting.add("slow", build)
    threads = [threading.Thread(target=settle) for _ in range(3)]
    threads[0].start()
    assert begun.wait(10)
    for thread in threads[1:]:
        thread.start()
    released.set()
    for thread in threads:
        thread.join(10)

    assert told == ["built", "settled", "settled", "settled"]


def test_what_is_added_on_the_way_is_built_as_well() -> None:
    waiting, built = Waiting(), []

    def build() -> None:
        built.append("first")
        waiting.add("second", lambda: built.append("second"))

    waiting.add("first", build)
    waiting.settle()

    assert (built, bool(waiting)) == (["first", "second"], False)


def test_what_was_taken_away_is_not_built() -> None:
    waiting, built = Waiting(), []
    waiting.add("one", lambda: built.append("one"))

    assert waiting.remove("one")
    waiting.settle()

    assert built == []
