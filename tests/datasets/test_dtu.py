"""DTU: one scan written in all layouts gives the same cameras; masks count where they are exactly white."""

from __future__ import annotations

import time
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from recgen_bench.datasets.dtu import Dtu
from recgen_bench.datasets.formats.mvsnet_cam import read_mvsnet_cam
from recgen_bench.datasets.formats.npy import read_npz
from recgen_bench.datasets.formats.projection import decompose
from recgen_bench.harness import protocol
from recgen_bench.harness.dataset import Request
from recgen_bench.harness.errors import DataError, ProtocolError
from recgen_bench.harness.protocol import Resolution, load_protocols
from recgen_bench.harness.scene import invert_rigid
from recgen_bench.harness.split import divide

K = np.array([[2892.33, 0, 823.2], [0, 2883.18, 619.07], [0, 0, 1]])
SIZE = (160, 120)
TEXT = b"0123456789-+e. \nnaif\xff"


class Scan:
    """Five views of a scan, 600 mm from the origin, pictures at a tenth of their size."""

    def __init__(self, writer, count=5):
        self.writer = writer
        self.poses = [pose.copy() for pose in writer.poses[:count]]
        for pose in self.poses:
            pose[:3, 3] *= 600
        self.matrices = [K @ invert_rigid(pose)[:3] for pose in self.poses]

    def raw(self, root, scan="scan24"):
        folder = root / "Rectified" / scan
        calibration = root / "Calibration" / "cal18"
        calibration.mkdir(parents=True, exist_ok=True)
        for index, matrix in enumerate(self.matrices):
            self.writer.picture(folder / f"rect_{index + 1:03d}_3_r5000.png", index, SIZE)
            self.writer.picture(folder / f"rect_{index + 1:03d}_max.png", 99, SIZE)
            self.writer.picture(folder / f"rect_{index + 1:03d}_0_r5000.png", 98, SIZE)
            np.savetxt(calibration / f"pos_{index + 1:03d}.txt", matrix, fmt="%.12g")
        return root

    def idr(self, folder, name="cameras_sphere.npz", scale=True, images="image"):
        arrays = {}
        for index, matrix in enumerate(self.matrices):
            self.writer.picture(folder / images / f"{index:06d}.png", index, SIZE)
            arrays[f"world_mat_{index}"] = np.vstack([matrix, [0, 0, 0, 1]])
            arrays[f"world_mat_inv_{index}"] = np.linalg.inv(arrays[f"world_mat_{index}"])
            if scale:
                arrays[f"scale_mat_{index}"] = np.diag([231.0, 231, 231, 1])
        np.savez(folder / name, **arrays)
        return folder

    def mvsnet(self, folder, pictures="images", cams="cams", factor=0.1, raw_names=False):
        (folder / cams).mkdir(parents=True)
        for index, pose in enumerate(self.poses):
            name = f"rect_{index + 1:03d}_3_r5000.png" if raw_names else f"{index:08d}.png"
            self.writer.picture(folder / pictures / name, index, SIZE)
            (folder / cams / f"{index:08d}_cam.txt").write_text(self.cam(pose, factor))
        return folder

    @staticmethod
    def cam(pose, factor=0.1):
        def rows(matrix):
            return "\n".join(" ".join(map(repr, row)) for row in matrix.tolist())

        scaled = K * [[factor], [factor], [1]]
        return f"extrinsic\n{rows(invert_rigid(pose))}\n\nintrinsic\n{rows(scaled)}\n\n425.0 2.5\n"


@pytest.fixture
def scan(writer):
    return Scan(writer)


def mask(path, pixels):
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(pixels).save(path)


def layouts(scan, root):
    """Write every layout, and yield the user's folder and the scan's name in it."""
    yield scan.raw(root / "raw"), "scan24"
    yield scan.idr(root / "idr" / "scan24").parent, "scan24"
    yield scan.idr(root / "neus" / "dtu_scan24", images="images", scale=False), "scan24"
    yield scan.idr(root / "volsdf" / "scan24", "cameras.npz"), "scan24"
    yield scan.mvsnet(root / "mvsnet" / "scan24").parent, "scan24"
    (root / "train" / "Rectified").mkdir(parents=True)
    scan.mvsnet(root / "train", "Rectified/scan24_train", "Cameras/train", 0.025, raw_names=True)
    yield root / "train", "scan24"


