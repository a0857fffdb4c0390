"""Which form of the data set a folder holds, and what its scenes are called.

Scenes are named by Waymo's context name, for example "10359308928573410754_720_000_740_000", or, in
preprocessed folders, by the folder, which is the number of the segment in the sorted list of validation
segments ("005"). Protocols use either; for the segments of published splits one leads to the other.
"""

from __future__ import annotations

import itertools
import re
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from recgen_bench.harness.errors import DataError, did_you_mean

Form = Literal["v1", "v2", "drivestudio", "street-gaussians"]

LAYOUT = (
    "*.tfrecord; or the folders vehicle_pose/ camera_image/ ... with one .parquet per segment; "
    "or scenes preprocessed for DriveStudio or Street Gaussians"
)

VALIDATION = {
    "005": "10359308928573410754_720_000_740_000",
    "006": "10448102132863604198_472_000_492_000",
    "018": "11450298750351730790_1431_750_1451_750",
    "026": "12374656037744638388_1412_711_1432_711",
    "027": "12496433400137459534_120_000_140_000",
    "029": "12820461091157089924_5202_916_5222_916",
    "065": "15021599536622641101_556_150_576_150",
    "081": "16767575238225610271_5185_000_5205_000",
    "086": "17152649515605309595_3440_000_3460_000",
    "090": "17612470202990834368_2800_000_2820_000",
    "096": "17860546506509760757_6040_000_6060_000",
    "105": "1906113358876584689_1359_560_1379_560",
    "108": "2094681306939952000_2972_300_2992_300",
    "113": "2506799708748258165_6455_000_6475_000",
    "121": "3015436519694987712_1300_000_1320_000",
    "134": "4246537812751004276_1560_000_1580_000",
    "150": "5372281728627437618_2005_000_2025_000",
    "164": "6637600600814023975_2235_000_2255_000",
    "181": "8398516118967750070_3958_000_3978_000",
}
"""The validation segments that DriveDreamer4D, ReconDreamer, FaithFusion and Street Gaussians report on."""

_NUMBERED = re.compile(r"(\d{3}|\d{6})(_[0-4])?\.(jpg|jpeg|png|txt)")


@dataclass(frozen=True, slots=True)
class Found:
    """A scene on disk: its name, its form, and its tfrecord file, the tables' folder, or its own folder."""

    name: str
    form: Form
    path: Path


def find_scenes(source: Path | None) -> tuple[Found, ...]:
    """Return the scenes in a folder, sorted by name; a tfrecord file or a scene's folder is a single one.

    Raises:
        DataError: Nothing is given, it does not exist, or it holds nothing known.
    """
    if source is None:
        what = "this data set is read from a folder and none was given"
        raise DataError(what, expected=LAYOUT, hint="add --data FOLDER")
    if not source.exists():
        raise DataError("the folder does not exist", expected=LAYOUT, where=str(source))
    try:
        found = sorted(_scenes(source), key=lambda scene: scene.name)
    except OSError as error:
        where = str(error.filename or source)
        raise DataError(f"the folder cannot be listed: {error.strerror}", where=where) from error
    for before, after in itertools.pairwise(found):
        if before.name == after.name:
            got = f"{before.path} and {after.path}"
            raise DataError("two scenes have the same name", got=got, hint="keep them in separate folders")
    if found:
        return tuple(found)
    raise DataError(
        "the folder holds no Waymo scenes", expected=LAYOUT, hint=_below(source), where=str(source)
    )


def find_scene(source: Path | None, name: str | None) -> Found:
    """Return the scene of a name, or the only one there is when none is named.

    Raises:
        DataError: There is no such scene, or several and none is named.
    """
    found = find_scenes(source)
    if name is None:
        if len(found) == 1:
            return found[0]
        hint = "name one of " + ", ".join(scene.name for scene in found[:5])
        raise DataError("the folder holds several scenes", got=len(found), hint=hint, where=str(source))
    for scene in found:
        if name == scene.name or name == scene.path.name or _same(name, scene):
            return scene
    hint = did_you_mean(name, (scene.name for scene in found))
    raise DataError("there is no such scene", got=name, hint=hint, where=str(source))


def context_name(file: Path) -> str:
    """Return the context name that a tfrecord file is named after, or its name without the suffix."""
    return file.stem.removeprefix("segment-").removesuffix("_with_camera_labels")


def folder_form(folder: Path) -> Form | None:
    """Return the form of a preprocessed scene, None when the folder is none.

    File names with six digits or a `timestamps.json` mean Street Gaussians, three digits DriveStudio.
    """
    if not (folder / "ego_pose").is_dir():
        return None
    if (folder / "timestamps.json").is_file():
        return "street-gaussians"
    for place in (folder / "images", folder / "ego_pose"):
        for path in place.iterdir() if place.is_dir() else ():
            match = _NUMBERED.fullmatch(path.name)
            if match:
                return "drivestudio" if len(match[1]) == 3 else "street-gaussians"
    return None


def _scenes(source: Path) -> list[Found]:
    if source.is_file():
        return [Found(context_name(source), "v1", source)] if source.suffix == ".tfrecord" else []
    form = folder_form(source)
    if form is not None:
        return [Found(source.resolve().name, form, source)]
    found = [Found(context_name(file), "v1", file) for file in source.glob("*.tfrecord") if file.is_file()]
    found += [Found(file.stem, "v2", source) for file in (source / "vehicle_pose").glob("*.parquet")]
    for child in source.iterdir():
        form = folder_form(child) if child.is_dir() else None
        if form is not None:
            found.append(Found(child.name, form, child))
    return found


def _same(name: str, scene: Found) -> bool:
    """Whether a validation number and a context name mean one segment."""
    if scene.form in ("v1", "v2"):
        return VALIDATION.get(name) == scene.name
    # A folder's number counts training segments too, so only folders below "validation" are known by it.
    parents = {parent.name for parent in scene.path.resolve().parents}
    return VALIDATION.get(scene.name) == name and "validation" in parents


def _below(source: Path) -> str | None:
    if not source.is_dir():
        return "give the folder that holds the scenes"
    holders = [child for child in sorted(source.iterdir()) if child.is_dir() and _scenes(child)]
    return "scenes are one level below: " + ", ".join(map(str, holders[:3])) if holders else None
