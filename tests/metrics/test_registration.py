from __future__ import annotations

import subprocess
import sys

import numpy as np
import pytest

from recgen_bench import metrics
from recgen_bench.harness.pair import Pair
from recgen_bench.harness.registration import check_name
from recgen_bench.harness.score import Scorer
from recgen_bench.metrics import METRICS

IMAGE = np.arange(32 * 32 * 3, dtype=np.uint8).reshape(32, 32, 3)
DEPTH = np.full((32, 32), 3, np.float32)


def test_the_hook_registers_every_metric_once():
    seen = []
    metrics.register_metrics(seen.append)
    assert tuple(seen) == METRICS
    assert len({info.name for info in seen}) == len(seen)
    for info in seen:
        assert check_name(info.name, "metric") == info.name


def test_registering_imports_no_implementation():
    code = "import sys, recgen_bench.metrics; print(*{'cv2', 'torch', 'pandas', 'PIL'} & set(sys.modules))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == ""


@pytest.mark.parametrize("info", METRICS, ids=lambda info: info.name)
def test_a_perfect_image_reaches_the_best_bound(info):
    pair = Pair(IMAGE, IMAGE, DEPTH > 0, prediction_depth=DEPTH, reference_depth=DEPTH)
    best = info.bounds[1] if info.direction == "higher" else info.bounds[0]
    assert Scorer.load([info]).row("view", 0.0, pair).values == {info.name: best}


def test_depth_metrics_are_left_out_without_depth():
    scorer = Scorer.load(METRICS)
    assert scorer.needs_depth
    row = scorer.row("view", 0.0, Pair(IMAGE, IMAGE))
    assert set(row.values) == {"psnr", "ssim", "ssim_3dgs", "ssim_uniform7"}


def test_the_mask_changes_nothing():
    other = IMAGE[::-1]
    mask = np.zeros((32, 32), np.bool_)
    scorer = Scorer.load(METRICS)
    assert scorer.row("v", 0.0, Pair(other, IMAGE, mask=mask)) == scorer.row("v", 0.0, Pair(other, IMAGE))
