"""Records as a run would leave them, without the run."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path

import pytest

from recgen_bench.harness.protocol import canonical_hash
from recgen_bench.harness.record import CellSpec, Record, Row, Status, summarise
from recgen_bench.harness.registration import MetricInfo

LISTED = {"name": "lanes", "metrics": {"psnr": 1, "lpips": 1}, "scenes": [{"id": "0"}, {"id": "1"}]}


def make_record(
    method: str,
    values: Mapping[str, float] | None,
    *,
    scene: str = "0",
    shift: float | None = 3.0,
    seed: int = 0,
    protocol: Mapping[str, object] = LISTED,
    status: Status = Status.OK,
    **changes: object,
) -> Record:
    """A cell whose only image has these values, or a cell without numbers."""
    spec = {"method_version": 1, "preset": "demo", "overrides": {}, "dataset": "street"}
    spec |= {key: changes.pop(key) for key in list(changes) if key in spec}
    rows = (
        [] if values is None else [Row(view="v", shift=0, prediction="a", reference="b", values=dict(values))]
    )
    cell = CellSpec(
        method=method,
        scene=scene,
        protocol=str(protocol["name"]),
        protocol_hash=canonical_hash(dict(protocol)),
        shift=shift,
        seed=seed,
        **spec,
    )
    scenes = changes.get("scenes", {})
    shared = {"config": {}, "protocol": dict(protocol), "summary": summarise(rows, scenes)}
    return Record(cell=cell, status=status, rows=rows, **shared, **changes)


def write_records(folder: Path, *records: Record) -> Path:
    for i, item in enumerate(records):
        item.write(folder / f"cell{i}" / "record.json")
    return folder


@pytest.fixture(scope="session")
def record() -> Callable[..., Record]:
    return make_record


@pytest.fixture(scope="session")
def write() -> Callable[..., Path]:
    return write_records


@pytest.fixture(scope="session")
def infos() -> dict[str, MetricInfo]:
    return {
        "psnr": MetricInfo("psnr", "", "", unit="dB", digits=2),
        "lpips": MetricInfo("lpips", "", "", direction="lower"),
    }


@pytest.fixture
def grid() -> tuple[Record, ...]:
    """Three methods on two scenes: one complete, one with two seeds, one that failed on a scene."""
    return (
        *(make_record("3dgs", {"psnr": 20.0 + s, "lpips": 0.3}, scene=str(s)) for s in (0, 1)),
        *(
            make_record("faithfusion", {"psnr": 24.0 + s + seed, "lpips": 0.2}, scene=str(s), seed=seed)
            for s in (0, 1)
            for seed in (0, 1)
        ),
        make_record("ipsm", {"psnr": 30.0, "lpips": 0.1}),
        make_record("ipsm", None, scene="1", status=Status.FAILED, reason="out of memory"),
    )
