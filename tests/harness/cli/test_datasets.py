"""`recgen-bench datasets`: the list, one data set, a check of a copy, a picture of a scene."""

from __future__ import annotations

import json
import subprocess

import pytest

from recgen_bench.harness.images import read_rgb8


@pytest.fixture
def folder(toy, tmp_path):
    """Return a data folder with the recorded scene "a"."""
    toy.write_recording(tmp_path / "data" / "a")
    return tmp_path / "data"


def test_without_a_subcommand_it_lists(recgen, with_toy):
    assert "\ntoy-folder\n" in recgen("datasets", *with_toy).out
    assert "toy" in [item["name"] for item in json.loads(recgen("datasets", *with_toy, "--json").out)]
    outcome = recgen("datasets", "--json", "info", "street")
    assert outcome.status == 2
    assert "--json is for the list" in outcome.err


def test_info(recgen, with_toy):
    for arguments in (("datasets", *with_toy, "info", "toy"), ("datasets", "info", "toy", *with_toy)):
        outcome = recgen(*arguments)
        assert (outcome.status, outcome.err) == (0, "")
        assert "  protocol toy-shift (the default)\n" in outcome.out
        assert "    scenes:  0, 1; others too\n" in outcome.out
    out = recgen("datasets", "info", "toy-folder", *with_toy).out
    assert "  layout:    <scene>/<frame>.png\n" in out
    assert "    scenes:  any of yours\n" in out
    assert "  licence:   not stated\n" in out
    assert "recgen-bench datasets check toy-folder --data PATH" in out


def test_info_names_every_data_set_and_scene_that_is_built_in(recgen, toy_registry):
    for name, info in toy_registry.datasets.items():
        if name.startswith("toy"):
            continue
        outcome = recgen("datasets", "info", name)
        assert outcome.status == 0
        for protocol in toy_registry.protocols.values():
            if name in protocol.datasets:
                assert f"  protocol {protocol.name}" in outcome.out
                assert all(entry.id in outcome.out for entry in protocol.scenes)
        assert info.licence in outcome.out


def test_a_sound_copy_has_status_0_and_a_damaged_one_1(recgen, with_toy, folder):
    command = ("datasets", "check", "toy-folder", "--data", folder, *with_toy)
    outcome = recgen(*command)
    assert (outcome.status, outcome.err) == (0, "")
    assert outcome.out.startswith("toy-folder for toy-heldout (")
    assert "\nscene a\n  ok       contents:   8 views, " in outcome.out
    assert outcome.out.endswith("\nno problem\n")
    (folder / "a" / "000.png").write_bytes(b"no image")
    outcome = recgen(*command)
    assert outcome.status == 1
    assert "\n  problem  images:     " in outcome.out
    assert outcome.out.endswith("\n1 problem\n")
    missing = recgen(*command, "--scene", "b")
    assert (missing.status, missing.err) == (1, "")
    assert "1 of 1 are missing: b" in missing.out


def test_a_world_needs_no_data(recgen, with_toy):
    outcome = recgen("datasets", "check", "toy", "--scene", "1", "--deep", *with_toy)
    assert outcome.status == 0
    assert "32x24; 8 of 8 decoded\n" in outcome.out


@pytest.mark.parametrize(
    "arguments",
    [
        ("check", "toyy"),
        ("check", "toy-folder"),
        ("check", "toy-folder", "--data", "nowhere"),
        ("check", "toy", "--protocol", "toy-heldout"),
        ("preview", "toy-folder", "a", "--data", "nowhere"),
        ("preview", "toy", "left"),
        ("preview", "toy", "0", "--out", "scene.jpg"),
        ("info", "toyy"),
        ("infoo", "toy"),
    ],
)
def test_mistakes_have_status_2_and_a_message(recgen, with_toy, arguments, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    outcome = recgen("datasets", *with_toy, *arguments)
    assert (outcome.status, outcome.out) == (2, "")
    assert outcome.err
    assert "Traceback" not in outcome.err
    assert list(tmp_path.iterdir()) == []


def test_a_preview_is_a_picture(recgen, with_toy, folder, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    outcome = recgen("datasets", "preview", "toy-folder", "a", "--data", folder, *with_toy)
    assert (outcome.status, outcome.out, outcome.err) == (0, "toy-folder-a.png\n", "")
    assert read_rgb8(tmp_path / "toy-folder-a.png").shape[1] == 1200
    outcome = recgen("datasets", "preview", "toy", "0", "--out", "b/c.png", *with_toy)
    assert outcome.status == 0
    assert read_rgb8(tmp_path / "b" / "c.png").shape[1] == 1200


@pytest.mark.parametrize("arguments", [[], ["info", "dl3dv"], ["check", "--help"], ["preview", "--help"]])
def test_what_needs_no_numbers_imports_none(python, arguments):
    code = (
        "import sys\nfrom recgen_bench.harness.cli import main\n"
        "try:\n    main()\n"
        "finally:\n    print([n for n in ('numpy', 'torch', 'PIL') if n in sys.modules], file=sys.stderr)"
    )
    done = subprocess.run(
        [python, "-c", code, "datasets", *arguments], capture_output=True, text=True, check=True
    )
    assert done.stderr.strip() == "[]"
    assert done.stdout
