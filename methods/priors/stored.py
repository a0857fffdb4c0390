"""Networks as files: safetensors, with the configuration and the model card's facts in the metadata."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, TypeVar

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import load_file, save
from torch import Tensor, nn

from recgen_bench.harness.errors import DataError, ProtocolError, located
from recgen_bench.harness.files import write_atomic
from recgen_bench.harness.settings import from_table
from recgen_bench.methods.priors.config import RestorerConfig
from recgen_bench.methods.priors.onestep import OneStepNetwork, build

T = TypeVar("T")

FORMAT = "recgen-bench restorer 1"
ENTRY = "recgen"


@dataclass(frozen=True, slots=True)
class Card:
    """What a network's file says about its making.

    Attributes:
        command: That made it.
        steps: Of training.
        seed: Of training.
        trained_on: Data sets and scenes it saw, for example "street 1000-1023".
        terms: Of the loss that were present, for example "l2".
        notes: Anything else, one line each.
    """

    command: str = ""
    steps: int = 0
    seed: int = 0
    trained_on: tuple[str, ...] = ()
    terms: tuple[str, ...] = ()
    notes: tuple[str, ...] = ()


def save_network(path: Path, network: OneStepNetwork, card: Card, dtype: torch.dtype = torch.float16) -> None:
    """Write a network's weights, configuration and card in one step.

    Args:
        path: Ends in .safetensors.
        network: Its weights are stored in the order of their names, so equal networks give equal bytes.
        card: Facts for the model card.
        dtype: Of the stored weights; half precision halves the file and is exact again once rounded.

    Raises:
        OutputError: The file cannot be written.
    """
    state = network.state_dict()
    tensors = {name: state[name].detach().to("cpu", dtype).contiguous() for name in sorted(state)}
    facts = {"format": FORMAT, "config": asdict(network.config), "card": asdict(card)}
    # One entry only: the library writes several in an order that changes from run to run.
    write_atomic(path, save(tensors, {ENTRY: json.dumps(facts, sort_keys=True)}))


def load_network(path: Path) -> OneStepNetwork:
    """Return the network in a file, in float32, on the CPU, ready for inference.

    Raises:
        DataError: It is no such file, or its weights are not those of its configuration; names the first
            key that differs.
    """
    with located(str(path)):
        network = build(_read(RestorerConfig, _facts(path), "config"))
        load_exactly(network, read_tensors(path))
    return network.eval()


def read_card(path: Path) -> Card:
    """Return the card in a network's file.

    Raises:
        DataError: It is not a restorer's file, or its card is damaged.
    """
    with located(str(path)):
        return _read(Card, _facts(path), "card")


def read_tensors(path: Path) -> dict[str, Tensor]:
    """Return all tensors of a safetensors file.

    Raises:
        DataError: There is no such file, or it is damaged.
    """
    try:
        return load_file(path)
    except (SafetensorError, OSError) as error:
        raise DataError(f"the weights cannot be read: {error}", where=str(path)) from error


def load_exactly(module: nn.Module, state: Mapping[str, Tensor], assign: bool = False) -> None:
    """Copy weights into a module whose names and shapes they must match.

    Args:
        module: Takes the weights.
        state: In any precision; the module is in float32 afterwards.
        assign: Float32 tensors are taken over instead of copied, for modules on the meta device.

    Raises:
        DataError: Names the first key, in the module's order, that is missing or has another shape, or else
            the first that the module does not have.
    """
    check_shapes({name: tuple(tensor.shape) for name, tensor in module.state_dict().items()}, state)
    module.load_state_dict({name: tensor.float() for name, tensor in state.items()}, assign=assign)


def check_shapes(expected: Mapping[str, tuple[int, ...]], state: Mapping[str, Tensor]) -> None:
    """Compare names and shapes; raises DataError as `load_exactly` does."""
    hint = "these weights belong to another network, or to another size of this one"
    for name, shape in expected.items():
        got = list(state[name].shape) if name in state else "no such key"
        if got != list(shape):
            what = f"the weights do not fit; the first difference is {name}"
            raise DataError(what, got=got, expected=list(shape), hint=hint)
    for name in state:
        if name not in expected:
            what = f"the weights do not fit; the first difference is {name}"
            raise DataError(what, got=list(state[name].shape), expected="no such key", hint=hint)


def _facts(path: Path) -> dict[str, Any]:
    try:
        with safe_open(path, "pt") as file:
            facts = json.loads((file.metadata() or {}).get(ENTRY, "{}"))
    except (SafetensorError, OSError, json.JSONDecodeError) as error:
        raise DataError(f"the weights cannot be read: {error}") from error
    if not isinstance(facts, dict) or facts.get("format") != FORMAT:
        raise DataError("not a restorer's file", expected=f"the format {FORMAT!r} in its metadata")
    return facts


def _read(kind: type[T], facts: dict[str, Any], entry: str) -> T:
    table = facts.get(entry)
    try:
        return from_table(kind, table if isinstance(table, dict) else {}, entry)
    except ProtocolError as error:
        raise DataError(
            f"the file's metadata is damaged: {error.where}: {error.what}",
            got=error.got,
            expected=error.expected,
        ) from error
