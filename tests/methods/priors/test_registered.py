import subprocess
import sys

import pytest

from recgen_bench.harness.errors import WeightsMissing
from recgen_bench.harness.plugins import load_registry
from recgen_bench.harness.registration import resolve
from recgen_bench.harness.weights import open_door
from recgen_bench.methods.priors import shipped
from recgen_bench.methods.priors.onestep import build
from recgen_bench.methods.priors.stored import Card, save_network


@pytest.fixture(scope="module")
def registry():
    return load_registry()


def test_the_built_in_priors(registry):
    names = {"restorer", "restorer-eig", "difix", "difix-ref", "faithfusion-eig", "faithfusion-video"}
    assert names <= set(registry.priors)
    for name in names:
        info = registry.priors[name]
        assert info.summary.endswith(".")
        assert info.trained_on
        assert callable(resolve(info.target, name))


def test_the_embedded_ones_need_no_fetching(registry):
    for name in ("restorer", "restorer-eig"):
        info = registry.priors[name]
        assert info.weights == ()
        assert [packaged.file for packaged in info.packaged] == [f"{name}.safetensors"]
        assert info.trained_on == ("street/1000-1999", "room/1000-1999")


def test_missing_weights_say_how_to_get_them(registry, tmp_path, monkeypatch):
    monkeypatch.setenv("RECGEN_WEIGHTS", str(tmp_path))
    monkeypatch.setenv("HF_HUB_CACHE", str(tmp_path))
    door = open_door(registry)
    with pytest.raises(WeightsMissing) as caught:
        resolve(registry.priors["difix-ref"].target, "prior")(door.path, "cpu")
    assert "recgen-bench weights fetch difix-ref-vae" in caught.value.hint
    with pytest.raises(WeightsMissing) as caught:
        door.path("faithfusion-eig-model")
    assert "--weights faithfusion-eig-model=PATH" in caught.value.hint


def test_a_package_without_its_file_says_so(monkeypatch):
    monkeypatch.setattr(shipped, "PACKAGE", "recgen_bench.harness")
    with pytest.raises(WeightsMissing, match=r"lacks its weights restorer\.safetensors") as caught:
        shipped.restorer(lambda name: None, "cpu")
    assert "prior train" in caught.value.hint


def test_an_embedded_restorer_is_read_from_its_package(tmp_path, monkeypatch, tiny):
    save_network(tmp_path / "restorer-eig.safetensors", build(tiny.with_eig()), Card())
    monkeypatch.setattr(shipped, "files", lambda package: tmp_path)
    restorer = shipped.restorer_eig(lambda name: None, "cpu")
    assert (restorer.name, restorer.uses_reference, restorer.uses_eig) == ("restorer-eig", True, True)


def test_registering_costs_no_torch():
    program = (
        "import sys; import recgen_bench.methods.priors; "
        "print([name for name in ('torch', 'diffusers', 'transformers', 'lpips') if name in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"
