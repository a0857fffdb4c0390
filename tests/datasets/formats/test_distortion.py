"""Oracle: OpenCV and formulas written out again, projecting points through the distorted camera."""

import math

import cv2
import numpy as np
import pytest

from recgen_bench.datasets.formats.camera_models import COLMAP_MODELS, lens_of
from recgen_bench.datasets.formats.distortion import Lens
from recgen_bench.datasets.formats.undistort import _look_up, pick, undistort
from recgen_bench.harness.errors import DataError

W, H = 320, 240
FX, FY, CX, CY = 280.0, 283.0, 163.0, 118.0
F, C = (FX, FY), (CX, CY)

CASES = {
    "SIMPLE_PINHOLE": (FX, CX, CY),
    "PINHOLE": (*F, *C),
    "SIMPLE_RADIAL": (FX, *C, 0.08),
    "RADIAL": (FX, *C, -0.12, 0.03),
    "OPENCV": (*F, *C, 0.06, -0.08, -0.001, 0.0005),
    "OPENCV_FISHEYE": (*F, *C, 0.03, -0.01, 0.004, -0.001),
    "FULL_OPENCV": (*F, *C, 0.2, -0.05, 0.001, -0.0007, 0.01, 0.12, -0.02, 0.003),
    "FOV": (*F, *C, 0.7),
    "SIMPLE_RADIAL_FISHEYE": (FX, *C, 0.02),
    "RADIAL_FISHEYE": (FX, *C, 0.02, -0.005),
    "THIN_PRISM_FISHEYE": (*F, *C, 0.02, -0.01, 0.001, -0.0005, 0.003, -0.001, 0.0008, -0.0006),
}


def oracle(name, params, points):
    """Project (N, 3) points with OpenCV, or with the formula of COLMAP's documentation."""
    simple = name.startswith(("SIMPLE", "RADIAL"))
    fx, fy, cx, cy = (params[0], *params[:3]) if simple else params[:4]
    rest = np.array(params[3:] if simple else params[4:])
    K = np.array([[fx, 0, cx], [0, fy, cy], [0, 0, 1.0]])
    zero = np.zeros(3)
    if name in ("OPENCV_FISHEYE", "SIMPLE_RADIAL_FISHEYE", "RADIAL_FISHEYE"):
        return cv2.fisheye.projectPoints(points[None], zero, zero, K, np.pad(rest, (0, 4 - len(rest))))[0][0]
    if name == "FOV":
        out = []
        for x, y, z in points:
            r = math.hypot(x / z, y / z)
            rd = math.atan(2 * r * math.tan(rest[0] / 2)) / rest[0]
            out.append((fx * x / z * rd / r + cx, fy * y / z * rd / r + cy))
        return np.array(out)
    if name == "THIN_PRISM_FISHEYE":
        k1, k2, p1, p2, k3, k4, s1, s2 = rest
        out = []
        for x, y, z in points:
            r = math.hypot(x / z, y / z)
            u, v = (math.atan(r) / r * c / z for c in (x, y))
            q = u * u + v * v
            radial = k1 * q + k2 * q**2 + k3 * q**3 + k4 * q**4
            du = u * radial + 2 * p1 * u * v + p2 * (q + 2 * u * u) + s1 * q
            dv = v * radial + 2 * p2 * u * v + p1 * (q + 2 * v * v) + s2 * q
            out.append((fx * (u + du) + cx, fy * (v + dv) + cy))
        return np.array(out)
    return cv2.projectPoints(
        points, zero, zero, K, rest if len(rest) >= 4 else np.pad(rest, (0, 4 - len(rest)))
    )[0][:, 0]


