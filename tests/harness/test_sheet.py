"""The picture of results shows the pixels themselves and a scaled error."""

from __future__ import annotations

import numpy as np

from recgen_bench.harness.sheet import CAPTION, GAP, SheetRow, comparison_sheet, error_map


def test_the_error_is_the_largest_channel_difference_up_to_64_levels():
    truth = np.zeros((1, 5, 3), np.uint8)
    shown = truth.copy()
    shown[0, :, 1] = [0, 1, 32, 64, 255]
    shown[0, 2, 0] = 7
    assert error_map(truth, shown)[0, :, 0].tolist() == [0, 4, 128, 255, 255]
    assert np.array_equal(error_map(truth, shown), error_map(shown, truth))


def test_the_columns_hold_the_images_unchanged():
    rng = np.random.default_rng(0)
    rows = [
        SheetRow("a", *(rng.integers(0, 256, (24, 32, 3), dtype=np.uint8) for _ in range(2)))
        for _ in range(2)
    ]
    sheet = comparison_sheet(rows)
    assert sheet.shape == (2 * (CAPTION + 24 + GAP), 3 * 32 + 2 * GAP, 3)
    for number, row in enumerate(rows):
        top = number * (CAPTION + 24 + GAP) + CAPTION
        for column, pixels in enumerate((row.truth, row.prediction, error_map(row.truth, row.prediction))):
            left = column * (32 + GAP)
            assert np.array_equal(sheet[top : top + 24, left : left + 32], pixels)
