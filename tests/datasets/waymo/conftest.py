"""The tiny drive of `writing`, written once in all four forms."""

from __future__ import annotations

import importlib.util
import sys
from pathlib import Path
from types import ModuleType

import pytest

FOLDER = Path(__file__).parent / "writing"


def _load() -> ModuleType:
    # Test folders are no packages here, so the helpers are loaded by path.
    spec = importlib.util.spec_from_file_location(
        "waymo_writing", FOLDER / "__init__.py", submodule_search_locations=[str(FOLDER)]
    )
    module = importlib.util.module_from_spec(spec)
    sys.modules["waymo_writing"] = module
    spec.loader.exec_module(module)
    return module


@pytest.fixture(scope="session")
def writing() -> ModuleType:
    pytest.importorskip("google.protobuf", reason="needs the extra waymo")
    pytest.importorskip("pyarrow", reason="needs the extra waymo")
    return _load()


@pytest.fixture(scope="session")
def drive(writing):
    return writing.Drive()


@pytest.fixture(scope="session")
def forms(tmp_path_factory, writing, drive) -> dict[str, Path]:
    """Return the folder of the drive in every form; tests must not change these files."""
    root = tmp_path_factory.mktemp("waymo")
    return {
        "v1": writing.write_v1(root / "v1", drive).parent,
        "v2": writing.write_v2(root / "v2", drive),
        "drivestudio": writing.write_drivestudio(root / "ds" / "validation" / "005", drive),
        "street-gaussians": writing.write_street_gaussians(root / "sg" / "005", drive),
    }
