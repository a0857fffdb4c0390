"""Time an EIG map and a Fisher pass against a backward pass over the same render, in turns.

Usage: python benchmarks/eig.py [--sizes 10000:256x256,...] [--threads 1,2] [--degrees rgb,1] [--rounds 15]
           [--clock cpu] [--released]

The scene is that of `benchmarks/raster.py`. In each round the three passes follow each other on the same
input, each after a forward pass that is not counted, so that a busy machine slows all alike. The ratio of a
round is a pass's time divided by that round's backward pass; printed are the medians of the times and of the
ratios. `--clock cpu` counts the processor time of all threads, which other programs disturb less.
`--released` also times the released semantics (fisherrf) once per scene: one view's information + one map.
"""

from __future__ import annotations

import argparse
import ctypes
import os
import statistics
import time
from collections.abc import Callable

# Otherwise torch's idle OpenMP threads spin on the processors of whoever is next.
os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")

import torch
from raster import Setting, make_setting

from recgen_bench.methods.splats import native
from recgen_bench.methods.splats.eig import eig_map, observe
from recgen_bench.methods.splats.raster import Gaussians, rasterize
from recgen_bench.methods.splats.raster_cpu import contiguous, describe, forward

SIZES = "10000:256x256,50000:480x320,200000:960x640"


Clock = Callable[[], float]


def backward(setting: Setting, clock: Clock) -> float:
    """Return the time of a backward pass in seconds."""
    camera = setting.camera
    out = rasterize(
        *setting.parameters,
        w2c=camera.w2c,
        K=camera.K,
        width=camera.width,
        height=camera.height,
        sh_degree=setting.gaussians.sh_degree,
    )
    start = clock()
    out.rgb.backward(setting.by_rgb)
    spent = clock() - start
    for parameter in setting.parameters:
        parameter.grad = None
    return spent


def replayed(kernel: str) -> Callable[[Setting, Clock], float]:
    """Return what times a kernel that replays a render: "splats_fisher" or "splats_gain"."""

    def spent(setting: Setting, clock: Clock) -> float:
        parameters = [p.detach() for p in contiguous(setting.gaussians)]
        degree = setting.gaussians.sh_degree
        scene = describe(parameters, degree, setting.camera, torch.get_num_threads())
        replay, (rgb, *_) = forward(scene)
        # Values do not change the work: ones stand for the variances, and receive the information.
        arrays = [torch.ones_like(p) for p in parameters]
        per_gaussian = native.PerGaussian(*map(native.address, arrays))
        image, values = native.Image(rgb.data_ptr()), torch.empty(rgb.shape[:2])
        extra = [ctypes.c_void_p(values.data_ptr())] if kernel == "splats_gain" else []
        run = native.kernel(kernel)
        start = clock()
        native.check(
            run(ctypes.byref(scene), replay.handle, ctypes.byref(image), ctypes.byref(per_gaussian), *extra)
        )
        return clock() - start

    return spent


def released(setting: Setting, clock: Clock) -> tuple[float, float]:
    """Return the seconds of one view's information and of one map in the released semantics."""
    g = setting.gaussians
    gaussians = Gaussians(*(p.detach() for p in setting.parameters), g.sh_degree)
    start = clock()
    information = observe(gaussians, [setting.camera], semantics="fisherrf")
    middle = clock()
    eig_map(gaussians, setting.camera, information)
    return middle - start, clock() - middle


def compare(setting: Setting, rounds: int, clock: Clock) -> str:
    """Return a row: the backward pass in ms, then ms and ratio of the two other passes."""
    passes = (backward, replayed("splats_gain"), replayed("splats_fisher"))
    times = [[run(setting, clock) for run in passes] for _ in range(rounds + 1)][
        1:
    ]  # The first one warms up.
    cells = [f"{1e3 * statistics.median(row[0] for row in times):8.1f}"]
    for at in (1, 2):
        cells.append(f"{1e3 * statistics.median(row[at] for row in times):8.1f}")
        cells.append(f"{statistics.median(row[at] / row[0] for row in times):6.2f}")
    return " | ".join(cells)


def main() -> None:
    """Print one table."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--sizes", default=SIZES, help="Gaussians:WIDTHxHEIGHT, separated by commas")
    parser.add_argument("--threads", default="1,2", help="numbers of threads, separated by commas")
    parser.add_argument("--degrees", default="rgb,1", help="of the harmonics, or rgb, separated by commas")
    parser.add_argument("--rounds", type=int, default=15)
    parser.add_argument("--released", action="store_true")
    parser.add_argument("--clock", choices=("wall", "cpu"), default="wall")
    options = parser.parse_args()
    clock = time.process_time if options.clock == "cpu" else time.perf_counter
    print(f"kernels: {native.describe()}; {options.clock} clock")
    head = [
        "Gaussians, size",
        "colours",
        "threads",
        "backward ms",
        "EIG map ms",
        "ratio",
        "Fisher ms",
        "ratio",
    ]
    head += ["fisherrf s"] if options.released else []
    print(f"| {' | '.join(head)} |\n| --- | --- {'| ---: ' * (len(head) - 2)}|")
    for size in options.sizes.split(","):
        count, _, image = size.partition(":")
        width, height = map(int, image.split("x"))
        for degree in options.degrees.split(","):
            setting = make_setting(int(count), width, height, None if degree == "rgb" else int(degree))
            for threads in map(int, options.threads.split(",")):
                torch.set_num_threads(threads)
                row = [
                    f"{int(count):,}, {image}",
                    degree,
                    str(threads),
                    compare(setting, options.rounds, clock),
                ]
                if options.released:
                    row.append(" + ".join(f"{seconds:.2f}" for seconds in released(setting, clock)))
                print(f"| {' | '.join(row)} |", flush=True)


if __name__ == "__main__":
    main()
