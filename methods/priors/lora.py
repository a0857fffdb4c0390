"""Low-rank adapters under the names that peft writes, without peft."""

from __future__ import annotations

import torch
from torch import Tensor, nn

ADAPTER = "vae_skip"
"""The name Difix gave its decoder's adapter; part of every key."""

SCALING = 2.0
"""peft's alpha / rank: the release leaves alpha at 8 and sets the rank to 4."""


class LowRank(nn.Module):
    """A convolution or linear layer W with a low-rank correction: W + 2 B A.

    Keys: base_layer.weight, base_layer.bias, lora_A.vae_skip.weight, lora_B.vae_skip.weight. A begins random
    and B zero, so that a fresh adapter changes nothing.
    """

    def __init__(self, base: nn.Conv2d | nn.Linear, rank: int) -> None:
        super().__init__()
        self.base_layer = base
        first, second = _pair(base, rank)
        nn.init.normal_(first.weight, std=1 / rank)
        nn.init.zeros_(second.weight)
        self.lora_A = nn.ModuleDict({ADAPTER: first})
        self.lora_B = nn.ModuleDict({ADAPTER: second})

    def forward(self, inputs: Tensor) -> Tensor:
        """Return the layer's output with its correction."""
        return self.base_layer(inputs) + SCALING * self.lora_B[ADAPTER](self.lora_A[ADAPTER](inputs))

    @torch.no_grad()
    def folded(self) -> nn.Conv2d | nn.Linear:
        """Return the plain layer that computes the same; it replaces and shares this one's base layer."""
        first, second = self.lora_A[ADAPTER].weight, self.lora_B[ADAPTER].weight
        assert isinstance(first, Tensor)
        assert isinstance(second, Tensor)
        self.base_layer.weight += SCALING * (second.flatten(1) @ first.flatten(1)).reshape(
            self.base_layer.weight.shape
        )
        return self.base_layer


def adapt(module: nn.Module, endings: tuple[str, ...], rank: int) -> None:
    """Wrap every convolution and linear layer below a module whose name ends in one of `endings`."""
    for name, layer in list(module.named_modules()):
        if isinstance(layer, nn.Conv2d | nn.Linear) and _ends(name, endings):
            module.set_submodule(name, LowRank(layer, rank))


def fold(module: nn.Module) -> None:
    """Replace every adapted layer below a module by its folded one."""
    for name, layer in list(module.named_modules()):
        if isinstance(layer, LowRank):
            module.set_submodule(name, layer.folded())


def _pair(base: nn.Conv2d | nn.Linear, rank: int) -> tuple[nn.Conv2d | nn.Linear, nn.Conv2d | nn.Linear]:
    if isinstance(base, nn.Linear):
        return nn.Linear(base.in_features, rank, bias=False), nn.Linear(rank, base.out_features, bias=False)
    kernel, stride, padding = base.kernel_size, base.stride, base.padding
    first = nn.Conv2d(base.in_channels, rank, kernel, stride, padding, bias=False)  # type: ignore[arg-type] # A tuple of two in fact.
    return first, nn.Conv2d(rank, base.out_channels, 1, bias=False)


def _ends(name: str, endings: tuple[str, ...]) -> bool:
    return any(name == ending or name.endswith(f".{ending}") for ending in endings)
