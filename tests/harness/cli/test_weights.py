"""`recgen-bench weights`: list, fetch, verify."""

from __future__ import annotations

import hashlib
import json

import pytest

PLUGIN = """
from recgen_bench.harness import MethodInfo, MetricInfo, PriorInfo, WeightsInfo, hookimpl

other = WeightsInfo("other", "", "b.bin", "", "", "CC-BY-NC-4.0", 5)

@hookimpl
def register_methods(register):
    sound = WeightsInfo("sound", "acme/a", "a.bin", "main", "{digest}", "MIT", 1_000_000)
    register(MethodInfo("needy", "Needs.", object, weights=(sound, other)))

@hookimpl
def register_priors(register):
    register(PriorInfo("prior", "Needs.", object, weights=(other,)))

@hookimpl
def register_metrics(register):
    register(MetricInfo("metric", "Needs.", object, weights=(other,)))
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
    items = {i["name"]: i for i in json.loads(recgen("weights", "list", *plugin, "--json").out)}
    sound, other = items["sound"], items["other"]
    assert (sound["found"], sound["megabytes"], sound["needed by"]) == ("no", 1.0, ["method needy"])
    assert (other["found"], other["megabytes"]) == ("no", 0.0)
    assert other["needed by"] == ["method needy", "prior prior", "metric metric"]
    assert other["sha256"] == "not published"
    (tmp_path / "w").mkdir()
    (tmp_path / "w" / "b.bin").write_bytes(b"x")
    monkeypatch.setenv("RECGEN_WEIGHTS", str(tmp_path / "w"))
    assert f"  found:     {tmp_path / 'w' / 'b.bin'}" in recgen("weights", "list", *plugin).out


def test_status_says_what_is_here_who_needs_the_rest_and_how_to_get_it(recgen, plugin, tmp_path, monkeypatch):
    (tmp_path / "a.bin").write_bytes(b"good")
    monkeypatch.setenv("RECGEN_WEIGHTS", str(tmp_path))
    text = recgen("weights", "status", *plugin)
    assert (text.status, text.err) == (0, "")
    assert f"sound  here\n  needed by: method needy\n  path:      {tmp_path / 'a.bin'}\n" in text.out
    assert (
        "other  MISSING\n  needed by: method needy, prior prior, metric metric\n  get:       pass" in text.out
    )
    items = {i["name"]: i for i in json.loads(recgen("weights", "status", *plugin, "--json").out)}
    assert (items["sound"]["here"], items["other"]["here"], items["sound"]["get"]) == (True, False, "")
    assert text.out.splitlines()[-1] == f"1 of {len(items)} files are on this machine"


def test_one_name_for_two_files_is_refused(recgen, tmp_path):
    path = tmp_path / "clash.py"
    path.write_text(
        "from recgen_bench.harness import MethodInfo, WeightsInfo, hookimpl\n\n@hookimpl\n"
        "def register_methods(register):\n    for size in (1, 2):\n"
        '        info = WeightsInfo("same", "", "a.bin", "", "", "MIT", size)\n'
        '        register(MethodInfo(f"m{size}", "", object, weights=(info,)))\n'
    )
    outcome = recgen("weights", "list", "--plugin", path)
    assert outcome.status == 2
    assert (
        "same: two different files of weights have one name\n  got:      method m2 and method m1"
        in outcome.err
    )


def test_verify(recgen, plugin, tmp_path, monkeypatch):
    monkeypatch.setenv("RECGEN_WEIGHTS", str(tmp_path))
    outcome = recgen("weights", "verify", *plugin)
    assert outcome.status == 0
    assert {"sound: not on this machine", "other: not on this machine"} <= set(outcome.out.splitlines())
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
