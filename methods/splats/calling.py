"""Calling the CPU kernels of this room, and how many threads they and torch may use.

Training keeps torch itself on one thread: some of its operations (sums, sigmoid, atan2) give other last bits
on another number of threads, and its idle threads spin beside those of the kernels. The kernels give the same
bits for any number and do nearly all of the work.
"""

from __future__ import annotations

import ctypes
from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from typing import Any

import torch
from torch import Tensor

from recgen_bench.methods.splats import native

_threads: ContextVar[int | None] = ContextVar("kernel threads", default=None)

Argument = Any
"""Tensor, int, float, None, or something that ctypes passes by itself."""


@contextmanager
def kernels_on(threads: int) -> Iterator[None]:
    """Give the kernels a number of threads, and torch one, inside the block."""
    before = torch.get_num_threads()
    token = _threads.set(threads)
    torch.set_num_threads(1)
    try:
        yield
    finally:
        torch.set_num_threads(before)
        _threads.reset(token)


def kernel_threads() -> int:
    """Return the number of threads for a kernel: that of `kernels_on`, outside of it torch's."""
    return _threads.get() or torch.get_num_threads()


def call(name: str, *arguments: Argument) -> None:
    """Call a kernel with its threads as the last argument.

    Contiguous CPU tensors and arrays are passed as pointers (None as null), int as int64, float as double.

    Raises:
        MethodFailed: The kernel ran out of memory, or does not exist.
    """
    native.check(native.kernel(name)(*map(_plain, arguments), ctypes.c_int64(kernel_threads())))


def _plain(value: Argument) -> object:
    if value is None or isinstance(value, Tensor):
        return ctypes.c_void_p(native.address(value))
    if isinstance(value, int):
        return ctypes.c_int64(value)
    return ctypes.c_double(value) if isinstance(value, float) else value
