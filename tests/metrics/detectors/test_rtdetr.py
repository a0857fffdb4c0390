import numpy as np
import pytest
import torch
from safetensors.torch import save_file

from recgen_bench.harness.errors import DataError
from recgen_bench.metrics.detectors import rtdetr
from recgen_bench.metrics.detectors.yolo import COCO


@pytest.fixture(scope="module")
def tiny():
    """A configuration of a few thousand parameters with the real structure, and its random network."""
    from transformers import RTDetrConfig, RTDetrForObjectDetection, RTDetrResNetConfig

    backbone = RTDetrResNetConfig(
        embedding_size=8,
        hidden_sizes=[8, 8, 16, 16],
        depths=[1, 1, 1, 1],
        layer_type="basic",
        out_features=["stage2", "stage3", "stage4"],
    )
    config = RTDetrConfig(
        backbone_config=backbone,
        num_labels=len(COCO),
        encoder_in_channels=[8, 16, 16],
        encoder_hidden_dim=16,
        encoder_ffn_dim=16,
        encoder_attention_heads=2,
        d_model=16,
        num_queries=20,
        decoder_in_channels=[16, 16, 16],
        decoder_ffn_dim=16,
        decoder_layers=2,
        decoder_attention_heads=2,
    )
    torch.manual_seed(0)
    return config, RTDetrForObjectDetection(config).eval()


@pytest.fixture
def stored(tiny, tmp_path):
    path = tmp_path / "model.safetensors"
    tiny[1].save_pretrained(tmp_path)
    return path


def test_a_file_of_transformers_loads_and_detections_are_the_librarys(tiny, stored, monkeypatch):
    from transformers import RTDetrImageProcessor

    monkeypatch.setattr(rtdetr, "CONFIDENCE", 0.012)
    image = np.random.default_rng(0).integers(0, 256, (320, 480, 3), np.uint8)
    found = rtdetr.open_weights(stored, "cpu", tiny[0]).look(image)
    processor = RTDetrImageProcessor()
    with torch.inference_mode():
        seen = tiny[1](**processor(image, return_tensors="pt"))
    (expected,) = processor.post_process_object_detection(
        seen, threshold=0.012, target_sizes=torch.tensor([[320, 480]])
    )
    assert len(found) == len(expected["scores"]) > 0
    # The library rounds the resized image to 8 bits.
    assert found[:, 4] == pytest.approx(expected["scores"].numpy(), abs=2e-3)
    order = np.lexsort(found[:, :6].T)
    other = np.concatenate(
        [expected["boxes"].numpy(), expected["scores"].numpy()[:, None], expected["labels"].numpy()[:, None]],
        1,
    )
    assert found[order][:, :4] == pytest.approx(other[np.lexsort(other.T)][:, :4], abs=1.5)


def test_foreign_and_damaged_weights_are_refused(tiny, stored, tmp_path):
    image = np.zeros((32, 48, 3), np.uint8)
    path = tmp_path / "other.safetensors"
    save_file({"a": torch.zeros(1)}, path)
    with pytest.raises(DataError, match="not those of RT-DETR"):
        rtdetr.open_weights(path, "cpu", tiny[0]).look(image)
    path.write_bytes(b"nothing")
    with pytest.raises(DataError, match="cannot be read"):
        rtdetr.open_weights(path, "cpu", tiny[0]).look(image)


def test_the_published_configuration_has_the_published_size():
    """The public card says 42 million parameters for r50vd."""
    from transformers import RTDetrConfig, RTDetrForObjectDetection, RTDetrResNetConfig

    with torch.device("meta"):
        backbone = RTDetrResNetConfig(out_features=["stage2", "stage3", "stage4"])
        network = RTDetrForObjectDetection(RTDetrConfig(backbone_config=backbone, num_labels=80))
    assert sum(p.numel() for p in network.parameters()) == pytest.approx(42.9e6, rel=0.02)
