import pytest
import torch

from recgen_bench.methods.priors.onestep import build
from recgen_bench.methods.priors.schedule import to_clean
from recgen_bench.methods.priors.stored import load_exactly, read_tensors


@pytest.fixture(scope="module")
def unet(published, golden):
    unet = build(published).unet
    load_exactly(unet, read_tensors(golden / "difix/tiny_unet.safetensors"))
    return unet.eval()


def predict(unet, latents, context, views):
    with torch.no_grad():
        return unet(latents, 199, context, cross_attention_kwargs={"views": views}, return_dict=False)[0]


def test_the_published_unet_with_two_views(unet, numbers):
    io = numbers("difix/tiny_unet_io.npz")
    noise = predict(unet, io["latents"], io["context"], views=2)
    torch.testing.assert_close(noise, io["eps_mv"], atol=2e-5, rtol=0)
    torch.testing.assert_close(to_clean(io["latents"], noise), io["x0_mv"], atol=2e-5, rtol=0)


def test_the_published_unet_in_double_precision(published, golden, numbers):
    unet = build(published).unet
    load_exactly(unet, read_tensors(golden / "difix/tiny_unet.safetensors"))
    io = numbers("difix/tiny_unet_io.npz")
    noise = predict(unet.double(), io["latents"].double(), io["context"].double(), views=2)
    torch.testing.assert_close(noise, io["eps_mv_float64"], atol=1e-9, rtol=0)


def test_the_published_unet_with_one_view(unet, numbers):
    io = numbers("difix/tiny_unet_io.npz")
    noise = predict(unet, io["latents"], io["context"], views=1)
    torch.testing.assert_close(noise, io["eps_single"], atol=2e-5, rtol=0)


def test_samples_do_not_see_each_other(unet, numbers):
    io = numbers("difix/tiny_unet_io.npz")
    first = predict(unet, io["latents"][:2], io["context"][:2], views=2)
    both = predict(unet, io["latents"], io["context"], views=2)
    torch.testing.assert_close(first, both[:2], atol=2e-5, rtol=0)


def test_swapping_the_views_swaps_the_predictions(unet, numbers):
    io = numbers("difix/tiny_unet_io.npz")
    latents, context = io["latents"][:2], io["context"][:2]
    swapped = predict(unet, latents.flip(0), context.flip(0), views=2).flip(0)
    torch.testing.assert_close(swapped, predict(unet, latents, context, views=2), atol=2e-5, rtol=0)
