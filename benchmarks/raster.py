"""Time the CPU rasteriser: forward, forward + backward and Fisher pass, against others, taking turns.

Usage: python benchmarks/raster.py [--sizes 10000:256x256,...] [--threads 1] [--rounds 9] [--degree 3]
           [--clock cpu] [--torch] [--prototype DIR]

The scene is synthetic: Gaussians uniform in a frustum, sizes tied to their spacing, about 60 contributions
per pixel. All candidates get the same input in the same process and alternate, so that a busy machine slows
all of them alike. Printed per candidate: median and minimum in milliseconds, and the ratio of its minimum to
ours. `--clock cpu` counts the processor time of all threads, which other programs disturb less.
`--torch` adds plain PyTorch over tiles (slow: use it with small sizes); `--prototype` a folder with the
`cpu_cpp.py` of an earlier kernel, which has RGB only.
"""

from __future__ import annotations

import argparse
import ctypes
import importlib
import itertools
import os
import statistics
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass

# Otherwise idle OpenMP threads, torch's and the prototype's, spin on the processors of whoever is next.
os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")

import torch
from torch import Tensor

from recgen_bench.methods.splats import native
from recgen_bench.methods.splats.raster import Gaussians, Pinhole, rasterize
from recgen_bench.methods.splats.raster_cpu import contiguous, describe, forward

SIZES = "10000:256x256,50000:480x320,200000:960x640"
TILE = 16


@dataclass
class Setting:
    """One scene and camera, and the derivatives of a loss by its image."""

    gaussians: Gaussians
    camera: Pinhole
    by_rgb: Tensor

    @property
    def parameters(self) -> list[Tensor]:
        """Return the tensors that get gradients."""
        g = self.gaussians
        return [g.means, g.quats, g.scales, g.opacities, g.colors]


def make_setting(count: int, width: int, height: int, degree: int | None) -> Setting:
    """Return Gaussians uniform in the volume of a frustum from z = 2 to 6."""
    random = torch.Generator().manual_seed(0)
    near, far, focal = 2.0, 6.0, 0.9 * max(width, height)
    z = (near**3 + torch.rand(count, generator=random) * (far**3 - near**3)) ** (1 / 3)
    x = (torch.rand(count, generator=random) - 0.5) * width / focal * z
    y = (torch.rand(count, generator=random) - 0.5) * height / focal * z
    volume = width * height / focal**2 * (far**3 - near**3) / 3
    size = 0.5 * (volume / count) ** (1 / 3)
    shape = (count, 3) if degree is None else (count, (degree + 1) ** 2, 3)
    gaussians = Gaussians(
        torch.stack([x, y, z], 1),
        torch.randn(count, 4, generator=random),
        size * torch.exp(0.5 * torch.randn(count, 3, generator=random)),
        torch.sigmoid(1.5 * torch.randn(count, generator=random)),
        torch.rand(shape, generator=random),
        degree,
    )
    K = torch.tensor([[focal, 0, width / 2], [0, focal, height / 2], [0, 0, 1]])
    by_rgb = torch.randn(height, width, 3, generator=random) / (height * width)
    setting = Setting(gaussians, Pinhole(torch.eye(4), K, width, height), by_rgb)
    for parameter in setting.parameters:
        parameter.requires_grad_()
    return setting


Steps = Callable[[Setting], Iterator[None]]
"""Yields after the forward pass, then after the backward pass, and so on."""


def ours(setting: Setting) -> Iterator[None]:
    """Run this project's kernels."""
    c = setting.camera
    out = rasterize(
        *setting.parameters,
        w2c=c.w2c,
        K=c.K,
        width=c.width,
        height=c.height,
        sh_degree=setting.gaussians.sh_degree,
    )
    yield
    out.rgb.backward(setting.by_rgb)
    yield


def fisher(setting: Setting) -> Iterator[None]:
    """Run this project's forward pass, then the Fisher pass alone."""
    parameters = [p.detach() for p in contiguous(setting.gaussians)]
    scene = describe(parameters, setting.gaussians.sh_degree, setting.camera, torch.get_num_threads())
    replay, (rgb, *_) = forward(scene)
    yield
    sums = native.PerGaussian(*map(native.address, kept := [torch.zeros_like(p) for p in parameters]))
    image = native.Image(rgb.data_ptr())
    run = native.kernel("splats_fisher")
    native.check(run(ctypes.byref(scene), replay.handle, ctypes.byref(image), ctypes.byref(sums)))
    del kept
    yield


def prototype(folder: str) -> Steps:
    """Return a candidate that runs the kernel in a folder."""
    sys.path.insert(0, folder)
    module = importlib.import_module("cpu_cpp")
    library = module.lib()

    def steps(setting: Setting) -> Iterator[None]:
        c = setting.camera
        library.set_threads(torch.get_num_threads())
        planes, alpha = module.rasterize(*setting.parameters, c.w2c, c.K, c.width, c.height)[:2]
        yield
        by_planes = torch.nn.functional.pad(setting.by_rgb, (0, 1))
        torch.autograd.backward([planes, alpha], [by_planes, torch.zeros_like(alpha)])
        yield

    return steps


