"""Built-ins, entry points and single files meet in one registry; a broken one never takes the others down."""

from __future__ import annotations

import re
import sys
import textwrap
import typing
from pathlib import Path

import pytest

from recgen_bench.harness.errors import PluginError, RecgenError
from recgen_bench.harness.plugins import BUILT_IN, load_registry

HEAD = "from recgen_bench.harness import MethodInfo, MetricInfo, hookimpl\n"
GOOD = """
@hookimpl
def register_methods(register):
    register(MethodInfo("{name}", "A method.", object))
"""


def plugin_file(folder: Path, body: str, name: str = "mine.py") -> Path:
    path = folder / name
    path.write_text(HEAD + textwrap.dedent(body))
    return path


@pytest.fixture
def install(tmp_path, monkeypatch):
    """Return (distribution, module body, entry name) that fakes an installed distribution."""
    site = tmp_path / "site"
    site.mkdir()
    monkeypatch.syspath_prepend(site)
    monkeypatch.delenv("RECGEN_PLUGINS", raising=False)
    installed = []

    def fake(distribution: str, body: str, entry: str | None = None) -> None:
        module = "fake_" + re.sub(r"\W", "_", distribution.lower())
        (site / f"{module}.py").write_text(HEAD + textwrap.dedent(body))
        info = site / f"{distribution.replace('-', '_')}-1.5.dist-info"
        info.mkdir()
        (info / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {distribution}\nVersion: 1.5\n")
        (info / "entry_points.txt").write_text(
            f"[recgen_bench]\n{entry or distribution.lower()} = {module}\n"
        )
        installed.append(module)

    yield fake
    for module in installed:
        sys.modules.pop(module, None)


def status(registry, name):
    return next(status for status in registry.plugins if status.name == name)


def test_built_ins_load():
    registry = load_registry()
    assert [plugin.name for plugin in registry.plugins] == [name.rpartition(".")[2] for name in BUILT_IN]
    assert all(
        plugin.source == "built in" and plugin.hooks and not plugin.error for plugin in registry.plugins
    )
    assert "3dgs" in registry.methods
    assert "street" in registry.datasets
    assert "psnr" in registry.metrics
    assert "inline" in registry.executors
    assert "street-laneshift" in registry.protocols


def test_every_data_set_has_its_default_protocol():
    registry = load_registry()
    for dataset in registry.datasets.values():
        assert dataset.name in registry.protocol(dataset.protocol).datasets


def test_a_file_adds_to_the_built_ins(tmp_path):
    registry = load_registry([plugin_file(tmp_path, GOOD.format(name="mine"))])
    assert registry.method("mine").summary == "A method."
    assert status(registry, "mine").hooks == ("register_methods",)
    assert status(registry, "mine").source == str(tmp_path / "mine.py")
    assert "3dgs" in registry.methods


def test_entry_points_are_found(install):
    install("Recgen-Fake", GOOD.format(name="fake"))
    registry = load_registry()
    assert "fake" in registry.methods
    assert status(registry, "recgen-fake").source == "Recgen-Fake 1.5"


@pytest.mark.parametrize(
    ("chosen", "loaded"),
    [
        ("", set()),
        ("recgen-one", {"one"}),
        ("recgen-two, Recgen_One", {"one", "two"}),
        (" , ", set()),
    ],
)
def test_the_environment_selects(install, monkeypatch, chosen, loaded):
    install("recgen-one", GOOD.format(name="one"))
    install("Recgen.Two", GOOD.format(name="two"))
    monkeypatch.setenv("RECGEN_PLUGINS", chosen)
    registry = load_registry()
    assert {"one", "two"} & set(registry.methods) == loaded
    assert not [plugin for plugin in registry.plugins if plugin.error]


def test_a_selected_distribution_that_is_not_installed_is_reported(install, monkeypatch):
    install("recgen-one", GOOD.format(name="one"))
    monkeypatch.setenv("RECGEN_PLUGINS", "recgen-one,recgen-typo")
    registry = load_registry()
    assert "one" in registry.methods
    assert "no installed distribution of this name" in status(registry, "recgen-typo").error


BROKEN = {
    "import": ("import recgen_no_such_module", "ModuleNotFoundError"),
    "syntax": ("def f(:", "SyntaxError"),
    "exit": ("raise SystemExit(3)", "SystemExit"),
    "raise": ("@hookimpl\ndef register_methods(register):\n    raise ValueError('broken')", "broken"),
    "unknown hook": ("@hookimpl\ndef register_method(register):\n    pass", "register_method"),
    "unknown argument": ("@hookimpl\ndef register_methods(register, models):\n    pass", "models"),
    "name": (GOOD.format(name="Not Good"), "not a usable method name"),
    "twice": (GOOD.format(name="3dgs"), "a method of this name is registered already"),
    "twice in one": (
        "@hookimpl\ndef register_methods(register):\n"
        "    register(MethodInfo('new', '', object))\n    register(MethodInfo('new', '', object))",
        "a method of this name is registered already",
    ),
    "wrong kind": (
        "@hookimpl\ndef register_methods(register):\n    register(MetricInfo('new', '', object))",
        "register_methods takes something else",
    ),
    "not an info": ("@hookimpl\ndef register_methods(register):\n    register('new')", "got:      str"),
    "protocol file": (
        "from pathlib import Path\nfrom recgen_bench.harness import ProtocolSource\n"
        "@hookimpl\ndef register_protocols(register):\n    register(ProtocolSource(Path('/nowhere/p.toml')))",
        "the protocol file cannot be read",
    ),
}

# Registers something good first, to show that a broken plugin is taken whole or not at all.
PARTLY = """
@hookimpl
def register_executors(register):
    raise RuntimeError("late")

@hookimpl
def on_event(event):
    raise AssertionError("a plugin that did not load still hears events")
"""


@pytest.mark.parametrize("case", BROKEN)
def test_a_broken_entry_point_is_reported_and_skipped(install, case):
    body, message = BROKEN[case]
    install("recgen-broken", body)
    install("recgen-sound", GOOD.format(name="sound"))
    registry = load_registry()
    assert message in status(registry, "recgen-broken").error
    assert "sound" in registry.methods
    assert "new" not in registry.methods
    assert len(registry.manager.get_plugins()) == len(BUILT_IN) + 1


@pytest.mark.parametrize("case", BROKEN)
def test_a_broken_file_that_was_asked_for_raises(tmp_path, case):
    body, message = BROKEN[case]
    with pytest.raises(RecgenError) as caught:
        load_registry([plugin_file(tmp_path, body)])
    assert message in str(caught.value)
    assert "mine.py" in str(caught.value) or case == "protocol file"


def test_a_plugin_that_breaks_late_leaves_nothing_behind(install):
    from recgen_bench.harness import Note

    install("recgen-partly", GOOD.format(name="new") + PARTLY)
    registry = load_registry()
    assert "late" in status(registry, "recgen-partly").error
    assert "new" not in registry.methods
    registry.manager.hook.on_event(event=Note("cell", "heard by nobody"))


def test_an_unknown_argument_leaves_nothing_behind(install):
    from recgen_bench.harness import Note

    install("recgen-partly", "@hookimpl\ndef zzz_helper():\n    pass\n" + PARTLY)
    registry = load_registry()
    assert status(registry, "recgen-partly").error
    registry.manager.hook.on_event(event=Note("cell", "heard by nobody"))


def test_two_entry_points_of_one_module_do_not_unload_the_first(install):
    install("recgen-one", GOOD.format(name="one"))
    path = next(Path(entry) for entry in sys.path if (Path(entry) / "fake_recgen_one.py").is_file())
    points = path / "recgen_one-1.5.dist-info" / "entry_points.txt"
    points.write_text(points.read_text() + "second = fake_recgen_one\n")
    registry = load_registry()
    assert "loaded already" in status(registry, "second").error
    assert "one" in registry.methods
    assert len(registry.manager.get_plugins()) == len(BUILT_IN) + 1


def test_files_that_are_no_plugins(tmp_path):
    for path, message in (
        (tmp_path / "missing.py", "no such plugin file"),
        (tmp_path, "no such plugin file"),
        (plugin_file(tmp_path, "", "mine.txt"), "not a Python file"),
        (plugin_file(tmp_path, "def register_methods(register): pass"), "implements no hook"),
    ):
        with pytest.raises(PluginError, match=message) as caught:
            load_registry([path])
        assert caught.value.where == str(path)


def test_one_file_named_twice(tmp_path):
    path = plugin_file(tmp_path, GOOD.format(name="mine"))
    with pytest.raises(PluginError, match=r"loaded already|registered already"):
        load_registry([path, path])


def test_two_loads_of_one_file_do_not_disturb_each_other(tmp_path):
    body = """
    from __future__ import annotations
    from dataclasses import dataclass

    @dataclass
    class Inner:
        x: int

    @dataclass
    class Outer:
        inner: Inner
    """
    path = tmp_path / "mine.py"
    path.write_text(textwrap.dedent(body) + HEAD + GOOD.format(name="mine").replace("object", "Outer"))
    first, second = (load_registry([path]).method("mine").target for _ in range(2))
    assert first is not second
    # Annotations still mean the classes of the same load.
    hints = [typing.get_type_hints(outer)["inner"] for outer in (first, second)]
    assert hints[0] is not hints[1]
    assert [hint.__module__ for hint in hints] == [first.__module__, second.__module__]


def test_unknown_names_suggest_the_closest(toy_registry):
    for look_up, name, close in (
        (toy_registry.method, "3dsg", "3dgs"),
        (toy_registry.dataset, "streat", "street"),
        (toy_registry.metric, "pnsr", "psnr"),
        (toy_registry.protocol, "street-lane-shift", "street-laneshift"),
        (toy_registry.executor, "in-line", "inline"),
    ):
        with pytest.raises(PluginError, match=f"did you mean .*{close}"):
            look_up(name)
