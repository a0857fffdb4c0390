"""Time `recgen-bench score` on a folder of images against the usual separate scripts, one after the other.

Run with `python benchmarks/score.py [IMAGES]` (320 by default). Both sides compute PSNR, three kinds of SSIM
and the FID of IMAGES predictions at 640x960, from the same PNG files, with the same randomly initialised
Inception (pytorch-fid's architecture), on two threads. The usual side is one process per metric:
scikit-image's PSNR, torchmetrics' SSIM, the convolution of the 3DGS release, scikit-image's SSIM, and
pytorch-fid's loop with scipy's square root of a matrix. Ours is timed with an empty cache, for a second
method on the same references, and again on the unchanged folder. Peak memory is that of each process; ours is
also taken at a quarter of the images, to see whether it grows with their number.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

HEIGHT, WIDTH, THREADS = 640, 960, "2"
OURS = "psnr,ssim,ssim_3dgs,ssim_uniform7,fid/pytorch-fid"


@dataclass(frozen=True, slots=True)
class Spent:
    """What one process cost: seconds on the clock and on all processors, peak resident MiB."""

    wall_s: float
    cpu_s: float
    peak_mib: float


def make_images(folder: Path, count: int) -> None:
    """Write references, and two sets of noisy copies of them."""
    import cv2

    for name in ("gt", "one", "two"):
        (folder / name).mkdir()
    for i in range(count):
        rng = np.random.default_rng(i)
        coarse = rng.uniform(0, 255, (40, 60, 3)).astype(np.float32)
        image = np.clip(cv2.resize(coarse, (WIDTH, HEIGHT), interpolation=cv2.INTER_CUBIC), 0, 255)
        cv2.imwrite(str(folder / "gt" / f"{i:04d}.png"), image.astype(np.uint8))
        for name, level in (("one", 10), ("two", 20)):
            noise = rng.normal(0, level, (HEIGHT // 4, WIDTH // 4, 3)).astype(np.float32)
            noisy = np.clip(image + cv2.resize(noise, (WIDTH, HEIGHT)), 0, 255)
            cv2.imwrite(str(folder / name / f"{i:04d}.png"), noisy.astype(np.uint8))


def make_weights(path: Path) -> None:
    """Write Inception with random weights; the scales keep activations finite through all layers."""
    import torch

    from recgen_bench.metrics.inception import architecture

    network = architecture().to_empty(device="cpu")
    generator = torch.Generator().manual_seed(0)
    for name, tensor in network.state_dict().items():
        if tensor.dim() == 4:
            tensor.normal_(0, (2 / tensor[0].numel()) ** 0.5, generator=generator)
        elif name.endswith(("running_var", "bn.weight")):
            tensor.fill_(1)
        elif tensor.is_floating_point():
            tensor.zero_()
        else:
            tensor.fill_(0)
    torch.save(network.state_dict(), path)


def timed(*command: object, cache: Path | None = None) -> tuple[Spent, str]:
    """Run a process and return what it cost and what it printed."""
    environment = {**os.environ, "OMP_NUM_THREADS": THREADS, "RECGEN_PLUGINS": ""}
    if cache:
        environment["RECGEN_CACHE"] = str(cache)
    start = time.perf_counter()
    process = subprocess.Popen(list(map(str, command)), env=environment, stdout=subprocess.PIPE, text=True)
    assert process.stdout is not None
    printed = process.stdout.read()
    _, status, usage = os.wait4(process.pid, 0)
    process.returncode = os.waitstatus_to_exitcode(status)
    if process.returncode:
        raise SystemExit(f"{command} failed")
    wall = time.perf_counter() - start
    cpu = usage.ru_utime + usage.ru_stime
    return Spent(wall, cpu, usage.ru_maxrss / 1024), printed


def pairs(folder: Path) -> Iterator[tuple[Any, Any]]:
    """Yield the images of a folder with their references, as every script's first lines do."""
    from PIL import Image

    for path in sorted((folder / "one").glob("*.png")):
        yield np.asarray(Image.open(path)), np.asarray(Image.open(folder / "gt" / path.name))


def script_psnr(folder: Path) -> float:
    """Return the mean PSNR, scikit-image."""
    import skimage.metrics

    metric: Any = skimage.metrics.peak_signal_noise_ratio
    return float(np.mean([metric(gt, one) for one, gt in pairs(folder)]))


def script_ssim_uniform7(folder: Path) -> float:
    """Return the mean SSIM, scikit-image's default."""
    import skimage.metrics

    metric: Any = skimage.metrics.structural_similarity
    return float(np.mean([metric(gt, one, channel_axis=2) for one, gt in pairs(folder)]))


def script_ssim(folder: Path) -> float:
    """Return the mean SSIM of torchmetrics."""
    import torch
    import torchmetrics.functional.image

    metric: Any = torchmetrics.functional.image.structural_similarity_index_measure
    values = []
    for one, gt in pairs(folder):
        x, y = (torch.from_numpy(image.copy()).permute(2, 0, 1)[None].float() / 255 for image in (one, gt))
        values.append(float(metric(x, y, data_range=1.0)))
    return float(np.mean(values))


