"""What a plugin says about itself: cheap facts plus a lazy `module:object`, so that listing costs no torch.

Each class here is what one `register_*` hook hands to the registry.
"""

from __future__ import annotations

import importlib
import re
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from recgen_bench.harness.errors import PluginError

Target = str | Callable[..., Any]
"""Where the implementation is: "package.module:object", or the object itself in a single-file plugin."""

NAME = re.compile(r"[a-z0-9][a-z0-9+_./@-]*")
"""Names appear in commands, tables and file names; '..' is refused besides."""


@dataclass(frozen=True, slots=True)
class WeightsInfo:
    """One file of pretrained weights.

    Attributes:
        name: How commands call it, for example "twinlitenet".
        hub: Hugging Face repository "owner/name"; empty when only a local file will do.
        file: Path inside the repository.
        revision: Commit of the repository.
        sha256: Of the file, 64 hex digits; empty when its publisher states none.
        licence: SPDX id or the name of the licence.
        size: Bytes.
    """

    name: str
    hub: str
    file: str
    revision: str
    sha256: str
    licence: str
    size: int


@dataclass(frozen=True, slots=True)
class PackagedWeights:
    """One file of weights that ships inside a Python package.

    Attributes:
        package: Importable, for example "recgen_bench.methods.priors.embedded".
        file: Its name there.
        licence: SPDX id.
    """

    package: str
    file: str
    licence: str


@dataclass(frozen=True, slots=True)
class MethodInfo:
    """A reconstruction(-generation) method.

    Attributes:
        name: Unique, for example "3dgs".
        summary: One sentence.
        target: The class that implements `recgen_bench.harness.method.Method`.
        presets: Names of its presets, the first is the default on recorded data; "demo" is the default on
            embedded worlds. The class holds them as `presets: dict[str, Config]`.
        paper: Citation with its arXiv id or DOI.
        licence: Licence of the original release, where there is one.
        version: Raised whenever the same preset gives other numbers; part of a cell's identity.
        per_shift: Training depends on the requested lane shift; otherwise all shifts share one training.
        trains_as: Name of the method whose training it uses, where the two differ in rendering only.
        weights: Pretrained weights it cannot run without.
    """

    name: str
    summary: str
    target: Target
    presets: tuple[str, ...] = ("default",)
    paper: str = ""
    licence: str = ""
    version: int = 1
    per_shift: bool = True
    trains_as: str = ""
    weights: tuple[WeightsInfo, ...] = ()


@dataclass(frozen=True, slots=True)
class DatasetInfo:
    """A data set, or a file format that captures come in.

    Attributes:
        name: Unique, for example "waymo".
        summary: One sentence.
        target: The object that implements `recgen_bench.harness.dataset.Dataset`.
        protocol: The protocol used when none is named.
        embedded: Generated on this machine; needs no `--data` and takes any non-negative integer as scene.
        licence: Of the data.
        obtain: How to get it, in steps.
        layout: The folders that are understood.
    """

    name: str
    summary: str
    target: Target
    protocol: str
    embedded: bool = False
    licence: str = ""
    obtain: str = ""
    layout: str = ""


@dataclass(frozen=True, slots=True)
class MetricInfo:
    """A metric of one rendered image and its reference, or of all frames of a scene.

    Attributes:
        name: Unique; variants have their own names and never share a column.
        summary: One sentence that fixes the definition.
        target: (Pair) -> float, see `recgen_bench.harness.pair`, or with `weights` a factory
            (weights, device) -> that function, where weights is (name) -> path of a verified file; for the
            scope "scene" (Track) -> SceneValue, see `recgen_bench.harness.track`.
        version: Raised whenever the same images give another number.
        direction: Whether higher or lower is better.
        unit: For example "dB"; empty for a ratio.
        bounds: Smallest and largest possible value.
        needs: What the pair must hold besides both images: "depth", "mask"; a scene metric checks its track.
        digits: Decimal places in tables.
        scope: "image" or "scene".
        weights: Pretrained weights it cannot do without.
        aggregate: For the scope "scene": (SceneValue.per_view) -> the value, None where it is not defined,
            so that an edited record shows; None when the value follows only from images.
    """

    name: str
    summary: str
    target: Target
    version: int = 1
    direction: Literal["higher", "lower"] = "higher"
    unit: str = ""
    bounds: tuple[float, float] = (float("-inf"), float("inf"))
    needs: frozenset[str] = frozenset()
    digits: int = 3
    scope: Literal["image", "scene"] = "image"
    weights: tuple[WeightsInfo, ...] = ()
    aggregate: Target | None = None


@dataclass(frozen=True, slots=True)
class PriorInfo:
    """A generative prior: a network family, its weights, and what it was trained on.

    Attributes:
        name: Unique, for example "restorer-street".
        summary: One sentence.
        target: (weights, device) -> the prior, where weights is (name) -> path of a verified file; see
            `recgen_bench.methods.priors.restorer`.
        weights: Its weights.
        trained_on: What it saw, for the contamination column: "waymo", "street/7" or "street/1000-1999".
        packaged: Weights of its own that need no fetching.
        curate: (CurationOrder, Report) -> folder of pairs that it learns from, see `harness.curation`; empty
            when it is not trained here.
        train: (TrainingOrder, Report) -> file of weights.
    """

    name: str
    summary: str
    target: Target
    weights: tuple[WeightsInfo, ...] = ()
    trained_on: tuple[str, ...] = ()
    packaged: tuple[PackagedWeights, ...] = ()
    curate: Target = ""
    train: Target = ""


@dataclass(frozen=True, slots=True)
class ExecutorInfo:
    """A way to run the cells of a plan: (cells, run_cell) -> iterator of records, see `harness.executors`."""

    name: str
    summary: str
    target: Target


@dataclass(frozen=True, slots=True)
class CheckInfo:
    """Something a plugin needs from the machine: () -> a line about what was found; raises when it is not."""

    name: str
    target: Target


@dataclass(frozen=True, slots=True)
class ProtocolSource:
    """A TOML file, or a folder of them, that holds protocols."""

    path: Path


def check_name(name: str, kind: str) -> str:
    """Return the name if it may appear in commands and file names.

    Raises:
        PluginError: It is empty, has capitals, blanks, "..", or begins with a separator.
    """
    if not NAME.fullmatch(name) or ".." in name or len(name) > 80:
        raise PluginError(
            f"not a usable {kind} name",
            got=repr(name),
            expected="lower-case letters, digits and + _ . / @ -, at most 80",
        )
    return name


def resolve(target: Target, owner: str) -> Any:
    """Import and return what a target names.

    Raises:
        PluginError: The module does not import, or has no such object.
    """
    if not isinstance(target, str):
        return target
    module, _, name = target.partition(":")
    try:
        return getattr(importlib.import_module(module), name)
    except (ImportError, AttributeError) as error:
        raise PluginError(f"{owner} cannot be loaded: {error}", got=target) from error
