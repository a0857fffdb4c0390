"""Tables and `--set` texts become dataclasses, or an error that names the key."""

from __future__ import annotations

import doctest
from dataclasses import dataclass, field
from typing import Literal

import pytest

from recgen_bench.harness import settings
from recgen_bench.harness.errors import ProtocolError, RecgenError
from recgen_bench.harness.settings import from_table, override


@dataclass(frozen=True)
class Inner:
    size: int
    names: tuple[str, ...] = ()


@dataclass(frozen=True)
class Outer:
    name: str
    rate: float = 0.5
    count: int | None = None
    flag: bool = False
    mode: Literal["a", "b"] = "a"
    inner: Inner = field(default_factory=lambda: Inner(1))
    inners: tuple[Inner, ...] = ()
    table: dict[str, int] = field(default_factory=dict)


def test_nested_tables():
    table = {
        "name": "n",
        "rate": 2,
        "inner": {"size": 3, "names": ["x", "y"]},
        "inners": [{"size": 4}],
        "table": {"psnr": 1},
    }
    assert from_table(Outer, table, "t") == Outer(
        "n", 2.0, inner=Inner(3, ("x", "y")), inners=(Inner(4),), table={"psnr": 1}
    )
    assert isinstance(from_table(Outer, table, "t").rate, float)


@pytest.mark.parametrize(
    ("table", "place"),
    [
        ({"name": 3}, "t: name"),
        ({"name": "n", "rate": "2"}, "t: rate"),
        ({"name": "n", "rate": True}, "t: rate"),
        ({"name": "n", "count": 1.5}, "t: count"),
        ({"name": "n", "count": True}, "t: count"),
        ({"name": "n", "flag": 1}, "t: flag"),
        ({"name": "n", "mode": "c"}, "t: mode"),
        ({"name": "n", "inner": 3}, "t: inner"),
        ({"name": "n", "inner": {"size": "3"}}, "t: inner: size"),
        ({"name": "n", "inner": {"size": 3, "names": "xy"}}, "t: inner: names"),
        ({"name": "n", "inners": [{"size": 1}, {"size": None}]}, "t: inners[1]: size"),
        ({"name": "n", "table": {"psnr": "1"}}, "t: table.psnr"),
        ({"name": "n", "table": ["psnr"]}, "t: table"),
    ],
)
def test_wrong_types_name_their_place(table, place):
    with pytest.raises(ProtocolError) as caught:
        from_table(Outer, table, "t")
    assert caught.value.where == place


def test_unknown_and_missing_keys():
    with pytest.raises(ProtocolError, match="did you mean rate") as caught:
        from_table(Outer, {"name": "n", "rat": 1}, "t")
    assert caught.value.got == "rat"
    with pytest.raises(ProtocolError, match="a key is missing") as caught:
        from_table(Outer, {}, "t")
    assert caught.value.expected == "name"


@dataclass(frozen=True)
class Config:
    steps: int = 30_000
    rate: float = 0.1
    flag: bool = False
    mode: Literal["sum", "mean"] = "sum"
    limit: int | None = 5
    text: str = ""
    sizes: tuple[int, ...] = ()


@pytest.mark.parametrize(
    ("assignment", "changed"),
    [
        ("steps=1_500", Config(steps=1500)),
        ("rate=1e-3", Config(rate=0.001)),
        ("rate=2", Config(rate=2.0)),
        ("flag=true", Config(flag=True)),
        ("flag=No", Config()),
        ("flag=1", Config(flag=True)),
        ("mode=mean", Config(mode="mean")),
        ("limit=none", Config(limit=None)),
        ("limit=7", Config(limit=7)),
        ("text=a=b", Config(text="a=b")),
        ("text=", Config()),
    ],
)
def test_override_takes_the_type_of_the_field(assignment, changed):
    result = override(Config(), [assignment])
    assert result == changed
    assert all(type(a) is type(b) for a, b in zip(vars(result).values(), vars(changed).values(), strict=True))


@pytest.mark.parametrize(
    ("assignments", "message"),
    [
        (["steps"], "not an assignment"),
        (["stepz=3"], "did you mean steps"),
        (["steps=3.5"], "wrong type"),
        (["steps="], "wrong type"),
        (["rate=fast"], "wrong type"),
        (["flag=maybe"], "true or false"),
        (["mode=max"], "not one of the choices"),
        (["limit=None"], "wrong type"),
        (["sizes=1,2"], "cannot be given on the command line"),
        (["steps=1", "steps=1"], "given twice"),
    ],
)
def test_override_refuses(assignments, message):
    with pytest.raises(RecgenError, match=message) as caught:
        override(Config(), assignments)
    assert caught.value.where == f"--set {assignments[-1]}"


def test_override_changes_nothing_else_and_doctest():
    assert override(Config(steps=3, text="x"), []) == Config(steps=3, text="x")
    assert doctest.testmod(settings).failed == 0
