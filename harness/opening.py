"""Opening the scene of a cell: divided as its protocol says, with every recorded image read once."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from functools import partial
from pathlib import Path

from recgen_bench.harness.dataset import load_dataset, request_for
from recgen_bench.harness.protocol import Protocol
from recgen_bench.harness.registration import DatasetInfo
from recgen_bench.harness.scene import PaintOracle, Scene, View
from recgen_bench.harness.split import divide


def open_divided(
    dataset: DatasetInfo,
    protocol: Protocol,
    scene: str,
    shift: float | None,
    source: Path | None = None,
    threads: int = 1,
) -> tuple[Scene, tuple[str, ...]]:
    """Return a scene with its answers, and what to tell the user.

    Args:
        dataset: Where the scene comes from.
        protocol: How it is split.
        scene: Its name.
        shift: Metres; None for protocols without a shift.
        source: The user's data folder.
        threads: Recorded images are read once on so many, so that damage shows before anything is computed.

    Raises:
        DataError: A file is missing, damaged or inconsistent; it is named.
        ProtocolError: The scene does not fit the protocol.
    """
    capture = load_dataset(dataset).open(request_for(protocol, scene, source))
    divided, notes = divide(capture, protocol, shift)
    if isinstance(capture.oracle, PaintOracle):
        paint = capture.oracle.paint
        test = [replace(view, read_paint=partial(paint, view.camera)) for view in divided.test]
        divided = replace(divided, test=tuple(test))
    if capture.oracle is None:
        views = {view.name: view for view in (*divided.train, *divided.test)}.values()
        # Decoders release the interpreter's lock; the first error in order of the views is the one raised.
        with ThreadPoolExecutor(threads) as pool:
            for _ in pool.map(_read, views):
                pass
    return divided, (*capture.notes, *notes)


def _read(view: View) -> None:
    if view.read_image is not None:
        _ = view.image, view.mask
