"""Time of the street worlds: opening a scene cold and warm, building a world, and frames per second.

Run `python benchmarks/street.py [--seeds 1000 1001] [--size 240x160]`; the cache goes to a temporary folder.
"""

from __future__ import annotations

import argparse
import os
import tempfile
import time
from collections.abc import Callable
from typing import Any

from recgen_bench.datasets.street.cameras import ego_camera
from recgen_bench.datasets.street.dataset import Street
from recgen_bench.datasets.street.world import World
from recgen_bench.harness.dataset import Request


def timed(work: Callable[[], Any]) -> tuple[float, Any]:
    """Return the seconds a call took and its result."""
    start = time.perf_counter()
    result = work()
    return time.perf_counter() - start, result


def main() -> None:
    """Print one row per seed."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seeds", type=int, nargs="+", default=[1000, 1001, 1002])
    parser.add_argument("--size", default="240x160")
    parser.add_argument("--frames", type=int, default=20)
    options = parser.parse_args()
    width, height = (int(part) for part in options.size.split("x"))
    print("| seed | triangles | open cold s | open warm s | build s | image/s | depth/s | load/s | points |")
    print("| --- | --- | --- | --- | --- | --- | --- | --- | --- |")
    with tempfile.TemporaryDirectory() as folder:
        os.environ["RECGEN_CACHE"] = folder
        for seed in options.seeds:
            request = Request(str(seed), None)
            cold, _ = timed(lambda request=request: Street().open(request))
            warm, capture = timed(lambda request=request: Street().open(request))
            build, world = timed(lambda seed=seed: World(seed))
            cameras = [
                ego_camera(world.layout, 39 * index // options.frames, "front", (width, height))
                for index in range(options.frames)
            ]
            image, _ = timed(lambda world=world, cameras=cameras: [world.image(one) for one in cameras])
            depth, _ = timed(lambda world=world, cameras=cameras: [world.depth(one) for one in cameras])
            views = [capture.oracle.view(f"{one.frame}", one) for one in cameras]
            _ = [view.image for view in views]
            load, _ = timed(lambda views=views: [view.image for view in views])
            rates = [f"{options.frames / seconds:.1f}" for seconds in (image, depth, load)]
            cells = [f"{seed}", f"{len(world.tracer.mesh)}", f"{cold:.2f}", f"{warm:.3f}", f"{build:.2f}"]
            print("| " + " | ".join([*cells, *rates, f"{len(capture.points)}"]) + " |", flush=True)


if __name__ == "__main__":
    main()
