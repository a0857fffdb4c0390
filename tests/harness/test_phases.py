"""A phase runs once; what it left is trusted only when it is whole."""

from __future__ import annotations

import os
import time
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import pytest

from recgen_bench.harness import checkpoint
from recgen_bench.harness.accounting import Cost
from recgen_bench.harness.checkpoint import Snapshots
from recgen_bench.harness.errors import DataError, MethodFailed, OutputError
from recgen_bench.harness.events import PhaseFinished, PhaseStarted, Progress
from recgen_bench.harness.method import PseudoView, Refinement
from recgen_bench.harness.phases import Phases, exclusive, phase_paths
from recgen_bench.harness.run import Run
from recgen_bench.harness.scene import Camera, Scene


@dataclass(frozen=True)
class Value:
    numbers: np.ndarray


def make(folder: Path, heard: list | None = None, snapshot_s: float = 60.0) -> Phases:
    run = Run(
        scene=Scene("toy", "0", (), ()),
        config=None,
        seed=5,
        device="cpu",
        threads=1,
        shift=None,
        scratch=folder,
        snapshots=Snapshots(folder / "unused"),
        report=lambda step, total, values: None,
        weights=Path,
    )
    return Phases(run, "cell", heard.append if heard is not None else lambda event: None, snapshot_s)


def drawing(calls: list[str]):
    """A body that draws from every global generator."""
    import random

    import torch

    def body(run: Run) -> Value:
        calls.append(run.phase)
        torch_draw = float(torch.rand(1))
        return Value(np.array([random.random(), np.random.rand(), torch_draw, run.seed_for("x")]))  # noqa: NPY002 # The legacy state is tested.

    return body


def test_a_phase_runs_once_and_is_restored(tmp_path):
    calls, heard = [], []
    first = make(tmp_path, heard).once("distill 1", tmp_path, Value, drawing(calls), detail="shift 1 m")
    again = make(tmp_path, heard)
    second = again.once("distill 1", tmp_path, Value, drawing(calls), detail="shift 1 m")
    assert calls == ["distill 1"]
    assert np.array_equal(first.numbers, second.numbers)
    assert [type(event) for event in heard] == [PhaseStarted, PhaseFinished, PhaseFinished]
    assert [getattr(event, "restored", None) for event in heard] == [None, False, True]
    assert {event.phase for event in heard} == {"distill 1: shift 1 m"}
    assert again.done[0].name == "distill 1"
    assert heard[2].wall_s == again.done[0].wall_s


def test_global_generators_depend_on_phase_and_seed_only(tmp_path):
    calls: list[str] = []
    a = make(tmp_path / "a").once("reconstruct", tmp_path / "a", Value, drawing(calls)).numbers
    np.random.rand(7)  # noqa: NPY002 # Whatever happened before must not matter.
    b = make(tmp_path / "b").once("reconstruct", tmp_path / "b", Value, drawing(calls)).numbers
    other = make(tmp_path / "c").once("render", tmp_path / "c", Value, drawing(calls)).numbers
    assert np.array_equal(a, b)
    assert not np.isin(other, a).any()


def test_seeds_have_one_purpose():
    base = make(Path("x")).run
    seeds = {
        replace(base, seed=seed, phase=phase).seed_for(purpose)
        for seed in (0, 1)
        for phase in ("a", "b")
        for purpose in ("x", "y")
    }
    assert len(seeds) == 8
    assert all(0 <= seed < 2**63 for seed in seeds)
    assert base.seed_for("views") == make(Path("y")).run.seed_for("views")


@pytest.mark.parametrize("missing", [0, 1])
def test_a_value_without_its_mark_and_a_mark_without_its_value_are_not_trusted(tmp_path, missing):
    calls: list[str] = []
    first = make(tmp_path).once("reconstruct", tmp_path, Value, drawing(calls))
    phase_paths(tmp_path, "reconstruct")[missing].unlink()
    second = make(tmp_path).once("reconstruct", tmp_path, Value, drawing(calls))
    assert len(calls) == 2
    assert np.array_equal(first.numbers, second.numbers)


def test_a_damaged_value_is_an_error_and_deleting_it_helps_as_the_message_says(tmp_path):
    calls: list[str] = []
    make(tmp_path).once("reconstruct", tmp_path, Value, drawing(calls))
    value, _ = phase_paths(tmp_path, "reconstruct")
    value.write_bytes(value.read_bytes()[:-3])
    with pytest.raises(DataError, match="delete the file and repeat the command"):
        make(tmp_path).once("reconstruct", tmp_path, Value, drawing(calls))
    value.unlink()
    make(tmp_path).once("reconstruct", tmp_path, Value, drawing(calls))
    assert len(calls) == 2


