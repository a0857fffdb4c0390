"""Features of many images: read from the store where they are known, computed in batches where not."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from functools import partial

import numpy as np
from numpy.typing import NDArray

from recgen_bench.harness.errors import DataError
from recgen_bench.harness.scene import Float, Image
from recgen_bench.harness.track import Picture, Track

Features = NDArray[np.float32]
Embed = Callable[[Sequence[Image]], Features]
"""B images (H, W, 3) uint8, of any sizes, -> (B, D) float32; a row does not depend on its neighbours."""

BATCH = 8


@dataclass(frozen=True, slots=True, eq=False)
class Embedding:
    """A network that turns an image into a vector.

    Attributes:
        purpose: Names network, weights, resizer and version; features are stored under it.
        load: () -> the network, called only when some image is not in the store.
        facts: The same for the record: "network", "weights", "resizer".
    """

    purpose: str
    load: Callable[[], Embed]
    facts: Mapping[str, str] = field(default_factory=dict)


def features(track: Track, pictures: Sequence[Picture], embedding: Embedding) -> Float:
    """Return the features of images, (N, D) float64.

    No more than a batch of images is in memory. What the store does not know is computed together with the
    images that follow, since an unknown image is mostly followed by unknown ones.

    Raises:
        DataError: The network gave a feature that is not finite.
    """
    held: dict[int, Features] = {}

    def compute(index: int) -> Features:
        if index not in held:
            held.clear()
            images = [picture.read() for picture in pictures[index : index + BATCH]]
            held.update(enumerate(_embedded(images, embedding.load(), track), start=index))
        return held.pop(index)

    rows = [
        track.stored(embedding.purpose, picture.digest, partial(compute, index))
        for index, picture in enumerate(pictures)
    ]
    values = np.asarray(rows, np.float64).reshape(len(rows), -1)
    finite = np.isfinite(values).all(axis=1)
    if not finite.all():
        where = pictures[int(np.argmin(finite))].name
        raise DataError("a feature is not finite", hint="check the weights and the image", where=where)
    return values


def _embedded(images: Sequence[Image], embed: Embed, track: Track) -> Features:
    """Return (B, D) features, images side by side on the track's threads.

    Every thread runs its share on one torch thread, because convolutions on several give other last bits;
    a network's result for an image does not depend on what else is in the batch.
    """
    import torch

    workers = min(track.threads, len(images)) if track.device == "cpu" else 1
    shares = [images[start::workers] for start in range(workers)]
    before = torch.get_num_threads()
    rows: list[Features] = [np.empty(0, np.float32)] * len(images)
    try:
        with ThreadPoolExecutor(workers, initializer=torch.set_num_threads, initargs=(1,)) as pool:
            for start, share in enumerate(pool.map(embed, shares)):
                rows[start::workers] = list(share)
    finally:
        torch.set_num_threads(before)
    return np.stack(rows)


def set_hash(pictures: Iterable[Picture]) -> str:
    """Return the sha256 of a set of images, order included, 64 hex digits."""
    return hashlib.sha256("\n".join(picture.digest for picture in pictures).encode()).hexdigest()
