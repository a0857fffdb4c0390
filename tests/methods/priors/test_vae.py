import json

import pytest
import torch
from torch import nn

from recgen_bench.methods.priors.config import DIFIX_REF
from recgen_bench.methods.priors.lora import LowRank, adapt, fold
from recgen_bench.methods.priors.stored import load_exactly, read_tensors
from recgen_bench.methods.priors.vae import SkipVae, VaeConfig


@pytest.fixture
def vae(published, golden):
    vae = SkipVae(published.vae)
    load_exactly(vae, read_tensors(golden / "difix/tiny_vae.safetensors"))
    return vae.eval().requires_grad_(False)


@pytest.fixture(scope="module")
def io(numbers):
    return numbers("difix/tiny_vae_io.npz")


def close(made, expected):
    torch.testing.assert_close(made, expected, atol=2e-5, rtol=0)


@pytest.mark.parametrize("folded", [False, True])
def test_the_published_autoencoder(vae, io, folded):
    if folded:
        fold(vae)
        assert not any("lora" in name for name in vae.state_dict())
    encoded = vae.encode(io["image"])
    close(encoded.mean, io["posterior_mean"])
    close(encoded.deviation, torch.exp(0.5 * io["posterior_logvar"].clamp(-30, 20)))
    close(encoded.skips[1], io["skip1"])
    close(encoded.skips[3], io["skip3"])
    latents = encoded.mean + encoded.deviation * io["posterior_noise"]
    close(latents * vae.config.scale, io["latent_scaled"])
    close(vae.decode(latents, encoded.skips), io["decoded"])
    close(vae.decode(latents), io["decoded_ignore_skip"])


def test_without_its_adapters(vae, io):
    for layer in vae.modules():
        if isinstance(layer, LowRank):
            layer.lora_B["vae_skip"].weight.zero_()
    encoded = vae.encode(io["image"])
    close(vae.decode(io["latent_scaled"] / vae.config.scale, encoded.skips), io["decoded_without_lora"])


def test_the_published_names_and_shapes(golden):
    with torch.device("meta"):
        vae = SkipVae(DIFIX_REF.vae)
    expected = json.loads((golden / "difix/difix_ref_vae_keys.json").read_text())["keys"]
    assert {name: list(tensor.shape) for name, tensor in vae.state_dict().items()} == expected
    assert vae.config.factor == 8


def test_skips_fit_any_number_of_levels():
    for channels in ((8,), (8, 16), (8, 12, 16, 24, 24)):
        vae = SkipVae(VaeConfig(channels, layers=1, groups=4, attention=False))
        side = 4 * vae.config.factor
        encoded = vae.encode(torch.zeros(1, 3, side, side))
        assert encoded.mean.shape == (1, 4, 4, 4)
        assert vae.decode(encoded.mean, encoded.skips).shape == (1, 3, side, side)


def test_squares_of_pixels_are_channels():
    vae = SkipVae(VaeConfig((8, 16), layers=1, groups=4, attention=False, patch=2))
    assert vae.config.factor == 4
    encoded = vae.encode(torch.zeros(1, 3, 16, 24))
    assert encoded.mean.shape == (1, 4, 4, 6)
    assert vae.decode(encoded.mean, encoded.skips).shape == (1, 3, 16, 24)


def test_a_fresh_adapter_changes_nothing_and_a_folded_one_computes_the_same():
    torch.manual_seed(0)
    inner = nn.Sequential(nn.Conv2d(4, 6, 3, stride=2, padding=1), nn.Flatten(), nn.Linear(6 * 16, 5))
    model, inputs = nn.ModuleDict({"conv": inner}), torch.randn(2, 4, 8, 8)
    plain = inner(inputs)
    adapt(model, ("conv.0", "2"), rank=3)
    close(model["conv"](inputs), plain)
    for layer in (inner[0], inner[2]):
        nn.init.normal_(layer.lora_B["vae_skip"].weight)
    adapted = model["conv"](inputs)
    assert (adapted - plain).abs().max() > 0.1
    fold(model)
    assert isinstance(inner[0], nn.Conv2d)
    torch.testing.assert_close(model["conv"](inputs), adapted, atol=1e-4, rtol=1e-4)
