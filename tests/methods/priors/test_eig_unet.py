import pytest
import torch

from recgen_bench.methods.priors.eig_unet import (
    EigProcessor,
    conv_in_channels,
    on_tokens,
    to_latent_size,
    widened,
)
from recgen_bench.methods.priors.onestep import build
from recgen_bench.methods.priors.schedule import to_clean
from recgen_bench.methods.priors.stored import load_exactly, read_tensors


@pytest.fixture(scope="module")
def unet(published, golden):
    unet = build(published.with_eig()).unet
    load_exactly(unet, read_tensors(golden / "faithfusion/tiny_eig_unet.safetensors"))
    return unet.eval()


def predict(unet, latents, context, eig):
    extra = {"views": 2, "eig": eig}
    inputs = conv_in_channels(latents, eig)
    with torch.no_grad():
        return unet(inputs, 199, context, cross_attention_kwargs=extra, return_dict=False)[0]


def test_the_published_conditioned_unet(unet, numbers):
    io = numbers("faithfusion/tiny_eig_unet_io.npz")
    noise = predict(unet, io["latents"], io["context"], io["eig"])
    torch.testing.assert_close(noise, io["eps"], atol=2e-5, rtol=0)
    torch.testing.assert_close(to_clean(io["latents"], noise[:, :4]), io["x0_latent"], atol=2e-5, rtol=0)


def test_the_published_conditioned_unet_in_double_precision(published, golden, numbers):
    unet = build(published.with_eig()).unet.double()
    tensors = read_tensors(golden / "faithfusion/tiny_eig_unet.safetensors")
    unet.load_state_dict({name: tensor.double() for name, tensor in tensors.items()})
    io = {name: tensor.double() for name, tensor in numbers("faithfusion/tiny_eig_unet_io.npz").items()}
    noise = predict(unet, io["latents"], io["context"], io["eig"])
    torch.testing.assert_close(noise, io["eps_float64"], atol=1e-9, rtol=0)


def test_a_map_of_zeros_switches_the_modulation_off(unet, numbers):
    io = numbers("faithfusion/tiny_eig_unet_io.npz")
    noise = predict(unet, io["latents"], io["context"], torch.zeros_like(io["eig"]))
    torch.testing.assert_close(noise, io["eps_zero_eig"], atol=2e-5, rtol=0)


def test_only_the_first_block_of_each_level_sees_the_map(unet):
    seeing = {
        name.removesuffix(".processor")
        for name, processor in unet.attn_processors.items()
        if isinstance(processor, EigProcessor) and processor._modulates
    }
    blocks = ("down_blocks.0", "mid_block", "up_blocks.1")
    expected = {f"{block}.attentions.0.transformer_blocks.0.attn{n}" for block in blocks for n in (1, 2)}
    assert seeing == expected


def test_maps_reach_the_latent_size_as_published(numbers):
    io = numbers("faithfusion/eig_resize.npz")
    maps = io["image_and_eig"][0, :, 3:]
    made = torch.cat([io["latents"], to_latent_size(maps, io["latents"].shape[-2:])], dim=1)
    torch.testing.assert_close(made, io["unet_input"][0], atol=1e-6, rtol=0)


@pytest.mark.parametrize(("tokens", "grid"), [(96, (8, 12)), (24, (4, 6)), (6, (2, 3))])
def test_maps_reach_the_token_grid(tokens, grid):
    eig = torch.rand(2, 1, 8, 12, generator=torch.Generator().manual_seed(0))
    made = on_tokens(eig, tokens)
    assert made.shape == (2, tokens, 1)
    step = 8 // grid[0]
    if step == 1:
        assert torch.equal(made[..., 0], eig.flatten(1))
    else:
        # Between corners that are not aligned, half the size is the mean of the four middle pixels of a cell.
        half = step // 2
        rows, columns = (torch.arange(n) * step + half for n in grid)
        cells = sum(eig[:, 0, rows - i][:, :, columns - j] for i in (0, 1) for j in (0, 1)) / 4
        torch.testing.assert_close(made[..., 0], cells.flatten(1))


def test_a_widened_network_begins_as_the_plain_one(published, golden, numbers):
    plain, wide = build(published).unet.eval(), build(published.with_eig()).unet.eval()
    state = {k: v.float() for k, v in read_tensors(golden / "difix/tiny_unet.safetensors").items()}
    plain.load_state_dict(state)
    wide.load_state_dict(widened(state))
    io = numbers("difix/tiny_unet_io.npz")
    latents, context = io["latents"][:2], io["context"][:2]
    noise = predict(wide, latents, context, torch.zeros(2, 1, 8, 12))
    torch.testing.assert_close(noise[:, :4], io["eps_mv"][:2], atol=2e-5, rtol=0)
    assert torch.equal(noise[:, 4], torch.zeros_like(noise[:, 4]))