def plain_torch(setting: Setting) -> Iterator[None]:
    """Run vectorised PyTorch: all Gaussians projected at once, then one batch of operations per tile."""
    g, c = setting.gaussians, setting.camera
    w, x, y, z = torch.nn.functional.normalize(g.quats, dim=1).unbind(1)
    turn = [1 - 2 * (y * y + z * z), 2 * (x * y - w * z), 2 * (x * z + w * y)]
    turn += [2 * (x * y + w * z), 1 - 2 * (x * x + z * z), 2 * (y * z - w * x)]
    turn += [2 * (x * z - w * y), 2 * (y * z + w * x), 1 - 2 * (x * x + y * y)]
    px, py, pz = (g.means @ c.w2c[:3, :3].T + c.w2c[:3, 3]).unbind(1)
    fx, fy = c.K[0, 0], c.K[1, 1]
    zero = torch.zeros_like(pz)
    J = torch.stack([fx / pz, zero, -fx * px / pz**2, zero, fy / pz, -fy * py / pz**2], 1).view(-1, 2, 3)
    half = J @ c.w2c[:3, :3] @ (torch.stack(turn, 1).view(-1, 3, 3) * g.scales[:, None])
    covariance = half @ half.transpose(1, 2) + 0.3 * torch.eye(2)
    conic = torch.linalg.inv(covariance)
    centre = torch.stack([fx * px / pz + c.K[0, 2], fy * py / pz + c.K[1, 2]], 1)
    order = torch.argsort(pz.detach())
    reach = 3.33 * covariance.detach().diagonal(dim1=1, dim2=2).sqrt()
    low, high = (centre.detach() - reach)[order], (centre.detach() + reach)[order]
    rows = []
    for top in range(0, c.height, TILE):
        tiles = []
        for left in range(0, c.width, TILE):
            bottom, right = min(top + TILE, c.height), min(left + TILE, c.width)
            corner, end = torch.tensor([left, top]), torch.tensor([right, bottom])
            ids = order[((high > corner) & (low < end)).all(1)]
            ys, xs = torch.arange(top, bottom) + 0.5, torch.arange(left, right) + 0.5
            d = torch.cartesian_prod(ys, xs).flip(1)[:, None] - centre[ids]
            sigma = 0.5 * torch.einsum("pni,nij,pnj->pn", d, conic[ids], d)
            alpha = (g.opacities[ids] * torch.exp(-sigma)).clamp_max(0.999)
            alpha = torch.where(alpha >= 1 / 255, alpha, 0)
            alpha = torch.where(torch.cumprod(1 - alpha.detach(), 1) > 1e-4, alpha, 0)
            through = torch.cumprod(torch.cat([torch.ones_like(alpha[:, :1]), 1 - alpha], 1), 1)
            tiles.append(((alpha * through[:, :-1]) @ g.colors[ids]).view(bottom - top, right - left, 3))
        rows.append(torch.cat(tiles, 1))
    rgb = torch.cat(rows)
    yield
    rgb.backward(setting.by_rgb)
    yield


def laps(steps: Steps, setting: Setting, clock: Callable[[], float]) -> list[float]:
    """Return the milliseconds of each step."""
    times = [clock()]
    for _ in steps(setting):
        times.append(clock())
    for parameter in setting.parameters:
        parameter.grad = None
    return [1e3 * (after - before) for before, after in itertools.pairwise(times)]


def compare(candidates: dict[str, Steps], setting: Setting, rounds: int, clock: Callable[[], float]) -> None:
    """Alternate between the candidates and print a row for each."""
    times: dict[str, list[list[float]]] = {name: [] for name in candidates}
    for lap in range(rounds + 1):
        for name, steps in candidates.items():
            measured = laps(steps, setting, clock)
            if lap:  # The first one warms up.
                times[name].append(measured)
    forward_ms, backward_ms = (min(column) for column in zip(*times["ours"], strict=True))
    both_ms = min(map(sum, times["ours"]))
    for name, rows in times.items():
        first, second = zip(*rows, strict=True)
        both = [a + b for a, b in rows]
        if name == "fisher":
            ratio = min(second) / backward_ms
            print(f"  {name:10} pass    {show(second)}  ratio to our backward {ratio:5.2f}")
            continue
        print(
            f"  {name:10} forward {show(first)}  ratio {min(first) / forward_ms:6.2f}"
            f"   backward {show(second)}  ratio {min(second) / backward_ms:6.2f}"
            f"   both {show(both)}  ratio {min(both) / both_ms:6.2f}"
        )


def show(times: tuple[float, ...] | list[float]) -> str:
    """Return median and minimum."""
    return f"{statistics.median(times):8.1f} (min {min(times):8.1f}) ms"


def main() -> None:
    """Print one table per size and number of threads."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--sizes", default=SIZES, help="Gaussians:WIDTHxHEIGHT, separated by commas")
    parser.add_argument("--threads", default="1", help="numbers of threads, separated by commas")
    parser.add_argument("--rounds", type=int, default=9)
    parser.add_argument("--degree", type=int, help="of the harmonics; RGB without it")
    parser.add_argument("--clock", choices=("wall", "cpu"), default="wall")
    parser.add_argument("--torch", action="store_true")
    parser.add_argument("--prototype", metavar="DIR")
    options = parser.parse_args()
    if options.degree is not None and (options.torch or options.prototype):
        parser.error("the other candidates render RGB only: leave --degree out")
    clock = time.process_time if options.clock == "cpu" else time.perf_counter
    candidates: dict[str, Steps] = {"ours": ours, "fisher": fisher}
    if options.prototype:
        candidates["prototype"] = prototype(options.prototype)
    if options.torch:
        candidates["torch"] = plain_torch
    print(f"kernels: {native.describe()}; colours: {'RGB' if options.degree is None else options.degree}")
    for size in options.sizes.split(","):
        count, _, image = size.partition(":")
        width, height = map(int, image.split("x"))
        setting = make_setting(int(count), width, height, options.degree)
        for threads in map(int, options.threads.split(",")):
            torch.set_num_threads(threads)
            print(f"{count} Gaussians, {width}x{height}, {threads} thread(s)")
            compare(candidates, setting, options.rounds, clock)


if __name__ == "__main__":
    main()
