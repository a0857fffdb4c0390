import json

import cv2
import numpy as np
import pytest
import torch

from recgen_bench.harness.errors import DataError
from recgen_bench.metrics.twinlitenet import LaneModel, TwinLiteNet, load_twinlitenet


@pytest.fixture(scope="module")
def model(shared) -> LaneModel:
    return load_twinlitenet(shared / "weights/twinlitenet/best.pth")


def test_keys_and_shapes_are_those_of_the_published_weights(shared):
    keys = json.loads((shared / "golden/twinlitenet/keys.json").read_text())
    own = {name: list(value.shape) for name, value in TwinLiteNet().state_dict().items()}
    assert own == keys


@pytest.mark.parametrize("index", [0, 1, 2])
def test_masks_and_logits_of_the_published_network(shared, model, index):
    folder = shared / "golden/twinlitenet"
    image = np.ascontiguousarray(cv2.imread(str(folder / f"input_{index}.png"))[..., ::-1])
    with np.load(folder / "outputs.npz") as stored:
        lanes = np.unpackbits(stored[f"lane_{index}"], count=360 * 640).reshape(360, 640)
        drivable = np.unpackbits(stored[f"drivable_{index}"], count=360 * 640).reshape(360, 640)
        logits = stored[f"lane_logits_{index}_8x"]
    assert (model.lanes(image) != lanes).sum() <= 5
    with torch.inference_mode():
        area, lane = model.network(torch.from_numpy(image).permute(2, 0, 1)[None].float() / 255)
    assert (area[0].argmax(0).numpy() != drivable).sum() <= 5
    assert lane[0, :, ::8, ::8].numpy() == pytest.approx(logits, rel=1e-3, abs=1e-3)


def test_any_size_gives_a_mask_of_one_size():
    torch.manual_seed(0)
    model = LaneModel(TwinLiteNet().eval(), "cpu")
    assert model.lanes(np.zeros((160, 240, 3), np.uint8)).shape == (360, 640)


@pytest.fixture
def state():
    return {f"module.{name}": value for name, value in TwinLiteNet().state_dict().items()}


def test_random_weights_load_with_and_without_prefix(state, tmp_path):
    plain = {name.removeprefix("module."): value for name, value in state.items()}
    image = np.random.default_rng(0).integers(0, 256, (90, 160, 3), np.uint8)
    masks = []
    for index, each in enumerate((state, plain)):
        torch.save(each, tmp_path / f"{index}.pth")
        masks.append(load_twinlitenet(tmp_path / f"{index}.pth").lanes(image))
    assert np.array_equal(*masks)


def test_damaged_and_foreign_weights_are_refused(state, tmp_path):
    path = tmp_path / "best.pth"
    with pytest.raises(DataError, match="cannot be read"):
        load_twinlitenet(path)
    path.write_bytes(b"not weights")
    with pytest.raises(DataError, match="cannot be read"):
        load_twinlitenet(path)
    torch.save({**state, "module.encoder.b1.conv.weight": torch.zeros(2, 2)}, path)
    with pytest.raises(DataError, match="not those of this network"):
        load_twinlitenet(path)
    torch.save([1, 2], path)
    with pytest.raises(DataError, match="not a file of named tensors"):
        load_twinlitenet(path)


class Harm:
    def __reduce__(self):
        return (print, ("unpickled",))


def test_a_pickle_that_runs_code_is_refused(tmp_path, capsys):
    import pickle

    path = tmp_path / "best.pth"
    path.write_bytes(pickle.dumps(Harm(), protocol=2))
    with pytest.raises(DataError, match="cannot be read"):
        load_twinlitenet(path)
    assert "unpickled" not in capsys.readouterr().out
