import sys
from types import SimpleNamespace

import numpy as np
import pytest
import torch

from recgen_bench.harness.errors import PluginError
from recgen_bench.harness.track import Box, Frame, Picture, Track
from recgen_bench.metrics import nta_iou
from recgen_bench.metrics.detectors import yolo

ROWS = torch.tensor(
    [[10.0, 20.5, 60, 70, 0.9, 2], [10, 20, 60, 70, 0.5, 5], [1, 2, 3, 4, 0.51, 7]], dtype=torch.float32
)


@pytest.fixture
def library(monkeypatch):
    """A stand-in that says what ultralytics was asked."""
    calls = []

    class Model:
        def __init__(self, path, task):
            calls.append(path)

        def predict(self, pixels, **options):
            calls.append((pixels, options))
            return [SimpleNamespace(boxes=SimpleNamespace(data=ROWS))]

    monkeypatch.setitem(sys.modules, "ultralytics", SimpleNamespace(YOLO=Model, __version__="0"))
    return calls


def test_input_and_thresholds_are_the_published_ones(library, tmp_path):
    path = tmp_path / "yolo11x.pt"
    path.write_bytes(b"weights")
    detector = yolo.open_weights(path, "cpu")
    image = np.zeros((640, 960, 3), np.uint8)
    image[..., 0] = 200
    found = detector.look(image)
    loaded, (pixels, options) = library
    assert loaded == str(path)
    assert pixels.shape == (320, 480, 3)
    assert pixels[0, 0].tolist() == [0, 0, 200]
    assert (options["conf"], options["iou"], options["imgsz"], options["max_det"]) == (0.25, 0.7, 640, 300)
    # Exactly 0.5 is not above 0.5.
    assert found == pytest.approx(ROWS[[0, 2]].numpy(), abs=1e-6)
    assert [detector.classes[int(row[5])] for row in found] == ["car", "truck"]


def test_without_ultralytics_there_is_no_value_but_a_way_out(monkeypatch, tmp_path):
    monkeypatch.setitem(sys.modules, "ultralytics", None)
    path = tmp_path / "yolo11x.pt"
    path.write_bytes(b"weights")
    with pytest.raises(PluginError, match="not installed"):
        yolo.open_weights(path, "cpu")
    picture = Picture("a", "a", lambda: np.zeros((320, 480, 3), np.uint8))
    frame = Frame("a", 0.0, picture, boxes=(Box(np.array([1.0, 1, 50, 50]), "vehicle"),))
    track = Track((frame,), (), (), (), lambda name: path, lambda purpose, digest, compute: compute())
    value = nta_iou.drivedreamer4d(track)
    assert value.value is None
    assert "recgen-bench[yolo]" in value.reason


def test_the_library_itself_runs_with_random_weights(tmp_path, monkeypatch):
    monkeypatch.setenv("YOLO_CONFIG_DIR", str(tmp_path))
    monkeypatch.setenv("YOLO_OFFLINE", "1")
    ultralytics = pytest.importorskip("ultralytics", reason="AGPL-3.0, no dependency")
    path = tmp_path / "yolo11n.pt"
    ultralytics.YOLO("yolo11n.yaml").save(path)
    found = yolo.open_weights(path, "cpu").look(np.zeros((160, 240, 3), np.uint8))
    assert found.shape[1:] == (6,)


def test_the_classes_are_those_of_coco():
    assert len(yolo.COCO) == len(set(yolo.COCO)) == 80
    assert [yolo.COCO[index] for index in (0, 2, 5, 7, 79)] == ["person", "car", "bus", "truck", "toothbrush"]
