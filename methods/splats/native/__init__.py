"""Finds and loads the library of CPU kernels, and describes its structures to ctypes.

The library is built from the sources beside this file when the package is installed. Each kernel is exported
once per instruction set as `<name>_<instruction set>`; `kernel(name)` picks the best one for this machine.
"""

from __future__ import annotations

import ctypes
import os
from collections.abc import Callable
from functools import cache
from pathlib import Path

from torch import Tensor

from recgen_bench.harness.errors import MethodFailed

ABI = 1
"""Version of the structures below; the library must have been built for the same one."""

ISAS = ("generic", "avx2", "avx512")
"""Instruction sets in the order of the numbers that `recgen_machine` returns."""

LIBRARY = Path(__file__).parents[1] / "kernels.so"
REBUILD = "build it again: pip install -e . (needs g++ or clang++)"

_Pointer = ctypes.c_void_p


class Input(ctypes.Structure):
    """N Gaussians seen by one camera; mirrors `Input` in abi.hpp."""

    _fields_ = (
        *((name, _Pointer) for name in ("means", "quats", "scales", "opacities", "colors")),
        ("size", ctypes.c_int64),
        ("degree", ctypes.c_int32),
        ("coefficients", ctypes.c_int32),
        ("rotation", ctypes.c_float * 9),
        ("translation", ctypes.c_float * 3),
        ("centre", ctypes.c_float * 3),
        *((name, ctypes.c_float) for name in ("fx", "fy", "cx", "cy")),
        ("width", ctypes.c_int32),
        ("height", ctypes.c_int32),
        ("background", ctypes.c_float * 3),
        ("near", ctypes.c_float),
        ("eps2d", ctypes.c_float),
        ("threads", ctypes.c_int32),
    )


class Image(ctypes.Structure):
    """The planes of a rendered image; mirrors `Image` in abi.hpp."""

    _fields_ = tuple((name, _Pointer) for name in ("rgb", "alpha", "depth", "blended"))


class Upstream(ctypes.Structure):
    """Derivatives of the loss by the image, null for zeros; mirrors `Upstream` in abi.hpp."""

    _fields_ = tuple((name, _Pointer) for name in ("rgb", "alpha", "depth"))


class PerGaussian(ctypes.Structure):
    """One array per group of parameters; mirrors `PerGaussian` in abi.hpp."""

    _fields_ = tuple(
        (name, _Pointer) for name in ("means", "quats", "scales", "opacities", "colors", "screen")
    )


@cache
def library() -> ctypes.CDLL:
    """Return the loaded library.

    Raises:
        MethodFailed: It was not built, cannot be loaded here, or belongs to another version of the sources.
    """
    if not LIBRARY.is_file():
        raise MethodFailed("the CPU kernels are not built", got=f"no {LIBRARY}", hint=REBUILD)
    try:
        loaded = ctypes.CDLL(str(LIBRARY))
        abi = loaded.recgen_abi()
    except (OSError, AttributeError) as error:
        raise MethodFailed("the library of CPU kernels does not load", got=error, hint=REBUILD) from error
    if abi != ABI:
        what = "the library of CPU kernels was built from other sources"
        raise MethodFailed(what, got=f"ABI {abi}", expected=f"ABI {ABI}", hint=REBUILD)
    return loaded


@cache
def instruction_set() -> str:
    """Return the instruction set in use: the best of this machine, or what RECGEN_RASTER_ISA asks for.

    Raises:
        MethodFailed: RECGEN_RASTER_ISA names one that does not exist or that this machine cannot run.
    """
    best = library().recgen_machine()
    wanted = os.environ.get("RECGEN_RASTER_ISA")
    if not wanted:
        return ISAS[best]
    if wanted not in ISAS[: best + 1]:
        what = "RECGEN_RASTER_ISA asks for instructions that this machine does not run"
        raise MethodFailed(what, got=wanted, expected=" or ".join(ISAS[: best + 1]))
    return wanted


@cache
def kernel(name: str) -> Callable[..., int]:
    """Return a kernel for the instruction set in use, as a function that returns its status (0 for done).

    Raises:
        MethodFailed: The library has no such kernel.
    """
    symbol = f"{name}_{instruction_set()}"
    try:
        function: Callable[..., int] = getattr(library(), symbol)
    except AttributeError as error:
        raise MethodFailed("the library lacks a kernel", got=symbol, hint=REBUILD) from error
    return function


def describe() -> str:
    """Return one line on the kernels for `doctor`; raises like `instruction_set`."""
    return f"CPU kernels for {instruction_set()}, ABI {ABI}"


def address(tensor: Tensor | None) -> int | None:
    """Return where the data of a contiguous CPU tensor starts, None for None."""
    return None if tensor is None else tensor.data_ptr()


def check(status: int) -> None:
    """Turn a kernel's status into an error.

    Raises:
        MethodFailed: The kernel ran out of memory.
    """
    if status:
        raise MethodFailed("the CPU rasteriser ran out of memory", hint="use fewer Gaussians or pixels")
