"""FID-UCR and FID-HPR: FID of the under-constrained and of the well-observed pixels (FaithFusion).

The paper (arXiv:2511.21113) splits pixels where the expected information gain passes 0.4 and publishes
neither the masking nor code. The rule here:

- EIG is clipped to [0, 1], so the release's sentinel 100 (nothing rendered) is 1. UCR are the pixels above
  0.4, HPR the others.
- Pixels of the other region become mid-grey (128) in the rendering.
- A real image gets the mask of a rendering: the k-th of n renderings at one shift goes with the real image
  number floor(k M / n) of M, both counted from 0, so that both sets hold the same shapes of grey.
- A frame without a pixel of the region is left out, together with its real image.

Numbers under another rule are not comparable, those of the paper included.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import partial
from typing import Literal

import cv2
import numpy as np

from recgen_bench.harness.errors import DataError, located
from recgen_bench.harness.record import image_hash
from recgen_bench.harness.scene import Image, Mask
from recgen_bench.harness.track import Frame, Picture, SceneValue, Track
from recgen_bench.metrics.fid import Embeddings, distance, embedded, inception_aliased, too_few

THRESHOLD = 0.4
GREY = np.uint8(128)

Region = Literal["ucr", "hpr"]


def fid_ucr_pytorch_fid(track: Track) -> SceneValue:
    """Return FID (pytorch-fid) of the pixels with EIG above 0.4."""
    return fid_region(track, "ucr", inception_aliased)


def fid_hpr_pytorch_fid(track: Track) -> SceneValue:
    """Return FID (pytorch-fid) of the pixels with EIG up to 0.4."""
    return fid_region(track, "hpr", inception_aliased)


def fid_ucr_embedded(track: Track) -> SceneValue:
    """Return the Fréchet distance of the pixels with EIG above 0.4 in this project's own network; not FID."""
    return fid_region(track, "ucr", embedded)


def fid_hpr_embedded(track: Track) -> SceneValue:
    """Return the Fréchet distance of the pixels with EIG up to 0.4 in this project's own network; not FID."""
    return fid_region(track, "hpr", embedded)


@dataclass(frozen=True, slots=True, eq=False)
class Masked:
    """A rendering and its real image, all but one region in grey, and the share of the region."""

    prediction: Picture
    real: Picture
    share: float


def fid_region(track: Track, region: Region, embeddings: Embeddings) -> SceneValue:
    """Return the Fréchet distance between the region of the renderings and of the real images.

    Raises:
        DataError: An EIG map has another size than its rendering, or holds NaN.
    """
    if not track.frames or any(frame.read_eig is None for frame in track.frames):
        return SceneValue(None, 0, reason="the method stored no expected information gain")
    if not track.real:
        return SceneValue(None, 0, reason="there are no real images")
    pairs = [_masked(frame, real, region) for frame, real in _matched(track)]
    shown = [pair for pair in pairs if pair is not None]
    predictions, reals = [pair.prediction for pair in shown], [pair.real for pair in shown]
    if reason := too_few(predictions, reals):
        return SceneValue(None, len(shown), reason=f"frames with such pixels: {reason}")
    value = distance(track, predictions, reals, embeddings(track))
    share = float(np.mean([pair.share for pair in shown]))
    facts = {"region": f"{region}, EIG clipped to [0, 1], threshold {THRESHOLD}", "elsewhere": "grey 128"}
    return replace(value, parts={**value.parts, "share": share}, facts={**value.facts, **facts})


def _matched(track: Track) -> list[tuple[Frame, Picture]]:
    """Return every frame with its real image, frames of one shift spread evenly over the real set."""
    by_shift = defaultdict[float, list[Frame]](list)
    for frame in track.frames:
        # Without what is not needed here, since all of them are held at once.
        bare = Frame(frame.view, frame.shift, frame.prediction, read_eig=frame.read_eig)
        by_shift[frame.shift].append(bare)
    return [
        (frame, track.real[index * len(track.real) // len(frames)])
        for frames in by_shift.values()
        for index, frame in enumerate(frames)
    ]


def _masked(frame: Frame, real: Picture, region: Region) -> Masked | None:
    """Return both images of a frame in one region, None when it has no pixel of it."""
    mask = _region(frame, region)
    if not mask.any():
        return None
    select = partial(_region, frame, region)
    return Masked(
        _greyed(frame.prediction, select, fit=False), _greyed(real, select, fit=True), float(mask.mean())
    )


def _region(frame: Frame, region: Region) -> Mask:
    assert frame.read_eig is not None
    eig = frame.read_eig()
    with located(frame.view):
        if eig.ndim != 2:
            raise DataError("the EIG map is not one plane", got=eig.shape, expected="(H, W)")
        if np.isnan(eig).any():
            raise DataError("the EIG map holds NaN", hint="render the frame again")
    uncertain = np.clip(eig, 0, 1) > THRESHOLD
    return uncertain if region == "ucr" else ~uncertain


def _greyed(picture: Picture, select: Callable[[], Mask], fit: bool) -> Picture:
    """Return a picture that is masked whenever it is read, so that none stays in memory.

    Args:
        picture: What is masked.
        select: () -> (H, W) pixels that stay.
        fit: Resize the mask to the picture instead of refusing another size.
    """

    def read() -> Image:
        image, mask = picture.read(), select()
        if mask.shape != image.shape[:2] and not fit:
            what = "the EIG map has another size than the image"
            raise DataError(what, got=mask.shape, expected=image.shape[:2], where=picture.name)
        if mask.shape != image.shape[:2]:
            size = (image.shape[1], image.shape[0])
            mask = cv2.resize(mask.astype(np.uint8), size, interpolation=cv2.INTER_NEAREST).astype(np.bool_)
        return np.where(mask[..., None], image, GREY)

    return Picture(picture.name, image_hash(read()), read)