def test_another_type_than_promised(tmp_path):
    with pytest.raises(MethodFailed, match="refine 1 returned something else") as caught:
        make(tmp_path).once("refine 1", tmp_path, Refinement, lambda run: Value(np.ones(1)))
    assert (caught.value.got, caught.value.expected) == ("Value", "Refinement")
    assert not list(tmp_path.glob("*.safetensors"))


def test_snapshots_resume_account_and_disappear(tmp_path):
    def killed(run: Run) -> Value:
        time.sleep(0.02)
        run.snapshots.save_if_due(4, lambda: {"x": np.full(2, 4.0)})
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        make(tmp_path, snapshot_s=0.0).once("distill 1", tmp_path, Value, killed)
    snapshot = tmp_path / "distill-1.snapshot.safetensors"
    assert checkpoint.load(snapshot, Cost)["spent"].wall_s >= 0.02

    def resumed(run: Run) -> Value:
        latest = run.snapshots.latest()
        assert latest is not None
        assert latest.step == 4
        return Value(latest.state["x"] + 1)

    phases = make(tmp_path, snapshot_s=0.0)
    assert np.array_equal(phases.once("distill 1", tmp_path, Value, resumed).numbers, [5, 5])
    assert phases.done[0].wall_s >= 0.02
    assert not snapshot.exists()


def test_a_snapshot_that_a_kill_left_after_the_end_is_removed(tmp_path):
    calls: list[str] = []
    make(tmp_path).once("reconstruct", tmp_path, Value, drawing(calls))
    stale = tmp_path / "reconstruct.snapshot.safetensors"
    stale.write_bytes(b"x")
    make(tmp_path).once("reconstruct", tmp_path, Value, drawing(calls))
    assert not stale.exists()
    assert len(calls) == 1


def test_generator_calls_and_views_are_counted(tmp_path):
    camera = Camera(np.diag([9.0, 9, 1]), np.eye(4), 4, 3)
    views = tuple(PseudoView(camera, np.zeros((3, 4, 3), np.uint8)) for _ in range(3))
    phases = make(tmp_path)
    phases.once("refine 1", tmp_path, Refinement, lambda run: Refinement(views, generator_calls=6))
    phases.once("refine 2", tmp_path, Refinement, lambda run: Refinement(views))
    assert [(phase.generator_calls, phase.views_generated) for phase in phases.done] == [(6, 3), (0, 0)]


def test_progress_reaches_the_events(tmp_path):
    heard: list = []

    def body(run: Run) -> Value:
        run.report(1, 2, {"loss": 0.5})
        assert run.scratch == tmp_path / "scratch"
        assert run.scratch.is_dir()
        return Value(np.ones(1))

    make(tmp_path, heard).once("reconstruct", tmp_path, Value, body)
    assert heard[1] == Progress("cell", "reconstruct", 1, 2, {"loss": 0.5})


@pytest.mark.filterwarnings(
    "ignore:.*fork:DeprecationWarning"
)  # Python 3.12 warns; the child only runs ours.
def test_exclusive_lets_one_process_in_and_cleans_up(tmp_path):
    folder = tmp_path / "training"
    entered, leave = os.pipe(), os.pipe()
    pid = os.fork()
    if pid == 0:
        with exclusive(folder):
            (folder / "frames").mkdir()
            (folder / "frames" / ".partial-1.png").write_text("x")
            os.write(entered[1], b"x")
            os.read(leave[0], 1)
            (folder / "done").write_text("x")
            os._exit(0)
    os.read(entered[0], 1)
    released = time.monotonic() + 0.1
    if os.fork() == 0:
        time.sleep(0.1)
        os.write(leave[1], b"x")
        os._exit(0)
    with exclusive(folder):
        assert time.monotonic() >= released - 0.02
        assert (folder / "done").exists()
        assert not (folder / "frames" / ".partial-1.png").exists()
    os.waitpid(pid, 0)
    os.wait()


def test_a_folder_that_cannot_be_made(tmp_path):
    (tmp_path / "file").write_text("x")
    with pytest.raises(OutputError, match="cannot be written"), exclusive(tmp_path / "file" / "training"):
        pytest.fail("entered")
    with pytest.raises(OutputError, match="cannot be written"):
        make(tmp_path).once("reconstruct", tmp_path / "file" / "x", Value, drawing([]))
