"""Standard input and output in a process of their own: what the protocol takes, and gives back."""

from __future__ import annotations

import os
import subprocess
import sys

import pytest

from tests.pipes import REPOSITORY

pytestmark = pytest.mark.skipif(os.name != "posix", reason="descriptors as POSIX has them")


def run(code: str, shell: str = "") -> tuple[str, str]:
    """What a program writes to standard output and to standard error."""
    command = [sys.executable, "-c", f"import os, sys\n{IMPORT}\n{code}"]
    if shell:
        command = ["/bin/sh", "-c", f'exec "$@" {shell}', "sh", *command]
    ran = subprocess.run(
        command,
        input=b"input",
        capture_output=True,
        cwd=REPOSITORY,
        env={**os.environ, "PYTHONUNBUFFERED": ""},
        timeout=30,
        check=True,
    )
    return ran.stdout.decode(), ran.stderr.decode()


IMPORT = "from django_mcp.transports.standard_streams import take, taken"


def test_what_is_printed_goes_elsewhere() -> None:
    out, error = run(
        "print('before, in a buffer')\n"
        "streams = take()\n"
        "print('after')\n"
        "os.write(1, b'to the descriptor\\n')\n"
        "os.system('echo by a child')\n"
        "os.write(streams.outgoing, b'protocol')\n"
        "assert take() is streams\n"
    )
    assert out == "protocol"
    assert error.splitlines() == [
        "before, in a buffer",
        "after",
        "to the descriptor",
        "by a child",
    ]


def test_who_reads_finds_nothing() -> None:
    out, error = run(
        "streams = take()\n"
        "assert sys.stdin.read() == ''\n"
        "assert os.system('test -z \"$(cat)\"') == 0\n"
        "os.write(streams.outgoing, os.read(streams.incoming, 100))\n"
    )
    assert (out, error) == ("input", "")


def test_they_are_given_back() -> None:
    out, error = run(
        "with taken() as streams:\n"
        "    print('during')\n"
        "print('after', sys.stdin.read(), flush=True)\n"
        "with taken() as first, taken() as second:\n"
        "    assert first is second\n"
        "    print('again')\n"
        "print('at last', flush=True)\n"
        "take()\n"
        "with taken():\n"
        "    pass\n"
        "print('for good')\n"
    )
    assert out == "after input\nat last\n"
    assert error == "during\nagain\nfor good\n"


@pytest.mark.parametrize("closed", ["<&-", "2>&-", "<&- 2>&-", ">&-", "<&- >&- 2>&-"])
def test_some_may_be_closed(closed: str) -> None:
    out, _ = run(
        "streams = take()\n"
        "assert min(streams[:2]) > 2, streams\n"
        "print('printed')\n"
        "os.write(1, b'written')\n"
        "os.write(streams.outgoing, b'protocol')\n",
        closed,
    )
    assert out == ("" if ">&-" in closed.replace("2>&-", "") else "protocol")
