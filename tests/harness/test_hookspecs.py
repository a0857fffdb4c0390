"""Every hook works, is documented with its exact signature, and has a test of its own here."""

from __future__ import annotations

import inspect
import re
from pathlib import Path

import pytest

from recgen_bench.harness import hookspecs, registration
from recgen_bench.harness.events import Note
from recgen_bench.harness.plugins import load_registry

HOOKS = [name for name, value in vars(hookspecs).items() if hasattr(value, "recgen_bench_spec")]
DOCS = Path(__file__).resolve().parents[2] / "docs" / "plugins.md"


def test_there_are_at_most_eight_hooks():
    assert 0 < len(HOOKS) <= 8


@pytest.mark.parametrize("hook", HOOKS)
def test_every_hook_has_a_test(hook):
    assert f"test_hook_{hook}" in globals()


@pytest.mark.parametrize("hook", HOOKS)
def test_every_hook_is_documented_with_its_signature(hook):
    signature = f"{hook}{inspect.signature(getattr(hookspecs, hook))}".replace("'", "")
    assert f"### {hook}\n\n```python\n{signature}\n```" in DOCS.read_text()


@pytest.mark.parametrize("hook", HOOKS)
def test_every_hook_is_one_sentence_and_takes_one_annotated_argument(hook):
    function = getattr(hookspecs, hook)
    assert re.fullmatch(r"[^.\n]+\.", function.__doc__.replace("`recgen-bench doctor`", "doctor"))
    (parameter,) = inspect.signature(function).parameters.values()
    assert parameter.annotation is not inspect.Parameter.empty


def test_every_field_of_a_description_is_documented():
    text = DOCS.read_text()
    for name in ("MethodInfo", "DatasetInfo", "MetricInfo", "PriorInfo", "ExecutorInfo", "CheckInfo"):
        section = next(part for part in text.split("### ") if f"`{name}`" in part)
        for field in getattr(registration, name).__dataclass_fields__:
            assert f"`{field}`" in section, f"{name}.{field}"


@pytest.fixture
def load(tmp_path):
    def load_text(body: str):
        path = tmp_path / "mine.py"
        path.write_text(
            "from recgen_bench import harness\nfrom recgen_bench.harness import hookimpl\n" + body
        )
        return load_registry([path])

    return load_text


def registering(hook: str, *infos: str) -> str:
    lines = "".join(f"    register({info})\n" for info in infos)
    return f"@hookimpl\ndef {hook}(register):\n{lines}"


def test_hook_register_methods(load):
    text = registering(
        "register_methods", "harness.MethodInfo('a', 'A.', dict)", "harness.MethodInfo('b', 'B.', 'x:y')"
    )
    registry = load(text)
    assert registry.method("a").target is dict
    assert registry.method("b").presets == ("default",)


def test_hook_register_datasets(load):
    registry = load(registering("register_datasets", "harness.DatasetInfo('a', 'A.', dict, 'heldout-8')"))
    assert not registry.dataset("a").embedded


def test_hook_register_metrics(load):
    registry = load(registering("register_metrics", "harness.MetricInfo('fid/clean', 'A.', max, unit='x')"))
    assert registry.metric("fid/clean").direction == "higher"


def test_hook_register_priors(load):
    registry = load(registering("register_priors", "harness.PriorInfo('a', 'A.', dict, trained_on=('s/1',))"))
    assert registry.priors["a"].trained_on == ("s/1",)


def test_hook_register_protocols(load, tmp_path):
    (tmp_path / "toml").mkdir()
    for name in "ab":
        (tmp_path / "toml" / f"{name}.toml").write_text(
            f'name = "{name}"\nversion = 1\ndatasets = ["toy"]\nopen_scenes = true\n'
            'split.rule = "all-train"\nmetrics.psnr = 1\n[variants.x]\nversion = 2\n'
        )
    registry = load(
        "from pathlib import Path\n"
        + registering("register_protocols", "harness.ProtocolSource(Path(__file__).parent / 'toml')")
    )
    assert [name for name in registry.protocols if name[0] in "ab"] == ["a", "a/x", "b", "b/x"]


def test_hook_register_executors(load):
    registry = load(registering("register_executors", "harness.ExecutorInfo('pool', 'A.', map)"))
    assert registry.executor("pool").target is map


def test_hook_register_checks(load):
    registry = load(registering("register_checks", "harness.CheckInfo('lamp', lambda: 'on')"))
    assert registry.checks["lamp"].target() == "on"


def test_hook_on_event(load):
    registry = load("heard = []\n@hookimpl\ndef on_event(event):\n    heard.append(event.text)\n")
    registry.manager.hook.on_event(event=Note("c", "hello"))
    (module,) = (plugin for plugin in registry.manager.get_plugins() if hasattr(plugin, "heard"))
    assert module.heard == ["hello"]
