"""What is stored comes back, and nothing else is ever built from a file."""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
import torch

from recgen_bench.harness import checkpoint
from recgen_bench.harness.accounting import Cost
from recgen_bench.harness.checkpoint import Snapshots, check_root, load, save
from recgen_bench.harness.errors import DataError, MethodFailed

if TYPE_CHECKING:
    from decimal import Decimal


@dataclass(frozen=True)
class Leaf:
    data: Any
    name: str = "leaf"
    derived: int = field(init=False, default=7)


@dataclass(frozen=True)
class Other(Leaf):
    extra: int = 0


@dataclass(frozen=True)
class Tree:
    leaves: tuple[Leaf, ...]
    maybe: Other | None
    named: dict[str, Leaf]
    plain: Any = None


@dataclass(frozen=True)
class Foreign:
    data: int


@dataclass(frozen=True)
class Unresolvable:
    value: Decimal


def same(a: Any, b: Any) -> bool:
    """Deep equality that also compares types and dtypes."""
    if type(a) is not type(b):
        return False
    if isinstance(a, torch.Tensor):
        return a.dtype == b.dtype and a.shape == b.shape and torch.equal(a, b)
    if isinstance(a, np.ndarray):
        return a.dtype == b.dtype and np.array_equal(a, b)
    if isinstance(a, (tuple, list)):
        return len(a) == len(b) and all(map(same, a, b))
    if isinstance(a, dict):
        return list(a) == list(b) and all(same(a[key], b[key]) for key in a)
    if hasattr(a, "__dataclass_fields__"):
        return same(vars(a), vars(b))
    return a == b or (a != a and b != b)


def test_nested_dataclasses(tmp_path):
    tree = Tree(
        leaves=(Leaf(torch.arange(6).reshape(2, 3)), Leaf(np.arange(4.0), "second")),
        maybe=Other(None, extra=3),
        named={"a.b": Leaf([1, 2.5, "x", True, None]), "": Leaf((1, (2,), []))},
        plain={"nan": float("nan"), "inf": float("-inf"), "big": 2**80, "tiny": 5e-324, "text": "\u2603\n\0"},
    )
    save(tmp_path / "t.safetensors", tree)
    assert same(load(tmp_path / "t.safetensors", Tree), tree)


def test_keys_with_dots_do_not_collide(tmp_path):
    value = {"a.b": torch.zeros(2), "a": {"b": torch.ones(3)}, "a.b#2": np.full(4, 2.0)}
    save(tmp_path / "t.safetensors", value)
    assert same(load(tmp_path / "t.safetensors"), value)


TORCH = [
    torch.float64, torch.float32, torch.float16, torch.bfloat16, torch.int64, torch.int32, torch.int16,
    torch.int8, torch.uint8, torch.bool,
]  # fmt: skip
NUMPY = [
    "float64",
    "float32",
    "float16",
    "int64",
    "int32",
    "int16",
    "int8",
    "uint8",
    "uint16",
    "uint32",
    "bool",
]


@pytest.mark.parametrize("dtype", TORCH, ids=str)
def test_tensor_dtypes(tmp_path, dtype):
    for shape in ((), (0,), (0, 3), (2, 3)):
        tensor = torch.ones(shape).to(dtype)
        save(tmp_path / "t.safetensors", {"t": tensor})
        assert same(load(tmp_path / "t.safetensors"), {"t": tensor})


@pytest.mark.parametrize("dtype", NUMPY)
def test_array_dtypes(tmp_path, dtype):
    for shape in ((), (0,), (2, 3)):
        array = np.ones(shape, dtype)
        save(tmp_path / "t.safetensors", [array])
        assert same(load(tmp_path / "t.safetensors"), [array])


def test_shared_storage_views_and_gradients(tmp_path):
    base = torch.arange(12.0).reshape(3, 4)
    parameter = torch.nn.Parameter(base.clone())
    array = np.arange(12).reshape(3, 4)
    value = (
        base,
        base,
        base.T,
        base[:, ::2],
        parameter,
        array.T,
        array[::-1],
        np.broadcast_to(array[0], (5, 4)),
    )
    save(tmp_path / "t.safetensors", value)
    back = load(tmp_path / "t.safetensors")
    for a, b in zip(value, back, strict=True):
        assert type(b) is (torch.Tensor if isinstance(a, torch.Tensor) else np.ndarray)
        assert np.array_equal(a.detach().numpy() if isinstance(a, torch.Tensor) else a, b)
    assert not any(getattr(item, "requires_grad", False) for item in back)
    back[0][0, 0] = 99.0
    assert back[1][0, 0] == 0


def test_saving_is_a_copy(tmp_path):
    array = np.zeros(3)
    save(tmp_path / "t.safetensors", array)
    array[0] = 1
    back = load(tmp_path / "t.safetensors")
    assert back[0] == 0
    back[0] = 5  # It can be written to.


def test_numpy_scalars_become_plain_numbers(tmp_path):
    save(tmp_path / "t.safetensors", (np.float64(0.1), np.int32(3), np.bool_(True)))
    assert same(load(tmp_path / "t.safetensors"), (0.1, 3, True))


def test_equal_values_give_equal_bytes(tmp_path):
    def value():
        return Tree(
            (Leaf(torch.arange(3.0)), Leaf(np.ones(2))), None, {"z": Leaf(1), "a": Leaf(torch.ones(1))}
        )

    save(tmp_path / "a.safetensors", value())
    save(tmp_path / "b.safetensors", value())
    assert (tmp_path / "a.safetensors").read_bytes() == (tmp_path / "b.safetensors").read_bytes()


