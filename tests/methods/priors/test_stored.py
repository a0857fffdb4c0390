import json
import subprocess
import sys
from dataclasses import replace

import pytest
import torch
from safetensors.torch import save_file

from recgen_bench.harness.errors import DataError, OutputError
from recgen_bench.methods.priors.stored import Card, load_exactly, load_network, read_card, save_network

CARD = Card("recgen-bench prior train", steps=40, seed=3, trained_on=("street/1000-1003",), terms=("l2",))


def test_a_network_survives_its_file(tmp_path, network):
    path = tmp_path / "network.safetensors"
    save_network(path, network, CARD, torch.float32)
    loaded = load_network(path)
    assert loaded.config == network.config
    assert not loaded.training
    state = network.state_dict()
    assert all(torch.equal(tensor, state[name]) for name, tensor in loaded.state_dict().items())
    assert read_card(path) == CARD


def test_half_precision_is_stable_once_rounded(tmp_path, network):
    first, second = tmp_path / "a.safetensors", tmp_path / "b.safetensors"
    save_network(first, network, CARD)
    save_network(second, load_network(first), CARD)
    assert first.read_bytes() == second.read_bytes()
    assert first.stat().st_size < 0.7 * 4 * sum(p.numel() for p in network.parameters())


def test_another_process_writes_the_same_bytes(tmp_path, network, tiny):
    path, other = tmp_path / "a.safetensors", tmp_path / "b.safetensors"
    save_network(path, network, CARD)
    program = (
        "import sys; from pathlib import Path; "
        "from recgen_bench.methods.priors.stored import load_network, read_card, save_network; "
        "path = Path(sys.argv[1]); save_network(Path(sys.argv[2]), load_network(path), read_card(path))"
    )
    subprocess.run([sys.executable, "-c", program, str(path), str(other)], check=True)
    assert other.read_bytes() == path.read_bytes()


def test_the_first_key_that_differs_is_named(network):
    state = network.state_dict()
    state["unet.conv_in.weight"] = state["unet.conv_in.weight"][:, :2]
    state["unet.conv_out.bias"] = state["unet.conv_out.bias"][:2]
    with pytest.raises(DataError) as caught:
        load_exactly(network, state)
    assert "unet.conv_in.weight" in caught.value.what
    assert (caught.value.got, caught.value.expected) == ([8, 2, 3, 3], [8, 4, 3, 3])


def test_a_missing_and_a_foreign_key_are_named(network):
    state = network.state_dict()
    del state["vae.decoder.conv_in.weight"]
    with pytest.raises(DataError, match=r"vae\.decoder\.conv_in\.weight") as caught:
        load_exactly(network, state)
    assert caught.value.got == "no such key"
    with pytest.raises(DataError, match=r"extra\.weight") as caught:
        load_exactly(network, network.state_dict() | {"extra.weight": torch.zeros(3)})
    assert (caught.value.got, caught.value.expected) == ([3], "no such key")


def test_copied_weights_are_not_shared(network):
    state = {name: tensor.clone() for name, tensor in network.state_dict().items()}
    load_exactly(network, state)
    with torch.no_grad():
        network.context += 1
    assert not torch.equal(network.context, state["context"])


def test_a_file_of_another_size_names_its_path_and_key(tmp_path, network, tiny):
    path = tmp_path / "network.safetensors"
    wrong = replace(tiny, vae=replace(tiny.vae, latents=6))
    network.config = wrong  # The file will claim what its weights are not.
    save_network(path, network, CARD)
    with pytest.raises(DataError, match=r"unet\.conv_in\.weight") as caught:
        load_network(path)
    assert caught.value.where == str(path)


@pytest.mark.parametrize(
    ("facts", "message"),
    [
        (None, "not a restorer's file"),
        ("{", "cannot be read"),
        ('{"format": "another"}', "not a restorer's file"),
        ('{"format": "recgen-bench restorer 1"}', "metadata is damaged"),
        ('{"format": "recgen-bench restorer 1", "config": {"unet": 3}}', "metadata is damaged"),
    ],
)
def test_files_of_other_kinds_are_refused(tmp_path, facts, message):
    path = tmp_path / "network.safetensors"
    save_file({"a": torch.zeros(1)}, path, {"recgen": facts} if facts else None)
    with pytest.raises(DataError, match=message) as caught:
        load_network(path)
    assert caught.value.where == str(path)


def test_damaged_and_missing_files_are_refused(tmp_path, network):
    path = tmp_path / "network.safetensors"
    with pytest.raises(DataError, match="cannot be read"):
        load_network(path)
    save_network(path, network, CARD)
    path.write_bytes(path.read_bytes()[:-100])
    with pytest.raises(DataError, match="cannot be read"):
        load_network(path)


def test_a_folder_that_cannot_be_written_is_an_error(tmp_path, network):
    (tmp_path / "file").write_text("")
    with pytest.raises(OutputError):
        save_network(tmp_path / "file" / "network.safetensors", network, CARD)


def test_the_metadata_is_one_entry_of_json(tmp_path, network):
    path = tmp_path / "network.safetensors"
    save_network(path, network, CARD)
    size = int.from_bytes(path.read_bytes()[:8], "little")
    metadata = json.loads(path.read_bytes()[8 : 8 + size])["__metadata__"]
    assert list(metadata) == ["recgen"]
    assert json.loads(metadata["recgen"])["config"]["timestep"] == 199