def grid(lens):
    """Return 3D points that project on pinhole pixel centres, at several depths, and those pixels."""
    K = lens.pinhole().K
    u, v = np.meshgrid(np.arange(0, W, 11) + 0.5, np.arange(0, H, 7) + 0.5)
    depth = np.linspace(0.5, 7, u.size)
    rays = np.stack(
        [(u.ravel() - K[0, 2]) / K[0, 0], (v.ravel() - K[1, 2]) / K[1, 1], np.ones(u.size)], axis=1
    )
    return rays * depth[:, None], np.stack([u.ravel(), v.ravel()], axis=1)


@pytest.mark.parametrize("name", CASES)
def test_projection_equals_the_oracle(name):
    lens = lens_of(name, W, H, CASES[name])
    points, _ = grid(lens)
    u, v = lens.project(points[:, 0] / points[:, 2], points[:, 1] / points[:, 2])
    np.testing.assert_allclose(np.stack([u, v], axis=1), oracle(name, CASES[name], points), atol=1e-9)


@pytest.mark.parametrize("name", CASES)
def test_undistorted_positions_match_the_pinhole(name):
    lens = lens_of(name, W, H, CASES[name])
    points, pixels = grid(lens)
    column, row = pixels.astype(int).T
    found = _look_up(lens, lens.pinhole(), (W, H))[:, row, column].T + 0.5
    np.testing.assert_allclose(found, oracle(name, CASES[name], points), atol=1e-3)


@pytest.mark.parametrize("name", [name for name in CASES if not name.endswith("PINHOLE")])
@pytest.mark.parametrize("divisor", [1, 2, 5])
def test_blobs_land_where_the_pinhole_says(name, divisor):
    """Blobs drawn at the oracle's distorted positions stand at the pinhole's pixels when undistorted."""
    big = lens_of(name, W, H, CASES[name]).resized(4 * W, 4 * H)
    target = big.pinhole().resized(4 * W // divisor, 4 * H // divisor)
    params = CASES[name]
    v, u = np.mgrid[: 4 * H, : 4 * W] + 0.5
    for at in ((0.5, 0.5), (0.12, 0.15), (0.88, 0.2), (0.15, 0.85)):
        pixel = np.array([at[0] * target.width, at[1] * target.height])
        ray = np.array([[(pixel[0] - target.cx) / target.fx, (pixel[1] - target.cy) / target.fy, 1.0]])
        x, y = 4 * oracle(name, params, ray)[0]
        blob = np.exp(-((u - x) ** 2 + (v - y) ** 2) / (2 * (1.5 * divisor + 1) ** 2)) * 255
        out = undistort(
            np.round(blob).astype(np.uint8), big, big.pinhole(), (target.width, target.height)
        ).astype(float)
        rows, columns = np.mgrid[: target.height, : target.width] + 0.5
        centre = np.array([(columns * out).sum(), (rows * out).sum()]) / out.sum()
        # The lens stretches a blob a little unevenly, which moves its centre of mass by less than this.
        assert np.abs(centre - pixel).max() < 0.06


@pytest.mark.parametrize("name", CASES)
def test_every_undistorted_pixel_was_seen(name):
    lens = lens_of(name, W, H, CASES[name])
    pinhole = lens.pinhole()
    x, y = _look_up(lens, pinhole, (W, H)) + 0.5
    assert x.min() > -0.01
    assert y.min() > -0.01
    assert x.max() < W + 0.01
    assert y.max() < H + 0.01
    zoom = pinhole.fx / lens.fx
    assert zoom >= 1
    assert pinhole.fy / lens.fy == pytest.approx(zoom)
    assert (pinhole.cx, pinhole.cy) == (lens.cx, lens.cy)
    if zoom > 1:
        # No longer than needed: a slightly shorter focal length would look past an edge.
        short = Lens(W, H, pinhole.fx * 0.995, pinhole.fy * 0.995, lens.cx, lens.cy)
        x, y = _look_up(lens, short, (W, H)) + 0.5
        assert min(x.min(), y.min(), W - x.max(), H - y.max()) < 0


def test_barrel_distortion_keeps_the_focal_length():
    lens = lens_of("SIMPLE_RADIAL", W, H, (FX, *C, -0.1))
    assert lens.pinhole().fx == FX


def test_no_distortion_leaves_pixels_alone():
    pixels = np.random.default_rng(0).integers(0, 256, (H, W, 3), dtype=np.uint8)
    lens = lens_of("OPENCV", W, H, (*F, *C, 0, 0, 0, 0))
    assert lens.straight
    assert np.array_equal(undistort(pixels, lens, lens.pinhole(), (W, H)), pixels)


def test_a_shifted_pinhole_target_is_honoured():
    """ScanNet++ moves the principal point to the centre: the picture shifts by as much."""
    pixels = np.random.default_rng(0).integers(0, 256, (H, W, 3), dtype=np.uint8)
    lens = Lens(W, H, FX, FX, W / 2 + 3, H / 2 - 2)
    out = undistort(pixels, lens, Lens(W, H, FX, FX, W / 2, H / 2), (W, H))
    assert np.abs(out[10:-10, 10:-10].astype(int) - pixels[8:-12, 13:-7]).max() <= 1


def test_nerfstudio_fourth_radial_coefficient_is_a_polynomial():
    lens = Lens(W, H, FX, FY, CX, CY, "perspective", (0.01, 0.02, 0.03, 0.04, 0.0, 0.0, 0.0, 0.0, 0.0))
    u, _ = lens.project(np.array([0.5]), np.array([0.0]))
    expected = 0.5 * (1 + 0.01 * 0.5**2 + 0.02 * 0.5**4 + 0.03 * 0.5**6 + 0.04 * 0.5**8)
    assert u[0] == pytest.approx(FX * expected + CX, abs=1e-12)


@pytest.mark.parametrize("k", [-3.0, 50.0, -1e6, 1e300])
def test_folding_coefficients_are_refused(k):
    with pytest.raises(DataError, match="fold the image"):
        lens_of("SIMPLE_RADIAL", W, H, (FX, *C, k)).pinhole()


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"fx": 0.0}, "focal length"),
        ({"fy": -1.0}, "focal length"),
        ({"cx": math.nan}, "NaN"),
        ({"width": 0}, "image size"),
        ({"height": 10**6}, "image size"),
    ],
)
def test_unusable_intrinsics_are_refused(changes, message):
    values = {"width": W, "height": H, "fx": FX, "fy": FY, "cx": CX, "cy": CY, **changes}
    with pytest.raises(DataError, match=message):
        Lens(**values)


