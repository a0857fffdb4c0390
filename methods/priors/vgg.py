"""VGG-16's convolutions as perceptual losses use them: five activations of a frozen classifier."""

from __future__ import annotations

import pickle
from collections.abc import Mapping
from pathlib import Path

import torch
from torch import Tensor, nn

from recgen_bench.harness.errors import DataError
from recgen_bench.methods.priors.stored import load_exactly, read_tensors

TAPS = (3, 8, 15, 22, 29)
"""Indices in torchvision's `features` of relu1_2, relu2_2, relu3_3, relu4_3 and relu5_3."""

WIDTHS = (64, 64, 0, 128, 128, 0, 256, 256, 256, 0, 512, 512, 512, 0, 512, 512, 512)
"""Channels of the convolutions up to the last tap; 0 stands for a pooling layer."""


def vgg_layers(widths: tuple[int, ...] = WIDTHS) -> nn.Sequential:
    """Return fresh layers: a convolution and its rectifier per width, a pooling where it is 0."""
    layers: list[nn.Module] = []
    before = 3
    for width in widths:
        if width:
            layers += [nn.Conv2d(before, width, 3, padding=1), nn.ReLU()]
            before = width
        else:
            layers.append(nn.MaxPool2d(2))
    return nn.Sequential(*layers)


def load_vgg(path: Path, widths: tuple[int, ...] = WIDTHS) -> nn.Sequential:
    """Return layers 0 to 29 of VGG-16, frozen, with the weights in a file.

    Args:
        path: torchvision's vgg16, whole or its `features`: .safetensors, or .pth read without running code.
        widths: Other than VGG-16's in tests.

    Raises:
        DataError: The file is damaged, holds more than tensors, or is another network's.
    """
    state = {
        name.removeprefix("features."): tensor
        for name, tensor in _read(path).items()
        if not name.startswith("classifier.")
    }
    with torch.device("meta"):
        vgg = vgg_layers(widths)
    load_exactly(vgg, state, assign=True)
    return vgg.requires_grad_(False).eval()


def tapped(vgg: nn.Sequential, images: Tensor) -> list[Tensor]:
    """Return the five activations of normalised images (B, 3, H, W); sides of 16 pixels at least."""
    activations = []
    for index, layer in enumerate(vgg):
        images = layer(images)
        if index in TAPS:
            activations.append(images)
    return activations


def _read(path: Path) -> Mapping[str, Tensor]:
    if path.suffix == ".safetensors":
        return read_tensors(path)
    state = read_pickle(path)
    if not isinstance(state, Mapping):
        raise DataError("not a file of named tensors", got=type(state).__name__, where=str(path))
    return state


def read_pickle(path: Path) -> object:
    """Return what `torch.save` wrote, if it is only tensors, numbers, text and collections of them.

    Raises:
        DataError: The file is missing or damaged, or holds code or other objects.
    """
    try:
        return torch.load(path, map_location="cpu", weights_only=True)
    except (pickle.UnpicklingError, EOFError, OSError, RuntimeError, ValueError) as error:
        reason = str(error).partition("\n")[0]
        raise DataError(f"the weights cannot be read: {reason}", where=str(path)) from error