def test_all_layouts_give_the_same_cameras(tmp_path, scan):
    opened = [Dtu().open(Request(name, source)) for source, name in layouts(scan, tmp_path)]
    assert len(opened) == 6
    for capture in opened:
        assert (capture.dataset, capture.id) == ("dtu", "scan24")
        assert [view.name for view in capture.views] == [f"{index:06d}" for index in range(5)]
        for view, pose in zip(capture.views, scan.poses, strict=True):
            metres = pose.copy()
            metres[:3, 3] /= 1000
            np.testing.assert_allclose(view.camera.c2w, metres, atol=1e-7)
            np.testing.assert_allclose(view.camera.K, K * [[0.1], [0.1], [1]], atol=1e-4)
            index = int(view.name)
            assert np.array_equal(view.image, scan.writer.picture(tmp_path / "x.png", index, SIZE))
        assert capture.world.unit == "metre"
        back = capture.world.to_source @ [*capture.views[1].camera.centre, 1]
        np.testing.assert_allclose(back[:3], scan.poses[1][:3, 3], atol=1e-4)


def test_every_layout_is_listed(tmp_path, scan):
    for source, name in layouts(scan, tmp_path):
        assert Dtu().scenes(source) == (name,)
    scan.raw(tmp_path / "raw", "scan105")
    assert Dtu().scenes(tmp_path / "raw" / "Rectified") == ("scan105", "scan24")
    assert Dtu().open(Request(None, tmp_path / "raw" / "Rectified" / "scan105")).id == "scan105"
    with pytest.raises(DataError, match="no such scene") as caught:
        Dtu().open(Request("scan106", tmp_path / "raw"))
    assert "did you mean scan105" in str(caught.value)


def test_other_folders_are_explained(tmp_path, writer):
    writer.pictures(tmp_path / "photos")
    with pytest.raises(DataError, match="no scene of this data set") as caught:
        Dtu().scenes(tmp_path)
    assert "photos" in str(caught.value)
    assert "Calibration/cal18" in str(caught.value)


@pytest.mark.parametrize("nested", ["", "mask"])
@pytest.mark.parametrize("place", ["idrmasks", "submission_data/idrmasks"])
def test_masks_count_where_they_are_exactly_white(tmp_path, scan, nested, place):
    scan.raw(tmp_path)
    pixels = np.full((120, 160, 3), 255, np.uint8)
    pixels[:, 80:] = 254
    pixels[:, 100:] = 0
    for index in range(5):
        mask(tmp_path / place / "scan24" / nested / f"{index:03d}.png", pixels)
    view = Dtu().open(Request("scan24", tmp_path)).views[2]
    assert np.array_equal(view.mask, np.arange(160)[None] < np.full((120, 1), 80))


def test_masks_of_another_size_are_looked_up_at_the_nearest_pixel(tmp_path, scan):
    scan.idr(tmp_path / "scan24")
    rng = np.random.default_rng(0)
    small = (rng.integers(0, 2, (30, 40)) * 255).astype(np.uint8)
    large = np.repeat(np.repeat(small, 16, axis=0), 16, axis=1)
    for index in range(5):
        mask(tmp_path / "scan24" / "mask" / f"{index:03d}.png", large if index % 2 else small)
    for resolution, size in ((Resolution(), SIZE), (Resolution(downscale=4), (40, 30))):
        views = Dtu().open(Request(None, tmp_path, resolution)).views
        zoom = size[0] // 40
        expected = np.repeat(np.repeat(small == 255, zoom, axis=0), zoom, axis=1)
        for view in views:
            assert np.array_equal(view.mask, expected)


def test_shrunk_masks_are_those_of_the_pixel_at_the_centre(tmp_path, scan):
    scan.idr(tmp_path / "scan24")
    pixels = np.full((120, 160), 255, np.uint8)
    pixels[4, 8] = 0  # A corner of the target pixel (1, 2), which still counts.
    pixels[14, 22] = 0  # The centre of the target pixel (3, 5).
    for index in range(5):
        mask(tmp_path / "scan24" / "mask" / f"{index:03d}.png", pixels)
    view = Dtu().open(Request(None, tmp_path, Resolution(downscale=4))).views[0]
    assert np.argwhere(~view.mask).tolist() == [[3, 5]]


