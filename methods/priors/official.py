"""The published restorers: nvidia/difix, nvidia/difix_ref, and checkpoints trained from them.

A restorer is five files of the published folder: UNet, autoencoder, text encoder and the tokeniser's two.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import torch
from torch import Tensor, nn
from transformers import CLIPTextConfig

from recgen_bench.harness.errors import DataError, WeightsMissing, located
from recgen_bench.methods.priors.config import DIFIX, DIFIX_REF, RestorerConfig
from recgen_bench.methods.priors.lora import fold
from recgen_bench.methods.priors.onestep import OneStepNetwork, build
from recgen_bench.methods.priors.restoring import OneStepRestorer
from recgen_bench.methods.priors.stored import load_exactly, read_tensors
from recgen_bench.methods.priors.text import sd_turbo_text, text_states
from recgen_bench.methods.priors.vgg import read_pickle

PICKLED = ("state_dict_unet", "state_dict_vae")
"""Entries of a checkpoint that Difix's training writes."""

Weights = Callable[[str], Path]

SIZE = (576, 1024)
"""Height and width that Difix was trained and is run at, whatever the frame's."""


def difix(weights: Weights, device: str) -> OneStepRestorer:
    """Return nvidia/difix, which looks at the frame alone."""
    return OneStepRestorer("difix", load_published(DIFIX, "difix", weights), device, size=SIZE)


def difix_ref(weights: Weights, device: str) -> OneStepRestorer:
    """Return nvidia/difix_ref, which also looks at a recorded frame."""
    return OneStepRestorer("difix-ref", load_published(DIFIX_REF, "difix-ref", weights), device, size=SIZE)


def faithfusion_eig(weights: Weights, device: str) -> OneStepRestorer:
    """Return FaithFusion's per-frame fixer: its checkpoint over difix_ref's autoencoder and text."""
    network = load_published(DIFIX_REF.with_eig(), "difix-ref", weights, checkpoint="faithfusion-eig-model")
    return OneStepRestorer("faithfusion-eig", network, device, size=SIZE)


def faithfusion_video(weights: Weights, device: str) -> OneStepRestorer:
    """Raise WeightsMissing: nobody outside can run FaithFusion's video branch."""
    raise WeightsMissing(
        "FaithFusion's video branch cannot be run: its authors have not released it",
        hint="choose the prior restorer-eig, which ships here, or faithfusion-eig with a checkpoint of yours",
    )


def load_published(
    config: RestorerConfig,
    name: str,
    weights: Weights,
    *,
    checkpoint: str | None = None,
    text: CLIPTextConfig | None = None,
) -> OneStepNetwork:
    """Return a published network with its adapters folded.

    Args:
        config: Its sizes.
        name: Begins the names of its files: NAME-unet, -vae, -text, -vocabulary, -merges.
        weights: Finds files by name.
        checkpoint: Name of a pickled checkpoint that replaces the UNet and the autoencoder's trained part.
        text: Sizes of the text encoder; SD-Turbo's when left out.

    Raises:
        WeightsMissing: A file is not on this machine.
        DataError: A file is damaged, or belongs to another network; names the first key that differs.
    """
    text = text or sd_turbo_text()
    files = [weights(f"{name}-{part}") for part in ("vae", "text", "vocabulary", "merges")]
    path = weights(checkpoint or f"{name}-unet")
    # Without memory or values at first: at full size a random network costs 3.8 GB and half a minute.
    with torch.device("meta"):
        network = build(config)
    vae = read_tensors(files[0])
    if checkpoint:
        unet, trained = read_checkpoint(path)
        vae |= trained
    else:
        unet = read_tensors(path)
    with located(str(path)):
        load_exactly(network.unet, unet, assign=True)
    with located(str(files[0])):
        load_exactly(network.vae, vae, assign=True)
    network.context = nn.Parameter(text_states(files[1], files[2], files[3], text))
    fold(network.vae)
    return network


def read_checkpoint(path: Path) -> tuple[dict[str, Tensor], dict[str, Tensor]]:
    """Return the whole UNet and the trained part of the autoencoder from a checkpoint of Difix's training.

    It is a pickle, of which only tensors and plain values are read. Its optimiser state is left alone.

    Raises:
        DataError: It holds code or other objects, or lacks the entries of such a checkpoint.
    """
    content = read_pickle(path)
    unet, vae = (_tensors(content, part, path) for part in PICKLED)
    foreign = [key for key in vae if "lora" not in key and "skip" not in key]
    if foreign:
        what = "the checkpoint replaces a frozen part of the autoencoder"
        raise DataError(what, got=foreign[0], expected="adapters and skips only", where=str(path))
    return unet, vae


def _tensors(content: object, entry: str, path: Path) -> dict[str, Tensor]:
    part = content.get(entry) if isinstance(content, dict) else None
    if not isinstance(part, dict) or not all(isinstance(value, Tensor) for value in part.values()):
        got = ", ".join(map(str, content)) if isinstance(content, dict) else type(content).__name__
        expected = f"the entries {' and '.join(PICKLED)}, dictionaries of tensors"
        raise DataError("not a checkpoint of Difix's training", got=got, expected=expected, where=str(path))
    return part
