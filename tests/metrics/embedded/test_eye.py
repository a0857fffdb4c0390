import cv2
import numpy as np
import pytest
import torch
from safetensors.torch import load_file, save_file

from recgen_bench.harness.errors import DataError
from recgen_bench.metrics.boxes import corners_of
from recgen_bench.metrics.embedded.eye import CONFIDENCE, WEIGHTS, Eye, load_eye
from recgen_bench.metrics.embedded.validate import validate


@pytest.fixture(scope="module")
def eye() -> Eye:
    return load_eye()


def test_it_sees_a_street_it_was_not_trained_on(eye, samples):
    figures = validate(eye, samples)
    assert figures.recall > 0.6
    assert figures.precision > 0.7
    assert figures.box_iou > 0.7
    assert figures.lane_iou > 0.6


def test_the_card_names_the_file(eye):
    assert eye.digest in WEIGHTS.with_suffix(".md").read_text()


def test_nothing_is_seen_where_nothing_is(eye):
    for image in (np.zeros((160, 240, 3), np.uint8), np.full((160, 240, 3), 128, np.uint8)):
        assert eye.detect(image) == ()
        assert eye.lanes(image).mean() < 0.001


def test_boxes_scale_with_the_image(eye, samples):
    image = samples.images[0]
    large = cv2.resize(image, (960, 640), interpolation=cv2.INTER_NEAREST)
    small, other = corners_of(eye.detect(image)), corners_of(eye.detect(large))
    assert len(small) > 0
    assert other == pytest.approx(small * 4, abs=1e-6)
    assert eye.lanes(large).shape == (640, 960)


def test_boxes_lie_in_the_image_and_fall_in_confidence(eye, samples):
    for image in samples.images:
        found = eye.detect(image)
        scores = [box.confidence for box in found]
        assert scores == sorted(scores, reverse=True)
        assert all(score >= CONFIDENCE for score in scores)
        corners = corners_of(found)
        assert (corners >= 0).all()
        assert (corners <= [240, 160, 240, 160]).all()


def test_blur_makes_it_see_less(eye, samples):
    from dataclasses import replace

    blurred = np.stack([cv2.GaussianBlur(image, (0, 0), 4.0) for image in samples.images])
    clear, dim = validate(eye, samples), validate(eye, replace(samples, images=blurred))
    assert dim.recall < clear.recall
    assert dim.lane_iou < clear.lane_iou


def test_features_are_the_same_on_any_number_of_threads(eye, samples):
    images = torch.from_numpy(samples.images[:3]).permute(0, 3, 1, 2).float() / 255
    before = torch.get_num_threads()
    found = []
    for threads in (1, 2):
        torch.set_num_threads(threads)
        found.append(eye.features(images))
        assert torch.get_num_threads() == threads
    torch.set_num_threads(before)
    assert found[0].shape == (3, 160)
    assert found[0].dtype == torch.float32
    assert torch.equal(*found)
    assert torch.isfinite(found[0]).all()
    assert not torch.allclose(found[0][0], found[0][1])


@pytest.mark.parametrize(
    "image",
    [
        np.zeros((160, 240), np.uint8),
        np.zeros((160, 240, 4), np.uint8),
        np.zeros((160, 240, 3), np.float32),
        np.zeros((0, 240, 3), np.uint8),
    ],
)
def test_what_is_no_image_is_refused(eye, image):
    for look in (eye.detect, eye.lanes):
        with pytest.raises(DataError, match="RGB image"):
            look(image)


def test_features_of_whole_numbers_are_refused(eye):
    with pytest.raises(DataError, match="float images"):
        eye.features(torch.zeros(1, 3, 160, 240, dtype=torch.uint8))


def test_damaged_and_foreign_weights_are_refused(tmp_path):
    path = tmp_path / "eye.safetensors"
    with pytest.raises(DataError, match="cannot be read"):
        load_eye(path=path)
    path.write_bytes(WEIGHTS.read_bytes()[:5000])
    with pytest.raises(DataError, match="cannot be read"):
        load_eye(path=path)
    state = load_file(WEIGHTS)
    save_file({name: value for name, value in state.items() if name != "paint.0.bias"}, path)
    with pytest.raises(DataError, match="1 tensors are not those"):
        load_eye(path=path)
    state["paint.0.bias"] = torch.full_like(state["paint.0.bias"], float("nan"))
    save_file(state, path)
    with pytest.raises(DataError, match="not finite"):
        load_eye(path=path)
