from __future__ import annotations

import numpy as np
import pytest

from recgen_bench.harness.errors import MethodFailed
from recgen_bench.harness.gain import (
    EMPTY_COLOUR,
    LEGEND,
    SPAN,
    STRENGTH,
    GainView,
    overlay,
    position,
    write_gain,
)


def view(width: int = 300, height: int = 40, **changes) -> GainView:
    eig = np.linspace(0, 50, width * height, dtype=np.float32).reshape(height, width)
    fields = {
        "rgb": np.zeros((height, width, 3)),
        "eig": eig,
        "empty": np.zeros_like(eig, bool),
        "reference": 0.1,
    }
    return GainView(**(fields | changes))


def test_the_scale_is_logarithmic_and_ends_at_its_span():
    assert position(np.array([0.0, 0.1 * SPAN, 1e6]), 0.1).tolist() == [0, 1, 1]
    assert position(np.array([0.1]), 0.1)[0] == pytest.approx(np.log(2) / np.log1p(SPAN))


def test_brightness_rises_with_the_gain():
    brightness = overlay(view())[:40].astype(float).sum(-1).ravel()
    assert (np.diff(brightness[brightness.argmin() :]) >= -12).all()  # Steps of the colour map's rounding.
    assert brightness[-1] > brightness[0] + 300


def test_empty_pixels_have_a_colour_of_their_own():
    picture = view(empty=np.ones((40, 300), bool))
    expected = np.rint(np.array(EMPTY_COLOUR) * STRENGTH)
    assert (overlay(picture)[:40] == expected).all()


def test_small_pictures_are_enlarged():
    assert overlay(view(30, 20)).shape == (7 * 20 + LEGEND, 7 * 30, 3)


def test_the_legend_says_the_values():
    """Other references give other labels under the same scale."""
    first, second = overlay(view()), overlay(view(reference=0.2))
    assert np.array_equal(first[43:52], second[43:52])
    assert not np.array_equal(first[-14:], second[-14:])


def test_what_was_written_can_be_read(tmp_path):
    values, picture = write_gain(tmp_path / "maps", "000001_left3m", view())
    with np.load(values, allow_pickle=False) as stored:
        assert stored.files == ["eig"]
        assert stored["eig"].dtype == np.float32
        assert np.array_equal(stored["eig"], view().eig)
    assert picture.name == "000001_left3m.eig.png"
    assert picture.is_file()


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"eig": np.full((40, 300), np.nan, np.float32)}, "not finite"),
        ({"eig": np.full((40, 300), -1, np.float32)}, "negative"),
        ({"rgb": np.full((40, 300, 3), np.inf)}, "not finite"),
        ({"rgb": np.zeros((40, 299, 3))}, "different sizes"),
        ({"reference": 0.0}, "must be positive"),
        ({"reference": float("nan")}, "must be positive"),
    ],
)
def test_maps_that_cannot_be_written(tmp_path, changes, message):
    with pytest.raises(MethodFailed, match=message):
        write_gain(tmp_path, "a", view(**changes))
    assert not list(tmp_path.iterdir())
