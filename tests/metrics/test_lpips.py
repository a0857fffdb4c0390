"""LPIPS against the package that defines it, on random backbones: the official ones are not here."""

from __future__ import annotations

import warnings

import cv2
import lpips
import numpy as np
import pytest
import torch
import torchvision

from recgen_bench.harness.errors import DataError
from recgen_bench.harness.pair import Pair
from recgen_bench.metrics import lpips as module
from recgen_bench.metrics.lpips import ALEX, VGG, _network, lpips_alex, lpips_vgg, lpips_vgg_3dgs

METRICS = {"alex": lpips_alex, "vgg": lpips_vgg}


def example(seed: int, height: int = 48, width: int = 70) -> Pair:
    rng = np.random.default_rng(seed)
    x, y = (cv2.resize(rng.uniform(0, 255, (6, 8, 3)), (width, height)) for _ in range(2))
    return Pair(x.astype(np.uint8), (0.7 * x + 0.3 * y).astype(np.uint8))


def package(net: str, state: dict[str, torch.Tensor], monkeypatch) -> lpips.LPIPS:
    """The package's own network with our backbone."""
    name = {"alex": "alexnet", "vgg": "vgg16"}[net]
    original = getattr(torchvision.models, name)
    quick = {"init_weights": False} if net == "vgg" else {}
    monkeypatch.setattr(torchvision.models, name, lambda pretrained: original(weights=None, **quick))
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        network = lpips.LPIPS(net=net, pnet_rand=True, verbose=False)
    # "slice2.3.weight" holds what torchvision calls "features.3.weight".
    loaded = {key: state[f"features.{key.partition('.')[2]}"] for key in network.net.state_dict()}
    assert len(loaded) == len(state)
    network.net.load_state_dict(loaded)
    return network


@pytest.mark.parametrize("net", METRICS)
def test_equals_the_package(net, weights, monkeypatch):
    state = torch.load(weights({"alex": "alexnet", "vgg": "vgg16"}[net]), weights_only=True)
    theirs = package(net, state, monkeypatch)
    pair = example(1)
    x, y = (
        torch.from_numpy(p).permute(2, 0, 1)[None].float() / 255 for p in (pair.prediction, pair.reference)
    )
    with torch.inference_mode():
        expected, raw = theirs(x, y, normalize=True).item(), theirs(x, y).item()
    assert METRICS[net](weights, "cpu")(pair) == pytest.approx(expected, rel=1e-5)
    assert raw < expected
    if net == "vgg":
        assert lpips_vgg_3dgs(weights, "cpu")(pair) == pytest.approx(raw, rel=1e-5)


def test_equals_the_golden(weights, shared):
    golden = np.load(shared / "golden/metrics/lpips_plumbing.npz")
    for net, backbone in (("alex", ALEX), ("vgg", VGG)):
        network = _network(backbone, weights(backbone.weights), "cpu")
        for i in range(2):
            x, y = (torch.from_numpy(golden[name][i : i + 1]) for name in "ab")
            assert network.between(2 * x - 1, 2 * y - 1) == pytest.approx(
                golden[f"{net}_minus1_1"][i], rel=1e-4
            )
            assert network.between(x, y) == pytest.approx(golden[f"{net}_0_1"][i], rel=1e-4)


@pytest.mark.parametrize("factory", [lpips_alex, lpips_vgg, lpips_vgg_3dgs])
def test_identity_symmetry_and_noise(factory, weights):
    metric = factory(weights, "cpu")
    pair = example(2)
    assert metric(Pair(pair.reference, pair.reference)) == 0.0
    assert metric(pair) == pytest.approx(metric(Pair(pair.reference, pair.prediction)), rel=1e-6)
    noise = np.random.default_rng(0).normal(0, 1, pair.reference.shape)
    noisy = [np.clip(pair.reference + s * noise, 0, 255).round().astype(np.uint8) for s in (2, 8, 32)]
    values = [metric(Pair(image, pair.reference)) for image in noisy]
    assert values == sorted(values)
    assert values[0] > 0


def test_threads_do_not_matter(weights):
    pair = example(3, 90, 130)
    before = torch.get_num_threads()
    network = _network(ALEX, weights("alexnet"), "cpu")
    try:
        values = []
        for threads in (1, 2):
            torch.set_num_threads(threads)
            values.append(network.distance(pair, -1.0))
    finally:
        torch.set_num_threads(before)
    # The harness scores every image on one thread; several move the last digits of convolutions.
    assert values[0] == pytest.approx(values[1], rel=1e-6)


def test_a_pair_is_compared_once(weights, monkeypatch):
    calls = []

    def distance(self, pair, black):
        calls.append(black)
        return 0.5

    monkeypatch.setattr(module.Network, "distance", distance)
    pair = example(77)
    again = Pair(pair.prediction.copy(), pair.reference.copy())
    metric = lpips_alex(weights, "cpu")
    assert metric(pair) == metric(again) == 0.5
    assert calls == [-1.0]


@pytest.mark.parametrize(("factory", "side"), [(lpips_alex, 31), (lpips_vgg, 16)])
def test_the_smallest_image(factory, side, weights):
    metric = factory(weights, "cpu")
    assert metric(example(4, side, side)) > 0
    with pytest.raises(DataError, match="too small for LPIPS"):
        metric(example(4, side - 1, 40))


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"", "cannot be read"),
        (b"no weights at all", "cannot be read"),
        ({"features.0.weight": torch.zeros(3)}, "not those of this network"),
        ({"features.0.weight": 1.5}, "not a file of named tensors"),
        ([torch.zeros(3)], "not a file of named tensors"),
    ],
)
def test_damaged_weights_are_named(content, message, tmp_path):
    path = tmp_path / "alexnet.pth"
    path.write_bytes(content) if isinstance(content, bytes) else torch.save(content, path)
    with pytest.raises(DataError, match=message) as caught:
        lpips_alex(lambda name: path, "cpu")(example(1))
    assert str(path) in str(caught.value)


def test_weights_that_would_run_code_are_refused(tmp_path):
    class Shell:
        def __reduce__(self):
            return (print, ("executed",))

    path = tmp_path / "alexnet.pth"
    torch.save({"features.0.weight": Shell()}, path)
    with pytest.raises(DataError, match="cannot be read"):
        lpips_alex(lambda name: path, "cpu")(example(1))
