"""Generative priors in a cell: found before any training, loaded when asked for, told in the record."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from importlib.resources import files
from pathlib import Path
from typing import Any

import numpy as np

from recgen_bench.harness.errors import MethodFailed, PluginError, WeightsMissing, did_you_mean
from recgen_bench.harness.method import Round
from recgen_bench.harness.record import Weights
from recgen_bench.harness.registration import PackagedWeights, PriorInfo, resolve
from recgen_bench.harness.scene import View
from recgen_bench.harness.weights import WeightsDoor, file_hash, how_to_get

NO_PRIOR = "none"
"""What a configuration's `prior` says when the method shall run without one."""

SAME_POSE = 1e-6
"""Two cameras with no larger difference in any entry of their poses stand at the same place."""


@dataclass(frozen=True, slots=True)
class Priors:
    """The priors that one cell may use.

    Attributes:
        infos: Those its configuration names.
        door: To their weights.
        device: "cpu" or "cuda".
    """

    infos: tuple[PriorInfo, ...]
    door: WeightsDoor
    device: str = "cpu"
    _loaded: dict[str, Any] = field(default_factory=dict, repr=False, compare=False)

    def load(self, name: str) -> Any:
        """Return a prior, the same object whenever asked; see `recgen_bench.methods.priors.restorer`.

        Raises:
            MethodFailed: The configuration does not name it, so the record would not tell of it.
            PluginError: It cannot be loaded.
        """
        if name not in self._loaded:
            known = {info.name: info for info in self.infos}
            if name not in known:
                hint = "name it in the configuration's field `prior`"
                raise MethodFailed("the method asked for a prior it does not declare", got=name, hint=hint)
            build = resolve(known[name].target, f"prior {name}")
            self._loaded[name] = build(self.door.path, self.device)
        return self._loaded[name]

    def weights(self) -> list[Weights]:
        """Return every file of the priors as the record names it.

        Raises:
            WeightsMissing: Some are not on this machine; the hint holds the commands that fetch them.
        """
        wanted = [weights for info in self.infos for weights in info.weights]
        missing = [info for info in wanted if self.door.find(info.name) is None]
        if missing:
            what = f"the weights {', '.join(info.name for info in missing)} are not on this machine"
            raise WeightsMissing(what, hint="; ".join(map(how_to_get, missing)))
        shipped = [(info.name, packaged) for info in self.infos for packaged in info.packaged]
        return [self.door.facts(info.name) for info in wanted] + [
            Weights(
                name=f"{name}/{packaged.file}",
                revision="embedded",
                sha256=file_hash(_inside(packaged)),
                licence=packaged.licence,
            )
            for name, packaged in shipped
        ]

    @property
    def trained_on(self) -> list[str]:
        """What the priors were trained on, each entry once."""
        return list(dict.fromkeys(entry for info in self.infos for entry in info.trained_on))

    def contamination(self, dataset: str, scene: str) -> list[str]:
        """Return a sentence for each prior that was trained on a scene."""
        return [
            f"the prior {info.name} was trained on {entry}, which holds this scene"
            for info in self.infos
            for entry in info.trained_on
            if holds(entry, dataset, scene)
        ]


def declared_priors(config: Any, known: Mapping[str, PriorInfo], door: WeightsDoor, device: str) -> Priors:
    """Return the prior that a configuration names in its field `prior`; none for "none" or without the field.

    A configuration that decides between several has a property `chosen_prior`, which goes first.

    Raises:
        PluginError: No such prior is registered.
    """
    name = getattr(config, "chosen_prior", getattr(config, "prior", NO_PRIOR))
    if name == NO_PRIOR:
        return Priors((), door, device)
    if name not in known:
        hint = did_you_mean(name, (*known, NO_PRIOR))
        raise PluginError("unknown prior", got=name, hint=hint, where="--set prior")
    return Priors((known[name],), door, device)


def holds(entry: str, dataset: str, scene: str) -> bool:
    """Return whether an entry of `PriorInfo.trained_on` names a scene.

    >>> [holds(entry, "street", "1200") for entry in ("street", "street/1000-1999", "street/3")]
    [True, True, False]
    """
    place, _, part = entry.partition("/")
    if place != dataset:
        return False
    first, dash, last = part.partition("-")
    if dash and first.isdecimal() and last.isdecimal() and scene.isdecimal():
        return int(first) <= int(scene) <= int(last)
    return part in ("", scene)


def count_test_poses(turns: Iterable[Round], test: Sequence[View]) -> int:
    """Return at how many of the test cameras a schedule makes pseudo-views, at the same time step."""
    made: dict[int, list[np.ndarray]] = {}
    for turn in turns:
        for camera in turn.cameras:
            made.setdefault(camera.frame, []).append(camera.c2w)
    return sum(
        any(np.abs(pose - view.camera.c2w).max() <= SAME_POSE for pose in made.get(view.camera.frame, ()))
        for view in test
    )


def _inside(packaged: PackagedWeights) -> Path:
    """Return a file of an installed package.

    Raises:
        WeightsMissing: The package does not hold it.
    """
    path = Path(str(files(packaged.package) / packaged.file))
    if not path.is_file():
        hint = "install the package again, or train the prior with `recgen-bench prior train`"
        raise WeightsMissing(f"the package lacks its weights {packaged.file}", where=str(path), hint=hint)
    return path
