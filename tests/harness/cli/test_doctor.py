"""`recgen-bench doctor` reports everything and stops at nothing."""

from __future__ import annotations

import pytest

CHECKS = """
from recgen_bench.harness import CheckInfo, hookimpl

def fine():
    return "all is well"

def broken():
    raise RuntimeError("the lamp is out")

@hookimpl
def register_checks(register):
    register(CheckInfo("fine", fine))
    {extra}
"""


@pytest.fixture
def doctor(recgen, tmp_path, monkeypatch):
    monkeypatch.setenv("RECGEN_CACHE", str(tmp_path / "cache"))

    def command(extra: str = ""):
        path = tmp_path / "checks.py"
        path.write_text(CHECKS.replace("{extra}", extra))
        return recgen("doctor", "--plugin", path)

    return command


def lines(outcome) -> dict[str, str]:
    """Return name -> "ok" or "FAIL"."""
    return {line.split()[1].rstrip(":"): line.split()[0] for line in outcome.out.splitlines()}


def test_what_is_looked_at(doctor, tmp_path):
    outcome = doctor()
    found = lines(outcome)
    assert {"python", "package", "plugins", "torch", "cache", "disk", "fine"} <= found.keys()
    assert found["fine"] == found["python"] == found["torch"] == "ok"
    assert outcome.status == (1 if "FAIL" in found.values() else 0)
    assert not (tmp_path / "cache").exists()


@pytest.mark.parametrize(
    ("extra", "reason"),
    [
        ('register(CheckInfo("lamp", broken))', "the lamp is out"),
        ('register(CheckInfo("lamp", "recgen_no_such_module:check"))', "No module named"),
    ],
)
def test_a_failing_check_gives_status_1_and_the_others_go_on(doctor, extra, reason):
    outcome = doctor(extra)
    assert outcome.status == 1
    assert lines(outcome)["lamp"] == "FAIL"
    assert lines(outcome)["disk"] == "ok"
    assert reason in outcome.out
    assert "Traceback" not in outcome.out + outcome.err


def test_broken_plugins_and_an_unusable_cache_fail(doctor, tmp_path, monkeypatch):
    (tmp_path / "file").write_text("x")
    monkeypatch.setenv("RECGEN_CACHE", str(tmp_path / "file" / "cache"))
    monkeypatch.setenv("RECGEN_PLUGINS", "recgen-absent")
    found = lines(doctor())
    assert found["cache"] == found["plugins"] == "FAIL"
