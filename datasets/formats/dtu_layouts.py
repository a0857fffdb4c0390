"""The three layouts that DTU comes in, each read into posed images by view number, in millimetres."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from recgen_bench.datasets.formats.mvsnet_cam import read_mvsnet_cam
from recgen_bench.datasets.formats.npy import read_npz
from recgen_bench.datasets.formats.number_text import numbers, read_text
from recgen_bench.datasets.formats.numbered import numbered, without_gaps
from recgen_bench.datasets.formats.places import Place, children
from recgen_bench.datasets.formats.projection import Pinhole, decompose
from recgen_bench.harness.errors import DataError, located
from recgen_bench.harness.scene import Float

LIGHT = "3"
"""Of the seven lights and "max": the one that RegNeRF and pixelNeRF use."""

_NPZ = ("cameras_sphere.npz", "cameras.npz")
_RECTIFIED = rf"rect_(\d{{3}})_{LIGHT}_r5000\.png"


@dataclass(frozen=True, slots=True, eq=False)
class Posed:
    """One view: image, camera in millimetres, and the camera's file and key for messages."""

    image: Path
    pinhole: Pinhole
    where: str


def find_scans(source: Path) -> Iterator[Place]:
    """Yield the scans at or below a folder; "dtu_scan24" is called "scan24" as in the raw data."""
    rectified = source if source.name == "Rectified" else source / "Rectified"
    for folder in (source, *children(source)):
        if _npz(folder) is not None or (folder / "cams").is_dir():
            match = re.fullmatch(r"(?:dtu_)?(scan\d+)", folder.resolve().name)
            yield Place(match[1] if match else folder.resolve().name, folder)
    around = (source, *children(rectified)) if source.parent.name == "Rectified" else children(rectified)
    for suffix in ("", "_train"):
        for folder in around:
            match = re.fullmatch(rf"(scan\d+){suffix}", folder.name)
            if match:
                yield Place(match[1], folder)


def read_scan(folder: Path) -> tuple[Posed, ...]:
    """Return the views of a scan in the order of their numbers, from 0 and without gaps.

    Raises:
        DataError: A file is missing or damaged, or a number is; it is named.
    """
    if (npz := _npz(folder)) is not None:
        return _idr(folder, npz)
    if (folder / "cams").is_dir():
        return _mvsnet(folder / "images", r"(\d{8})\.(?:png|jpg)", 0, (folder / "cams",))
    if folder.name.endswith("_train"):
        cameras = folder.parent.parent / "Cameras"
        return _mvsnet(folder, _RECTIFIED, 1, (cameras / "train", cameras))
    return _raw(folder)


def _npz(folder: Path) -> Path | None:
    return next((folder / name for name in _NPZ if (folder / name).is_file()), None)


def _raw(folder: Path) -> tuple[Posed, ...]:
    """Layout A: Rectified/scanN/rect_001_3_r5000.png and Calibration/cal18/pos_001.txt."""
    calibration = folder.parent.parent / "Calibration" / "cal18"
    if not calibration.is_dir():
        hint = "keep Rectified/ and Calibration/ side by side, as they are unpacked"
        raise DataError(
            "the calibration is missing", expected="pos_001.txt", hint=hint, where=str(calibration)
        )
    views = []
    images = without_gaps(numbered(folder, _RECTIFIED), 1, f"images of light {LIGHT}", folder)
    for number, image in enumerate(images, 1):
        file = calibration / f"pos_{number:03d}.txt"
        values = numbers(read_text(file), str(file))
        if len(values) != 12:
            got = f"{len(values)} numbers"
            raise DataError("not a projection matrix", got=got, expected="12", where=str(file))
        with located(str(file)):
            views.append(Posed(image, decompose(values.reshape(3, 4)), str(file)))
    return tuple(views)


def _idr(folder: Path, npz: Path) -> tuple[Posed, ...]:
    """Layout B: image/000000.png and cameras_sphere.npz with world_mat_0, whose world is that of layout A.

    scale_mat maps the unit sphere around the object into that world; it only says where the object is.
    """
    arrays = read_npz(npz, ("world_mat_", "scale_mat_"))
    cameras = {int(key[10:]): _matrix(arrays, key, npz) for key in arrays if key.startswith("world_mat_")}
    pictures = next((folder / name for name in ("image", "images") if (folder / name).is_dir()), None)
    if pictures is None:
        raise DataError(
            "the folder of images does not exist", expected="image/ or images/", where=str(folder)
        )
    images = without_gaps(numbered(pictures, r"(\d+)\.(?:png|jpg)"), 0, "images", pictures)
    if sorted(cameras) != list(range(len(images))):
        odd = min(set(cameras).symmetric_difference(range(len(images))))
        got = f"{len(cameras)} cameras and {len(images)} images; view {odd} has only one of them"
        raise DataError("cameras and images do not belong together", got=got, where=str(npz))
    views = []
    for number, image in enumerate(images):
        where = f"{npz}, world_mat_{number}"
        with located(where):
            views.append(Posed(image, decompose(cameras[number][:3]), where))
        if f"scale_mat_{number}" in arrays:
            _matrix(arrays, f"scale_mat_{number}", npz)
    return tuple(views)


def _matrix(arrays: Mapping[str, Float], key: str, npz: Path) -> Float:
    matrix = arrays[key]
    if matrix.shape != (4, 4) or not np.isfinite(matrix).all():
        got = f"shape {matrix.shape}" if matrix.shape != (4, 4) else matrix.tolist()
        raise DataError("not a finite 4x4 matrix", got=got, where=f"{npz}, {key}")
    return matrix


def _mvsnet(pictures: Path, pattern: str, first: int, cameras: tuple[Path, ...]) -> tuple[Posed, ...]:
    """Layout C: images and a camera file 00000000_cam.txt for each."""
    folder = next((each for each in cameras if (each / "00000000_cam.txt").is_file()), None)
    if folder is None:
        raise DataError("the cameras are missing", expected="00000000_cam.txt", where=str(cameras[0]))
    views = []
    for number, image in enumerate(without_gaps(numbered(pictures, pattern), first, "images", pictures)):
        file = folder / f"{number:08d}_cam.txt"
        views.append(Posed(image, read_mvsnet_cam(file).pinhole, str(file)))
    return tuple(views)
