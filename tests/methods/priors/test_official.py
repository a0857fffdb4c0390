import json
import pickle
from dataclasses import replace

import pytest
import torch
from safetensors.torch import save_file
from transformers import CLIPTextConfig, CLIPTextModel

from recgen_bench.harness.errors import DataError, WeightsMissing
from recgen_bench.methods.priors.config import DIFIX_REF
from recgen_bench.methods.priors.official import (
    SIZE,
    faithfusion_video,
    load_published,
    read_checkpoint,
)
from recgen_bench.methods.priors.onestep import build
from recgen_bench.methods.priors.text import prompt_tokens, sd_turbo_text, text_states

VOCABULARY = (
    "!", "<|startoftext|>", "<|endoftext|>", "r", "e", "e</w>", "m", "o", "v", "d", "g", "a", "t", "i", "n",
    "n</w>", "re", "rem",
)  # fmt: skip
MERGES = ("#version: 0.2", "r e", "re m")
WORD_STARTS = {"remove": ["rem", "o", "v", "e</w>"], "degradation": [*"degradatio", "n</w>"]}


@pytest.fixture
def text():
    return CLIPTextConfig(
        vocab_size=len(VOCABULARY),
        hidden_size=24,
        intermediate_size=32,
        num_hidden_layers=2,
        num_attention_heads=2,
        bos_token_id=1,
        eos_token_id=2,
        pad_token_id=0,
    )


@pytest.fixture
def folder(tmp_path, published, text):
    """A published folder at a tiny size: its files by the names that restorers ask for."""
    torch.manual_seed(6)
    network, encoder = build(published), CLIPTextModel(text)
    for layer in network.vae.modules():
        if hasattr(layer, "lora_B"):
            torch.nn.init.normal_(layer.lora_B["vae_skip"].weight, std=0.1)
    states = {
        "unet": network.unet.state_dict(),
        "vae": network.vae.state_dict(),
        "text": {f"text_model.{k.removeprefix('text_model.')}": v for k, v in encoder.state_dict().items()},
    }
    states["text"]["text_model.embeddings.position_ids"] = torch.arange(77)[None]
    paths = {}
    for part, state in states.items():
        paths[f"tiny-{part}"] = tmp_path / f"{part}.safetensors"
        save_file(state, paths[f"tiny-{part}"])
    paths["tiny-vocabulary"], paths["tiny-merges"] = tmp_path / "vocab.json", tmp_path / "merges.txt"
    paths["tiny-vocabulary"].write_text(json.dumps({word: n for n, word in enumerate(VOCABULARY)}))
    paths["tiny-merges"].write_text("\n".join(MERGES) + "\n")
    return network.eval(), encoder.eval(), paths


def test_the_prompt_becomes_the_tokens_of_stable_diffusion_2(folder):
    paths = folder[2]
    tokens = prompt_tokens(paths["tiny-vocabulary"], paths["tiny-merges"])
    words = [VOCABULARY[token] for token in tokens.tolist()]
    said = ["<|startoftext|>", *WORD_STARTS["remove"], *WORD_STARTS["degradation"], "<|endoftext|>"]
    assert words == said + ["!"] * (77 - len(said))


def test_the_text_is_the_encoders_last_state(folder, text):
    _, encoder, paths = folder
    files = [paths[f"tiny-{part}"] for part in ("text", "vocabulary", "merges")]
    states = text_states(*files, text)
    with torch.no_grad():
        expected = encoder(input_ids=prompt_tokens(*files[1:])[None]).last_hidden_state[0]
    assert states.shape == (77, 24)
    torch.testing.assert_close(states, expected)


def test_the_full_text_encoder_has_the_published_size():
    with torch.device("meta"):
        encoder = CLIPTextModel(sd_turbo_text())
    assert round(4 * sum(p.numel() for p in encoder.parameters()) / 1e9, 2) == 1.36


def test_a_published_folder_becomes_its_network(folder, published, text):
    network, _, paths = folder
    loaded = load_published(replace(published, context=(77, 24)), "tiny", paths.__getitem__, text=text).eval()
    assert not any("lora" in name for name in loaded.state_dict())
    network.context = loaded.context
    images, references = torch.rand(2, 2, 3, 16, 32, generator=torch.Generator().manual_seed(0))
    with torch.no_grad():
        made, expected = loaded(images, references), network(images, references)
    torch.testing.assert_close(made, expected, atol=2e-5, rtol=0)


