"""What the command line asks of whoever curates pairs and trains priors; the methods' side does the work."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from recgen_bench.harness.errors import RecgenError
from recgen_bench.harness.protocol import Protocol
from recgen_bench.harness.registration import DatasetInfo

FIRST_TRAINING_SEED = 1000
"""Embedded worlds with smaller seeds are test scenes; no prior may learn from them."""

Report = Callable[[int, int, str], None]
"""(done, total, what) -> None: tells the user how a long job is doing."""


@dataclass(frozen=True, slots=True)
class CurationOrder:
    """Pairs to be made.

    Attributes:
        dataset: Where the captures come from.
        protocol: How they are opened.
        scenes: Names.
        strategies: Names.
        out: Folder of the pairs.
        cameras: Sensors to open, empty for those of the protocol.
        source: The user's data folder, None for embedded worlds.
        pairs: At most that many of each scene and strategy.
        with_eig: Compute expected information gain for every pair.
        settings: `key=value` texts that override how models are fitted.
        threads: CPU threads.
        forced: Test scenes are allowed.
        restorer: Weights of a restorer, for strategies that use one already.
    """

    dataset: DatasetInfo
    protocol: Protocol
    scenes: tuple[str, ...]
    strategies: tuple[str, ...]
    out: Path
    cameras: tuple[str, ...] = ()
    source: Path | None = None
    pairs: int = 24
    with_eig: bool = False
    settings: tuple[str, ...] = ()
    threads: int = 1
    forced: bool = False
    restorer: Path | None = None


@dataclass(frozen=True, slots=True)
class TrainingOrder:
    """A prior to be trained.

    Attributes:
        data: Folders of curated pairs.
        config: Name of the network's configuration.
        out: File of the weights.
        steps: Optimiser steps.
        seed: Of everything random.
        with_eig: The network is conditioned on expected information gain.
        start: Weights to start from, None for fresh ones.
        held_out: Scenes that are validated on and not trained on.
        settings: `key=value` texts that override the training's configuration.
        threads: CPU threads; results depend on them no more than torch's own kernels do.
        forced: Test scenes are allowed.
        command: What the user typed, for the model card.
        vgg: torchvision's VGG-16, for the perceptual terms; they are left out without it.
    """

    data: tuple[Path, ...]
    config: str
    out: Path
    steps: int
    seed: int = 0
    with_eig: bool = False
    start: Path | None = None
    held_out: tuple[str, ...] = ()
    settings: tuple[str, ...] = ()
    threads: int = 1
    forced: bool = False
    command: str = ""
    vgg: Path | None = None


def parse_seeds(text: str, option: str = "--seeds") -> tuple[str, ...]:
    """Read seeds such as "1000-1059,1990".

    >>> parse_seeds("3-5,9")
    ('3', '4', '5', '9')

    Raises:
        RecgenError: It is something else, or a range runs backwards.
    """
    seeds: list[str] = []
    for part in text.split(","):
        first, dash, last = part.strip().partition("-")
        digits = (first, last) if dash else (first,)
        if not all(each.isascii() and each.isdecimal() for each in digits):
            expected = "numbers and ranges, for example 1000-1059,1990"
            raise RecgenError("not a list of seeds", got=text, expected=expected, where=option)
        begin, end = int(first), int(last if dash else first)
        if end < begin or end - begin >= 100_000:
            raise RecgenError("not a range of seeds", got=part.strip(), expected="FIRST-LAST", where=option)
        seeds += [str(seed) for seed in range(begin, end + 1)]
    return tuple(dict.fromkeys(seeds))
