"""Reading pretrained weights from disk into a network, without running anything that a file brings along."""

from __future__ import annotations

import pickle
import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

import torch
from torch import Tensor, nn

from recgen_bench.harness.errors import DataError

_GPU = threading.Lock()


@contextmanager
def evaluating(device: str) -> Iterator[None]:
    """Run networks without gradients, and on a GPU in full float32, one thread at a time.

    TF32, torch's default for convolutions there, would change the third digit of a metric. The switch is
    global, which is why it is held only as long as needed.
    """
    with torch.inference_mode():
        if device == "cpu":
            yield
        else:
            with _GPU, torch.backends.cudnn.flags(enabled=True, deterministic=True, allow_tf32=False):
                yield


def read_state(path: Path) -> Mapping[str, Tensor]:
    """Return the tensors of a safetensors or a torch file by name.

    Raises:
        DataError: The file is damaged, holds code or objects, or something other than named tensors.
    """
    try:
        if path.suffix == ".safetensors":
            from safetensors.torch import load_file

            return load_file(path)
        state = torch.load(path, map_location="cpu", weights_only=True)
    except (pickle.UnpicklingError, EOFError, OSError, RuntimeError, ValueError) as error:
        reason = str(error).partition("\n")[0]
        raise DataError(
            f"the weights cannot be read: {reason}",
            expected="tensors only, as safetensors or written by torch.save",
            where=str(path),
        ) from error
    if not isinstance(state, Mapping) or not all(isinstance(value, Tensor) for value in state.values()):
        raise DataError("not a file of named tensors", got=type(state).__name__, where=str(path))
    return state


def filled(network: nn.Module, path: Path, device: str, prefix: str = "") -> nn.Module:
    """Return a network with the tensors of a file, ready to be evaluated.

    Args:
        network: May lie on torch's "meta" device, where it costs no memory.
        path: Its weights.
        device: Where it shall run.
        prefix: Only names that begin with it count, and without it; empty when all do.

    Raises:
        DataError: The file cannot be read, lacks a tensor of the network, or has one of another shape.
    """
    state = {
        name.removeprefix(prefix): value
        for name, value in read_state(path).items()
        if name.startswith(prefix)
    }
    try:
        network.load_state_dict(state, assign=True)
    except RuntimeError as error:
        reason = " ".join(str(error).split())[:300]
        raise DataError("the weights are not those of this network", got=reason, where=str(path)) from error
    return network.requires_grad_(False).to(device).eval()
