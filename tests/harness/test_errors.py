"""Messages say what, got, expected and what to do next, and survive processes."""

from __future__ import annotations

import doctest
import pickle

import pytest

from recgen_bench.harness import errors
from recgen_bench.harness.errors import DataError, RecgenError, did_you_mean, located

KINDS = [kind for kind in vars(errors).values() if isinstance(kind, type) and issubclass(kind, RecgenError)]


def test_message_has_all_four_parts_in_order():
    error = RecgenError("it broke", got=3, expected="2", hint="try 2", where="frame 7")
    assert str(error) == "frame 7: it broke\n  got:      3\n  expected: 2\n  next:     try 2"


def test_message_leaves_out_what_is_not_known_but_keeps_falsy_values():
    assert str(RecgenError("it broke")) == "it broke"
    assert str(RecgenError("it broke", got=0, expected="")) == "it broke\n  got:      0\n  expected: "


def test_located_names_the_innermost_place_only():
    with pytest.raises(DataError) as caught, located("outer"), located("inner"):
        raise DataError("it broke")
    assert caught.value.where == "inner"
    with pytest.raises(DataError, match="own: it broke"), located("outer"):
        raise DataError("it broke", where="own")


def test_located_lets_other_exceptions_pass():
    with pytest.raises(ValueError, match=r"^plain$"), located("outer"):
        raise ValueError("plain")


@pytest.mark.parametrize("kind", KINDS, ids=lambda kind: kind.__name__)
def test_pickling_keeps_kind_and_parts(kind):
    error = kind("it broke", got=(1, 2), expected="3", hint="h", where="w")
    copy = pickle.loads(pickle.dumps(error))
    assert type(copy) is kind
    assert str(copy) == str(error)
    assert (copy.what, copy.got, copy.expected, copy.hint, copy.where) == ("it broke", (1, 2), "3", "h", "w")


def test_the_tree_has_one_root():
    assert {kind.__name__ for kind in KINDS} >= {
        "ProtocolError",
        "PluginError",
        "DataError",
        "WeightsMissing",
        "MethodFailed",
    }


def test_did_you_mean():
    assert doctest.testmod(errors).failed == 0
    assert did_you_mean("STREET", ["street", "room"]) == "did you mean street?"
    assert did_you_mean("zzz", []) == "none is registered"
    assert did_you_mean("", ["a"]) == "choose one of: a"
