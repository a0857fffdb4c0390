"""Costs add up over attempts; peaks do not."""

from __future__ import annotations

import subprocess
import time

import numpy as np

from recgen_bench.harness.accounting import Cost, Meter


def test_costs_add_and_peaks_are_maxima():
    a = Cost(1.0, 2.0, None, 10, None)
    b = Cost(0.5, 0.25, 3.0, 7, 5)
    assert a + b == Cost(1.5, 2.25, 3.0, 10, 5)
    assert a + Cost() == a
    assert (b + b).gpu_s == 6.0
    assert (Cost(peak_gpu_memory=4) + b).peak_gpu_memory == 5


def test_a_meter_sees_waiting_as_wall_time_and_work_as_cpu_time():
    meter = Meter("cpu")
    time.sleep(0.05)
    waited = meter.spent()
    assert 0.05 <= waited.wall_s < 5
    assert waited.cpu_s < waited.wall_s
    end = time.process_time() + 0.05
    while time.process_time() < end:
        pass
    worked = meter.spent()
    assert worked.cpu_s >= waited.cpu_s + 0.05
    assert worked.gpu_s is None
    assert worked.peak_gpu_memory is None


def test_earlier_attempts_count():
    spent = Meter("cpu", Cost(wall_s=100.0, cpu_s=50.0, peak_memory=2**50)).spent()
    assert 100 <= spent.wall_s < 105
    assert 50 <= spent.cpu_s < 55
    assert spent.peak_memory == 2**50


def test_peak_memory_is_that_of_the_phase(python):
    # In a process of its own, because the mark of this one depends on the tests before.
    code = """
import numpy as np
from recgen_bench.harness.accounting import Meter
meter = Meter("cpu"); base = meter.spent().peak_memory
block = np.ones(50_000_000 // 8); del block
with_block = meter.spent().peak_memory
print(with_block - base, Meter("cpu").spent().peak_memory - base)
"""
    done = subprocess.run([python, "-c", code], capture_output=True, text=True, check=True)
    grown, after_reset = map(int, done.stdout.split())
    assert 40e6 < grown < 80e6
    # Kernels that do not allow the reset keep the process's mark.
    assert after_reset < 25e6 or after_reset == grown
    assert np.isfinite(grown)
