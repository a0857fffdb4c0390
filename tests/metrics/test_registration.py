from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from recgen_bench import metrics
from recgen_bench.harness.pair import Pair
from recgen_bench.harness.registration import check_name, resolve
from recgen_bench.harness.score import Scorer
from recgen_bench.metrics import METRICS
from recgen_bench.metrics.images import IMAGES
from recgen_bench.metrics.sets import SETS

IMAGE = np.arange(32 * 32 * 3, dtype=np.uint8).reshape(32, 32, 3)
DEPTH = np.full((32, 32), 3, np.float32)
FREE = tuple(info for info in IMAGES if not info.weights)


def test_the_hook_registers_every_metric_once():
    seen = []
    metrics.register_metrics(seen.append)
    assert tuple(seen) == METRICS
    assert len({info.name for info in seen}) == len(seen)
    for info in seen:
        assert check_name(info.name, "metric") == info.name


def test_registering_imports_no_implementation():
    heavy = "{'cv2', 'torch', 'torchvision', 'scipy', 'lpips', 'pytorch_fid', 'pandas', 'PIL'}"
    code = f"import sys, recgen_bench.metrics; print(*{heavy} & set(sys.modules))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == ""


@pytest.mark.parametrize("info", [*IMAGES, *SETS], ids=lambda info: info.name)
def test_every_target_exists_and_says_what_it_is(info):
    assert resolve(info.target, info.name).__doc__
    assert info.summary.endswith(".")
    assert info.bounds[0] < info.bounds[1]
    assert info.scope == ("image" if info in IMAGES else "scene")


def test_what_this_project_made_up_cannot_pass_for_the_published():
    for info in SETS:
        if "embedded" in info.name:
            assert re.search(r"not (FID|KID)\.$", info.summary)
            assert not info.weights
        elif info.name.startswith(("fid", "kid")):
            assert [weights.name for weights in info.weights] == ["inception-fid"]


def test_weights_are_published_files_with_their_hash_in_their_name():
    for info in (*IMAGES, *SETS):
        for weights in info.weights:
            assert re.fullmatch(r"[0-9a-f]{64}", weights.sha256)
            assert weights.sha256[:8] in weights.file
            assert weights.size > 0


@pytest.mark.parametrize("info", FREE, ids=lambda info: info.name)
def test_a_perfect_image_reaches_the_best_bound(info):
    pair = Pair(IMAGE, IMAGE, DEPTH > 0, prediction_depth=DEPTH, reference_depth=DEPTH)
    best = info.bounds[1] if info.direction == "higher" else info.bounds[0]
    assert Scorer.load([info]).row("view", 0.0, pair).values == {info.name: best}


@pytest.mark.parametrize("info", [info for info in IMAGES if info.weights], ids=lambda info: info.name)
def test_with_weights_too(info, weights):
    metric = resolve(info.target, info.name)(weights, "cpu")
    assert metric(Pair(IMAGE, IMAGE)) == info.bounds[0]
    assert info.bounds[0] < metric(Pair(IMAGE[::-1], IMAGE)) < info.bounds[1]


@pytest.mark.parametrize("info", [*IMAGES, *SETS], ids=lambda info: info.name)
def test_the_page_of_definitions_names_it(info):
    page = (Path(__file__).parents[2] / "docs/metrics.md").read_text()
    family, _, variant = info.name.partition("/")
    # Variants of a family share a row: `avge_image/alex`, `/vgg`, or `fid_ucr/...`.
    (row, *_) = [line for line in page.splitlines() if line.startswith("|") and f"`{family}" in line]
    assert f"`{info.name}`" in page or f"/{variant}`" in row or f"`{family}/...`" in row


def test_depth_metrics_are_left_out_without_depth():
    scorer = Scorer.load(FREE)
    assert scorer.needs_depth
    row = scorer.row("view", 0.0, Pair(IMAGE, IMAGE))
    assert set(row.values) == {info.name for info in FREE if not info.needs}
    assert "psnr" in row.values


def test_masked_metrics_are_left_out_without_a_pixel():
    scorer = Scorer.load(FREE)
    other = IMAGE[::-1]
    nothing = np.zeros((32, 32), np.bool_)
    assert scorer.row("v", 0.0, Pair(other, IMAGE, mask=nothing)) == scorer.row("v", 0.0, Pair(other, IMAGE))


def test_a_mask_changes_only_the_metrics_that_name_a_policy():
    scorer = Scorer.load(FREE)
    other = IMAGE[::-1]
    half = np.zeros((32, 32), np.bool_)
    half[:16] = True
    masked = scorer.row("v", 0.0, Pair(other, IMAGE, mask=half)).values
    plain = scorer.row("v", 0.0, Pair(other, IMAGE)).values
    assert {name: masked[name] for name in plain} == plain
    assert set(masked) - set(plain) == {info.name for info in FREE if "_masked/" in info.name}
