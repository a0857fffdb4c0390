"""The verbs that list what is there: methods, data sets, metrics, protocols, plugins."""

from __future__ import annotations

import json

import pytest

LISTS = {
    "methods": "toy",
    "datasets": "toy",
    "metrics": "toy_mae",
    "protocols": "toy-shift",
    "plugins": "toy",
}


@pytest.mark.parametrize(("verb", "name"), LISTS.items())
def test_lists_as_text_and_as_json(recgen, with_toy, verb, name):
    text = recgen(verb, *with_toy)
    assert (text.status, text.err) == (0, "")
    assert f"\n{name}\n" in text.out
    items = json.loads(recgen(verb, *with_toy, "--json").out)
    assert name in [item["name"] for item in items]
    titles = [line for line in text.out.splitlines() if not line.startswith(" ")]
    assert titles == [item["name"] for item in items]


def item(recgen, verb, with_toy, name):
    return next(i for i in json.loads(recgen(verb, *with_toy, "--json").out) if i["name"] == name)


def test_what_is_said_of_each_kind(recgen, with_toy):
    method = item(recgen, "methods", with_toy, "toy-weights")
    assert (method["presets"], method["weights"], method["version"]) == (["paper", "demo"], ["toy-net"], 1)
    dataset = item(recgen, "datasets", with_toy, "toy")
    assert dataset["protocols"] == [
        f"toy-shift{variant}" for variant in ("", "/nan", "/future", "/scene", "/weights")
    ]
    metric = item(recgen, "metrics", with_toy, "toy_depth_mae")
    assert (metric["better"], metric["unit"], metric["needs"], metric["range"]) == (
        "lower",
        "m",
        ["depth"],
        "-inf to inf",
    )
    scene = item(recgen, "metrics", with_toy, "toy_scaled_scene")
    assert (metric["scope"], scene["scope"], scene["weights"]) == ("image", "scene", ["toy-scale"])
    plugin = item(recgen, "plugins", with_toy, "toy")
    assert plugin["source"].endswith("toy.py")
    assert "on_event" in plugin["hooks"]


def test_one_protocol_is_its_canonical_form_and_hash(recgen, with_toy, toy_registry):
    shown = json.loads(recgen("protocols", *with_toy, "toy-shift").out)
    protocol = toy_registry.protocol("toy-shift")
    assert shown.pop("hash") == protocol.hash
    assert shown == protocol.canonical()


def test_plugins_that_do_not_load_give_status_1(recgen, monkeypatch):
    monkeypatch.setenv("RECGEN_PLUGINS", "recgen-absent")
    outcome = recgen("plugins")
    assert outcome.status == 1
    assert "recgen-absent\n  source:    RECGEN_PLUGINS\n  error:     no installed distribution" in outcome.out
    assert "methods\n  source:    built in" in outcome.out
