"""`recgen-bench export --eig`: for a cell, and for any PLY with cameras."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import numpy as np
import pytest
import torch

from recgen_bench.harness.gain import GainView
from recgen_bench.harness.images import read_rgb8, write_png
from recgen_bench.harness.record import find_records
from recgen_bench.methods.splats.eig import EMPTY
from recgen_bench.methods.splats.gaussians import Gaussians
from recgen_bench.methods.splats.ply import write_ply

WIDTH, HEIGHT = 48, 32


@pytest.fixture
def ply(tmp_path) -> Path:
    random = torch.Generator().manual_seed(0)
    count = 300
    gaussians = Gaussians(
        means=torch.rand(count, 3, generator=random) * 2 - 1,
        quats=torch.randn(count, 4, generator=random),
        scales=torch.full((count, 3), -2.0),
        opacities=torch.randn(count, generator=random),
        sh0=torch.randn(count, 1, 3, generator=random),
        shN=0.3 * torch.randn(count, 3, 3, generator=random),
    )
    path = tmp_path / "scene.ply"
    write_ply(path, gaussians)
    return path


def capture(folder: Path, angles: list[float]) -> Path:
    """Write images and a transforms.json whose cameras look at the origin from a circle of radius 4."""
    frames = []
    for index, angle in enumerate(angles):
        back = np.array([np.cos(angle), np.sin(angle), 0.0])  # The file's axes: x right, y up, z back.
        right = np.array([-back[1], back[0], 0.0])
        pose = np.eye(4)
        pose[:3, :3] = np.stack([right, [0, 0, 1], back], 1)
        pose[:3, 3] = 4 * back
        write_png(folder / "images" / f"{index}.png", np.full((HEIGHT, WIDTH, 3), 90, np.uint8))
        frames.append({"file_path": f"images/{index}.png", "transform_matrix": pose.tolist()})
    intrinsics = {"fl_x": 60.0, "fl_y": 60.0, "cx": WIDTH / 2, "cy": HEIGHT / 2, "w": WIDTH, "h": HEIGHT}
    (folder / "transforms.json").write_text(json.dumps({**intrinsics, "frames": frames}))
    return folder


def read(path: Path) -> np.ndarray:
    with np.load(path, allow_pickle=False) as stored:
        return stored["eig"]


@pytest.mark.parametrize("semantics", ["exact", "fisherrf"])
def test_a_ply_and_cameras(recgen, tmp_path, ply, semantics):
    known = capture(tmp_path / "known", [0.0, 0.1, 0.2])
    targets = capture(tmp_path / "new", [0.1, 2.0])
    out = tmp_path / "maps"
    command = ("export", "--model", ply, "--cameras", known, "--targets", targets, "--eig", out)
    outcome = recgen(*command, "--semantics", semantics)
    assert (outcome.status, outcome.out) == (0, f"{out}\n"), outcome.err
    assert sorted(p.name for p in out.iterdir()) == ["0.eig.npz", "0.eig.png", "1.eig.npz", "1.eig.png"]
    seen, unseen = read(out / "0.eig.npz"), read(out / "1.eig.npz")
    assert seen.dtype == np.float32
    assert seen.shape == (HEIGHT, WIDTH)
    assert np.isfinite(seen).all()
    assert (seen == EMPTY).any()
    assert np.median(unseen[unseen != EMPTY]) > 2 * np.median(seen[seen != EMPTY])
    assert read_rgb8(out / "0.eig.png").shape == (5 * HEIGHT + 26, 5 * WIDTH, 3)  # Enlarged, and the scale.


def test_without_targets_the_training_views_are_mapped(recgen, tmp_path, ply):
    known = capture(tmp_path / "known", [0.0, 0.1, 0.2])
    file = known / "transforms.json"
    outcome = recgen("export", "--model", ply, "--cameras", file, "--eig", tmp_path / "maps")
    assert outcome.status == 0, outcome.err
    assert len(list((tmp_path / "maps").glob("*.npz"))) == 3


def test_two_runs_write_the_same_bytes(recgen, tmp_path, ply):
    known = capture(tmp_path / "known", [0.0, 0.1])
    for name in ("a", "b"):
        recgen("export", "--model", ply, "--cameras", known, "--eig", tmp_path / name)
    for path in (tmp_path / "a").iterdir():
        assert path.read_bytes() == (tmp_path / "b" / path.name).read_bytes()


def test_what_is_missing_is_named(recgen, tmp_path, ply):
    known = capture(tmp_path / "known", [0.0, 0.1])
    eig = ("--eig", tmp_path / "maps")
    cases = {
        ("--model", ply, *eig): "a PLY of your own",
        ("--cameras", known, *eig): "a PLY of your own",
        (known, "--model", ply, "--cameras", known, *eig): "a PLY of your own",
        ("--model", ply, "--cameras", tmp_path / "nowhere", *eig): "there are no cameras",
        ("--model", tmp_path / "no.ply", "--cameras", known, *eig): "no.ply: cannot be read",
        eig: "there is no cell to export",
        (): "nothing to export",
    }
    for arguments, message in cases.items():
        outcome = recgen("export", *arguments)
        assert outcome.status == 2, arguments
        assert message in outcome.err, outcome.err
    assert not (tmp_path / "maps").exists()


def test_a_capture_without_views(recgen, tmp_path, ply):
    known = capture(tmp_path / "known", [0.0])
    (known / "transforms.json").write_text(json.dumps({"fl_x": 60.0, "w": WIDTH, "h": HEIGHT, "frames": []}))
    outcome = recgen("export", "--model", ply, "--cameras", known, "--eig", tmp_path / "maps")
    assert outcome.status == 2
    assert "transforms.json" in outcome.err


def test_cameras_that_see_nothing(recgen, tmp_path, ply):
    """Views that tell nothing are no information: an error, not a map of noise."""
    known = capture(tmp_path / "known", [0.0, 0.1])
    text = json.loads((known / "transforms.json").read_text())
    for frame in text["frames"]:
        frame["transform_matrix"][0][3] -= 1000
    (known / "transforms.json").write_text(json.dumps(text))
    outcome = recgen("export", "--model", ply, "--cameras", known, "--eig", tmp_path / "maps")
    assert outcome.status == 2
    assert "the known views show none of the Gaussians" in outcome.err


def test_numbers_that_are_not_finite(recgen, tmp_path, ply):
    known = capture(tmp_path / "known", [0.0, 0.1])
    content = bytearray(ply.read_bytes())
    content[-4:] = np.float32(np.nan).tobytes()
    broken = tmp_path / "broken.ply"
    broken.write_bytes(content)
    outcome = recgen("export", "--model", broken, "--cameras", known, "--eig", tmp_path / "maps")
    assert outcome.status == 2
    assert "broken.ply" in outcome.err


@pytest.fixture
def cell(recgen, with_toy, tmp_path) -> Path:
    command = ("run", *with_toy, "--method", "toy", "--dataset", "toy", "--scene", "0", "--set", "steps=3")
    assert recgen(*command, "--shift", "1m", "--out", tmp_path / "out").status == 0
    ((path, _),) = find_records(tmp_path / "out")
    return path.parent


def test_a_method_without_maps(recgen, with_toy, cell, tmp_path):
    outcome = recgen("export", *with_toy, cell, "--eig", tmp_path / "maps")
    assert outcome.status == 2
    assert "no maps of information gain" in outcome.err


def test_a_cell_whose_method_has_maps(recgen, with_toy, cell, tmp_path, monkeypatch):
    import recgen_bench.harness.method as contract

    asked = []

    # The toy inherits from Method, which stands in for a method that has the optional member.
    def eig(self, model, known, cameras, semantics):
        asked.append((len(known), semantics))
        for camera in cameras:
            size = (camera.height, camera.width)
            yield GainView(np.zeros((*size, 3)), np.ones(size, np.float32), np.zeros(size, bool), 0.5)

    monkeypatch.setattr(contract.Method, "eig", eig, raising=False)
    out = tmp_path / "maps"
    outcome = recgen("export", *with_toy, cell, "--eig", out, "--semantics", "fisherrf")
    assert (outcome.status, outcome.out) == (0, f"{out}\n"), outcome.err
    frames = {p.stem for p in (cell / "frames").glob("*.png")}
    assert {p.name.removesuffix(".eig.npz") for p in out.glob("*.npz")} == frames
    assert asked[0][0] > 0
    assert asked[0][1] == "fisherrf"


def test_a_gain_that_is_not_finite_writes_nothing(recgen, with_toy, cell, tmp_path, monkeypatch):
    import recgen_bench.harness.method as contract

    def eig(self, model, known, cameras, semantics):
        for camera in cameras:
            size = (camera.height, camera.width)
            yield GainView(np.zeros((*size, 3)), np.full(size, np.nan), np.zeros(size, bool), 0.5)

    monkeypatch.setattr(contract.Method, "eig", eig, raising=False)
    outcome = recgen("export", *with_toy, cell, "--eig", tmp_path / "maps")
    assert outcome.status == 2
    assert "not finite" in outcome.err
    shutil.rmtree(tmp_path / "out")
    assert not list(tmp_path.rglob("*.eig.*"))
