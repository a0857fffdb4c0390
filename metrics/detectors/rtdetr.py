"""RT-DETR (arXiv:2304.08069) through transformers: a detector under Apache-2.0, weights included."""

from __future__ import annotations

from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from recgen_bench.harness.errors import DataError
from recgen_bench.harness.scene import Image
from recgen_bench.harness.track import Track
from recgen_bench.harness.weights import file_hash
from recgen_bench.metrics.detectors.detector import CANVAS, Detector, shrunk
from recgen_bench.metrics.detectors.yolo import COCO

VERSION = 1
CONFIDENCE = 0.5
SIDE = 640
"""Pixels of the square that the network looks at."""


def open_detector(track: Track) -> Detector:
    """Load RT-DETR with a ResNet-50vd, trained on COCO.

    Raises:
        WeightsMissing: The weights are not on this machine.
    """
    return open_weights(track.weights("rtdetr_r50vd"), track.device)


def open_weights(path: Path, device: str, config: Any = None) -> Detector:
    """Return a detector for a safetensors file; it is read when the first image comes.

    Args:
        path: Of the weights.
        device: "cpu" or "cuda".
        config: A transformers `RTDetrConfig`; None is that of the published r50vd.
    """
    digest = file_hash(path)

    @cache
    def model() -> Any:
        return _load(path, config).to(device)

    def look(image: Image) -> NDArray:
        return _look(model(), image)

    facts = {
        "detector": "rtdetr_r50vd",
        "detector_sha256": digest,
        "detector_confidence": f"above {CONFIDENCE:g}",
        "detector_nms": "none",
        "detector_input": f"{CANVAS[0]}x{CANVAS[1]} by areas, then {SIDE}x{SIDE} bilinear",
    }
    purpose = f"detections rtdetr_r50vd {VERSION} {digest} {CONFIDENCE:g} {SIDE}"
    return Detector("rtdetr", purpose, COCO, facts, look)


def _load(path: Path, config: Any) -> Any:
    import transformers
    from safetensors import SafetensorError
    from safetensors.torch import load_file

    library: Any = transformers  # Its configurations take arguments that their types do not know.
    if config is None:
        backbone = library.RTDetrResNetConfig(out_features=["stage2", "stage3", "stage4"])
        config = library.RTDetrConfig(backbone_config=backbone, num_labels=len(COCO))
    try:
        # The library knows how the names in published files differ from those of its present code.
        network, report = library.RTDetrForObjectDetection.from_pretrained(
            None, config=config, state_dict=load_file(path), output_loading_info=True
        )
    except (OSError, SafetensorError, RuntimeError, ValueError) as error:
        got = str(error).partition("\n")[0]
        raise DataError("the weights of RT-DETR cannot be read", got=got, where=str(path)) from error
    absent = {str(name) for name in report["missing_keys"] if not str(name).endswith("num_batches_tracked")}
    wrong = absent | {str(name) for name in (*report["unexpected_keys"], *report["mismatched_keys"])}
    if wrong:
        got = f"{len(wrong)} tensors, such as {min(wrong)}"
        raise DataError("the weights are not those of RT-DETR r50vd", got=got, where=str(path))
    return network.eval()


def _look(network: Any, image: Image) -> NDArray:
    import torch
    from torch.nn import functional

    device = next(network.parameters()).device
    pixels = torch.from_numpy(shrunk(image, antialias=True)).permute(2, 0, 1)[None]
    # Scaled to [0, 1] and neither centred nor divided by a deviation, as the published processor does.
    batch = functional.interpolate(
        pixels.to(device, torch.float32), (SIDE, SIDE), mode="bilinear", antialias=True
    )
    with torch.inference_mode():
        found = network(pixel_values=batch / 255)
    scores = torch.sigmoid(found.logits[0])
    # A query may be several things; each counts by itself, and the best 300 of all pairs are looked at.
    flat = scores.flatten()
    best, index = flat.topk(min(len(found.pred_boxes[0]), len(flat)))
    query, label = index // scores.shape[1], index % scores.shape[1]
    x, y, width, height = found.pred_boxes[0][query].unbind(-1)
    corners = torch.stack([x - width / 2, y - height / 2, x + width / 2, y + height / 2], -1)
    corners = corners * torch.tensor([*CANVAS, *CANVAS], device=device)
    rows = torch.cat([corners, best[:, None], label[:, None].to(corners)], 1)
    return rows[best > CONFIDENCE].cpu().numpy().astype(np.float64)
