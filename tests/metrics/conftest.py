"""Random weights in files of the real form and under the real keys: pretrained ones are not here."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
import torchvision

from recgen_bench.harness.record import image_hash
from recgen_bench.harness.track import Frame, Picture, Track


@pytest.fixture(autouse=True)
def one_thread():
    """Networks on images this small only lose time to a second thread, the more on a busy machine."""
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


@pytest.fixture(scope="session")
def weights(tmp_path_factory) -> Callable[[str], Path]:
    """(name) -> a file of random weights: alexnet and vgg16 by the rule of the goldens, and Inception."""
    folder = tmp_path_factory.mktemp("weights")

    def make(name: str) -> Path:
        path = folder / f"{name}.pth"
        if not path.exists():
            torch.save(inception_state() if name == "inception-fid" else trunk_state(name), path)
        return path

    return make


def trunk_state(name: str) -> dict[str, torch.Tensor]:
    """Convolution i is RandomState(1234 + i) normal times sqrt(2 / fan-in), biases 0."""
    with torch.device("meta"):
        layers = getattr(torchvision.models, name)(weights=None).features
    state, count = {}, 0
    for index, layer in enumerate(layers):
        if isinstance(layer, torch.nn.Conv2d):
            shape = tuple(layer.weight.shape)
            values = np.random.RandomState(1234 + count).standard_normal(shape)
            state[f"features.{index}.weight"] = torch.from_numpy(
                values * np.sqrt(2 / np.prod(shape[1:]))
            ).float()
            state[f"features.{index}.bias"] = torch.zeros(shape[0])
            count += 1
    return state


def inception_state() -> dict[str, torch.Tensor]:
    """Values that keep activations of order one, with batch statistics that are not the default."""
    from recgen_bench.metrics.inception import architecture

    generator = torch.Generator().manual_seed(0)
    state = {}
    for name, value in architecture().state_dict().items():
        kind = name.rpartition(".")[2]
        if kind == "num_batches_tracked":
            state[name] = torch.tensor(0)
            continue
        noise = torch.randn(value.shape, generator=generator)
        if value.ndim > 1:
            state[name] = noise * (2 / np.prod(value.shape[1:])) ** 0.5
        else:
            state[name] = 1 + 0.1 * noise.abs() if kind in {"weight", "running_var"} else 0.1 * noise
    return state


@pytest.fixture(scope="session")
def make_track() -> Callable[..., Track]:
    """(predictions, real, weights=..., **fields of every frame) -> a track that keeps features in a dict."""

    def make(predictions, real=(), weights=missing, **fields) -> Track:
        memory: dict[tuple[str, str], np.ndarray] = {}

        def stored(purpose, digest, compute):
            if (purpose, digest) not in memory:
                memory[purpose, digest] = compute()
            return memory[purpose, digest]

        frames = tuple(
            replace(Frame(picture.name, 0.0, picture), **{name: values[i] for name, values in fields.items()})
            for i, picture in enumerate(pictures(predictions))
        )
        return Track(frames, pictures(real), (), (), weights, stored)

    return make


def missing(name: str) -> Path:
    raise AssertionError(f"weights {name} were asked for")


def pictures(images) -> tuple[Picture, ...]:
    return tuple(
        Picture(f"{i:03d}", image_hash(image), lambda image=image: image) for i, image in enumerate(images)
    )
