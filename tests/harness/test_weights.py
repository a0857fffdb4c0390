"""Weights come through one door, in one order, and are never fetched unasked."""

from __future__ import annotations

import hashlib
import os
import subprocess
from dataclasses import replace
from pathlib import Path

import pytest

from recgen_bench.harness.errors import DataError, RecgenError, WeightsMissing
from recgen_bench.harness.registration import WeightsInfo
from recgen_bench.harness.weights import WeightsDoor, how_to_get, open_door, verify

CONTENT = b"the registered weights"
INFO = WeightsInfo(
    name="net/small",
    hub="acme/net",
    file="deep/net.safetensors",
    revision="0123456789abcdef0123456789abcdef01234567",
    sha256=hashlib.sha256(CONTENT).hexdigest(),
    licence="MIT",
    size=2_500_000,
)


@pytest.fixture(autouse=True)
def _empty_cache(monkeypatch, tmp_path):
    """No test may find, or fetch, anything of this machine's."""
    from huggingface_hub import constants

    monkeypatch.setattr(constants, "HF_HUB_CACHE", str(tmp_path / "hub"))
    monkeypatch.setattr(constants, "HF_HUB_OFFLINE", True)


@pytest.fixture
def door() -> WeightsDoor:
    return WeightsDoor({INFO.name: INFO})


def put(path: Path, content: bytes = CONTENT) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(content)
    return path


def in_hub_cache(hub: Path) -> Path:
    """Lay a file down as the hub's client does."""
    repository = hub / "models--acme--net"
    put(repository / "refs" / "main", INFO.revision.encode())
    return put(repository / "snapshots" / INFO.revision / INFO.file)


def test_missing_weights_say_how_to_get_them(door):
    assert door.find(INFO.name) is None
    with pytest.raises(WeightsMissing) as caught:
        door.path(INFO.name)
    assert str(caught.value) == (
        "the weights net/small are not on this machine\n"
        "  next:     recgen-bench weights fetch net/small   (2 MB, MIT, from acme/net)"
    )


def test_weights_without_a_hub_say_where_to_put_them():
    local = replace(INFO, hub="")
    assert how_to_get(local) == (
        "pass --weights net/small=PATH, or put net.safetensors into the folder RECGEN_WEIGHTS names"
    )
    with pytest.raises(WeightsMissing, match="are not on a hub"):
        WeightsDoor({INFO.name: local}).fetch(INFO.name)
    assert WeightsDoor({INFO.name: local}).find(INFO.name) is None


def test_the_order_is_given_then_folder_then_hub(door, tmp_path, monkeypatch):
    cached = in_hub_cache(tmp_path / "hub")
    assert door.path(INFO.name) == cached
    monkeypatch.setenv("RECGEN_WEIGHTS", str(tmp_path / "folder"))
    assert door.path(INFO.name) == cached
    flat = put(tmp_path / "folder" / "net.safetensors")
    assert door.path(INFO.name) == flat
    named = put(tmp_path / "folder" / "net" / "small" / "net.safetensors")
    assert door.path(INFO.name) == named
    given = put(tmp_path / "mine.bin", b"my own training")
    assert WeightsDoor(door.known, {INFO.name: given}).path(INFO.name) == given


def test_the_hub_cache_of_the_environment_is_used(tmp_path, python):
    cached = in_hub_cache(tmp_path / "home" / "hub")
    code = (
        "from recgen_bench.harness.registration import WeightsInfo\n"
        "from recgen_bench.harness.weights import WeightsDoor\n"
        f"info = {INFO!r}\nprint(WeightsDoor({{info.name: info}}).path(info.name))"
    )
    environment = {**os.environ, "HF_HOME": str(tmp_path / "home"), "HF_HUB_OFFLINE": "1"}
    environment.pop("HF_HUB_CACHE", None)
    done = subprocess.run([python, "-c", code], capture_output=True, text=True, check=True, env=environment)
    assert done.stdout.strip() == str(cached)


def test_another_revision_in_the_hub_cache_does_not_count(tmp_path):
    in_hub_cache(tmp_path / "hub")
    other = replace(INFO, revision="f" * 40)
    assert WeightsDoor({INFO.name: other}).find(INFO.name) is None


def test_a_wrong_hash_is_never_used(door, tmp_path, monkeypatch):
    monkeypatch.setenv("RECGEN_WEIGHTS", str(tmp_path))
    wrong = put(tmp_path / "net.safetensors", b"tampered")
    with pytest.raises(DataError, match="not the registered ones") as caught:
        door.path(INFO.name)
    assert caught.value.where == str(wrong)
    assert caught.value.expected == INFO.sha256
    assert caught.value.got == hashlib.sha256(b"tampered").hexdigest()


def test_without_a_published_hash_the_found_one_is_returned(tmp_path):
    path = put(tmp_path / "x", b"anything")
    assert verify(path, replace(INFO, sha256="")) == hashlib.sha256(b"anything").hexdigest()


def test_unknown_names(door):
    for ask in (door.find, door.path, door.fetch, door.info):
        with pytest.raises(RecgenError, match="did you mean net/small"):
            ask("net/smal")


def test_a_fetch_that_fails_says_what_to_check(door):
    with pytest.raises(WeightsMissing, match="could not be fetched") as caught:
        door.fetch(INFO.name)
    assert "--weights net/small=PATH" in str(caught.value)


def test_a_fetch_is_verified(door, tmp_path, monkeypatch):
    import huggingface_hub

    wrong = put(tmp_path / "fetched", b"tampered")
    asked = []

    def download(hub, file, revision):
        asked.append((hub, file, revision))
        return str(wrong)

    monkeypatch.setattr(huggingface_hub, "hf_hub_download", download)
    with pytest.raises(DataError, match="not the registered ones"):
        door.fetch(INFO.name)
    assert asked == [(INFO.hub, INFO.file, INFO.revision)]
    put(wrong)
    assert door.fetch(INFO.name) == wrong


def test_the_door_knows_what_methods_and_priors_declare(toy_registry, tmp_path):
    door = open_door(toy_registry)
    assert door.info("toy-net").hub == "acme/toy-net"
    with pytest.raises(RecgenError, match="did you mean toy-net"):
        open_door(toy_registry, {"toy-nets": tmp_path})
    with pytest.raises(DataError, match="no such file") as caught:
        open_door(toy_registry, {"toy-net": tmp_path / "missing"})
    assert caught.value.where == f"--weights toy-net={tmp_path / 'missing'}"
