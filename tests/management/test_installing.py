"""Entries of configuration files: set and removed, with every other byte left where it is."""

from __future__ import annotations

import json
import os
import stat
import tomllib
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from django_mcp.management.installing import files, jsonc, toml
from django_mcp.management.installing.changes import change
from django_mcp.management.installing.errors import Uneditable, Unreadable
from django_mcp.management.installing.places import PLACES, Machine

ENTRY = {"command": "python", "args": ["manage.py"], "env": {"A": "1"}}
WHERE = ("servers", "new")

COMMENTED = """\
// Mine.
{
    "inputs": [/* none */],
    "servers": {
        "a": {"url": "http://a"}, // the first
        /* the
           second */
        "b": {
            "url": "http://b//c", // "not a key": 1
        }, // last
        // "old": {}
    },
    "x": 1e3,
}
"""


def test_an_entry_is_added_after_the_last_one_and_its_remark() -> None:
    found = jsonc.with_entry(COMMENTED, WHERE, {"url": "http://n"})
    added = '\n        "new": {\n            "url": "http://n"\n        },'
    assert found == COMMENTED.replace("// last", "// last" + added)


def test_what_is_removed_leaves_what_was_there_before() -> None:
    assert jsonc.without_entry(jsonc.with_entry(COMMENTED, WHERE, ENTRY), WHERE) == COMMENTED


@pytest.mark.parametrize(
    ("before", "after"),
    [
        ("", '{\n  "servers": {\n    "new": {\n      "a": "b"\n    }\n  }\n}\n'),
        ("{}", '{\n  "servers": {\n    "new": {\n      "a": "b"\n    }\n  }\n}'),
        (
            "// Nothing.\n",
            '// Nothing.\n{\n  "servers": {\n    "new": {\n      "a": "b"\n    }\n  }\n}\n',
        ),
        ('{"servers": {"c": 1}}', '{"servers": {"c": 1, "new": {"a": "b"}}}'),
        ('{"servers": {"c": 1,}}', '{"servers": {"c": 1, "new": {"a": "b"},}}'),
        (
            '{\r\n\t"servers": {\r\n\t\t"c": 1\r\n\t}\r\n}',
            '{\r\n\t"servers": {\r\n\t\t"c": 1,\r\n\t\t"new": {\r\n'
            '\t\t\t"a": "b"\r\n\t\t}\r\n\t}\r\n}',
        ),
        (
            '{\n  "servers": {} // none\n}\n',
            '{\n  "servers": {\n    "new": {\n      "a": "b"\n    }\n  } // none\n}\n',
        ),
        (
            '{"new": 1, "servers": {"new": {"z": 0}}}',
            '{"new": 1, "servers": {"new": {\n  "a": "b"\n}}}',
        ),
    ],
)
def test_an_entry_is_written_as_the_text_around_it(before: str, after: str) -> None:
    assert jsonc.with_entry(before, WHERE, {"a": "b"}) == after
    assert jsonc.entry(after, WHERE) == {"a": "b"}


@pytest.mark.parametrize(
    ("before", "after"),
    [
        ('{"servers": {"new": {}, "b": 1}}', '{"servers": {"b": 1}}'),
        ('{"servers": {"b": 1, "new": {}}}', '{"servers": {"b": 1}}'),
        ('{"servers": {"new": {}}}', '{"servers": {}}'),
        ('{"servers": {"new": {}, "new": {}}}', '{"servers": {}}'),
        ('{"servers": {"new": {}, "b": 1, "new": {}}}', '{"servers": {"b": 1}}'),
        (
            '{\n "servers": {\n  "b": 1,\n  "new": {\n  }\n }\n}',
            '{\n "servers": {\n  "b": 1\n }\n}',
        ),
        (
            '{\n "servers": {\n  "new": {}, // it\n  "b": 1\n }\n}',
            '{\n "servers": {\n  // it\n  "b": 1\n }\n}',
        ),
    ],
)
def test_an_entry_is_removed_with_its_comma_and_its_lines(before: str, after: str) -> None:
    assert jsonc.entry(jsonc.without_entry(before, WHERE), WHERE) is None
    assert jsonc.without_entry(before, WHERE) == after


