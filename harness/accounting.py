"""What a phase costs: wall, CPU and GPU seconds and peak memory, added up over interrupted attempts."""

from __future__ import annotations

import resource
import sys
import time
from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True, slots=True)
class Cost:
    """Seconds and bytes; GPU fields are None without a GPU."""

    wall_s: float = 0.0
    cpu_s: float = 0.0
    gpu_s: float | None = None
    peak_memory: int = 0
    peak_gpu_memory: int | None = None

    def __add__(self, other: Cost) -> Cost:
        return Cost(
            wall_s=self.wall_s + other.wall_s,
            cpu_s=self.cpu_s + other.cpu_s,
            gpu_s=_both(self.gpu_s, other.gpu_s),
            peak_memory=max(self.peak_memory, other.peak_memory),
            peak_gpu_memory=_larger(self.peak_gpu_memory, other.peak_gpu_memory),
        )


class Meter:
    """Measures from its creation on.

    Args:
        device: "cpu" or "cuda"; on "cuda" the time between two stream events counts as GPU time.
        earlier: What killed attempts at the same phase spent, as far as their snapshots tell.
    """

    def __init__(self, device: str, earlier: Cost | None = None) -> None:
        self._earlier = earlier or Cost()
        self._device = device
        _reset_peak_memory()
        self._start = None
        if device == "cuda":
            import torch

            torch.cuda.reset_peak_memory_stats()
            self._start = torch.cuda.Event(enable_timing=True)  # type: ignore[no-untyped-call] # torch leaves it untyped.
            self._start.record()
        self._wall, self._cpu = time.perf_counter(), time.process_time()

    def spent(self) -> Cost:
        """Return what has been spent so far, earlier attempts included."""
        gpu_s = peak_gpu = None
        if self._start is not None:
            import torch

            end = torch.cuda.Event(enable_timing=True)  # type: ignore[no-untyped-call] # torch leaves it untyped.
            end.record()
            torch.cuda.synchronize()
            gpu_s = self._start.elapsed_time(end) / 1000
            peak_gpu = int(torch.cuda.max_memory_allocated())
        return self._earlier + Cost(
            wall_s=time.perf_counter() - self._wall,
            cpu_s=time.process_time() - self._cpu,
            gpu_s=gpu_s,
            peak_memory=_peak_memory(),
            peak_gpu_memory=peak_gpu,
        )


def _larger(a: int | None, b: int | None) -> int | None:
    return max((peak for peak in (a, b) if peak is not None), default=None)


def _both(a: float | None, b: float | None) -> float | None:
    return None if a is None and b is None else (a or 0.0) + (b or 0.0)


def _reset_peak_memory() -> None:
    """Start a new high-water mark where the kernel allows it; elsewhere the mark is the process's."""
    try:
        Path("/proc/self/clear_refs").write_text("5")
    except OSError:
        return


def _peak_memory() -> int:
    try:
        status = Path("/proc/self/status").read_text()
        return int(status.split("VmHWM:")[1].split()[0]) * 1024
    except (OSError, IndexError, ValueError):
        peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
        return peak if sys.platform == "darwin" else peak * 1024
