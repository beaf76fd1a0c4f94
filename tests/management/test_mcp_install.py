"""manage.py mcp_install: what it writes for each host, what it refuses, and what it never shows."""

from __future__ import annotations

import io
import json
import os
import stat
import sys
from pathlib import Path
from typing import Any

import pytest
from django.core.management import CommandError, call_command

URL = "https://example.com/mcp"
SECRET = "Bearer qqqq-0123456789"


@pytest.fixture(autouse=True)
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A home and a project of the test's own; `manage.py` is in the latter."""
    project = tmp_path / "project"
    project.mkdir()
    (project / "manage.py").touch()
    monkeypatch.chdir(project)
    monkeypatch.setattr("sys.argv", ["manage.py", "mcp_install"])
    monkeypatch.setattr("sys.platform", "linux")
    monkeypatch.setattr(Path, "home", lambda: tmp_path)
    for variable in ("XDG_CONFIG_HOME", "CLAUDE_CONFIG_DIR", "CODEX_HOME"):
        monkeypatch.delenv(variable, raising=False)
    return tmp_path


def install(*arguments: Any) -> str:
    """What the command says, on both of its streams."""
    out, err = io.StringIO(), io.StringIO()
    call_command("mcp_install", *arguments, stdout=out, stderr=err, no_color=True)
    return out.getvalue() + err.getvalue()


def test_a_host_is_told_how_to_start_the_project(home: Path) -> None:
    said = install("cursor", "--user", "ada", "--env", "LEVEL=7")

    path = home / "project/.cursor/mcp.json"
    assert f"Wrote 'django-mcp': {path}" in said
    assert json.loads(path.read_text()) == {
        "mcpServers": {
            "django-mcp": {
                "command": sys.executable,
                "args": [str(home / "project/manage.py"), "mcp_stdio", "--user", "ada"],
                "env": {"DJANGO_SETTINGS_MODULE": "tests.settings", "LEVEL": "7"},
            }
        }
    }


@pytest.mark.parametrize(
    ("host", "file", "key", "entry"),
    [
        (
            "claude-code",
            "project/.mcp.json",
            "mcpServers",
            {"type": "http", "url": URL, "headers": {"Authorization": SECRET}},
        ),
        (
            "vscode",
            "project/.vscode/mcp.json",
            "servers",
            {"type": "http", "url": URL, "headers": {"Authorization": SECRET}},
        ),
        (
            "cursor",
            "project/.cursor/mcp.json",
            "mcpServers",
            {"url": URL, "headers": {"Authorization": SECRET}},
        ),
        (
            "windsurf",
            ".codeium/windsurf/mcp_config.json",
            "mcpServers",
            {"serverUrl": URL, "headers": {"Authorization": SECRET}},
        ),
        (
            "claude-desktop",
            ".config/Claude/claude_desktop_config.json",
            "mcpServers",
            {
                "command": "npx",
                "args": ["-y", "mcp-remote", URL, "--header", "Authorization:${MCP_HEADER_1}"],
                "env": {"MCP_HEADER_1": SECRET},
            },
        ),
    ],
)
def test_each_host_has_its_own_words_for_a_url(
    home: Path, host: str, file: str, key: str, entry: Any
) -> None:
    said = install(host, "--url", URL, "--header", f"Authorization: {SECRET}", "--name", "books")

    path = home / file
    assert json.loads(path.read_text()) == {key: {"books": entry}}
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert "qqqq" not in said


def test_codex_is_told_in_toml(home: Path) -> None:
    install("codex", "--url", URL, "--header", "X-Team: a")
    assert (home / ".codex/config.toml").read_text() == (
        f'[mcp_servers.django-mcp]\nurl = "{URL}"\n\n'
        '[mcp_servers.django-mcp.http_headers]\nX-Team = "a"\n'
    )
    assert "Removed 'django-mcp'" in install("codex", "--remove")
    assert (home / ".codex/config.toml").read_text() == ""


def test_an_entry_that_differs_is_only_replaced_by_force(home: Path) -> None:
    path = home / "project/.mcp.json"
    path.write_text(
        '{"mcpServers": {"django-mcp": {"url": "http://old", "headers": {"A": "qqqq"}}}}'
    )

    with pytest.raises(CommandError, match="another server 'django-mcp'") as refused:
        install("claude-code")
    assert "http://old" in str(refused.value)
    assert "qqqq" not in str(refused.value)
    assert "http://old" in path.read_text()

    said = install("claude-code", "--force")
    assert "mcp.json.bak" in said
    assert "http://old" not in path.read_text()
    assert "is there already" in install("claude-code")


def test_a_dry_run_shows_a_diff_without_secrets_and_writes_nothing(home: Path) -> None:
    said = install("vscode", "--url", URL, "--header", f"Authorization: {SECRET}", "--dry-run")
    assert "+++ " in said
    assert f'+      "url": "{URL}",' in said
    assert '+        "Authorization": "********"' in said
    assert not (home / "project/.vscode").exists()


@pytest.mark.parametrize(
    "url", ["https://ada:qqqq@host.example/mcp", "https://qqqq@host.example/mcp"]
)
@pytest.mark.parametrize("host", ["vscode", "claude-desktop", "windsurf", "codex"])
def test_a_password_in_a_url_is_a_secret(home: Path, host: str, url: str) -> None:
    shown = install(host, "--url", url, "--dry-run")
    assert "********@host.example" in shown
    said = install(host, "--url", url)
    with pytest.raises(CommandError) as differs:
        install(host, "--url", "https://other.example/mcp")
    for text in (shown, said, str(differs.value)):
        assert "qqqq" not in text

    found = [each for each in home.rglob("*") if each.is_file() and "qqqq" in each.read_text()]
    assert [stat.S_IMODE(each.stat().st_mode) for each in found] == [0o600]