def test_a_checkpoint_of_training_goes_over_a_published_folder(tmp_path, folder, published, text):
    network, _, paths = folder
    torch.manual_seed(9)
    wide = build(replace(published, context=(77, 24)).with_eig()).eval()
    trained = {k: v for k, v in wide.vae.state_dict().items() if "lora" in k or "skip" in k}
    content = {
        "state_dict_unet": wide.unet.state_dict(),
        "state_dict_vae": trained,
        "vae_lora_target_modules": ["decoder.conv_in"],
        "rank_vae": 4,
    }
    torch.save(content, tmp_path / "model.pkl")
    files = {**paths, "model": tmp_path / "model.pkl"}
    loaded = load_published(wide.config, "tiny", files.__getitem__, checkpoint="model", text=text).eval()
    wide.vae.load_state_dict(network.vae.state_dict() | trained)
    wide.context = loaded.context
    images, references = torch.rand(2, 1, 3, 16, 32, generator=torch.Generator().manual_seed(0))
    with torch.no_grad():
        made, expected = (each(images, references, images[:, 0]) for each in (loaded, wide))
    torch.testing.assert_close(made, expected, atol=2e-5, rtol=0)


def test_the_trained_part_of_a_checkpoint_is_the_published_one(golden):
    names = json.loads((golden / "difix/difix_ref_vae_keys.json").read_text())
    with torch.device("meta"):
        vae = build(DIFIX_REF).vae
    trained = [name for name in vae.state_dict() if "lora" in name or "skip" in name]
    assert sorted(trained) == sorted(names["pkl_checkpoint_vae_keys"])


def test_a_checkpoint_that_runs_code_is_refused(tmp_path):
    class Evil:
        def __reduce__(self):
            return (print, ("code ran",))

    (tmp_path / "model.pkl").write_bytes(pickle.dumps({"state_dict_unet": Evil()}, protocol=2))
    with pytest.raises(DataError, match="cannot be read"):
        read_checkpoint(tmp_path / "model.pkl")


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ([1], "not a checkpoint of Difix's training"),
        ({"state_dict_unet": {}}, "not a checkpoint of Difix's training"),
        ({"state_dict_unet": {"a": 1}, "state_dict_vae": {}}, "not a checkpoint of Difix's training"),
        (
            {"state_dict_unet": {}, "state_dict_vae": {"encoder.conv_in.weight": torch.zeros(1)}},
            "replaces a frozen part",
        ),
    ],
)
def test_other_checkpoints_are_refused(tmp_path, content, message):
    torch.save(content, tmp_path / "model.pkl")
    with pytest.raises(DataError, match=message) as caught:
        read_checkpoint(tmp_path / "model.pkl")
    assert caught.value.where == str(tmp_path / "model.pkl")


def test_weights_of_another_size_name_the_first_key_and_the_file(folder, published, text):
    config = replace(published, context=(77, 24), unet=replace(published.unet, channels=(16, 48)))
    with pytest.raises(DataError, match=r"time_embedding|down_blocks|conv_in") as caught:
        load_published(config, "tiny", folder[2].__getitem__, text=text)
    assert caught.value.where.endswith("unet.safetensors")
    assert isinstance(caught.value.got, list)
    assert isinstance(caught.value.expected, list)


def test_a_text_encoder_of_another_size_is_refused(folder, text):
    files = [folder[2][f"tiny-{part}"] for part in ("text", "vocabulary", "merges")]
    text.hidden_size = 32
    with pytest.raises(DataError, match=r"token_embedding\.weight") as caught:
        text_states(*files, text)
    assert (caught.value.got, caught.value.expected) == ([len(VOCABULARY), 24], [len(VOCABULARY), 32])


def test_a_damaged_tokeniser_is_refused(folder):
    paths = folder[2]
    paths["tiny-vocabulary"].write_text("{")
    with pytest.raises(DataError, match="tokeniser cannot be read"):
        prompt_tokens(paths["tiny-vocabulary"], paths["tiny-merges"])


def test_the_video_branch_says_why_it_cannot_run():
    with pytest.raises(WeightsMissing, match="not released"):
        faithfusion_video(lambda name: None, "cpu")


def test_the_published_size_fits_the_network():
    assert SIZE == (576, 1024)
    assert all(side % DIFIX_REF.multiple == 0 for side in SIZE)