def test_masks_of_another_shape_are_refused(tmp_path, scan):
    scan.idr(tmp_path / "scan24")
    mask(tmp_path / "scan24" / "mask" / "003.png", np.zeros((160, 120), np.uint8))
    with pytest.raises(DataError, match="mask has another aspect ratio") as caught:
        Dtu().open(Request(None, tmp_path))
    assert "003.png" in str(caught.value)


def test_views_without_mask_are_noted(tmp_path, scan):
    scan.idr(tmp_path / "scan24")
    for index in (0, 1, 4):
        mask(tmp_path / "scan24" / "mask" / f"{index:03d}.png", np.zeros((120, 160), np.uint8))
    capture = Dtu().open(Request(None, tmp_path))
    assert capture.notes[-1] == "2 of 5 views have no mask, the first is 000002."
    assert [view.mask is None for view in capture.views] == [False, False, True, True, False]


def test_only_the_published_light_is_read(tmp_path, scan):
    scan.raw(tmp_path)
    for index in range(5):
        (tmp_path / "Rectified" / "scan24" / f"rect_{index + 1:03d}_3_r5000.png").unlink()
    with pytest.raises(DataError, match="no images of light 3") as caught:
        Dtu().open(Request("scan24", tmp_path))
    assert "scan24" in str(caught.value)


def test_a_missing_view_is_named(tmp_path, scan):
    scan.raw(tmp_path)
    (tmp_path / "Rectified" / "scan24" / "rect_003_3_r5000.png").unlink()
    with pytest.raises(DataError, match="gap") as caught:
        Dtu().open(Request("scan24", tmp_path))
    assert "none with number 3" in str(caught.value)


def test_missing_calibration_is_named(tmp_path, scan):
    scan.raw(tmp_path)
    calibration = tmp_path / "Calibration" / "cal18"
    (calibration / "pos_004.txt").rename(tmp_path / "pos_004.txt")
    with pytest.raises(DataError, match="cannot be read") as caught:
        Dtu().open(Request("scan24", tmp_path))
    assert "pos_004.txt" in str(caught.value)
    calibration.rename(tmp_path / "cal")
    with pytest.raises(DataError, match="calibration is missing") as caught:
        Dtu().open(Request("scan24", tmp_path))
    assert "Calibration/cal18" in str(caught.value)


def test_missing_cameras_are_named(tmp_path, scan):
    folder = scan.mvsnet(tmp_path / "scan24")
    (folder / "cams" / "00000003_cam.txt").unlink()
    with pytest.raises(DataError, match="cannot be read") as caught:
        Dtu().open(Request(None, tmp_path))
    assert "00000003_cam.txt" in str(caught.value)
    (folder / "cams" / "00000000_cam.txt").unlink()
    with pytest.raises(DataError, match="cameras are missing"):
        Dtu().open(Request(None, tmp_path))


@pytest.mark.parametrize("change", [-1, 1])
def test_cameras_and_images_must_agree(tmp_path, scan, change):
    folder = scan.idr(tmp_path / "scan24")
    if change > 0:
        scan.writer.picture(folder / "image" / "000005.png", 0, SIZE)
    else:
        (folder / "image" / "000004.png").unlink()
    with pytest.raises(DataError, match="do not belong together") as caught:
        Dtu().open(Request(None, tmp_path))
    assert f"view {4 if change < 0 else 5}" in str(caught.value)


def test_a_bad_matrix_is_named(tmp_path, scan):
    scan.matrices[3][1, 2] = np.nan
    scan.idr(tmp_path / "scan24")
    with pytest.raises(DataError, match="finite 4x4") as caught:
        Dtu().open(Request(None, tmp_path))
    assert "cameras_sphere.npz, world_mat_3" in str(caught.value)


def test_images_of_another_crop_are_refused(tmp_path, scan):
    scan.raw(tmp_path)
    for path in (tmp_path / "Rectified" / "scan24").glob("*_3_r5000.png"):
        scan.writer.picture(path, 0, (640, 512))
    with pytest.raises(DataError, match="does not belong to images of this size") as caught:
        Dtu().open(Request("scan24", tmp_path))
    assert "640x512" in str(caught.value)