def script_ssim_3dgs(folder: Path) -> float:
    """Return the mean SSIM with one dense 11x11 convolution per moment and zeros beyond the border."""
    import torch
    from torch.nn.functional import conv2d

    line = torch.exp(-((torch.arange(11) - 5.0) ** 2) / 4.5)
    line = line / line.sum()
    window = (line[:, None] * line).expand(3, 1, 11, 11).contiguous()
    values = []
    for one, gt in pairs(folder):
        x, y = (torch.from_numpy(image.copy()).permute(2, 0, 1)[None].float() / 255 for image in (one, gt))
        mx, my, xx, yy, xy = (conv2d(m, window, padding=5, groups=3) for m in (x, y, x * x, y * y, x * y))
        top = (2 * mx * my + 1e-4) * (2 * (xy - mx * my) + 9e-4)
        values.append(
            float((top / ((mx * mx + my * my + 1e-4) * (xx - mx * mx + yy - my * my + 9e-4))).mean())
        )
    return float(np.mean(values))


def script_fid(folder: Path) -> float:
    """Return FID by pytorch-fid's own loop and formula, with the random network in place of its download."""
    from unittest import mock

    import torch
    from pytorch_fid import fid_score, inception

    from recgen_bench.metrics.inception import architecture

    network: Any = architecture()
    network.load_state_dict(torch.load(folder / "inception.pth", weights_only=True), assign=True)
    with mock.patch.object(inception, "fid_inception_v3", return_value=network):
        model = inception.InceptionV3([inception.InceptionV3.BLOCK_INDEX_BY_DIM[2048]])
    files = [[str(path) for path in sorted((folder / name).glob("*.png"))] for name in ("one", "gt")]
    stats = [fid_score.calculate_activation_statistics(each, model, 50, 2048, "cpu", 1) for each in files]
    return float(fid_score.calculate_frechet_distance(*stats[0], *stats[1]))


SCRIPTS: dict[str, Callable[[Path], float]] = {
    "psnr": script_psnr,
    "ssim": script_ssim,
    "ssim_3dgs": script_ssim_3dgs,
    "ssim_uniform7": script_ssim_uniform7,
    "fid/pytorch-fid": script_fid,
}


def ours(folder: Path, name: str, cache: Path) -> tuple[Spent, dict[str, float]]:
    """Score a folder in a process of its own."""
    out = Path(tempfile.mkdtemp(dir=folder))
    command = [Path(sys.executable).with_name("recgen-bench"), "score", folder / name]
    command += ["--reference", folder / "gt", "--metrics", OURS, "--threads", THREADS, "--device", "cpu"]
    command += ["--weights", f"inception-fid={folder / 'inception.pth'}", "--out", out]
    spent, _ = timed(*command, cache=cache)
    return spent, json.loads((out / "record.json").read_text())["summary"]


def show(name: str, spent: Spent, remark: str = "") -> None:
    """Print one line of the table."""
    print(f"{name:<34}{spent.wall_s:>9.1f}{spent.cpu_s:>9.1f}{spent.peak_mib:>10.0f}  {remark}", flush=True)


def main(count: int) -> None:
    """Print a line per process, and how much faster ours is."""
    with tempfile.TemporaryDirectory() as place:
        folder, small = Path(place) / "all", Path(place) / "quarter"
        for each, images in ((folder, count), (small, max(count // 4, 2))):
            each.mkdir()
            make_images(each, images)
            make_weights(each / "inception.pth")
        print(f"{count} pairs of {WIDTH}x{HEIGHT}, {THREADS} threads")
        print(f"{'':<34}{'wall s':>9}{'cpu s':>9}{'peak MiB':>10}")
        usual = []
        for name in SCRIPTS:
            spent, printed = timed(sys.executable, __file__, "script", name, folder)
            usual.append(spent)
            show(f"script {name}", spent, printed.strip())
        total = Spent(
            *(
                f(getattr(s, k) for s in usual)
                for f, k in ((sum, "wall_s"), (sum, "cpu_s"), (max, "peak_mib"))
            )
        )
        show("scripts, one after the other", total)
        quarter, _ = ours(small, "one", Path(place) / "c0")
        first, values = ours(folder, "one", Path(place) / "c1")
        second, _ = ours(folder, "two", Path(place) / "c1")
        again, _ = ours(folder, "one", Path(place) / "c1")
        show("score, a quarter of the images", quarter)
        for name, spent in (
            ("score, empty cache", first),
            ("score, same references", second),
            ("score, unchanged", again),
        ):
            show(name, spent, f"{total.wall_s / spent.wall_s:.1f} times faster")
        print(f"ours: {', '.join(f'{name} {value!r}' for name, value in values.items())}")


if __name__ == "__main__":
    if sys.argv[1:2] == ["script"]:
        print(SCRIPTS[sys.argv[2]](Path(sys.argv[3])))
    else:
        main(int(sys.argv[1]) if len(sys.argv) > 1 else 320)
