"""Scoring one image against its reference with every metric of a protocol."""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import dataclass

from recgen_bench.harness.errors import DataError
from recgen_bench.harness.pair import ImageMetric, Pair
from recgen_bench.harness.record import Row, image_hash
from recgen_bench.harness.registration import MetricInfo, resolve


@dataclass(frozen=True, slots=True)
class Scorer:
    """The metrics of a protocol, loaded."""

    metrics: tuple[tuple[MetricInfo, ImageMetric], ...]

    @classmethod
    def load(cls, infos: Iterable[MetricInfo]) -> Scorer:
        """Import the metrics' implementations."""
        return cls(tuple((info, resolve(info.target, f"metric {info.name}")) for info in infos))

    @property
    def needs_depth(self) -> bool:
        """Some metric compares depth."""
        return any("depth" in info.needs for info, _ in self.metrics)

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
        values = {info.name: float(metric(pair)) for info, metric in self.metrics if info.needs <= present}
        for name, value in values.items():
            if math.isnan(value):
                raise DataError("a metric gave no number", got=f"{name} = nan", where=view)
        return Row(
            view=view,
            shift=shift,
            prediction=image_hash(pair.prediction),
            reference=image_hash(pair.reference),
            values=values,
        )
