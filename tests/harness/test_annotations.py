"""Boxes and masks from files, and every way to get them wrong."""

from __future__ import annotations

import json

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image as Pillow

from recgen_bench.harness.annotations import read_boxes, read_mask, read_masks
from recgen_bench.harness.errors import DataError

SIZES = {"a": (32, 24), "b": (32, 24)}
GOOD = {"box": [1, 2, 3.5, 4], "category": "vehicle"}


def written(tmp_path, content):
    path = tmp_path / "boxes.json"
    path.write_text(content if isinstance(content, str) else json.dumps(content))
    return path


def test_boxes(tmp_path):
    found = read_boxes(written(tmp_path, {"a": [GOOD, GOOD | {"confidence": 0.25}]}), SIZES)
    assert [box.confidence for box in found["a"]] == [1.0, 0.25]
    assert found["a"][0].corners.tolist() == [1, 2, 3.5, 4]
    assert found["a"][0].category == "vehicle"
    # A view that the file does not name was looked at, and nothing was there.
    assert found["b"] == ()


def test_boxes_may_reach_over_the_border(tmp_path):
    found = read_boxes(written(tmp_path, {"a": [GOOD | {"box": [-5, -5, 100, 100]}]}), SIZES)
    assert found["a"][0].corners.tolist() == [-5, -5, 100, 100]


@pytest.mark.parametrize(
    ("content", "message", "where"),
    [
        ("{", "the boxes are not JSON", ""),
        ("[]", "not boxes", ""),
        ('{"a": [], "a": []}', "a name stands there twice", ""),
        ({"c": []}, "boxes for a view that does not exist", ""),
        ({"a": {}}, "not a list of boxes", ": a"),
        ({"a": [[1, 2, 3, 4]]}, "not a box", ": a[0]"),
        ({"a": [GOOD, {"box": [1, 2, 3, 4]}]}, "not a box", ": a[1]"),
        ({"a": [GOOD | {"score": 1}]}, "not a box", ": a[0]"),
        ({"a": [GOOD | {"box": [1, 2, 3]}]}, "not four finite numbers", ": a[0]"),
        ({"a": [GOOD | {"box": [1, 2, 3, "4"]}]}, "not four finite numbers", ": a[0]"),
        ({"a": [GOOD | {"box": [1, 2, 3, True]}]}, "not four finite numbers", ": a[0]"),
        ('{"a": [{"box": [1, 2, NaN, 4], "category": "x"}]}', "not four finite numbers", ": a[0]"),
        ('{"a": [{"box": [1, 2, 1e999, 4], "category": "x"}]}', "not four finite numbers", ": a[0]"),
        ({"a": [GOOD | {"box": [3, 2, 1, 4]}]}, "an empty box", ": a[0]"),
        ({"a": [GOOD | {"box": [1, 2, 1, 4]}]}, "an empty box", ": a[0]"),
        ({"a": [GOOD | {"box": [32, 2, 40, 4]}]}, "a box outside of its image", ": a[0]"),
        ({"a": [GOOD | {"box": [1, -9, 3, 0]}]}, "a box outside of its image", ": a[0]"),
        ({"a": [GOOD | {"confidence": 1.5}]}, "not a confidence", ": a[0]"),
        ({"a": [GOOD | {"confidence": None}]}, "not a confidence", ": a[0]"),
        ({"a": [GOOD | {"category": ""}]}, "not a category", ": a[0]"),
        ({"a": [GOOD | {"category": 3}]}, "not a category", ": a[0]"),
    ],
)
def test_wrong_boxes(tmp_path, content, message, where):
    path = written(tmp_path, content)
    with pytest.raises(DataError, match=message) as caught:
        read_boxes(path, SIZES)
    assert caught.value.where == f"{path}{where}"


def test_no_such_file(tmp_path):
    with pytest.raises(DataError, match="the boxes cannot be read: No such file"):
        read_boxes(tmp_path / "boxes.json", SIZES)


JSON = st.recursive(
    st.none() | st.booleans() | st.floats() | st.text(max_size=3),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.sampled_from(["a", "box"]), inner),
    max_leaves=8,
)


@given(JSON)
def test_any_json_is_boxes_or_one_clear_error(tmp_path_factory, content):
    path = written(tmp_path_factory.mktemp("json"), content)
    found, told = SIZES, str(path)
    try:
        found = read_boxes(path, SIZES)
    except DataError as error:
        told = str(error)
    assert set(found) == set(SIZES)
    assert str(path) in told


def save(path, array):
    path.parent.mkdir(exist_ok=True)
    Pillow.fromarray(array).save(path)


@pytest.fixture
def masks(tmp_path):
    rng = np.random.default_rng(0)
    for name in SIZES:
        save(tmp_path / "m" / f"{name}.png", rng.integers(0, 3, (24, 32), dtype=np.uint8))
    return tmp_path / "m"


def test_masks(masks):
    found = read_masks(masks, SIZES)
    assert set(found) == set(SIZES)
    expected = np.array(Pillow.open(masks / "a.png")) > 0
    assert read_mask(found["a"]).dtype == bool
    assert np.array_equal(read_mask(found["a"]), expected)


@pytest.mark.parametrize(
    ("damage", "message"),
    [
        (lambda m: (m / "a.png").unlink(), r"the mask a.png is missing"),
        (lambda m: save(m / "c.png", np.zeros((24, 32), np.uint8)), r"the mask c.png belongs to no view"),
        (lambda m: save(m / "a.png", np.zeros((23, 32), np.uint8)), "the mask has the wrong size"),
        (lambda m: save(m / "a.png", np.zeros((24, 32, 3), np.uint8)), "not a mask"),
        (lambda m: save(m / "a.png", np.zeros((24, 32), np.uint16)), "not a mask"),
        (lambda m: (m / "a.png").write_bytes(b"GIF"), "not an image"),
    ],
)
def test_wrong_masks(masks, damage, message):
    damage(masks)
    with pytest.raises(DataError, match=message):
        read_masks(masks, SIZES)


def test_a_truncated_mask(masks):
    path = masks / "a.png"
    path.write_bytes(path.read_bytes()[:100])
    with pytest.raises(DataError, match="the mask is damaged") as caught:
        read_mask(read_masks(masks, SIZES)["a"])
    assert caught.value.where == str(path)


def test_no_folder(tmp_path):
    with pytest.raises(DataError, match="no such folder"):
        read_masks(tmp_path / "none", SIZES)
    (tmp_path / "file").write_text("")
    with pytest.raises(DataError, match="is not a folder"):
        read_masks(tmp_path / "file", SIZES)
