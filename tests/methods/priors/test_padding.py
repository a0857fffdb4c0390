import numpy as np
import pytest
import torch
from PIL import Image

from recgen_bench.methods.priors.padding import padded, resized


@pytest.mark.parametrize(("height", "width"), [(7, 13), (16, 16), (3, 2), (1, 1), (33, 17)])
def test_padding_mirrors_at_the_border(height, width):
    images = torch.rand(2, 3, height, width, generator=torch.Generator().manual_seed(0))
    made = padded(images, 16)
    assert made.shape[-2] % 16 == made.shape[-1] % 16 == 0
    assert made.shape[-2] - height < 16
    lack = ((0, 0), (0, 0), (0, made.shape[-2] - height), (0, made.shape[-1] - width))
    np.testing.assert_array_equal(made.numpy(), np.pad(images.numpy(), lack, mode="reflect"))


def test_resizing_agrees_with_pillow_on_bytes():
    pixels = np.random.default_rng(0).integers(80, 176, (20, 30, 3), dtype=np.uint8)
    expected = np.asarray(Image.fromarray(pixels).resize((45, 16), Image.Resampling.LANCZOS))
    images = torch.from_numpy(pixels).permute(2, 0, 1)[None].float() / 255
    made = (resized(images, 16, 45)[0].permute(1, 2, 0) * 255).clamp(0, 255).numpy()
    # Bytes are rounded after each axis; values are far from the ends, where they would also be cut off.
    assert np.abs(made - expected).max() <= 1.5


def test_equal_sizes_are_left_alone():
    images = torch.rand(1, 3, 5, 6)
    assert resized(images, 5, 6) is images
    assert padded(images, 1) is images