@pytest.mark.parametrize(
    ("text", "place"),
    [
        ('{"servers": }', "line 1, column 13: a value is expected, not '}'"),
        ("{\n  servers: 1}", "line 2, column 3: a key in double quotes"),
        ('{"a": 1 "b": 2}', "line 1, column 9: a comma or '}' is expected"),
        ('{"a": 1', "line 1, column 8: a comma or '}'"),
        ("{} /* open", "line 1, column 4: a comment is not closed"),
        ("{} {}", "line 1, column 4: nothing may follow"),
        ('{"a": "\n"}', "line 1, column 7: a string"),
        ('{"a": tru}', "line 1, column 7: 'tru' is no value"),
        ("[" * 1_000, "too deep"),
    ],
)
def test_what_is_no_json_is_refused_with_its_place(text: str, place: str) -> None:
    with pytest.raises(Unreadable) as refused:
        jsonc.with_entry(text, WHERE, ENTRY)
    assert place in str(refused.value)


@pytest.mark.parametrize("text", ["[]", '{"servers": null}', '{"servers": []}', '"text"'])
def test_what_is_no_object_is_not_written_into(text: str) -> None:
    with pytest.raises(Uneditable, match="has to be an object"):
        jsonc.with_entry(text, WHERE, ENTRY)


# --------------------------------------------------------------- whatever somebody may have written

_GAPS = st.sampled_from(["", " ", "\n", "\n  ", "\r\n\t", " // x\n", "/* , } */", " /* \n */ "])
_PLAIN = (
    st.none() | st.booleans() | st.integers(-9, 9) | st.sampled_from(["", "//", "}", 'q"', "é\\"])
)


def _documents(values: st.SearchStrategy[Any]) -> st.SearchStrategy[Any]:
    return st.lists(values, max_size=3) | st.dictionaries(
        st.sampled_from(["a", "servers", "new", "//"]), values, max_size=3
    )


@st.composite
def _texts(draw: Any, value: Any) -> str:
    def gap() -> str:
        return draw(_GAPS)

    def written(value: Any) -> str:
        if isinstance(value, dict):
            parts = [
                f"{gap()}{json.dumps(k)}{gap()}:{gap()}{written(v)}{gap()}"
                for k, v in value.items()
            ]
            return (
                "{" + ",".join(parts) + ("," if parts and draw(st.booleans()) else "") + gap() + "}"
            )
        if isinstance(value, list):
            parts = [f"{gap()}{written(each)}{gap()}" for each in value]
            return (
                "[" + ",".join(parts) + ("," if parts and draw(st.booleans()) else "") + gap() + "]"
            )
        return json.dumps(value)

    return gap() + written(value) + gap()


_INNER = st.recursive(_PLAIN, _documents, max_leaves=8)
_ROOTS = st.dictionaries(st.sampled_from(["a", "b"]), _INNER, max_size=2).flatmap(
    lambda rest: st.dictionaries(st.sampled_from(["new", "old", "z"]), _INNER, max_size=3).map(
        lambda servers: {**rest, "servers": servers}
    )
)


@given(st.data())
def test_whatever_is_there_means_the_same_afterwards(data: st.DataObject) -> None:
    value = data.draw(_ROOTS)
    text = data.draw(_texts(value))
    assert jsonc.parse(text).data == value

    added = jsonc.with_entry(text, WHERE, ENTRY)
    assert jsonc.parse(added).data == {**value, "servers": {**value["servers"], "new": ENTRY}}

    removed = jsonc.parse(jsonc.without_entry(added, WHERE)).data
    rest = {k: v for k, v in value["servers"].items() if k != "new"}
    assert removed == {**value, "servers": rest}


