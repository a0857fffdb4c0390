"""Time the Fréchet distance from features against the route through scipy's matrix root, N = 320, d = 2048.

Run with `python benchmarks/fid.py [REPEATS]`. Both start from the same features and end with the distance:
covariances and root there, one small singular value decomposition here. They take turns, so that a busy
machine slows both alike. Both values are printed, since fast and wrong is no use.
"""

from __future__ import annotations

import os

THREADS = 2
# Before numpy is loaded, which reads it once.
os.environ.setdefault("OPENBLAS_NUM_THREADS", str(THREADS))

import statistics  # noqa: E402 # The threads have to be set first; so below.
import sys  # noqa: E402
import time  # noqa: E402
import warnings  # noqa: E402

import numpy as np  # noqa: E402
import scipy  # noqa: E402
from pytorch_fid.fid_score import calculate_frechet_distance  # noqa: E402

from recgen_bench.harness.scene import Float  # noqa: E402
from recgen_bench.metrics.frechet import frechet  # noqa: E402

COUNT, DIMENSIONS = 320, 2048


def make_features() -> tuple[Float, Float]:
    """Return two sets with the spectrum of Inception features: variances falling as 1 / k, unlike means."""
    rng = np.random.default_rng(0)
    scales = 1 / np.sqrt(np.arange(1, DIMENSIONS + 1))
    x, y = rng.normal(0, 1, (2, COUNT, DIMENSIONS)) * scales
    return x, y * 1.1 + scales


def by_root(x: Float, y: Float) -> float:
    """Return what pytorch-fid computes from the same features."""
    moments = [(values.mean(axis=0), np.cov(values, rowvar=False)) for values in (x, y)]
    with warnings.catch_warnings():
        # scipy is about to drop an argument that pytorch-fid passes.
        warnings.simplefilter("ignore")
        return float(calculate_frechet_distance(*moments[0], *moments[1]))


def main(repeats: int) -> None:
    """Print value, median and fastest seconds of both, their ratio and the relative difference."""
    x, y = make_features()
    routes = {"recgen-bench": lambda: frechet(x, y).distance, "pytorch-fid": lambda: by_root(x, y)}
    values: dict[str, float] = {}
    times: dict[str, list[float]] = {name: [] for name in routes}
    for _ in range(repeats):
        for name, route in routes.items():
            start = time.perf_counter()
            values[name] = route()
            times[name].append(time.perf_counter() - start)
    print(
        f"N = {COUNT}, d = {DIMENSIONS}, {repeats} rounds, numpy {np.__version__}, scipy {scipy.__version__}"
    )
    print(f"{'':<14}{'value':>16}{'median s':>10}{'fastest':>9}")
    for name, column in times.items():
        print(f"{name:<14}{values[name]:>16.9f}{statistics.median(column):>10.3f}{min(column):>9.3f}")
    ours, theirs = (times[name] for name in routes)
    difference = abs(values["recgen-bench"] / values["pytorch-fid"] - 1)
    print(
        f"ratio of medians {statistics.median(theirs) / statistics.median(ours):.0f}, of the fastest", end=" "
    )
    print(f"{min(theirs) / min(ours):.0f}; relative difference {difference:.1e}")


if __name__ == "__main__":
    main(int(sys.argv[1]) if len(sys.argv) > 1 else 3)
