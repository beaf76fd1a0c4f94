"""What ``import django_mcp`` promises: names that are documented and typed, and a light load."""

from __future__ import annotations

import inspect
import json
import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from importlib import resources
from pathlib import Path

import pytest

import django_mcp

PUBLIC: tuple[str, ...] = tuple(getattr(django_mcp, "__all__", ()))

#: What a project that only wants to declare a tool does not load.
HEAVY = {
    "daphne",
    "httpx",
    "mcp",
    "mcp_types",
    "ninja",
    "oauth2_provider",
    "rest_framework",
    "twisted",
}

IMPORT_AND_TELL = """
import json, sys
import django_mcp
from django.conf import settings
print(json.dumps({"configured": settings.configured, "modules": sorted(sys.modules)}))
"""


def functions_of(value: object) -> Iterator[Callable[..., object]]:
    """What a caller writes arguments for: the function itself, or a class's own methods."""
    if inspect.isfunction(value):
        yield value
    elif inspect.isclass(value):
        for name, member in list(vars(value).items()):
            function = inspect.unwrap(getattr(member, "__func__", member))
            if isinstance(member, property):
                function = member.fget
            # What pydantic, dataclasses and Enum generate is not written by hand here.
            ours = getattr(function, "__module__", "").startswith("django_mcp")
            written = inspect.isfunction(function) and function.__code__.co_filename != "<string>"
            if ours and written and (name == "__init__" or not name.startswith("_")):
                yield function


def untyped(function: Callable[..., object]) -> list[str]:
    """The parameters without an annotation, and "return"."""
    signature = inspect.signature(function)
    missing = [
        name
        for name, parameter in signature.parameters.items()
        if parameter.annotation is parameter.empty and name not in {"self", "cls"}
    ]
    return missing + ["return"] * (signature.return_annotation is signature.empty)


def test_the_list_of_public_names_is_sorted_and_names_each_once() -> None:
    assert list(PUBLIC) == sorted(set(PUBLIC))


@pytest.mark.parametrize("name", PUBLIC)
def test_a_public_name_exists(name: str) -> None:
    assert hasattr(django_mcp, name)


@pytest.mark.parametrize("name", [name for name in PUBLIC if not name.startswith("__")])
def test_a_public_name_has_a_docstring_of_its_own(name: str) -> None:
    value = getattr(django_mcp, name)
    documented = value if inspect.isroutine(value) or inspect.isclass(value) else type(value)
    text = vars(documented).get("__doc__") if inspect.isclass(documented) else documented.__doc__
    assert text, f"django_mcp.{name} has no docstring"
    assert text.strip(), f"django_mcp.{name} has an empty docstring"


@pytest.mark.parametrize("name", PUBLIC)
def test_a_public_name_is_typed(name: str) -> None:
    gaps = {
        function.__qualname__: missing
        for function in functions_of(getattr(django_mcp, name))
        if (missing := untyped(function))
    }
    assert gaps == {}


def test_the_package_tells_type_checkers_that_it_is_typed() -> None:
    assert resources.files("django_mcp").joinpath("py.typed").is_file()


def test_the_import_reads_no_settings_and_loads_nothing_heavy() -> None:
    environment = {
        name: value for name, value in os.environ.items() if name != "DJANGO_SETTINGS_MODULE"
    }
    finished = subprocess.run(
        [sys.executable, "-W", "error", "-c", IMPORT_AND_TELL],
        cwd=Path(django_mcp.__path__[0]).parent,
        env=environment,
        capture_output=True,
        text=True,
        timeout=60,
    )
    assert finished.returncode == 0, finished.stderr
    told = json.loads(finished.stdout)
    assert told["configured"] is False
    assert HEAVY.intersection(told["modules"]) == set()


# ------------------------------------------------------------- the helpers above can fail


class Written:
    def __init__(self, value) -> None:  # type: ignore[no-untyped-def]
        self.value = value

    def method(self, first: int, second) -> int:  # type: ignore[no-untyped-def]
        return first

    @property
    def shape(self):  # type: ignore[no-untyped-def]
        return self.value

    def _private(self, anything):  # type: ignore[no-untyped-def]
        return anything


def test_a_parameter_without_a_type_is_found(monkeypatch: pytest.MonkeyPatch) -> None:
    for member in vars(Written).values():
        function = getattr(member, "fget", member)
        if inspect.isfunction(function):
            monkeypatch.setattr(function, "__module__", "django_mcp.example")
    found = {function.__name__: untyped(function) for function in functions_of(Written)}
    assert found == {"__init__": ["value"], "method": ["second"], "shape": ["return"]}


def test_a_process_that_only_could_call_a_server_does_not_load_what_sends_requests() -> None:
    tells = "import sys, django_mcp.client; print('httpcore' in sys.modules)"
    told = subprocess.run(
        [sys.executable, "-c", tells], capture_output=True, text=True, timeout=60, check=True
    )
    assert told.stdout.strip() == "False"
