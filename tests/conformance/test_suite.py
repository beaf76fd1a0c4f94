"""What counts as a scenario that passed: stricter than the suite's own exit status."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from .suite import Check, Scenario, read_result


def scenario(*statuses: tuple[str, str]) -> Scenario:
    checks = tuple(Check(id=id, status=status, message="") for id, status in statuses)
    return Scenario(name="a-scenario", checks=checks)


def test_a_scenario_passes_with_a_success_of_its_own() -> None:
    assert scenario(("wire-schema-valid", "SUCCESS"), ("own", "SUCCESS")).passed


@pytest.mark.parametrize("status", ["FAILURE", "WARNING"])
def test_one_failure_or_warning_is_enough_to_fail(status: str) -> None:
    assert not scenario(("own", "SUCCESS"), ("other", status)).passed


@pytest.mark.parametrize("status", ["SKIPPED", "INFO"])
def test_well_formed_messages_alone_are_no_pass(status: str) -> None:
    assert not scenario(("wire-schema-valid", "SUCCESS"), ("own", status)).passed


def test_a_scenario_without_checks_is_no_pass() -> None:
    assert not scenario().passed


def test_a_scenario_that_left_no_result_is_no_pass(tmp_path: Path) -> None:
    assert not read_result("crashed", tmp_path).passed


def test_a_result_is_found_by_its_whole_name(tmp_path: Path) -> None:
    write(tmp_path, "server-ping-2026-01-01T00-00-00-000Z", "FAILURE")
    write(tmp_path, "server-ping-often-2026-01-01T00-00-00-000Z", "SUCCESS")

    assert read_result("ping-often", tmp_path).passed
    assert read_result("ping", tmp_path).bad == (
        Check(id="own", status="FAILURE", message="what is wrong"),
    )


def test_a_scenario_of_a_client_that_ended_with_an_error_is_no_pass() -> None:
    success = Check(id="own", status="SUCCESS", message="")

    assert not Scenario(name="a-scenario", checks=(success,), client_failed=True).passed


def test_a_result_of_a_client_is_found_under_a_name_with_a_slash(tmp_path: Path) -> None:
    write(tmp_path, "auth/basic-2026-01-01T00-00-00-000Z", "SUCCESS")

    assert read_result("auth/basic", tmp_path, prefix="").passed


def write(results: Path, directory: str, status: str) -> None:
    (results / directory).mkdir(parents=True)
    checks = [{"id": "own", "status": status, "errorMessage": "what\n is wrong"}]
    (results / directory / "checks.json").write_text(json.dumps(checks))
