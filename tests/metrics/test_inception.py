"""Our Inception against pytorch-fid's own network, both with the same random weights."""

from __future__ import annotations

from dataclasses import replace

import cv2
import numpy as np
import pytest
import pytorch_fid.inception
import torch
from torch.nn import functional

from recgen_bench.harness.errors import DataError
from recgen_bench.harness.weights import file_hash
from recgen_bench.metrics.features import features
from recgen_bench.metrics.inception import inception, resized


def images(count: int, height: int = 60, width: int = 90) -> list[np.ndarray]:
    rng = np.random.default_rng(3)
    coarse = rng.uniform(0, 255, (count, 8, 12, 3))
    return [cv2.resize(image, (width, height)).clip(0, 255).astype(np.uint8) for image in coarse]


def test_equals_pytorch_fid(weights, make_track, monkeypatch):
    path = weights("inception-fid")
    monkeypatch.setattr(
        pytorch_fid.inception,
        "load_state_dict_from_url",
        lambda *_, **__: torch.load(path, weights_only=True),
    )
    theirs = pytorch_fid.inception.InceptionV3([3]).eval()
    pictures = images(3)
    batch = torch.stack([torch.from_numpy(image).permute(2, 0, 1).float() / 255 for image in pictures])
    with torch.inference_mode():
        expected = theirs(batch)[0][..., 0, 0].numpy()
    track = make_track(pictures, weights=weights)
    found = features(track, [frame.prediction for frame in track.frames], inception(track, "pytorch-fid"))
    assert found.shape == (3, 2048)
    assert np.std(found, axis=0).max() > 0.01
    np.testing.assert_allclose(found, expected, rtol=1e-5, atol=1e-5 * np.abs(expected).max())


def test_neither_batch_nor_threads_change_a_bit(weights, make_track):
    pictures = images(3, 40, 60)
    values = []
    for threads, chosen in ((1, pictures), (2, pictures), (1, pictures[1:2])):
        track = replace(make_track(chosen, weights=weights), threads=threads)
        values.append(features(track, [f.prediction for f in track.frames], inception(track, "pytorch-fid")))
    np.testing.assert_array_equal(values[0], values[1])
    np.testing.assert_array_equal(values[0][1], values[2][0])


def test_the_resizers():
    image = images(1, 640, 960)[0]
    image[::2] = 255 - image[::2]
    x = torch.from_numpy(image).permute(2, 0, 1)[None].float() / 255
    plain = functional.interpolate(x, size=(299, 299), mode="bilinear", align_corners=False)
    torch.testing.assert_close(resized(image, "pytorch-fid"), plain, rtol=0, atol=0)
    smooth = resized(image, "antialias")
    assert smooth.shape == (1, 3, 299, 299)
    # Alternating rows average out under a low-pass and alias without one.
    assert smooth.std() < 0.5 * plain.std()


def test_the_purpose_tells_weights_and_resizers_apart(weights, make_track, tmp_path):
    track = make_track([], weights=weights)
    plain, smooth = inception(track, "pytorch-fid"), inception(track, "antialias")
    other = tmp_path / "other.pth"
    other.write_bytes(weights("inception-fid").read_bytes() + b" ")
    foreign = inception(replace(track, weights=lambda name: other), "pytorch-fid")
    assert len({plain.purpose, smooth.purpose, foreign.purpose}) == 3
    assert plain.facts["weights"] == file_hash(weights("inception-fid"))
    assert smooth.facts["resizer"] == "antialias"


def test_other_weights_are_refused(weights, make_track):
    track = make_track(images(1), weights=lambda name: weights("alexnet"))
    with pytest.raises(DataError, match="not those of this network"):
        features(track, [track.frames[0].prediction], inception(track, "pytorch-fid"))