@pytest.mark.parametrize("name", ["pos", "cam"])
def test_damaged_calibration_is_an_error_or_harmless(tmp_path, scan, damaged, name):
    if name == "pos":
        file = scan.raw(tmp_path) / "Calibration" / "cal18" / "pos_002.txt"
    else:
        file = scan.mvsnet(tmp_path / "scan24") / "cams" / "00000001_cam.txt"
    messages, start = [], time.process_time()
    for hurt in damaged(file.read_bytes(), TEXT):
        file.write_bytes(hurt)
        try:
            assert len(Dtu().open(Request(None, tmp_path)).views) == 5
        except DataError as error:
            messages.append(str(error))
    assert len(messages) > 60
    assert all(file.name in message for message in messages)
    assert time.process_time() - start < 10


def test_damaged_cameras_are_an_error_or_harmless(tmp_path, scan, damaged):
    file = scan.idr(tmp_path / "scan24") / "cameras_sphere.npz"
    messages = []
    for hurt in damaged(file.read_bytes()):
        file.write_bytes(hurt)
        try:
            assert len(Dtu().open(Request(None, tmp_path)).views) == 5
        except DataError as error:
            messages.append(str(error))
    assert len(messages) > 100
    assert all("cameras_sphere.npz" in message for message in messages)


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ("intrinsic", "intrinsics", "not a"),
        ("425.0 2.5", "425.0 2.5 1 2 3", "numbers"),
        ("425.0 2.5", "", "numbers"),
        ("289.233", "-289.233", "not those of a pinhole"),
        ("0.0 0.0 0.0 1.0", "0.0 0.0 1.0 1.0", "not a rotation"),
    ],
)
def test_bad_camera_files_are_named(tmp_path, scan, old, new, message):
    text = scan.cam(scan.poses[0])
    old = old if old != "289.233" else text.split("intrinsic\n")[1].split()[0]
    assert old in text
    (tmp_path / "a_cam.txt").write_text(text.replace(old, new, 1))
    with pytest.raises(DataError, match=message) as caught:
        read_mvsnet_cam(tmp_path / "a_cam.txt")
    assert "a_cam.txt" in str(caught.value)


def test_a_scan_opens_fast_and_without_pixels(tmp_path, many):
    many.poses[:, :3, 3] += 1
    scan = Scan(many, 49)
    folder = scan.idr(tmp_path / "scan24")
    head = (folder / "image" / "000000.png").read_bytes()[:60]
    for path in (folder / "image").iterdir():
        path.write_bytes(head)
    start = time.process_time()
    capture = Dtu().open(Request(None, tmp_path))
    assert time.process_time() - start < 0.5
    with pytest.raises(DataError, match="damaged"):
        _ = capture.views[48].image


@pytest.mark.parametrize("views", [3, 6, 9])
def test_the_protocol_is_pixelnerfs(tmp_path, many, views):
    many.poses[:, :3, 3] += 1
    scan = Scan(many, 49)
    scan.idr(tmp_path / "dtu_scan114")
    for index in range(49):
        mask(tmp_path / "dtu_scan114" / "mask" / f"{index:03d}.png", np.zeros((120, 160), np.uint8))
    folder = Path(protocol.__file__).parent / "protocols"
    (published,) = load_protocols(folder / f"dtu-{views}view.toml")
    assert (published.resolution.width, published.resolution.height) == (400, 300)
    capture = Dtu().open(Request("scan114", tmp_path))
    scene, _ = divide(capture, published, None)
    assert [int(view.name) for view in scene.train] == [25, 22, 28, 40, 44, 48, 0, 8, 13][:views]
    excluded = {3, 4, 5, 6, 7, 16, 17, 18, 19, 20, 21, 36, 37, 38, 39}
    tested = {int(view.name) for view in scene.test}
    assert len(scene.test) == 25
    assert tested == set(range(49)) - excluded - {25, 22, 28, 40, 44, 48, 0, 8, 13}
    assert all(view.mask is None for view in scene.train)
    assert all(view.mask is not None for view in scene.test)
    with pytest.raises(ProtocolError, match="does not list"):
        published.scene("scan24")


