"""Storing models and the state of a phase: tensors as safetensors, everything else as JSON; never pickle."""

from __future__ import annotations

import dataclasses
import json
import time
import types
import typing
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from recgen_bench.harness.accounting import Cost
from recgen_bench.harness.errors import DataError, MethodFailed
from recgen_bench.harness.files import write_atomic

Value = Any
"""A frozen dataclass, tuple, list, dict with text keys, array, tensor, number, text, bool or None."""


def save(path: Path, value: Value) -> None:
    """Write a value to one `.safetensors` file, atomically.

    Arrays come back as arrays, tensors as CPU tensors, tuples as tuples; shared storage is not kept.

    Raises:
        MethodFailed: The value holds something that is not plain data, named by its path.
        OutputError: The file cannot be written.
    """
    from safetensors.torch import save as serialise

    tensors: dict[str, Any] = {}
    outline = _flatten(value, "value", tensors)
    # Through memory rather than `save_file`, whose own I/O errors do not say that the disk is full.
    write_atomic(path, serialise(tensors, metadata={"outline": json.dumps(outline)}))


def load(path: Path, root: type = object) -> Value:
    """Read what `save` wrote.

    Args:
        path: The file.
        root: Type of the stored value; only dataclasses reachable from its annotations are built.

    Raises:
        DataError: The file is missing, damaged, or holds another type.
    """
    from safetensors import SafetensorError, safe_open

    known = {kind.__qualname__: kind for kind in _dataclasses(root)}
    try:
        with safe_open(path, framework="pt") as stored:
            outline = json.loads((stored.metadata() or {})["outline"])
            return _build(outline, stored.get_tensor, known)
    except (SafetensorError, OSError, KeyError, ValueError, TypeError) as error:
        hint = "delete the file and repeat the command"
        raise DataError(f"is not a readable checkpoint: {error}", hint=hint, where=str(path)) from error


@dataclass(frozen=True, slots=True)
class Snapshot:
    """The state of a phase after `step` steps."""

    step: int
    state: dict[str, Value]


@dataclass(slots=True)
class Snapshots:
    """The latest state inside a long phase, saved now and then so that a kill costs seconds.

    Attributes:
        path: The file; the loop removes it when the phase has ended.
        every_s: Seconds between two saves.
        spent: () -> the phase's cost so far, stored along so that accounting survives a kill too.
    """

    path: Path
    every_s: float = 20.0
    spent: Callable[[], Cost] = Cost
    _saved_at: float = dataclasses.field(default_factory=time.monotonic)

    def latest(self) -> Snapshot | None:
        """Return the last saved state, None at the start of a phase."""
        if not self.path.exists():
            return None
        stored = load(self.path, Cost)
        return Snapshot(stored["step"], stored["state"])

    def spent_earlier(self) -> Cost:
        """Return what killed attempts at this phase had spent when they last saved."""
        return load(self.path, Cost)["spent"] if self.path.exists() else Cost()

    def save_if_due(self, step: int, make_state: Callable[[], dict[str, Value]]) -> bool:
        """Save when `every_s` have passed since the last save; `make_state` is called only then."""
        if time.monotonic() - self._saved_at < self.every_s:
            return False
        save(self.path, {"step": step, "state": make_state(), "spent": self.spent()})
        self._saved_at = time.monotonic()
        return True

    def clear(self) -> None:
        """Forget the saved state."""
        self.path.unlink(missing_ok=True)


def _flatten(value: Value, path: str, tensors: dict[str, Any]) -> Any:
    """Return the JSON outline of a value and put its arrays and tensors into `tensors` under their paths."""
    import torch

    if isinstance(value, torch.Tensor):
        # A copy, because safetensors refuses tensors that share storage.
        tensors[path] = value.detach().to("cpu", copy=True).contiguous()
        return {"tensor": path}
    if isinstance(value, np.ndarray):
        tensors[path] = torch.from_numpy(np.array(value, order="C"))
        return {"array": path}
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        fields = {
            field.name: _flatten(getattr(value, field.name), f"{path}.{field.name}", tensors)
            for field in dataclasses.fields(value)
            if field.init
        }
        return {"dataclass": type(value).__qualname__, "fields": fields}
    if isinstance(value, (tuple, list)):
        items = [_flatten(item, f"{path}.{i}", tensors) for i, item in enumerate(value)]
        return {"tuple" if isinstance(value, tuple) else "list": items}
    if isinstance(value, dict) and all(isinstance(key, str) for key in value):
        return {"dict": {key: _flatten(item, f"{path}.{key}", tensors) for key, item in value.items()}}
    if isinstance(value, np.generic):
        value = value.item()
    if value is None or isinstance(value, (bool, int, float, str)):
        return {"plain": value}
    raise MethodFailed(
        "this cannot be stored in a checkpoint", got=f"{type(value)!r} at {path}", expected=Value.__doc__
    )


def _build(outline: Any, tensor: Callable[[str], Any], known: dict[str, type]) -> Value:
    ((kind, content),) = ((key, item) for key, item in outline.items() if key != "fields")
    match kind:
        case "tensor":
            return tensor(content)
        case "array":
            return tensor(content).numpy()
        case "dataclass":
            if content not in known:
                raise ValueError(f"it holds a {content}, which this method does not declare")
            fields = {name: _build(item, tensor, known) for name, item in outline["fields"].items()}
            return known[content](**fields)
        case "tuple":
            return tuple(_build(item, tensor, known) for item in content)
        case "list":
            return [_build(item, tensor, known) for item in content]
        case "dict":
            return {key: _build(item, tensor, known) for key, item in content.items()}
        case "plain":
            return content
    raise ValueError(f"unknown entry {kind!r}")


def _dataclasses(annotation: Any, seen: frozenset[Any] = frozenset()) -> Iterator[type]:
    """Yield the dataclasses reachable from a type through its fields, unions and containers."""
    if annotation in seen:
        return
    seen |= {annotation}
    if isinstance(annotation, (types.GenericAlias, types.UnionType)) or typing.get_origin(annotation):
        for argument in typing.get_args(annotation):
            yield from _dataclasses(argument, seen)
    elif isinstance(annotation, type) and dataclasses.is_dataclass(annotation):
        yield annotation
        for hint in typing.get_type_hints(annotation).values():
            yield from _dataclasses(hint, seen)
