"""The metrics of a protocol, loaded: scoring one image against its reference, and one track of frames."""

from __future__ import annotations

import hashlib
import inspect
import math
import threading
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np

from recgen_bench.harness.errors import DataError, WeightsMissing
from recgen_bench.harness.features import compute_always
from recgen_bench.harness.pair import ImageMetric, Pair
from recgen_bench.harness.record import Row, SceneScore, image_hash
from recgen_bench.harness.registration import MetricInfo, resolve
from recgen_bench.harness.track import SceneMetric, SceneValue, Track
from recgen_bench.harness.weights import WeightsDoor

Stored = Callable[[str, str, Callable[[], Any]], Any]
"""See `recgen_bench.harness.features.FeatureStore.stored`."""


@dataclass(frozen=True, slots=True)
class Scorer:
    """The metrics of a protocol, loaded.

    Attributes:
        metrics: Image metrics that can run here.
        scenes: Metrics of a whole scene.
        missing: Metrics whose weights are not on this machine -> why, with the command that fetches them.
        purposes: Image metric -> what its values are stored under; one that is absent is never stored.
        door: To pretrained weights.
        device: "cpu" or "cuda".
        stored: Where features and values are kept.
    """

    metrics: tuple[tuple[MetricInfo, ImageMetric], ...]
    scenes: tuple[tuple[MetricInfo, SceneMetric], ...] = ()
    missing: Mapping[str, str] = field(default_factory=dict)
    purposes: Mapping[str, str] = field(default_factory=dict)
    door: WeightsDoor = field(default_factory=lambda: WeightsDoor({}))
    device: str = "cpu"
    stored: Stored = compute_always

    @classmethod
    def load(
        cls,
        infos: Iterable[MetricInfo],
        door: WeightsDoor | None = None,
        device: str = "cpu",
        stored: Stored = compute_always,
    ) -> Scorer:
        """Import the metrics' implementations; networks are built when the first image comes.

        Raises:
            PluginError: A metric cannot be loaded.
            DataError: A file of weights is not what the registry says.
        """
        infos = tuple(infos)
        door = door or WeightsDoor({weights.name: weights for info in infos for weights in info.weights})
        metrics, scenes, missing, purposes = [], [], {}, {}
        for info in infos:
            target = resolve(info.target, f"metric {info.name}")
            if info.scope == "scene":
                scenes.append((info, target))
            try:
                hashes = [door.facts(weights.name).sha256 for weights in info.weights]
            except WeightsMissing as error:
                missing[info.name] = str(error)
                continue
            if info.scope == "scene":
                continue
            source = _source(target)
            if source and not info.needs:
                purposes[info.name] = " ".join([info.name, str(info.version), source, *hashes])
            metrics.append((info, _Late(partial(target, door.path, device)) if info.weights else target))
        return cls(tuple(metrics), tuple(scenes), missing, purposes, door, device, stored)

    @property
    def needs_depth(self) -> bool:
        """Some metric compares depth."""
        return any("depth" in info.needs for info, _ in (*self.metrics, *self.scenes))

    def row(self, view: str, shift: float, pair: Pair) -> Row:
        """Score one image; metrics whose needs the pair does not meet are left out.

        Args:
            view: Name of the test view.
            shift: Signed metres, left positive.
            pair: The prediction and its reference.

        Raises:
            DataError: The images differ in size, or a metric gives NaN.
        """
        if pair.prediction.shape != pair.reference.shape:
            got, expected = (f"{p.shape[1]}x{p.shape[0]}" for p in (pair.prediction, pair.reference))
            raise DataError("prediction and reference differ in size", got=got, expected=expected, where=view)
        present = {"mask"} if pair.mask is not None and pair.mask.any() else set()
        if pair.prediction_depth is not None and pair.reference_depth is not None:
            present.add("depth")
        prediction, reference = image_hash(pair.prediction), image_hash(pair.reference)
        values = {}
        for info, metric in self.metrics:
            if info.needs <= present:
                compute = partial(_value, info.name, metric, pair, view)
                purpose = self.purposes.get(info.name)
                values[info.name] = float(
                    self.stored(purpose, f"{prediction} {reference}", compute) if purpose else compute()
                )
        return Row(view=view, shift=shift, prediction=prediction, reference=reference, values=values)

    def scene(self, track: Track) -> tuple[dict[str, SceneScore], dict[str, str]]:
        """Score a track; a metric whose weights are missing gets no value, and the reason.

        Returns:
            The scores, and the metrics whose weights were found missing only now, with the reason.

        Raises:
            DataError: A metric gives NaN, or something else than a SceneValue.
        """
        scores, missing = {}, {}
        for info, metric in self.scenes:
            try:
                if info.name in self.missing:
                    scores[info.name] = SceneScore(value=None, reason=self.missing[info.name])
                else:
                    scores[info.name] = scene_score(info.name, metric(track))
            except WeightsMissing as error:
                missing[info.name] = str(error)
                scores[info.name] = SceneScore(value=None, reason=str(error))
        return scores, missing


def scene_score(name: str, found: SceneValue) -> SceneScore:
    """Return the form of a scene's value that a record stores.

    Raises:
        DataError: It is no SceneValue, holds NaN, or has neither value nor reason.
    """
    if not isinstance(found, SceneValue):
        got = type(found).__name__
        raise DataError(f"{name} returned something else", got=got, expected="SceneValue")
    statistics = {view: _floats(values) for view, values in found.per_view.items()}
    parts = _floats(found.parts)
    ends = [None if number is None else float(number) for number in (found.value, found.low, found.high)]
    numbers = [*parts.values(), *(v for values in statistics.values() for v in values.values())]
    if any(math.isnan(number) for number in (*numbers, *(end for end in ends if end is not None))):
        raise DataError("a metric gave no number", got=f"{name} holds nan")
    if found.value is None and not found.reason:
        raise DataError(f"{name} gave neither a value nor a reason")
    return SceneScore(
        value=ends[0],
        count=int(found.count),
        low=ends[1],
        high=ends[2],
        parts=parts,
        facts={key: str(value) for key, value in found.facts.items()},
        per_view=statistics,
        reason=found.reason,
    )


class _Late:
    """An image metric whose network is built when the first image comes, once for all threads."""

    def __init__(self, build: Callable[[], ImageMetric]) -> None:
        self._build, self._lock = build, threading.Lock()
        self._metric: ImageMetric | None = None

    def __call__(self, pair: Pair) -> float:
        with self._lock:
            if self._metric is None:
                self._metric = self._build()
        return self._metric(pair)


def _value(name: str, metric: ImageMetric, pair: Pair, view: str) -> np.float64:
    value = float(metric(pair))
    if math.isnan(value):
        raise DataError("a metric gave no number", got=f"{name} = nan", where=view)
    return np.float64(value)


def _source(target: Callable[..., Any]) -> str | None:
    """Return the sha256 of the file that defines a metric: who changes it shall not see the old values.

    A lambda, a partial or a bound method has more to it than its file; None says so.
    """
    if not (inspect.isfunction(target) and target.__closure__ is None and "<" not in target.__qualname__):
        return None
    try:
        return hashlib.sha256(Path(inspect.getfile(target)).read_bytes()).hexdigest()
    except (OSError, TypeError):
        return None


def _floats(values: Mapping[str, float]) -> dict[str, float]:
    return {key: float(value) for key, value in values.items()}