def test_principal_point_outside_a_distorted_image_is_refused():
    with pytest.raises(DataError, match="principal point"):
        lens_of("SIMPLE_RADIAL", W, H, (FX, -5.0, CY, 0.1)).pinhole()


def test_models_without_undistortion_are_named():
    with pytest.raises(DataError) as caught:
        lens_of("RAD_TAN_THIN_PRISM_FISHEYE", W, H, (1.0,) * 16)
    assert "RAD_TAN_THIN_PRISM_FISHEYE" in str(caught.value)
    assert {name for name, _ in COLMAP_MODELS[:11]} == set(CASES)


def test_depth_is_picked_not_mixed():
    plane = np.zeros((H, W), np.float32)
    plane[:, W // 2 :] = 9
    lens = lens_of("OPENCV", W, H, CASES["OPENCV"])
    out = pick(plane, lens, lens.pinhole(), (W // 3, H // 3))
    assert out.shape == (H // 3, W // 3)
    assert set(np.unique(out)) == {0.0, 9.0}


def test_depth_is_picked_at_pixel_centres():
    plane = np.arange(H * W, dtype=np.float32).reshape(H, W)
    lens = Lens(W, H, FX, FY, CX, CY)
    assert np.array_equal(pick(plane, lens, lens, (W, H)), plane)
    assert np.array_equal(pick(plane, lens, lens, (W // 2, H // 2)), plane[1::2, 1::2])
