import shutil
import time
from fractions import Fraction
from pathlib import Path

import numpy as np
import pytest

from recgen_bench.datasets.formats.colmap import read_sparse
from recgen_bench.datasets.formats.poses_bounds import read_poses_bounds
from recgen_bench.datasets.llff import Llff
from recgen_bench.harness import protocol
from recgen_bench.harness.dataset import Request
from recgen_bench.harness.errors import DataError
from recgen_bench.harness.protocol import Resolution, load_protocols
from recgen_bench.harness.split import divide

PROTOCOLS = Path(protocol.__file__).parent / "protocols"


def scene(root, writer):
    writer.llff(root)
    writer.pictures(root / "images")
    return root


def test_rows_follow_the_text_order(tmp_path, writer):
    writer.names = ["10.png", "9.png", "1.png", "2.png", "30.png", "3.png"]
    writer.colmap(scene(tmp_path, writer))
    capture = Llff().open(Request(None, tmp_path))
    assert [view.name for view in capture.views] == ["1", "10", "2", "3", "30", "9"]
    for view in capture.views:
        index = writer.names.index(f"{view.name}.png")
        np.testing.assert_allclose(view.camera.c2w, writer.poses[index], atol=1e-14)
        assert np.array_equal(view.image, writer.picture(tmp_path / "x.png", index))
    assert np.array_equal(capture.points.xyz, writer.xyz)
    assert capture.notes == ("poses_bounds.npy gives depths from 0.5000 to 9.0000; they are not used.",)


def test_without_a_sparse_model_there_are_no_points(tmp_path, writer):
    capture = Llff().open(Request(None, scene(tmp_path, writer)))
    assert len(capture.points) == 0
    assert "no sparse/0/" in capture.notes[0]


def test_points_of_another_reconstruction_are_left_out(tmp_path, writer):
    scene(tmp_path, writer)
    writer.poses[:, :3, 3] *= 2
    writer.colmap(tmp_path)
    capture = Llff().open(Request(None, tmp_path))
    assert len(capture.points) == 0
    assert "other camera positions" in capture.notes[0]


@pytest.mark.parametrize("change", [-1, 1])
def test_counts_must_agree(tmp_path, writer, change):
    scene(tmp_path, writer)
    if change > 0:
        writer.picture(tmp_path / "images" / "more.png")
    else:
        (tmp_path / "images" / "3.png").unlink()
    with pytest.raises(DataError, match="number of images is not the number of poses") as caught:
        Llff().open(Request(None, tmp_path))
    assert f"{6 + change} images in images/" in str(caught.value)
    assert "6, one per row" in str(caught.value)


def test_shrunk_images_of_other_names(tmp_path, writer):
    scene(tmp_path, writer)
    writer.pictures(tmp_path / "images_2", 2, "image{:03d}.png")
    view = Llff().open(Request(None, tmp_path, Resolution(downscale=2))).views[3]
    assert view.name == "4"
    assert view.source.endswith("image003.png")
    np.testing.assert_allclose(view.camera.K, [[15, 0, 8], [0, 15, 6], [0, 0, 1]])
    shutil.rmtree(tmp_path / "images")
    view = Llff().open(Request(None, tmp_path, Resolution(downscale=2))).views[3]
    assert view.name == "image003"
    assert view.image.shape == (12, 16, 3)


def test_a_folder_without_images_is_explained(tmp_path, writer):
    writer.llff(tmp_path)
    with pytest.raises(DataError, match="no images"):
        Llff().open(Request(None, tmp_path))


def test_bad_rows_name_the_row(tmp_path, writer):
    table = writer.llff(scene(tmp_path, writer))
    table[2, 7] = np.nan
    np.save(tmp_path / "poses_bounds.npy", table)
    with pytest.raises(DataError, match="NaN") as caught:
        Llff().open(Request(None, tmp_path))
    assert "poses_bounds.npy, row 2" in str(caught.value)


def test_a_thousand_frames_open_fast(tmp_path, many):
    many.colmap(scene(tmp_path, many))
    start = time.process_time()
    assert len(Llff().open(Request(None, tmp_path)).views) == 1000
    assert time.process_time() - start < 1


def test_a_real_capture(shared):
    root = shared / "samples" / "llff_capture"
    rows = read_poses_bounds(root / "poses_bounds.npy")
    assert len(rows) == 77
    assert (rows[0].lens.height, rows[0].lens.width) == (600, 800)
    assert rows[0].lens.fx == pytest.approx(589.027124, abs=1e-6)
    assert min(row.near for row in rows) == pytest.approx(1.9364, abs=5e-5)
    assert max(row.far for row in rows) == pytest.approx(21.3398, abs=5e-5)
    model = read_sparse(root / "sparse" / "0")
    # One camera per image, all of one kind; the table holds the first one's focal length in every row.
    kinds = {(camera.model, camera.width, camera.height) for camera in model.cameras}
    assert kinds == {("SIMPLE_PINHOLE", 800, 600)}
    assert model.cameras[0].params[0] == rows[5].lens.fx
    for row, image in zip(rows, model.images, strict=True):
        assert np.abs(row.c2w - image.c2w).max() < 1e-14
        assert np.abs(row.c2w[:3, :3] - image.c2w[:3, :3]).max() < 2e-15
    capture = Llff().open(Request("llff_capture", shared / "samples"))
    assert len(capture.points) == 9262
    assert [view.name for view in capture.views[:4]] == ["1", "10", "11", "12"]
    assert len(capture.views[::8]) == 10
    pool = [view.name for index, view in enumerate(capture.views) if index % 8]
    chosen = [pool[round(at)] for at in np.linspace(0, len(pool) - 1, 3)]
    assert chosen == ["10", "45", "9"]
    assert capture.views[0].image.shape == (600, 800, 3)
    quarter = Llff().open(Request("llff_capture", shared / "samples", Resolution(downscale=4))).views[0]
    assert "images_4" in quarter.source
    assert quarter.image.shape == (150, 200, 3)


# Views of the eight scenes and how many are tested, as IPSM's Table 4 counts them.
COUNTS = {
    "fern": (20, 3),
    "flower": (34, 5),
    "fortress": (42, 6),
    "horns": (62, 8),
    "leaves": (26, 4),
    "orchids": (25, 4),
    "room": (41, 6),
    "trex": (55, 7),
}


@pytest.mark.parametrize("views", [3, 6, 9])
@pytest.mark.parametrize("name", COUNTS)
def test_the_published_protocols(tmp_path, writer, name, views):
    (published,) = load_protocols(PROTOCOLS / f"llff-{views}view.toml")
    assert {entry.id for entry in published.scenes} == set(COUNTS)
    assert published.resolution.downscale == 8
    count, tested = COUNTS[name]
    poses = list(writer.poses[np.arange(count) % 6])
    writer.poses, writer.names = np.array(poses), [f"IMG_{index:04d}.png" for index in range(count)]
    scene(tmp_path / name, writer)
    capture = Llff().open(Request(name, tmp_path, published.resolution))
    divided, _ = divide(capture, published, None)
    assert [view.camera.frame for view in divided.test] == list(range(0, count, 8))
    assert len(divided.test) == tested
    pool = [index for index in range(count) if index % 8]
    places = [Fraction(index * (len(pool) - 1), views - 1) for index in range(views)]
    assert [view.camera.frame for view in divided.train] == [pool[round(place)] for place in places]
