"""The registered metrics of driving views, and the plugin in their page of documentation."""

import re
from pathlib import Path

import numpy as np
import pytest

from recgen_bench.harness.plugins import load_registry
from recgen_bench.harness.registration import resolve
from recgen_bench.harness.track import Box, Frame, Picture, Track
from recgen_bench.metrics.driving import DRIVING

PAGE = Path(__file__).parents[2] / "docs/driving-metrics.md"


@pytest.mark.parametrize("info", DRIVING, ids=lambda info: info.name)
def test_every_id_loads_is_documented_and_has_an_aggregate(info):
    assert callable(resolve(info.target, info.name))
    assert resolve(info.aggregate, info.name)({}) is None
    family, _, variant = info.name.partition("/")
    text = PAGE.read_text()
    assert f"`{info.name}`" in text or f"`/{variant}`" in text
    assert ("embedded eye" in info.summary) == ("embedded" in info.name)
    assert family in {"nta_iou", "ntl_iou", "paint_iou"}


def test_the_plugin_of_the_page_works(tmp_path):
    (code,) = re.findall(r"```python\n(.*?)```", PAGE.read_text(), re.DOTALL)
    path = tmp_path / "bright.py"
    path.write_text(code)
    info = load_registry([path]).metric("nta_iou/strict+bright")
    image = np.zeros((160, 240, 3), np.uint8)
    image[20:60, 30:90] = 255
    frame = Frame(
        "a",
        0.0,
        Picture("a", "a", lambda: image),
        boxes=(Box(np.array([30.0, 20, 90, 60]), "vehicle"),),
    )
    track = Track((frame,), (), (), (), Path, lambda purpose, digest, compute: compute())
    assert resolve(info.target, info.name)(track).value == 1.0
