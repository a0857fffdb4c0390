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
"""One of STORABLE, nested as deep as needed."""

STORABLE = "a declared dataclass, tuple, list, dict with text keys, array, tensor, number, text, bool or None"


def save(path: Path, value: Value, root: type | None = None) -> None:
    """Write a value to one `.safetensors` file, atomically.

    Arrays come back as arrays, tensors as CPU tensors, tuples as tuples; shared storage is not kept.

    Args:
        path: The file.
        value: What to store.
        root: The type that `load` will be given; by default the value's own.

    Raises:
        MethodFailed: The value holds something that could not be read back, named by its path.
        OutputError: The file cannot be written.
    """
    from safetensors.torch import save as serialise

    tensors: dict[str, Any] = {}
    outline = _flatten(value, "value", tensors, frozenset(_dataclasses(root or type(value))))
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
    except (SafetensorError, OSError, KeyError, ValueError, TypeError, AttributeError) as error:
        hint = "delete the file and repeat the command"
        raise DataError(f"is not a readable checkpoint: {error}", hint=hint, where=str(path)) from error


def check_root(root: type) -> None:
    """Resolve a type's annotations now rather than after hours of training.

    Raises:
        MethodFailed: One of them cannot be resolved.
    """
    for _ in _dataclasses(root):
        pass


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
        save(self.path, {"step": step, "state": make_state(), "spent": self.spent()}, Cost)
        self._saved_at = time.monotonic()
        return True

    def clear(self) -> None:
        """Forget the saved state."""
        self.path.unlink(missing_ok=True)


def _flatten(value: Value, path: str, tensors: dict[str, Any], known: frozenset[type]) -> Any:
    """Return the JSON outline of a value and put its arrays and tensors into `tensors` under their paths."""
    import torch

    if isinstance(value, (torch.Tensor, np.ndarray)):
        # Keys with dots make equal paths; the outline names each tensor, so any unique name will do.
        name = path if path not in tensors else f"{path}#{len(tensors)}"
        tensors[name] = _stored(value, path)
        return {"array" if isinstance(value, np.ndarray) else "tensor": name}
    if type(value) in known:
        fields = {
            field.name: _flatten(getattr(value, field.name), f"{path}.{field.name}", tensors, known)
            for field in dataclasses.fields(value)
            if field.init
        }
        return {"dataclass": type(value).__qualname__, "fields": fields}
    if isinstance(value, (tuple, list)):
        items = [_flatten(item, f"{path}.{i}", tensors, known) for i, item in enumerate(value)]
        return {"tuple" if isinstance(value, tuple) else "list": items}
    if isinstance(value, dict) and all(isinstance(key, str) for key in value):
        return {"dict": {key: _flatten(item, f"{path}.{key}", tensors, known) for key, item in value.items()}}
    if isinstance(value, np.generic):
        value = value.item()
    if value is None or isinstance(value, (bool, int, float, str)):
        return {"plain": value}
    raise _unstorable(type(value), path)


def _stored(value: Any, path: str) -> Any:
    """Return a contiguous CPU copy; a copy, because safetensors refuses tensors that share storage."""
    import torch

    if isinstance(value, torch.Tensor):
        return value.detach().to("cpu", copy=True).contiguous()
    try:
        return torch.from_numpy(np.array(value, order="C"))
    except (TypeError, ValueError) as error:
        raise _unstorable(f"array of {value.dtype}", path) from error


def _unstorable(kind: object, path: str) -> MethodFailed:
    hint = "dataclasses must be reachable from the annotations of the method's `model` or `refinement`"
    got = f"{kind} at {path}"
    return MethodFailed("this cannot be stored in a checkpoint", got=got, expected=STORABLE, hint=hint)


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
        try:
            hints = typing.get_type_hints(annotation)
        except NameError as error:
            what = f"an annotation of {annotation.__qualname__} cannot be resolved: {error}"
            hint = "import what it names at run time, not below TYPE_CHECKING"
            raise MethodFailed(what, hint=hint) from error
        for hint in hints.values():
            yield from _dataclasses(hint, seen)
