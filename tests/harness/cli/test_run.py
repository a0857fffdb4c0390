"""The main job, from the command to the table."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path

import pytest

from recgen_bench.harness.record import Record, find_records


@pytest.fixture
def run(recgen, with_toy, tmp_path):
    """Return (*arguments) -> outcome of a run of the toy method on the toy world into tmp_path/out."""

    def command(*arguments: object, method: str = "toy"):
        fixed = ("--method", method, "--dataset", "toy", "--out", tmp_path / "out")
        return recgen("run", *with_toy, *fixed, *arguments)

    return command


def state(folder: Path) -> dict[Path, tuple[bytes, int]]:
    return {
        path: (path.read_bytes(), path.stat().st_mtime_ns) for path in folder.rglob("*") if path.is_file()
    }


TABLE = """\
method  preset  scene  shift  seed  status  toy_mae  toy_depth_mae
toy     demo    toy/0  1m     0     ok      52.52    13.943
toy     demo    toy/0  3m     0     ok      57.98    13.068
"""


def test_the_table(run, tmp_path):
    outcome = run("--scene", "0", "--shift", "1m", "--shift", "3m")
    assert outcome.status == 0, outcome.err
    assert outcome.out == TABLE
    for _, record in find_records(tmp_path / "out"):
        assert f"{record.summary['toy_mae']:.2f}" in TABLE
    told = outcome.err.splitlines()
    assert told[0] == "toy/demo toy/0 1m seed 0"
    assert "  note: 3m to the right leaves the road, which ends at 2.5 m" in told
    assert told[-1] == "  ok  toy_mae 57.98  toy_depth_mae 13.07"


def test_a_repeated_command_does_nothing_and_prints_the_same(run, tmp_path):
    first = run("--scene", "0", "--shift", "1m")
    before = state(tmp_path / "out")
    again = run("--scene", "0", "--shift", "1m")
    assert (again.status, again.out) == (first.status, first.out)
    assert "already done" in again.err
    assert state(tmp_path / "out") == before


def test_again_starts_over_and_gives_the_same_bytes(run, tmp_path):
    first = run("--scene", "0", "--shift", "1m")
    before = state(tmp_path / "out")
    again = run("--scene", "0", "--shift", "1m", "--again")
    assert again.out == first.out
    assert "found, not run again" not in again.err
    after = state(tmp_path / "out")
    assert before.keys() == after.keys()
    for path in before:
        if path.suffix in (".png", ".npz", ".safetensors"):
            assert before[path][0] == after[path][0]
            assert before[path][1] != after[path][1]


def test_again_trains_a_shared_model_once(run, tmp_path):
    run("--scene", "0", method="toy-shared")
    run("--scene", "0", "--again", method="toy-shared")
    (calls,) = (tmp_path / "out" / "training").glob("*/scratch/calls.txt")
    assert calls.read_text().count("reconstruct") == 1


def test_again_with_a_mistake_forgets_nothing(run, tmp_path):
    run("--scene", "0", "--shift", "1m")
    before = state(tmp_path / "out")
    assert run("--scene", "0", "--shift", "1m", "--again", "--set", "stepz=3").status == 2
    assert run("--scene", "0", "--shift", "1m", "--again", "--executor", "none").status == 2
    assert state(tmp_path / "out") == before


def test_a_failing_cell_gives_status_1_and_its_siblings_their_numbers(run, tmp_path):
    outcome = run("--scene", "0", "--scene", "13", "--scene", "14", "--shift", "1m")
    assert outcome.status == 1
    lines = outcome.out.splitlines()
    assert [line.split()[5] for line in lines[1:]] == ["ok", "failed", "failed"]
    assert lines[2].split()[6:] == ["-", "-"]
    reasons = {record.cell.scene: record.reason for _, record in find_records(tmp_path / "out")}
    assert reasons["0"] == ""
    assert reasons["13"].startswith("scene 13: the scene is damaged")
    assert reasons["14"].startswith("RuntimeError: this adapter has a bug")
    assert "Traceback" not in outcome.err


def test_a_failing_method_gives_status_1_and_its_reason(run):
    outcome = run("--scene", "0", "--shift", "1m", "--set", "fail=nan")
    assert outcome.status == 1
    assert outcome.out.splitlines()[1].split() == ["toy", "demo", "toy/0", "1m", "0", "failed"]
    assert "failed  000000_left1m: rendered values that are not finite" in outcome.err
    assert "Traceback" not in outcome.err


def test_missing_weights_give_status_1_and_the_command(run, monkeypatch, tmp_path):
    from huggingface_hub import constants

    monkeypatch.setattr(constants, "HF_HUB_CACHE", str(tmp_path / "hub"))
    outcome = run("--scene", "0", "--shift", "1m", method="toy-weights")
    assert outcome.status == 1
    assert "not-runnable" in outcome.out
    assert "recgen-bench weights fetch toy-net" in outcome.err


def test_given_weights(run, tmp_path):
    (tmp_path / "w.safetensors").write_bytes(b"w")
    arguments = ("--scene", "0", "--shift", "1m", "--weights", f"toy-net={tmp_path / 'w.safetensors'}")
    assert run(*arguments, method="toy-weights").status == 0
    ((_, record),) = find_records(tmp_path / "out")
    assert [weights.name for weights in record.weights] == ["toy-net"]


def test_options_reach_the_cell(run, tmp_path):
    outcome = run(
        *("--scene", "02", "--shift", "0m", "--seed", "7", "--preset", "paper", "--threads", "1"),
        *("--set", "steps=5", "--set", "note=hello world", "--device", "cpu"),
    )
    assert outcome.status == 0, outcome.err
    ((path, record),) = find_records(tmp_path / "out")
    assert path.parent.name.startswith("toy-paper-toy-2-0m-s7-")
    assert (record.cell.preset, record.cell.scene, record.cell.shift, record.cell.seed) == (
        "paper",
        "2",
        0.0,
        7,
    )
    assert record.config["steps"] == 5
    assert record.config["note"] == "hello world"
    assert record.environment.threads == 1


def test_a_protocol_from_a_file(run, tmp_path):
    path = tmp_path / "mine.toml"
    path.write_text(
        'name = "mine"\nversion = 3\ndatasets = ["toy"]\nscenes = ["1"]\nsplit.rule = "every-nth"\n'
        "split.every = 4\nmetrics.toy_mae = 1\nseeds = [5]\n"
    )
    outcome = run("--protocol", path)
    assert outcome.status == 0, outcome.err
    assert [line.split()[2:6] for line in outcome.out.splitlines()[1:]] == [["toy/1", "-", "5", "ok"]]
    ((_, record),) = find_records(tmp_path / "out")
    assert (record.cell.protocol, record.cell.shift, len(record.rows)) == ("mine", None, 2)


def test_a_full_disk_is_one_message_and_status_2(run, monkeypatch, tmp_path):
    import errno
    import os

    from recgen_bench.harness import checkpoint
    from recgen_bench.harness.files import unwritable

    def full(path: Path, data: bytes) -> None:
        raise unwritable(path, OSError(errno.ENOSPC, os.strerror(errno.ENOSPC)))

    monkeypatch.setattr(checkpoint, "write_atomic", full)
    outcome = run("--scene", "0")
    assert outcome.status == 2
    assert "No space left on device\n  next:     free some space and repeat the command" in outcome.err
    assert outcome.out == ""
    assert not list((tmp_path / "out").rglob("record.json"))


def test_a_broken_installed_plugin_is_a_warning(run, monkeypatch, tmp_path):
    monkeypatch.setenv("RECGEN_PLUGINS", "recgen-absent")
    outcome = run("--scene", "0", "--shift", "1m")
    assert outcome.status == 0
    assert outcome.err.startswith(
        "warning: the plugin recgen-absent (RECGEN_PLUGINS) is skipped: no installed"
    )


def test_a_listener_that_breaks_fails_no_cell(recgen, with_toy, tmp_path):
    path = tmp_path / "logger.py"
    path.write_text(
        "from recgen_bench.harness import hookimpl\n"
        "@hookimpl\ndef on_event(event):\n    raise ConnectionError('the logger is gone')\n"
    )
    outcome = recgen(
        *("run", *with_toy, "--plugin", path, "--method", "toy", "--dataset", "toy", "--scene", "0"),
        *("--shift", "1m", "--out", tmp_path / "out"),
    )
    assert outcome.status == 0
    assert "toy/0" in outcome.out
    assert (
        outcome.err.count("warning: a plugin failed to hear an event: ConnectionError: the logger is gone")
        == 1
    )


def test_a_closed_terminal_fails_no_cell(python, with_toy, tmp_path):
    code = "from recgen_bench.harness.cli import main; main()"
    command = [
        python,
        "-c",
        code,
        "run",
        *with_toy,
        *["--method", "toy", "--dataset", "toy", "--scene", "0", "--shift", "1m", "--out"],
    ]
    read, write = os.pipe()
    os.close(read)
    try:
        done = subprocess.run([*command, tmp_path / "out"], stdout=subprocess.PIPE, stderr=write, check=False)
    finally:
        os.close(write)
    assert done.stdout.decode().splitlines()[1].split()[5] == "ok"
    assert done.returncode == 0


def test_an_executor_from_a_plugin(recgen, with_toy, tmp_path):
    path = tmp_path / "backwards.py"
    path.write_text(
        "from recgen_bench.harness import ExecutorInfo, hookimpl\n"
        "def backwards(cells, run_cell):\n    return [run_cell(cell) for cell in reversed(cells)]\n"
        "@hookimpl\ndef register_executors(register):\n"
        "    register(ExecutorInfo('backwards', 'From the end.', backwards))\n"
    )
    outcome = recgen(
        *("run", *with_toy, "--plugin", path, "--method", "toy", "--dataset", "toy", "--scene", "0"),
        *("--executor", "backwards", "--out", tmp_path / "out"),
    )
    assert outcome.status == 0, outcome.err
    assert [line.split()[3] for line in outcome.out.splitlines()[1:]] == ["3m", "1m", "0m"]


def test_recorded_data(recgen, with_toy, tmp_path, toy):
    toy.write_recording(tmp_path / "data" / "scene a")
    command = ("run", *with_toy, "--method", "toy", "--dataset", "toy-folder", "--out", tmp_path / "out")
    outcome = recgen(*command, "--data", tmp_path / "data", "--scene", "scene a")
    assert outcome.status == 0, outcome.err
    assert "toy-folder/scene a" in outcome.out
    # The scene's own folder is the same cell.
    assert "already done" in recgen(*command, "--data", tmp_path / "data" / "scene a").err
    ((path, _),) = find_records(tmp_path / "out")
    assert Record.read(path).cell.preset == "paper"
