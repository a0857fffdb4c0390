"""`recgen-bench export --eig`: maps of expected information gain for a cell, or for any PLY and cameras."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from recgen_bench.harness.plugins import Registry
    from recgen_bench.harness.scene import View

PLY_METHOD = "3dgs"
"""The method that reads a PLY of Gaussians."""

SEMANTICS = ("exact", "fisherrf")


def write_maps(
    method: Any, model: Any, known: Sequence[View], views: Sequence[View], folder: Path, semantics: str
) -> int:
    """Write the maps of all views into a folder and return how many there are.

    Args:
        method: Has the optional member `eig`.
        model: Of that method.
        known: The views that inform.
        views: Those to be mapped; their names become file names.
        folder: Made when missing.
        semantics: "exact" or "fisherrf".

    Raises:
        RecgenError: The method has no such maps.
        DataError: There are no views to inform or to be mapped.
        MethodFailed: An information gain is not finite.
        OutputError: A file cannot be written.
    """
    from recgen_bench.harness.errors import DataError, RecgenError
    from recgen_bench.harness.gain import write_gain

    if not hasattr(method, "eig"):
        raise RecgenError("this method has no maps of information gain", where="--eig")
    if not known or not views:
        what = "there are no views that inform" if not known else "there are no views to be mapped"
        raise DataError(what, hint="give cameras with --cameras and --targets, or a cell with views")
    maps = method.eig(model, [v.camera for v in known], [v.camera for v in views], semantics)
    for view, gain in zip(views, maps, strict=True):
        write_gain(folder, view.name, gain)
    return len(views)


def read_model(registry: Registry, ply: Path) -> tuple[Any, Any]:
    """Return the method that reads a PLY, and the model in it.

    Raises:
        DataError: The file is missing, is no 3DGS PLY, or holds NaN or infinity.
    """
    from recgen_bench.harness.errors import located
    from recgen_bench.harness.registration import resolve

    method: Any = resolve(registry.method(PLY_METHOD).target, f"method {PLY_METHOD}")()
    with located(str(ply)):
        return method, method.read_ply(ply)


def read_cameras(registry: Registry, path: Path) -> tuple[View, ...]:
    """Return the views of a folder with a transforms.json, or else with a COLMAP model.

    Raises:
        DataError: There is no such folder, it holds neither, or a camera is damaged.
    """
    from recgen_bench.harness.dataset import Request, load_dataset
    from recgen_bench.harness.errors import DataError

    folder = path.parent if path.name == "transforms.json" else path
    if not folder.is_dir():
        expected = "a folder with transforms.json and its images, or with sparse/0 and images"
        raise DataError("there are no cameras", got=path, expected=expected, where="--cameras")
    name = "nerfstudio" if (folder / "transforms.json").is_file() else "colmap"
    return load_dataset(registry.dataset(name)).open(Request(None, folder)).views
