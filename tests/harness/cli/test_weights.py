"""`recgen-bench weights`: list, fetch, verify."""

from __future__ import annotations

import hashlib
import json

import pytest

PLUGIN = """
from recgen_bench.harness import MethodInfo, WeightsInfo, hookimpl

@hookimpl
def register_methods(register):
    sound = WeightsInfo("sound", "acme/a", "a.bin", "main", "{digest}", "MIT", 1_000_000)
    other = WeightsInfo("other", "", "b.bin", "", "", "CC-BY-NC-4.0", 5)
    register(MethodInfo("needy", "Needs.", object, weights=(sound, other)))
"""


@pytest.fixture
def plugin(tmp_path, monkeypatch):
    from huggingface_hub import constants

    monkeypatch.setattr(constants, "HF_HUB_CACHE", str(tmp_path / "hub"))
    monkeypatch.setattr(constants, "HF_HUB_OFFLINE", True)
    path = tmp_path / "needy.py"
    path.write_text(PLUGIN.replace("{digest}", hashlib.sha256(b"good").hexdigest()))
    return ("--plugin", path)


def test_list(recgen, plugin, tmp_path, monkeypatch):
    items = json.loads(recgen("weights", "list", *plugin, "--json").out)
    assert [(i["name"], i["found"], i["megabytes"]) for i in items] == [
        ("sound", "no", 1.0),
        ("other", "no", 0.0),
    ]
    assert items[1]["sha256"] == "not published"
    (tmp_path / "w").mkdir()
    (tmp_path / "w" / "b.bin").write_bytes(b"x")
    monkeypatch.setenv("RECGEN_WEIGHTS", str(tmp_path / "w"))
    assert f"  found:     {tmp_path / 'w' / 'b.bin'}" in recgen("weights", "list", *plugin).out


def test_verify(recgen, plugin, tmp_path, monkeypatch):
    monkeypatch.setenv("RECGEN_WEIGHTS", str(tmp_path))
    outcome = recgen("weights", "verify", *plugin)
    assert (outcome.status, outcome.out) == (0, "sound: not on this machine\nother: not on this machine\n")
    assert recgen("weights", "verify", *plugin, "sound").status == 1
    (tmp_path / "a.bin").write_bytes(b"good")
    outcome = recgen("weights", "verify", *plugin, "sound")
    assert outcome.status == 0
    assert outcome.out.startswith(f"sound: {hashlib.sha256(b'good').hexdigest()}")
    (tmp_path / "a.bin").write_bytes(b"evil")
    outcome = recgen("weights", "verify", *plugin)
    assert outcome.status == 2
    assert "the weights are not the registered ones" in outcome.err


def test_fetch_without_a_connection_says_so(recgen, plugin):
    outcome = recgen("weights", "fetch", *plugin, "sound")
    assert outcome.status == 2
    assert "the weights sound could not be fetched" in outcome.err
    assert "Traceback" not in outcome.err
    outcome = recgen("weights", "fetch", *plugin, "other")
    assert outcome.status == 2
    assert "pass --weights other=PATH" in outcome.err