@pytest.mark.parametrize(
    ("value", "place"),
    [
        ({"f": len}, "value.f"),
        ([1, {2, 3}], "value.1"),
        (b"bytes", "value"),
        ({1: 2}, "value"),
        (np.array(["text"]), "value"),
        (np.array([object()]), "value"),
        (np.ones(2, ">f4"), "value"),
        (1j, "value"),
        (Leaf, "value"),
        (Leaf(Foreign(3)), "value.data"),
        (Leaf(torch.nn.Linear(1, 1)), "value.data"),
    ],
)
def test_what_could_not_be_read_back_is_refused_when_it_is_saved(tmp_path, value, place):
    with pytest.raises(MethodFailed, match="cannot be stored in a checkpoint") as caught:
        save(tmp_path / "t.safetensors", value)
    assert str(caught.value.got).endswith(f"at {place}")
    assert "numeric" not in str(caught.value)
    assert "tensor, number, text" in str(caught.value.expected)
    assert not list(tmp_path.iterdir())


def test_a_subclass_that_is_not_declared_is_refused(tmp_path):
    with pytest.raises(MethodFailed, match="cannot be stored"):
        save(tmp_path / "t.safetensors", Other(1), Leaf)


def test_annotations_that_do_not_resolve_are_found_before_training():
    with pytest.raises(MethodFailed, match="'Decimal' is not defined"):
        check_root(Unresolvable)
    check_root(Tree)


def test_foreign_classes_in_a_file_are_never_built(tmp_path):
    save(tmp_path / "t.safetensors", Foreign(3))
    with pytest.raises(DataError, match="it holds a Foreign, which this method does not declare"):
        load(tmp_path / "t.safetensors", Tree)
    assert load(tmp_path / "t.safetensors", Foreign) == Foreign(3)


def outline_file(path, outline) -> None:
    from safetensors.torch import save_file

    save_file({"value": torch.zeros(1)}, path, metadata={"outline": outline})


@pytest.mark.parametrize(
    "outline",
    [
        "not json",
        "[]",
        "3",
        "{}",
        '{"eval": "1"}',
        '{"tensor": "missing"}',
        '{"tensor": 3}',
        '{"tuple": 3}',
        '{"dataclass": "Leaf"}',
        '{"dataclass": "Leaf", "fields": {"unknown": {"plain": 1}}}',
        '{"dataclass": "builtins.eval", "fields": {}}',
        '{"dict": [1]}',
        '{"plain": 1, "tuple": []}',
    ],
)
def test_edited_outlines(tmp_path, outline):
    outline_file(tmp_path / "t.safetensors", outline)
    with pytest.raises(DataError, match="not a readable checkpoint") as caught:
        load(tmp_path / "t.safetensors", Tree)
    assert caught.value.where == str(tmp_path / "t.safetensors")


@pytest.mark.parametrize(
    "damage", ["missing", "empty", "truncated", "header", "pickle", "folder", "no outline"]
)
def test_damaged_files(tmp_path, damage):
    path = tmp_path / "t.safetensors"
    save(path, {"t": torch.arange(100)})
    whole = path.read_bytes()
    match damage:
        case "missing":
            path.unlink()
        case "empty":
            path.write_bytes(b"")
        case "truncated":
            path.write_bytes(whole[:-50])
        case "header":
            path.write_bytes(b"\xff" * 8 + whole[8:])
        case "pickle":
            torch.save({"t": 1}, path)
        case "folder":
            path.unlink()
            path.mkdir()
        case "no outline":
            from safetensors.torch import save_file

            save_file({"value": torch.zeros(1)}, path)
    with pytest.raises(DataError, match="not a readable checkpoint"):
        load(path, Tree)


def test_a_failed_save_keeps_the_old_file(tmp_path):
    save(tmp_path / "t.safetensors", 1)
    with pytest.raises(MethodFailed):
        save(tmp_path / "t.safetensors", len)
    assert load(tmp_path / "t.safetensors") == 1
    assert [path.name for path in tmp_path.iterdir()] == ["t.safetensors"]


def test_snapshots(tmp_path):
    made = []

    def state() -> dict[str, Any]:
        made.append(1)
        return {"image": np.ones(2), "rng": (1, 2)}

    patient = Snapshots(tmp_path / "s.safetensors", every_s=60.0)
    assert patient.latest() is None
    assert patient.spent_earlier() == Cost()
    assert not patient.save_if_due(1, state)
    assert not made
    eager = Snapshots(tmp_path / "s.safetensors", every_s=0.0, spent=lambda: Cost(wall_s=2.0, peak_memory=5))
    assert eager.save_if_due(3, state)
    snapshot = Snapshots(tmp_path / "s.safetensors").latest()
    assert snapshot is not None
    assert (snapshot.step, snapshot.state["rng"]) == (3, (1, 2))
    assert Snapshots(tmp_path / "s.safetensors").spent_earlier() == Cost(wall_s=2.0, peak_memory=5)
    eager.clear()
    eager.clear()
    assert eager.latest() is None


def test_snapshots_hold_plain_data_and_arrays_only(tmp_path):
    with pytest.raises(MethodFailed, match="cannot be stored"):
        Snapshots(tmp_path / "s.safetensors", every_s=0.0).save_if_due(1, lambda: {"leaf": Leaf(1)})


def test_no_pickle_anywhere(tmp_path):
    save(tmp_path / "t.safetensors", Tree((), None, {}))
    header = (tmp_path / "t.safetensors").read_bytes()
    length = int.from_bytes(header[:8], "little")
    assert json.loads(header[8 : 8 + length])["__metadata__"]["outline"].startswith('{"dataclass": "Tree"')
    assert "pickle" not in vars(checkpoint)