# --------------------------------------------------------------------------------------------- TOML

CODEX = """\
# Mine.
model = "o" # [mcp_servers.new]
text = '''
[mcp_servers.new]
command = "not this"
'''

[mcp_servers.new]
command = "old" # gone with it
args = [
  "a", # ]
  "b",
]

[mcp_servers.new.env]
A = "0"

# About the other.
[mcp_servers."o.ther"]
command = "x"
"""


def test_a_table_is_replaced_with_those_within_it() -> None:
    found = toml.with_entry(CODEX, ("mcp_servers", "new"), ENTRY)
    head, _ = CODEX.split('[mcp_servers.new]\ncommand = "old"')
    assert found.startswith(head)
    assert found.endswith('\n# About the other.\n[mcp_servers."o.ther"]\ncommand = "x"\n')
    assert tomllib.loads(found)["mcp_servers"]["new"] == ENTRY
    assert "old" not in found


def test_a_table_may_be_replaced_any_number_of_times() -> None:
    once = toml.with_entry("a = 1\n", ("mcp_servers", "new"), ENTRY)
    assert toml.with_entry(once, ("mcp_servers", "new"), ENTRY) == once


@pytest.mark.parametrize("text", [f"a = {'[' * 5000}{']' * 5000}", f"a = {'9' * 5000}"])
def test_what_is_too_much_to_be_read_is_left_alone(text: str) -> None:
    with pytest.raises(Uneditable):
        toml.parse(text)


def test_a_table_is_added_at_the_end_and_removed_without_a_trace() -> None:
    text = 'model = "o"\r\n\r\n[a]\r\nb = 1'
    found = toml.with_entry(text, ("mcp_servers", "new"), ENTRY)
    assert found.startswith(text + "\r\n\r\n[mcp_servers.new]\r\ncommand")
    assert "\n" not in found.replace("\r\n", "")
    assert toml.without_entry(found, ("mcp_servers", "new")) == text + "\r\n"


@pytest.mark.parametrize(
    "text",
    [
        'mcp_servers = {new = {command = "a"}}',
        '[mcp_servers]\nnew = {command = "a"}',
        '[mcp_servers]\nnew.command = "a"',
        'mcp_servers.new.command = "a"',
    ],
)
def test_a_table_that_is_part_of_another_is_left_alone(text: str) -> None:
    with pytest.raises(Uneditable, match="written as part of another table"):
        toml.with_entry(text, ("mcp_servers", "new"), ENTRY)


def test_what_is_no_toml_is_refused_with_its_place() -> None:
    with pytest.raises(Unreadable, match="line 2, column"):
        toml.with_entry("a = 1\nb = = 2\n", ("mcp_servers", "new"), ENTRY)


_TEXT = st.text(st.characters(codec="utf-8"), max_size=12)


@given(_TEXT.filter(bool), st.lists(_TEXT, max_size=3), st.dictionaries(_TEXT.filter(bool), _TEXT))
def test_whatever_an_entry_says_is_toml(name: str, args: list[str], env: dict[str, str]) -> None:
    entry = {"command": name, "args": args, **({"env": env} if env else {})}
    where = ("mcp_servers", name)
    found = toml.with_entry(CODEX, where, entry)
    expected = tomllib.loads(CODEX)
    expected["mcp_servers"][name] = entry
    assert tomllib.loads(found) == expected
    assert toml.entry(toml.without_entry(found, where), where) is None


# -------------------------------------------------------------------------------------------- files


