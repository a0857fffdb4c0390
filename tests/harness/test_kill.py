"""A cell that is killed again and again ends with the same bytes as one that was left alone.

The killing happens in a process of its own (this file, run as a script), which imports everything once and
forks a child per attempt, so that an attempt costs milliseconds.
"""

from __future__ import annotations

import json
import os
import random
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

KILLS = 30
OVERRIDES = {
    "toy": ("steps=25", "pause_s=0.001"),
    "3dgs": ("iterations=120", "least_points=1", "densify_from=20", "densify_until=100", "densify_every=20"),
}
"""Methods under fire, and settings that make them short; both train on the toy data set."""
TOY = Path(__file__).resolve().parents[1] / "toy.py"


@pytest.mark.parametrize("method", OVERRIDES)
def test_kills_change_nothing(tmp_path, python, method):
    done = subprocess.run(
        [python, __file__, str(tmp_path), method], capture_output=True, text=True, timeout=240, check=False
    )
    assert done.returncode == 0, done.stdout + done.stderr
    told = json.loads(done.stdout)
    assert told["kills"] >= KILLS
    assert told["cells"] >= 2
    # The kills came in several phases and in the middle of them: otherwise this test shows little.
    assert len(told["interrupted"]) >= (3 if method == "toy" else 1)
    assert told["resumed_from_a_snapshot"] >= 1


def main(folder: Path, method: str) -> None:
    """Run one cell undisturbed, then others under fire, and compare."""
    from recgen_bench.harness.loop import Settings, run_cell
    from recgen_bench.harness.plan import Selection, plan_cells
    from recgen_bench.harness.plugins import load_registry
    from recgen_bench.harness.score import Scorer
    from recgen_bench.harness.weights import WeightsDoor

    registry = load_registry([TOY])
    selection = Selection(method, "toy", scenes=("0",), shifts=(1.0,), overrides=OVERRIDES[method])
    (cell,) = plan_cells(registry, selection)
    scorer = Scorer.load(registry.metric(name) for name in cell.protocol.metrics)

    def run(out: Path) -> int:
        settings = Settings(out, scorer, WeightsDoor({}), snapshot_s=0.0)
        return 0 if run_cell(cell, settings).status == "ok" else 1

    def attempt(out: Path) -> int:
        """Fork a child that runs the cell, and return its process id."""
        pid = os.fork()
        if pid == 0:
            status = 70
            try:
                status = run(out)
            finally:
                os._exit(status)
        return pid

    # The first run imports everything; the second tells how long a cell takes then.
    assert run(folder / "calm") == 0
    started = time.monotonic()
    assert ended(attempt(folder / "timed")) == 0
    whole = time.monotonic() - started
    expected = results(folder / "calm")
    assert results(folder / "timed") == expected
    dice = random.Random(7)
    told = {"kills": 0, "cells": 0, "interrupted": [], "partial_files_seen": 0, "resumed_from_a_snapshot": 0}
    while told["kills"] < KILLS or told["cells"] < 2:
        out = folder / f"fire-{told['cells']}"
        while True:
            told["partial_files_seen"] += len(partial_files(out))
            told["resumed_from_a_snapshot"] += len(list(out.rglob("*.snapshot.safetensors")))
            pid = attempt(out)
            # Often early, sometimes late, because the frames of a cell are rendered in one go.
            time.sleep(whole * dice.uniform(0.02, 0.9) ** 2)
            os.kill(pid, signal.SIGKILL)
            status = ended(pid)
            if status == 0:
                break
            assert status == -signal.SIGKILL, status
            told["kills"] += 1
            told["interrupted"].append(next_phase(out))
        told["cells"] += 1
        assert partial_files(out) == []
        assert results(out) == expected
    told["interrupted"] = sorted(set(told["interrupted"]))
    print(json.dumps(told))  # noqa: T201 # A script's result.


def ended(pid: int) -> int:
    return os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])


def partial_files(out: Path) -> list[Path]:
    return list(out.rglob(".partial*"))


def next_phase(out: Path) -> str:
    """Return the first phase that has no mark."""
    names = ["reconstruct", "refine 1", "distill 1", "refine 2", "distill 2", "render"]
    return next((n for n in names if not list(out.rglob(f"{n.replace(' ', '-')}.json"))), "score")


def results(out: Path) -> dict[str, object]:
    """Return everything that must not depend on interruptions, by file name."""
    found: dict[str, object] = {}
    for path in sorted(out.rglob("*")):
        name = path.relative_to(out).as_posix()
        if path.name == "record.json":
            record = json.loads(path.read_text())
            for phase in record["phases"]:
                assert phase["wall_s"] > 0
            found[name] = {
                key: value for key, value in record.items() if key not in ("phases", "environment")
            }
            found["phases"] = [phase["name"] for phase in record["phases"]]
        elif path.suffix in (".safetensors", ".png", ".npz"):
            found[name] = path.read_bytes().hex()
        elif path.is_file():
            found[name] = None
    return found


if __name__ == "__main__":
    main(Path(sys.argv[1]), sys.argv[2])
