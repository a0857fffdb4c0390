"""What a method is given besides the scene: its configuration, seeds, device, progress and snapshots."""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from recgen_bench.harness.checkpoint import Snapshots
from recgen_bench.harness.errors import MethodFailed
from recgen_bench.harness.scene import Scene


def _no_prior(name: str) -> Any:
    raise MethodFailed("the method asked for a prior it does not declare", got=name)


@dataclass(frozen=True, slots=True)
class Run:
    """The surroundings of one cell.

    Attributes:
        scene: The scene without its answers.
        config: The method's preset after `--set`.
        seed: The cell's seed; use `seed_for` rather than this.
        device: "cpu" or "cuda".
        threads: CPU threads to use; results must not depend on it.
        shift: Requested lane shift in metres, None where the protocol has none.
        scratch: An existing folder for files of the method's own.
        snapshots: Where a long phase saves its state, so that a kill costs seconds and not the phase.
        report: (step, total, values) -> None, tells the user how a long phase is doing.
        weights: (name) -> path of verified pretrained weights.
        phase: Name of the phase, part of every seed.
        prior: (name) -> the generative prior that the configuration names in its field `prior`.
    """

    scene: Scene
    config: Any
    seed: int
    device: str
    threads: int
    shift: float | None
    scratch: Path
    snapshots: Snapshots
    report: Callable[[int, int, dict[str, float]], None]
    weights: Callable[[str], Path]
    phase: str = field(default="")
    prior: Callable[[str], Any] = field(default=_no_prior)

    def seed_for(self, purpose: str) -> int:
        """Return a seed for one purpose in this phase: stable across restarts, unrelated between purposes."""
        text = f"{self.seed}/{self.phase}/{purpose}"
        return int.from_bytes(hashlib.sha256(text.encode()).digest()[:8], "little") >> 1
