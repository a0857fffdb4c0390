"""`recgen-bench prior`: list, curate, train, and what users get wrong."""

from __future__ import annotations

import json

import pytest

PLUGIN = """
from recgen_bench.harness import PriorInfo, hookimpl

def curate(order, report):
    report(1, 1, f"{order.dataset.name} {order.scenes} {order.strategies} {order.cameras} {order.pairs}")
    return order.out

def train(order, report):
    report(1, 1, f"{order.config} {order.steps} {order.held_out} {order.settings} {order.command}")
    return order.out

@hookimpl
def register_priors(register):
    register(PriorInfo("mine", "Trains.", object, trained_on=("mars/1",), curate=curate, train=train))
    register(PriorInfo("fixed", "Does not.", object))
"""


@pytest.fixture
def mine(tmp_path):
    path = tmp_path / "mine.py"
    path.write_text(PLUGIN)
    return ("--plugin", path, "--prior", "mine")


def test_list_tells_what_a_prior_saw(recgen, mine):
    rows = {row["name"]: row for row in json.loads(recgen("prior", "list", *mine[:2], "--json").out)}
    assert rows["mine"]["trained on"] == ["mars/1"]
    assert (rows["mine"]["trainable"], rows["fixed"]["trainable"]) == ("yes", "no")
    assert rows["restorer"]["weights"] == ["restorer.safetensors (in the package)"]
    assert "mars/1" in recgen("prior", "list", *mine[:2]).out


def test_curate_hands_on_what_was_asked(recgen, mine, tmp_path):
    asked = ("--seeds", "1000-1001,1007", "--strategy", "shifted, cycle", "--cameras", "front,left")
    done = recgen("prior", "curate", *mine, "--dataset", "street", *asked, "--out", tmp_path / "out")
    assert done.status == 0
    wanted = "street ('1000', '1001', '1007') ('shifted', 'cycle') ('front', 'left') 24"
    assert done.out.splitlines() == [f"1/1 {wanted}", str(tmp_path / "out")]


def test_train_hands_on_what_was_asked(recgen, mine, tmp_path):
    asked = ("--steps", "5", "--held-out", "1990-1991", "--set", "batch=2")
    out = tmp_path / "net.safetensors"
    done = recgen("prior", "train", *mine, "--data", tmp_path, *asked, "--out", out)
    assert done.status == 0
    assert done.out.startswith("1/1 embedded 5 ('1990', '1991') ('batch=2',) recgen-bench")
    assert done.out.splitlines()[-1] == str(out)


@pytest.mark.parametrize(
    ("command", "told"),
    [
        ("curate --dataset street --out x", "no scene is named"),
        ("curate --dataset street --seeds 12-3 --out x", "not a range of seeds"),
        ("curate --dataset stret --seeds 1000 --out x", "did you mean street"),
        ("curate --dataset street --seeds 4 --out x", "test scenes of street"),
        ("curate --dataset street --seeds 1000 --out x --strategy blur", "unknown strategy"),
        ("curate --dataset street --seeds 1000 --out x --data .", "is generated and takes no --data"),
        ("curate --dataset street --seeds 1000 --out x --set iterationz=1", "unknown setting"),
        ("curate --prior difix --dataset street --seeds 1000 --out x", "difix is not trained here"),
        ("train --data nothing --steps 1 --out x.safetensors", "holds no curated pairs"),
        ("train --data nothing --steps 1 --out x.bin", "not a file of weights"),
        ("train --data nothing --steps 1 --out x.safetensors --prior restore", "did you mean restorer"),
        ("train --data nothing --steps 1 --out x.safetensors --config tiny", "unknown configuration"),
    ],
)
def test_slips(recgen, tmp_path, monkeypatch, command, told):
    monkeypatch.chdir(tmp_path)
    done = recgen("prior", *command.split())
    assert done.status == 2
    assert told in done.err
    assert not (tmp_path / "x").exists()
    assert not (tmp_path / "x.safetensors").exists()
