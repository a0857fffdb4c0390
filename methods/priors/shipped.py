"""The embedded restorers: trained by this project on its own worlds, shipped inside the package."""

from __future__ import annotations

from collections.abc import Callable
from importlib.resources import files
from pathlib import Path

from recgen_bench.harness.errors import WeightsMissing
from recgen_bench.methods.priors.restoring import OneStepRestorer
from recgen_bench.methods.priors.stored import load_network

PACKAGE = "recgen_bench.methods.priors.embedded"


def restorer(weights: Callable[[str], Path], device: str) -> OneStepRestorer:
    """Return the plain embedded restorer; `weights` is not asked."""
    return load_embedded("restorer", device)


def restorer_eig(weights: Callable[[str], Path], device: str) -> OneStepRestorer:
    """Return the embedded restorer conditioned on expected information gain; `weights` is not asked."""
    return load_embedded("restorer-eig", device)


def load_embedded(name: str, device: str) -> OneStepRestorer:
    """Return a restorer from the package's own files.

    Raises:
        WeightsMissing: The package lacks the file.
        DataError: The file is damaged.
    """
    path = Path(str(files(PACKAGE) / f"{name}.safetensors"))
    if not path.is_file():
        hint = "install the package again, or train the prior with `recgen-bench prior train`"
        raise WeightsMissing(f"the package lacks its weights {path.name}", where=str(path), hint=hint)
    return OneStepRestorer(name, load_network(path), device)
