"""The text a published restorer is given, as its CLIP encoder sees it."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
from torch import Tensor
from transformers import CLIPTextConfig, CLIPTextModel, CLIPTokenizer

from recgen_bench.harness.errors import DataError, located
from recgen_bench.methods.priors.stored import check_shapes, read_tensors

PROMPT = "remove degradation"
"""What Difix is always told; there is no guidance by it."""

TOKENS = 77
PADDING = "!"
"""Stable Diffusion 2's tokeniser fills up with this, other CLIP tokenisers with the end token."""

PREFIX = "text_model."


def sd_turbo_text() -> CLIPTextConfig:
    """Return the sizes of SD-Turbo's text encoder (340 M parameters, 1.36 GB)."""
    return CLIPTextConfig(
        vocab_size=49408,
        hidden_size=1024,
        intermediate_size=4096,
        num_hidden_layers=23,
        num_attention_heads=16,
        hidden_act="gelu",
        projection_dim=512,
    )


@torch.no_grad()
def text_states(encoder: Path, vocabulary: Path, merges: Path, config: CLIPTextConfig) -> Tensor:
    """Return the encoder's last states of the prompt, (77, width) float32.

    Args:
        encoder: The text encoder, .safetensors.
        vocabulary: The tokeniser's vocab.json.
        merges: The tokeniser's merges.txt.
        config: Sizes of the encoder.

    Raises:
        DataError: A file is damaged, or the encoder's weights are of another size; names the first key.
    """
    tokens = prompt_tokens(vocabulary, merges)
    model: Any = CLIPTextModel(config)
    model.eval()
    with located(str(encoder)):
        _load(model, read_tensors(encoder))
        if int(tokens.max()) >= config.vocab_size:
            what = "the tokeniser belongs to another text encoder"
            raise DataError(what, got=f"token {int(tokens.max())}", expected=f"below {config.vocab_size}")
    return model(input_ids=tokens[None]).last_hidden_state[0].clone()


def prompt_tokens(vocabulary: Path, merges: Path) -> Tensor:
    """Return the prompt's 77 token numbers, filled up with the padding token's.

    Raises:
        DataError: The tokeniser's files cannot be read.
    """
    try:
        tokeniser = CLIPTokenizer(vocab=str(vocabulary), merges=str(merges), pad_token=PADDING)
    except Exception as error:
        # The tokenisers library raises bare Exception for every kind of damaged file.
        raise DataError(f"the tokeniser cannot be read: {error}", where=str(vocabulary)) from error
    made = tokeniser(PROMPT, padding="max_length", max_length=TOKENS, truncation=True)
    return torch.tensor(made["input_ids"])


def _load(model: Any, state: Mapping[str, Tensor]) -> None:
    """Copy weights whose names may have the prefix that some versions of transformers write."""
    names = {name.removeprefix(PREFIX): name for name in model.state_dict()}
    plain = {
        name.removeprefix(PREFIX): tensor
        for name, tensor in state.items()
        if not name.endswith("position_ids")  # Older versions stored these row numbers too.
    }
    shapes = {short: tuple(model.state_dict()[name].shape) for short, name in names.items()}
    check_shapes(shapes, plain)
    model.load_state_dict({names[short]: tensor.float() for short, tensor in plain.items()})
