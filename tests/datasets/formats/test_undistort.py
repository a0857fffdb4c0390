from concurrent.futures import ThreadPoolExecutor

import cv2
import numpy as np
import pytest

from recgen_bench.datasets.formats import undistort as module
from recgen_bench.datasets.formats.distortion import Lens
from recgen_bench.datasets.formats.undistort import undistort

BENT = Lens(160, 120, 150.0, 152.0, 81.0, 59.0, "perspective", (0.1, -0.02, 0, 0, 0.001, -0.001, 0, 0, 0))


@pytest.fixture
def pixels():
    return np.random.default_rng(0).integers(0, 256, (120, 160, 3), dtype=np.uint8)


def test_any_number_of_threads_gives_the_same_bytes(pixels):
    results = []
    for threads in (1, 2):
        cv2.setNumThreads(threads)
        results += [undistort(pixels, BENT, BENT.pinhole(), size) for size in ((160, 120), (40, 30))]
    cv2.setNumThreads(-1)
    assert np.array_equal(results[0], results[2])
    assert np.array_equal(results[1], results[3])


def test_concurrent_readers_share_one_map(pixels, monkeypatch):
    computed = []
    look_up = module._look_up
    monkeypatch.setattr(module, "_look_up", lambda *key: computed.append(key) or look_up(*key))
    monkeypatch.setattr(module, "_maps", module._Maps(budget=2**20))
    expected = undistort(pixels, BENT, BENT.pinhole(), (80, 60))
    with ThreadPoolExecutor(8) as pool:
        results = list(pool.map(lambda _: undistort(pixels, BENT, BENT.pinhole(), (80, 60)), range(32)))
    assert all(np.array_equal(result, expected) for result in results)
    assert len(computed) == 1


def test_maps_stay_below_their_budget(monkeypatch):
    maps = module._Maps(budget=3 * 2 * 4 * 40 * 30)
    lenses = [Lens(160, 120, 150.0 + index, 150, 80, 60, "fisheye", (0.01, 0, 0, 0)) for index in range(6)]
    for lens in lenses:
        maps.get((lens, lens.pinhole(), (40, 30)))
    assert len(maps._maps) == 3
    assert maps.get((lenses[0], lenses[0].pinhole(), (400, 300))).shape == (2, 300, 400)
    assert len(maps._maps) == 1


@pytest.mark.parametrize("factor", [1, 1.5, 2, 3, 4, 5, 8, 10])
def test_shrinking_keeps_the_mean_and_smooths_noise(factor):
    """Averaged white noise has 1/factor of its deviation; point sampling would keep all of it."""
    noise = np.random.default_rng(1).integers(0, 256, (600, 800, 3), dtype=np.uint8)
    lens = BENT.resized(800, 600)
    out = undistort(noise, lens, lens.pinhole(), (int(800 / factor), int(600 / factor))).astype(float)
    assert out.mean() == pytest.approx(noise.mean(), abs=0.5)
    assert out.std() < 1.15 * noise.std() / factor
    assert out.std() > 0.6 * noise.std() / factor


def test_detail_survives_at_full_size():
    """Bicubic look-up keeps a grating of six pixels per period, half a pixel away from its samples."""
    u = np.arange(160) + 0.5
    wave = np.broadcast_to(128 + 100 * np.sin(u * 2 * np.pi / 6), (120, 160)).round().astype(np.uint8)
    lens = Lens(160, 120, 150, 150, 80.5, 60)
    out = undistort(np.ascontiguousarray(wave), lens, Lens(160, 120, 150, 150, 80, 60), (160, 120)).astype(
        float
    )
    expected = 128 + 100 * np.sin((u + 0.5) * 2 * np.pi / 6)
    assert np.abs(out[60, 5:-5] - expected[5:-5]).max() < 8
