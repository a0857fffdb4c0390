import json
from dataclasses import replace

import pytest
import torch

from recgen_bench.harness.errors import DataError
from recgen_bench.methods.priors.config import DIFIX, DIFIX_REF, EMBEDDED, RestorerConfig, UnetConfig
from recgen_bench.methods.priors.onestep import build


def frames(count=2, seed=0):
    return torch.rand(count, 3, 16, 24, generator=torch.Generator().manual_seed(seed))


def test_the_published_names_and_shapes(golden):
    with torch.device("meta"):
        network = build(DIFIX_REF)
    expected = json.loads((golden / "difix/difix_ref_unet_keys.json").read_text())["keys"]
    assert {name: list(tensor.shape) for name, tensor in network.unet.state_dict().items()} == expected
    assert sum(tensor.numel() for tensor in network.unet.parameters()) == 865_910_724
    assert DIFIX_REF.multiple == 64


def test_the_published_conditioned_shapes():
    with torch.device("meta"):
        unet = build(DIFIX_REF.with_eig()).unet
    assert unet.conv_in.weight.shape == (320, 9, 3, 3)
    assert unet.conv_out.weight.shape == (5, 320, 3, 3)


@pytest.mark.parametrize("config", [DIFIX, DIFIX_REF, DIFIX_REF.with_eig()])
def test_the_published_sizes_fit_together(config):
    with torch.device("meta"):
        network, images, eig = build(config), torch.zeros(1, 3, 576, 1024), torch.zeros(1, 576, 1024)
        references = images if config.uses_reference else None
        made = network(images, references, eig if config.uses_eig else None)
    assert made.shape == images.shape


def test_the_embedded_size():
    with torch.device("meta"):
        network = build(EMBEDDED)
    # It ships inside the package, in half precision: a few megabytes.
    assert 2 * sum(tensor.numel() for tensor in network.parameters()) < 8e6
    assert 240 % EMBEDDED.multiple == 160 % EMBEDDED.multiple == 0


def test_a_fresh_residual_network_is_nearly_the_identity(network):
    images = frames()
    with torch.no_grad():
        assert (network(images, frames(seed=1)) - images).abs().max() < 0.05


@pytest.mark.parametrize("residual", [False, True])
def test_the_parts_are_put_together_as_published(tiny, residual):
    config = replace(tiny, residual=residual, vae=replace(tiny.vae, scale=0.5))
    torch.manual_seed(1)
    network = build(config).eval()
    images, references = frames(), frames(seed=1)
    with torch.no_grad():
        made = network(images, references)
        first, second = (network.vae.encode(views * 2 - 1) for views in (images, references))
        joint = torch.stack([first.mean, second.mean], dim=1).flatten(0, 1) * 0.5
        clean = network.denoise(joint, views=2)[::2] / 0.5
        decoded = network.vae.decode(clean, first.skips)
    expected = images + decoded / 2 if residual else (decoded + 1) / 2
    torch.testing.assert_close(made, expected, atol=1e-5, rtol=0)


def test_the_reference_and_the_map_matter(tiny):
    torch.manual_seed(2)
    network = build(replace(tiny, uses_eig=True, residual=False)).eval()
    images, eig = frames(), torch.rand(2, 16, 24, generator=torch.Generator().manual_seed(5))
    with torch.no_grad():
        first = network(images, frames(seed=1), eig)
        assert not torch.allclose(first, network(images, frames(seed=2), eig), atol=1e-5)
        assert not torch.allclose(first, network(images, frames(seed=1), 1 - eig), atol=1e-5)


@pytest.mark.parametrize("eig", [False, True])
def test_every_parameter_has_a_gradient(tiny, eig):
    torch.manual_seed(4)
    network = build(replace(tiny, uses_eig=eig))
    maps = torch.rand(2, 16, 24) if eig else None
    # With draws from the posterior, as its variance has no part in the mean.
    made = network(frames(), frames(seed=1), maps, torch.Generator().manual_seed(0))
    (made - frames(seed=2)).square().mean().backward()
    lacking = [
        name
        for name, parameter in network.named_parameters()
        if parameter.grad is None or not parameter.grad.abs().max() > 0
    ]
    assert lacking == []


def test_it_learns(network):
    images, references = frames(), frames(seed=1)
    target = (images * 0.5 + 0.2).detach()
    optimiser = torch.optim.AdamW(network.parameters(), 5e-3)
    losses = []
    for _ in range(20):
        loss = (network(images, references) - target).square().mean()
        optimiser.zero_grad()
        loss.backward()
        optimiser.step()
        losses.append(loss.item())
    assert losses[-1] < 0.75 * losses[0]


def test_draws_from_the_posterior_repeat_with_their_seed(network):
    with torch.no_grad():
        drawn = [
            network(frames(), frames(seed=1), generator=torch.Generator().manual_seed(s)) for s in (7, 7, 8)
        ]
        mean = network(frames(), frames(seed=1))
    assert torch.equal(drawn[0], drawn[1])
    assert not torch.equal(drawn[0], drawn[2])
    assert not torch.equal(drawn[0], mean)


def test_the_same_seed_builds_the_same_network(tiny):
    states = []
    for _ in range(2):
        torch.manual_seed(11)
        states.append(build(tiny).state_dict())
    assert all(torch.equal(states[0][name], states[1][name]) for name in states[0])


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"timestep": 1000}, "timestep"),
        ({"unet": UnetConfig((8, 16), (1,), (False, True), 1, 4)}, "number of entries per level"),
        ({"unet": UnetConfig((8, 15), (1, 1), (False, True), 1, 4)}, "multiples of its norm groups"),
    ],
)
def test_sizes_that_do_not_fit_are_refused(tiny, change, message):
    with pytest.raises(DataError, match=message):
        RestorerConfig(**{"unet": tiny.unet, "vae": tiny.vae, "context": tiny.context} | change)
