"""The parameters of 3D Gaussians, in the unconstrained form that is optimised and stored."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, fields, replace

import torch
from torch import Tensor

from recgen_bench.harness.errors import MethodFailed

SH_BAND_0 = 0.28209479177387814
"""Value of the constant spherical harmonic, 1 / (2 sqrt(pi))."""


@dataclass(frozen=True, slots=True, eq=False)
class Gaussians:
    """N Gaussians; every field has one row for each.

    The same type also holds what has the shape of the parameters: gradients and Adam moments.

    Attributes:
        means: (N, 3) centres, world units.
        quats: (N, 4) rotations w, x, y, z; need not be normalised.
        scales: (N, 3) natural logarithms of the standard deviations along the rotated axes, world units.
        opacities: (N,) logits.
        sh0: (N, 1, 3) coefficient of the constant harmonic; colour = 0.5 + SH_BAND_0 sh0 + ..., at least 0.
        shN: (N, K - 1, 3) coefficients of the degrees above 0 in Inria's order, K = (degree + 1)^2.
    """

    means: Tensor
    quats: Tensor
    scales: Tensor
    opacities: Tensor
    sh0: Tensor
    shN: Tensor

    def __post_init__(self) -> None:
        count = self.means.shape[0]
        rest = self.shN.shape[1] if self.shN.ndim == 3 else -1
        expected = ((count, 3), (count, 4), (count, 3), (count,), (count, 1, 3), (count, rest, 3))
        if rest not in BANDS or tuple(tuple(tensor.shape) for tensor in self) != expected:
            got = ", ".join(f"{name} {tuple(getattr(self, name).shape)}" for name in NAMES)
            raise MethodFailed("the parameters of the Gaussians do not belong together", got=got)

    def __iter__(self) -> Iterator[Tensor]:
        return (getattr(self, name) for name in NAMES)

    def __len__(self) -> int:
        return self.means.shape[0]

    @property
    def degree(self) -> int:
        """Highest degree of the spherical harmonics, 0 to 3."""
        return BANDS.index(self.shN.shape[1])

    def map(self, change: Callable[[Tensor], Tensor]) -> Gaussians:
        """Return the result of a function on every field."""
        return Gaussians(*map(change, self))

    def select(self, rows: Tensor) -> Gaussians:
        """Return the rows named by indices (M,) int64 or by a mask (N,) bool."""
        return self.map(lambda tensor: tensor[rows])

    def to(self, device: str | torch.device) -> Gaussians:
        """Return the same Gaussians on a device."""
        return self.map(lambda tensor: tensor.to(device))

    def zeros(self) -> Gaussians:
        """Return zeros of the same shapes."""
        return self.map(torch.zeros_like)

    def trainable(self) -> Gaussians:
        """Return leaves of a new autograd graph that share the storage of these tensors."""
        return self.map(lambda tensor: tensor.detach().requires_grad_())

    def with_degree(self, degree: int) -> Gaussians:
        """Return harmonics cut to, or filled with zeros up to, a degree."""
        shN = self.shN.new_zeros(len(self), BANDS[degree], 3)
        shared = min(BANDS[degree], self.shN.shape[1])
        shN[:, :shared] = self.shN[:, :shared]
        return replace(self, shN=shN)


NAMES = tuple(field.name for field in fields(Gaussians))
"""The fields in their order: also the order of the parameter groups everywhere."""

BANDS = (0, 3, 8, 15)
"""Number of coefficients above degree 0, by degree."""


def concatenate(parts: Sequence[Gaussians]) -> Gaussians:
    """Return the rows of all parts, in order."""
    return Gaussians(*(torch.cat(tensors) for tensors in zip(*parts, strict=True)))


def empty(degree: int = 0, device: str | torch.device = "cpu") -> Gaussians:
    """Return no Gaussians with harmonics of a degree."""
    shapes = ((0, 3), (0, 4), (0, 3), (0,), (0, 1, 3), (0, BANDS[degree], 3))
    return Gaussians(*(torch.zeros(shape, device=device) for shape in shapes))