def test_a_file_keeps_its_bom_its_mode_and_every_earlier_state(tmp_path: Path) -> None:
    path = tmp_path / "mcp.json"
    path.write_bytes(b'\xef\xbb\xbf{"servers": {"a": 1}}')
    path.chmod(0o640)
    link = tmp_path / "link.json"
    link.symlink_to(path)

    for name in ("one", "two", "three"):
        change(link, "servers", name, ENTRY).make()

    assert link.is_symlink()
    assert path.read_bytes().startswith(b'\xef\xbb\xbf{"servers": {"a": 1, "one": ')
    backups = [tmp_path / f"mcp.json.bak{number}" for number in ("", "1", "2")]
    assert backups[0].read_bytes() == b'\xef\xbb\xbf{"servers": {"a": 1}}'
    assert b'"one"' in backups[1].read_bytes()
    assert {stat.S_IMODE(each.stat().st_mode) for each in [path, *backups]} == {0o640}
    assert sorted(os.listdir(tmp_path)) == [
        "link.json",
        "mcp.json",
        "mcp.json.bak",
        "mcp.json.bak1",
        "mcp.json.bak2",
    ]


def test_a_file_that_changed_meanwhile_is_not_overwritten(tmp_path: Path) -> None:
    path = tmp_path / "mcp.json"
    path.write_text("{}")
    found = change(path, "servers", "new", ENTRY)
    path.write_text('{"mine": 1}')

    with pytest.raises(Uneditable, match="changed while"):
        found.make()
    assert path.read_text() == '{"mine": 1}'
    assert os.listdir(tmp_path) == ["mcp.json"]


def test_a_file_in_another_encoding_is_left_alone(tmp_path: Path) -> None:
    path = tmp_path / "mcp.json"
    path.write_bytes('{"a": "é"}'.encode("utf-16"))
    with pytest.raises(Uneditable, match="not UTF-8"):
        files.read(path)


def test_each_host_has_its_files_on_each_platform(tmp_path: Path) -> None:
    def place(host: str, scope: str, platform: str, **environment: str) -> str:
        home, project = Path("/home/ada"), Path("/project")
        machine = Machine(platform=platform, home=home, project=project, environment=environment)
        return PLACES[host][scope](machine).as_posix()

    desktop = "Claude/claude_desktop_config.json"
    assert (
        place("claude-desktop", "user", "darwin")
        == f"/home/ada/Library/Application Support/{desktop}"
    )
    assert place("claude-desktop", "user", "win32", APPDATA="/roaming") == f"/roaming/{desktop}"
    assert place("claude-desktop", "user", "linux") == f"/home/ada/.config/{desktop}"
    assert place("vscode", "user", "linux", XDG_CONFIG_HOME="/x") == "/x/Code/User/mcp.json"
    assert place("vscode", "project", "linux") == "/project/.vscode/mcp.json"
    assert place("claude-code", "project", "linux") == "/project/.mcp.json"
    assert place("claude-code", "user", "linux") == "/home/ada/.claude.json"
    assert place("cursor", "user", "win32") == "/home/ada/.cursor/mcp.json"
    assert place("windsurf", "user", "darwin") == "/home/ada/.codeium/windsurf/mcp_config.json"
    assert place("codex", "user", "linux", CODEX_HOME="/c") == "/c/config.toml"
    assert place("codex", "project", "linux") == "/project/.codex/config.toml"


@pytest.mark.parametrize(
    "written",
    ["{} = 1", "[{}]", "[[{}]]", "a = {{ b = 1, {} = 1 }}", "  {} = 1"],
    ids=["pair", "header", "array", "inline", "indented"],
)
@pytest.mark.parametrize("part", ["k", "'k'", '"k"', "k "], ids=["bare", "literal", "basic", "gap"])
def test_a_key_of_very_many_parts_is_not_read(written: str, part: str) -> None:
    with pytest.raises(Uneditable, match="a key of more than 100 parts"):
        toml.parse(written.format(".".join([part] * 50_000)))


def test_a_key_of_many_parts_and_a_text_with_dots_are_read() -> None:
    key = ".".join(["k"] * 100)
    dots = "a." * 50_000
    assert toml.parse(f"{key} = 1\nt = '{dots}' # {dots}\n")["t"] == dots