def test_a_real_scan(shared, tmp_path):
    sample = shared / "samples" / "dtu_scan24"
    for name, source in (("image", "images_quarter"), ("mask", "mask_quarter")):
        (tmp_path / "dtu_scan24").mkdir(exist_ok=True)
        (tmp_path / "dtu_scan24" / name).symlink_to(sample / source)
    for name in ("cameras_sphere.npz", "cameras_large.npz"):
        (tmp_path / "dtu_scan24" / name).symlink_to(sample / name)
    capture = Dtu().open(Request("scan24", tmp_path))
    assert len(capture.views) == 49
    expected = np.array([2892.331, 2883.175, 823.205, 619.071])
    for view in capture.views:
        assert (view.camera.width, view.camera.height) == (400, 300)
        K = view.camera.K * 4
        np.testing.assert_allclose([K[0, 0], K[1, 1], K[0, 2], K[1, 2]], expected, atol=2.5e-3)
    assert "The model declares 1600x1200 but the images are 400x300" in " ".join(capture.notes)
    view = capture.views[22]
    assert view.image.shape == (300, 400, 3)
    # Grey edges do not count.
    stored = np.asarray(Image.open(sample / "mask_quarter" / "022.png"))
    assert stored.shape == (300, 400, 3)
    assert ((stored > 0) & (stored < 255)).any()
    assert np.array_equal(view.mask, (stored == 255).all(axis=2))


def test_a_real_scans_normalised_space(shared):
    sample = shared / "samples" / "dtu_scan24"
    sphere = read_npz(sample / "cameras_sphere.npz", ("world_mat_", "scale_mat_"))
    large = read_npz(sample / "cameras_large.npz", ("world_mat_", "scale_mat_"))
    assert sum(name.startswith("world_mat_") for name in sphere) == 49
    assert sphere["scale_mat_0"][0, 0] == pytest.approx(231.0682, abs=5e-5)
    assert large["scale_mat_0"][0, 0] == pytest.approx(669.99963, abs=5e-6)
    distances = []
    for index in range(49):
        world, scale = sphere[f"world_mat_{index}"], sphere[f"scale_mat_{index}"]
        assert np.array_equal(world, large[f"world_mat_{index}"])
        found = decompose((world @ scale)[:3])
        plain = decompose(world[:3])
        expected = [2892.331, 2883.175, 823.205, 619.071]
        np.testing.assert_allclose(found.K[[0, 1, 0, 1], [0, 1, 2, 2]], expected, atol=2.5e-3)
        distances.append(np.linalg.norm(found.c2w[:3, 3]))
        back = scale @ [*found.c2w[:3, 3], 1]
        np.testing.assert_allclose(back[:3], plain.c2w[:3, 3], atol=1e-2)
    assert min(distances) == pytest.approx(2.77, abs=0.005)
    assert max(distances) == pytest.approx(2.97, abs=0.005)


def test_a_real_scans_cameras_and_masks_agree(shared, tmp_path):
    """44 % of random points of the unit ball lie in the silhouette of every view that has them in frame."""
    sample = shared / "samples" / "dtu_scan24"
    folder = tmp_path / "scan24"
    folder.mkdir()
    (folder / "image").symlink_to(sample / "images_quarter")
    (folder / "mask").symlink_to(sample / "mask_quarter")
    (folder / "cameras.npz").symlink_to(sample / "cameras_sphere.npz")
    scale = read_npz(sample / "cameras_sphere.npz", ("scale_mat_",))["scale_mat_0"]
    rng = np.random.default_rng(0)
    ball = rng.standard_normal((4000, 3))
    ball *= rng.random((4000, 1)) ** (1 / 3) / np.linalg.norm(ball, axis=1, keepdims=True)
    points = (ball @ scale[:3, :3].T + scale[:3, 3]) / 1000
    inside = np.ones(len(points), bool)
    for view in Dtu().open(Request(None, tmp_path)).views:
        local = points @ view.camera.w2c[:3, :3].T + view.camera.w2c[:3, 3]
        x, y = np.floor((local @ view.camera.K.T)[:, :2].T / local[:, 2]).astype(int)
        seen = (x >= 0) & (x < 400) & (y >= 0) & (y < 300)
        inside[seen] &= view.mask[y[seen], x[seen]]
    assert inside.mean() == pytest.approx(0.44, abs=0.015)
