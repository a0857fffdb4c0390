"""A one-step network behind the `Restorer` contract: any size, in batches, on any device, checked input."""

from __future__ import annotations

import torch
from torch import Tensor

from recgen_bench.harness.errors import DataError, MethodFailed
from recgen_bench.methods.priors.onestep import OneStepNetwork
from recgen_bench.methods.priors.padding import padded, resized


class OneStepRestorer:
    """Repairs rendered frames with a `OneStepNetwork`; see `Restorer` for the contract.

    Args:
        name: Of the prior, for records.
        network: Moved to the device and frozen.
        device: "cpu" or "cuda".
        size: (height, width) at which the network runs, frames being resized there and back with a Lanczos
            filter; None runs it at the frame's size, padded by reflection. Difix was trained at 576x1024.
        seed: Draws latents from the encoder's posterior as the release does, every frame with this seed;
            None, the default, takes the posterior's mean, which needs no luck to be repeated.
        batch: Frames per network call.
    """

    def __init__(
        self,
        name: str,
        network: OneStepNetwork,
        device: str = "cpu",
        *,
        size: tuple[int, int] | None = None,
        seed: int | None = None,
        batch: int = 1,
    ) -> None:
        self.name = name
        self.uses_reference = network.config.uses_reference
        self.reference = network.config.reference
        self.uses_eig = network.config.uses_eig
        self.network = network.requires_grad_(False).to(device).eval()
        self.device = device
        self.size = size
        self.seed = seed
        self.batch = batch

    def restore(self, images: Tensor, references: Tensor | None = None, eig: Tensor | None = None) -> Tensor:
        """Return repaired frames on the device of the input; a reference or map it does not use is ignored.

        Raises:
            DataError: A needed reference or map is missing, shapes do not match, or a value is not finite.
            MethodFailed: The memory does not suffice.
        """
        references = references if self.uses_reference else None
        eig = eig if self.uses_eig else None
        self._check(images, references, eig)
        made = [
            self._restore(
                images[start : start + self.batch],
                None if references is None else references[start : start + self.batch],
                None if eig is None else eig[start : start + self.batch],
            )
            for start in range(0, len(images), self.batch)
        ]
        return torch.cat(made).to(images.device) if made else images

    @torch.inference_mode()
    def _restore(self, images: Tensor, references: Tensor | None, eig: Tensor | None) -> Tensor:
        height, width = images.shape[-2:]
        # Pixels without evidence carry 100; for the network everything from 1 on is unknown.
        scaled = None if eig is None else self._fit(eig.clamp(0, 1).unsqueeze(1))[:, 0]
        generator = None if self.seed is None else torch.Generator().manual_seed(self.seed)
        try:
            made = self.network(
                self._fit(images), None if references is None else self._fit(references), scaled, generator
            )
        except (MemoryError, RuntimeError) as error:
            raise _explained(error, self.name, len(images)) from None
        if self.size is not None:
            made = resized(made, height, width)
        return made[..., :height, :width].clamp(0, 1).clone()

    def _fit(self, images: Tensor) -> Tensor:
        images = images.to(self.device, torch.float32)
        if self.size is not None:
            images = resized(images, *self.size).clamp(0, 1)
        return padded(images, self.network.config.multiple)

    def _check(self, images: Tensor, references: Tensor | None, eig: Tensor | None) -> None:
        if images.ndim != 4 or images.shape[1] != 3 or 0 in images.shape[2:]:
            raise DataError("not a batch of frames", got=list(images.shape), expected="(B, 3, H, W)")
        if self.uses_reference and references is None:
            raise DataError(f"{self.name} needs a reference frame for each frame", got="none")
        if self.uses_eig and eig is None:
            raise DataError(f"{self.name} needs an information gain map for each frame", got="none")
        batch, _, height, width = frames = tuple(images.shape)
        expected = {"frames": frames, "references": frames, "information gain": (batch, height, width)}
        for what, tensor in (("frames", images), ("references", references), ("information gain", eig)):
            if tensor is None:
                continue
            if tuple(tensor.shape) != expected[what]:
                got, wanted = list(tensor.shape), list(expected[what])
                raise DataError(f"the {what} do not match the frames in size", got=got, expected=wanted)
            if not torch.isfinite(tensor).all():
                bad = int((~torch.isfinite(tensor)).sum())
                raise DataError(f"the {what} hold values that are not finite", got=f"{bad} values")


def _explained(error: BaseException, name: str, frames: int) -> BaseException:
    """Return a failure for want of memory as MethodFailed, any other as it is."""
    wanting = isinstance(error, torch.OutOfMemoryError | MemoryError)
    if not wanting and "not enough memory" not in str(error) and "allocate memory" not in str(error):
        return error
    hint = "use smaller frames, a machine with more memory, or the prior restorer"
    return MethodFailed(f"{name} ran out of memory", got=f"{frames} frames at once", hint=hint)
