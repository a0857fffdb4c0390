"""DTU's multi-view stereo scans: raw "Rectified" with its calibration, IDR/NeuS, or MVSNet.

View i is the same photograph in all layouts and is named by its number, "000025"; scene coordinates are
metres in the calibration's world. Principal points are used as stored, with pixel centres at +0.5, as RegNeRF
does; IDR's family reads the same numbers with pixel centres at whole numbers, half a pixel of 1600x1200 away.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import numpy as np

from recgen_bench.datasets.formats.dtu_layouts import Posed, find_scans, read_scan
from recgen_bench.datasets.formats.images import probe
from recgen_bench.datasets.formats.numbered import numbered
from recgen_bench.datasets.formats.paths import only_cameras
from recgen_bench.datasets.formats.places import find_place, find_places
from recgen_bench.datasets.formats.resize import Size, same_shape
from recgen_bench.datasets.formats.views import Photo, lens_notes, make_views
from recgen_bench.harness.dataset import Request
from recgen_bench.harness.errors import located
from recgen_bench.harness.scene import Capture, World

LAYOUT = (
    "Rectified/scanN/ beside Calibration/cal18/, or scanN/ with image/ and cameras_sphere.npz,"
    " or scanN/ with images/ and cams/; masks in idrmasks/scanN/ or scanN/mask/"
)

_FULL: Size = (1600, 1200)
_MASKS = ("idrmasks", "submission_data/idrmasks")


class Dtu:
    """DTU scans; `View.mask` is the object, which protocols evaluate on.

    A mask's foreground is where it is exactly 255, looked up at the centre of the target pixel.
    """

    def scenes(self, source: Path | None) -> tuple[str, ...]:
        """Return the scans found at or below the user's folder as "scan24", in text order."""
        return tuple(place.name for place in find_places(source, find_scans, LAYOUT))

    def open(self, request: Request) -> Capture:
        """Return one scan."""
        place = find_place(request, find_scans, LAYOUT)
        masks = _masks(place.folder, place.name)
        views = read_scan(place.folder)
        photos = [_photo(index, posed, masks.get(index)) for index, posed in enumerate(views)]
        notes = [*lens_notes(photos), "DTU has no points, so the scene has none."]
        bare = [f"{index:06d}" for index in range(len(photos)) if index not in masks]
        if bare:
            notes.append(f"{len(bare)} of {len(photos)} views have no mask, the first is {bare[0]}.")
        return Capture(
            "dtu",
            place.name,
            only_cameras(make_views(photos, request.resolution), request.cameras),
            world=World(np.diag([1000.0, 1000.0, 1000.0, 1.0]), "metre"),
            notes=tuple(notes),
        )


def _photo(index: int, posed: Posed, mask: Path | None) -> Photo:
    with located(posed.where):
        size = probe(posed.image)
        # MVSNet's cameras refer to a half or a quarter of its images, IDR's always to the original ones.
        others = [_FULL, (size[0] // 2, size[1] // 2), (size[0] // 4, size[1] // 4)]
        others = [each for each in others if min(each) > 0 and same_shape(each, size)]
        lens = posed.pinhole.lens(size, others)
    c2w = posed.pinhole.c2w.copy()
    c2w[:3, 3] /= 1000
    name = f"{index:06d}.png"
    return Photo(name, posed.image, lens, c2w, posed.where, mask=mask, mask_rule="white-nearest")


def _masks(folder: Path, name: str) -> Mapping[int, Path]:
    """Return the masks by view number; some scans keep them one level deeper, in a folder `mask`."""
    above = (folder.parent, folder.parent.parent)
    candidates = [folder, *(root / masks / name for root in above for masks in _MASKS)]
    for candidate in candidates:
        for place in (candidate / "mask", candidate) if candidate != folder else (folder / "mask",):
            found = numbered(place, r"(\d{1,6})\.png")
            if found:
                return found
    return {}
