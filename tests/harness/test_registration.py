"""Names that can become paths, and targets that resolve or say why not."""

from __future__ import annotations

import subprocess

import pytest

from recgen_bench.harness.errors import PluginError
from recgen_bench.harness.registration import check_name, resolve


@pytest.mark.parametrize("name", ["3dgs", "difix3d+", "fid/clean", "nta_iou/strict", "a.b", "a@1", "x" * 80])
def test_usable_names(name):
    assert check_name(name, "method") == name


@pytest.mark.parametrize(
    "name", ["", "A", "a b", "../a", "a/../b", "/a", "-a", ".a", "a\n", "ä", "x" * 81, "a;b"]
)
def test_unusable_names(name):
    with pytest.raises(PluginError, match="not a usable method name") as caught:
        check_name(name, "method")
    assert caught.value.got == repr(name)


def test_targets():
    assert resolve("math:sqrt", "x")(4) == 2
    assert resolve(len, "x") is len


@pytest.mark.parametrize(
    ("target", "reason"),
    [
        ("recgen_no_such_module:x", "No module named"),
        ("math:no_such_function", "no_such_function"),
        ("math", "has no attribute"),
    ],
)
def test_targets_that_do_not_resolve(target, reason):
    with pytest.raises(PluginError, match=reason) as caught:
        resolve(target, "metric x")
    assert str(caught.value).startswith("metric x cannot be loaded: ")
    assert caught.value.got == target


def test_every_built_in_target_resolves(toy_registry):
    from recgen_bench.harness.plugins import load_registry

    registry = load_registry()
    for table in (registry.methods, registry.datasets, registry.metrics, registry.executors, registry.checks):
        for info in table.values():
            assert resolve(info.target, info.name)


def test_the_harness_offers_every_name_it_lists():
    from recgen_bench import harness

    assert harness.__all__ == sorted(harness.__all__)
    for name in harness.__all__:
        assert name == "hookimpl" or getattr(harness, name).__name__ == name
    assert dir(harness) == harness.__all__
    with pytest.raises(AttributeError, match="no attribute 'Methods'"):
        _ = harness.Methods


def test_registering_costs_no_heavy_import(python):
    code = (
        "import sys; from recgen_bench.harness.plugins import load_registry; load_registry(); "
        "print([m for m in ('torch', 'numpy', 'pydantic', 'cv2', 'trimesh', 'pandas') if m in sys.modules])"
    )
    done = subprocess.run([python, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"
