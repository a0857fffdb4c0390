"""How much the harness adds to a bare training loop: phases, checkpoints, snapshots, accounting, events.

Usage: python benchmarks/overhead.py [--iterations 300] [--pairs 5] [--scene 1000]

Both sides open the same scene, train the same number of steps with the same seed and render the test views;
they alternate in one process. The bare side keeps its frames in memory. Target: at most 3 %.
"""

from __future__ import annotations

import argparse
import dataclasses
import statistics
import tempfile
import time
from pathlib import Path

from recgen_bench.harness.checkpoint import Snapshots
from recgen_bench.harness.loop import Settings, load_method, open_scene, run_cell
from recgen_bench.harness.plan import Cell, Selection, plan_cells
from recgen_bench.harness.plugins import load_registry
from recgen_bench.harness.run import Run
from recgen_bench.harness.score import Scorer
from recgen_bench.harness.weights import open_door


def main() -> None:
    """Print the ratio of each pair and their median."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--iterations", type=int, default=300)
    parser.add_argument("--pairs", type=int, default=5)
    parser.add_argument("--scene", default="1000")
    options = parser.parse_args()
    registry = load_registry()
    overrides = (f"iterations={options.iterations}",)
    selection = Selection("3dgs", "street", scenes=(options.scene,), shifts=(0.0,), overrides=overrides)
    (cell,) = plan_cells(registry, selection)
    settings = Settings(Path(), Scorer(()), open_door(registry), threads=2, snapshot_s=5.0)
    bare(cell, settings)  # Fills the cache of the scene and warms both up.
    ratios = []
    for pair in range(options.pairs):
        with tempfile.TemporaryDirectory() as folder:
            mine = timed(bare, cell, settings)
            theirs = timed(run_cell, cell, dataclasses.replace(settings, out=Path(folder)))
        ratios.append(theirs / mine)
        print(f"pair {pair}: bare {mine:.2f} s, harness {theirs:.2f} s, ratio {ratios[-1]:.4f}")
    print(f"median ratio {statistics.median(ratios):.4f}")


def bare(cell: Cell, settings: Settings) -> None:
    """Train and render without the harness."""
    method, config = load_method(cell)
    scene, _ = open_scene(cell, settings)
    with tempfile.TemporaryDirectory() as folder:
        run = Run(
            scene=scene,
            config=config,
            seed=cell.seed,
            device="cpu",
            threads=settings.threads,
            shift=cell.shift,
            scratch=Path(folder),
            snapshots=Snapshots(Path(folder) / "none", every_s=float("inf")),
            report=lambda step, total, values: None,
            weights=settings.door.path,
            phase="reconstruct",
        )
        model = method.reconstruct(scene, run)
        for _ in method.render(model, [view.camera for view in scene.test], run):
            pass


def timed(function, *arguments) -> float:  # noqa: ANN001, ANN002 # Any function with any arguments.
    """Return the seconds a call takes."""
    start = time.perf_counter()
    function(*arguments)
    return time.perf_counter() - start


if __name__ == "__main__":
    main()