def test_a_url_that_is_none_is_not_repeated_with_its_password(home: Path) -> None:
    with pytest.raises(CommandError, match=r"--url 'https://\*{8}@/mcp'") as refused:
        install("vscode", "--url", "https://ada:qqqq@/mcp")
    assert "qqqq" not in str(refused.value)


@pytest.mark.parametrize("name", ["Content-Length", "transfer-encoding", "TE", "Mcp-Session-Id"])
def test_a_header_that_a_request_has_of_its_own_is_refused(home: Path, name: str) -> None:
    with pytest.raises(CommandError, match=f"--header '{name}': leave it out"):
        install("vscode", "--url", URL, "--header", f"{name}: 5")


def test_a_file_does_not_take_over_the_terminal_that_shows_it(home: Path) -> None:
    path = home / "project/.mcp.json"
    path.write_text('{"mcpServers": {"django-mcp": {"command": "\x9b2J\u202e"}}}', "utf-8")
    with pytest.raises(CommandError) as caught:
        install("claude-code")
    for said in (str(caught.value), install("claude-code", "--dry-run")):
        assert '"command": "2J"' in said


def test_what_is_written_is_not_said_to_be_left_where_nobody_reads(home: Path) -> None:
    class Closed(io.StringIO):
        def write(self, text: str) -> int:
            raise BrokenPipeError(32, "Broken pipe")

    with pytest.raises(BrokenPipeError):
        call_command("mcp_install", "cursor", stdout=Closed())
    assert (home / "project/.cursor/mcp.json").exists()


def test_what_cannot_be_read_is_left_as_it_is(home: Path) -> None:
    path = home / "project/.mcp.json"
    path.write_text('{"mcpServers": {,}}')
    with pytest.raises(CommandError, match=r"is left as it is: line 1, column 17: a key"):
        install("claude-code")
    assert path.read_text() == '{"mcpServers": {,}}'
    assert {each.name for each in path.parent.iterdir()} == {"manage.py", ".mcp.json"}


def test_what_is_to_be_pasted_is_printed(home: Path) -> None:
    assert json.loads(install("json", "--url", URL)) == {"mcpServers": {"django-mcp": {"url": URL}}}
    said = install("claude-code", "--url", URL, "--print", "--scope", "user")
    entry = json.dumps({"type": "http", "url": URL})
    assert said == f"claude mcp add-json django-mcp '{entry}' --scope user\n"
    assert install("codex", "--url", URL, "--print").startswith("[mcp_servers.django-mcp]\n")
    assert list(home.iterdir()) == [home / "project"]


def test_others_who_can_read_the_file_are_pointed_out(home: Path) -> None:
    path = home / "mine.json"
    path.write_text("{}")
    path.chmod(0o644)
    said = install("cursor", "--path", path, "--url", URL, "--header", "A: b")
    assert "Others on this machine can read" in said


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["cursor", "--header", "A: b"], "--header is for --url"),
        (["cursor", "--url", URL, "--user", "ada"], "--user is for stdio"),
        (["cursor", "--url", "example.com/mcp"], "give the whole URL"),
        (["cursor", "--url", "ftp://example.com/mcp"], "give the whole URL"),
        (["cursor", "--url", "http://[::1/mcp"], "give the whole URL"),
        (["cursor", "--url", "http://example.com/\x1b[2J"], "give the whole URL"),
        (["cursor", "--env", "A=\udcff"], "left as it is: what is to be written is no text"),
        (["cursor", "--path", "a\0b"], "left as it is: no file can have such a name"),
        (["cursor", "--path", "/dev/zero"], "left as it is: it is no file"),
        (["cursor", "--url", URL, "--header", "qqqq"], 'write it as "Name: value"'),
        (["cursor", "--url", URL, "--header", "A: b\nC: d"], 'write it as "Name: value"'),
        (["cursor", "--url", URL, "--header", "A: \N{SNOWMAN}"], 'write it as "Name: value"'),
        (["cursor", "--name", "a b"], "a name is 1 to 64"),
        (["cursor", "--env", "1=2"], 'write "NAME=value"'),
        (["cursor", "--env", "NO_SUCH_VARIABLE"], "there is no such variable"),
        (["windsurf", "--scope", "project"], "Windsurf has only --scope user"),
        (["cursor", "--server", "nothing"], "There is no MCP server 'nothing'"),
        (["json", "--remove"], "json only prints"),
    ],
)
def test_what_makes_no_sense_is_refused(arguments: list[str], message: str) -> None:
    with pytest.raises(CommandError, match=message):
        install(*arguments)


def test_a_user_may_begin_with_a_hyphen() -> None:
    entry = json.loads(install("json", "--user=-ada"))["mcpServers"]["django-mcp"]
    assert entry["args"][-1] == "--user=-ada"


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="Windows has no such pipes")
def test_a_pipe_is_not_waited_for(home: Path) -> None:
    os.mkfifo(home / "pipe.json")
    with pytest.raises(CommandError, match="it is no file"):
        install("cursor", "--path", home / "pipe.json", "--dry-run")


@pytest.mark.parametrize(
    "url",
    [
        "http://127.0.0.1:8000/mcp",
        "http://[::1]:8000/mcp",
        "http://web:8000/mcp",
        "http://localhost/mcp",
        "http://Web:8000/mcp",
        "http://t/mcp",
        "http://http/mcp",
    ],
)
def test_hosts_of_a_network_of_ones_own_are_hosts(url: str) -> None:
    assert json.loads(install("json", "--url", url))["mcpServers"]["django-mcp"]["url"] == url


def test_nothing_is_removed_where_nothing_is() -> None:
    assert "is not there: nothing to change" in install("cursor", "--remove")
