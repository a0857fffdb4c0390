"""One record per cell: everything needed to trust a number, to recompute it, and to put it into a table."""

from __future__ import annotations

import hashlib
import math
from collections.abc import Iterator, Mapping, Sequence
from enum import StrEnum
from pathlib import Path
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray
from pydantic import BaseModel, ConfigDict, Field, ValidationError

from recgen_bench.harness.errors import DataError
from recgen_bench.harness.files import write_atomic
from recgen_bench.harness.protocol import canonical_hash, canonical_json


class Status(StrEnum):
    """What became of a cell."""

    OK = "ok"
    FAILED = "failed"
    SKIPPED = "skipped"
    NOT_RUNNABLE = "not-runnable"


class _Strict(BaseModel):
    # JSON has no infinity; as text it survives, and PSNR of equal images is infinite.
    model_config = ConfigDict(extra="forbid", frozen=True, ser_json_inf_nan="strings")


class CellSpec(_Strict):
    """What identifies a cell."""

    method: str
    method_version: int
    preset: str
    overrides: dict[str, str] = Field(description="As given by --set, sorted by key.")
    dataset: str
    scene: str
    protocol: str
    protocol_hash: str
    shift: float | None = Field(description="Metres; None for protocols without a shift.")
    seed: int


class Row(_Strict):
    """One test image."""

    view: str
    shift: float = Field(description="Signed metres, left positive.")
    prediction: str = Field(description="Sha256 of the rendered pixels, see `image_hash`.")
    reference: str | None = Field(description="Sha256 of the reference pixels; None where there is none.")
    values: dict[str, float] = Field(
        description="Metric name to value; a metric that does not apply is absent."
    )


class SceneScore(_Strict):
    """A metric of the whole scene, see `recgen_bench.harness.track.SceneValue`."""

    value: float | None = Field(description="None where it is not defined; `reason` says why.")
    count: int = Field(0, description="Number of items behind it.")
    low: float | None = Field(None, description="Lower end of a 95 % interval.")
    high: float | None = Field(None, description="Upper end.")
    parts: dict[str, float] = Field({}, description="Values that belong beside it.")
    facts: dict[str, str] = Field({}, description="How it was made.")
    per_view: dict[str, dict[str, float]] = Field(
        {}, description="View to the statistics that the value follows from, where it does."
    )
    reason: str = ""


class Phase(_Strict):
    """What one phase cost, attempts that were killed included as far as their snapshots reach."""

    name: str
    wall_s: float
    cpu_s: float
    gpu_s: float | None = None
    peak_memory: int = Field(description="Bytes of resident memory.")
    peak_gpu_memory: int | None = Field(None, description="Bytes.")
    generator_calls: int = 0
    views_generated: int = 0


class Weights(_Strict):
    """Pretrained weights that took part."""

    name: str
    revision: str
    sha256: str
    licence: str


class Environment(_Strict):
    """Where and with what the cell ran."""

    code: str = Field(description="Version of this package.")
    commit: str | None = Field(description="Git commit of a source checkout.")
    dirty: bool | None = Field(description="The checkout had uncommitted changes.")
    python: str
    packages: dict[str, str]
    platform: str
    processor: str
    device: str = Field(description="'cpu' or the name of the GPU.")
    threads: int


class Record(_Strict):
    """The result of one cell."""

    schema_version: Literal[1] = 1
    cell: CellSpec
    config: dict[str, Any] = Field(description="The preset after --set.")
    protocol: dict[str, Any] = Field(description="Canonical form; its hash is cell.protocol_hash.")
    status: Status
    reason: str = ""
    traceback: str = ""
    notes: list[str] = []
    rows: list[Row] = []
    summary: dict[str, float] = Field(
        {}, description="Mean of each metric over the rows that have it, and the values of `scenes`."
    )
    scenes: dict[str, SceneScore] = Field({}, description="Metrics of the whole scene by name.")
    missing: dict[str, str] = Field({}, description="Metrics left out for want of weights, and why.")
    metric_weights: list[Weights] = Field([], description="Pretrained weights that metrics used.")
    results_hash: str = Field("", description="See `results_hash`; empty in records of earlier versions.")
    phases: list[Phase] = []
    model: str = Field("", description="File of the trained model, relative to the output folder.")
    weights: list[Weights] = []
    trained_on: list[str] = Field([], description="Data that its priors were trained on (contamination).")
    test_poses: bool = Field(
        False,
        description="Poses of test cameras entered the training, as pseudo-views; test images never do.",
    )
    environment: Environment | None = None
    external: bool = Field(False, description="Scored from somebody's images; the method did not run here.")

    def write(self, path: Path) -> None:
        """Write the record atomically."""
        write_atomic(path, (self.model_dump_json(indent=1) + "\n").encode())

    @classmethod
    def read(cls, path: Path) -> Record:
        """Read a record.

        Raises:
            DataError: The file is missing, is not a record, or its parts contradict each other.
        """
        record = cls.parse(path)
        for complaint in contradictions(record):
            hint = "the file was edited; repeat the run, or see recgen-bench verify"
            raise DataError(complaint, hint=hint, where=str(path))
        return record

    @classmethod
    def parse(cls, path: Path) -> Record:
        """Read a record without comparing its parts.

        Raises:
            DataError: The file is missing or is not a record.
        """
        try:
            return cls.model_validate_json(path.read_bytes())
        except OSError as error:
            hint = "give the folder of a cell that was run"
            what = f"the record cannot be read: {error.strerror}"
            raise DataError(what, hint=hint, where=str(path)) from error
        except ValidationError as error:
            first = error.errors()[0]
            place = ".".join(map(str, first["loc"]))
            hint = "delete the file and repeat the run"
            raise DataError(f"not a record: {first['msg']} at {place}", hint=hint, where=str(path)) from error


def contradictions(record: Record) -> Iterator[str]:
    """Yield what in a record does not follow from the rest of it."""
    if summarise(record.rows, record.scenes) != record.summary:
        yield "the summary does not follow from the rows"
    if canonical_hash(record.protocol) != record.cell.protocol_hash:
        yield "the protocol does not have the hash it claims"
    if record.results_hash and results_hash(record.rows, record.scenes) != record.results_hash:
        yield "the rows or scene values do not have the hash they claim"


def results_hash(rows: Sequence[Row], scenes: Mapping[str, SceneScore]) -> str:
    """Return the sha256 of all rows in order and all scene values, every float with every digit.

    It shows a slip, or an edit that adapted the summary too. Who edits a record can also write a new hash:
    only the images, see `recgen_bench.harness.verify`, tell whether numbers are true.
    """
    digest = hashlib.sha256()
    for part in (*rows, *(scenes[name] for name in sorted(scenes)), sorted(scenes)):
        plain = part.model_dump() if isinstance(part, BaseModel) else part
        digest.update(canonical_json(_spelled(plain)).encode() + b"\n")
    return digest.hexdigest()


def _spelled(value: Any) -> Any:
    """Return a value with every float as text, because JSON has no infinity."""
    if isinstance(value, dict):
        return {key: _spelled(item) for key, item in value.items()}
    return repr(float(value)) if isinstance(value, float) else value


def summarise(rows: Sequence[Row], scenes: Mapping[str, SceneScore] | None = None) -> dict[str, float]:
    """Return the mean of each metric over the rows that have it, and the values that scene metrics have.

    Metrics stand in the order of first appearance.

    The sum is exact (`math.fsum`), so the mean does not depend on the order of the rows.
    """
    values: dict[str, list[float]] = {}
    for row in rows:
        for name, value in row.values.items():
            values.setdefault(name, []).append(value)
    summary = {
        name: math.inf if math.inf in column else math.fsum(column) / len(column)
        for name, column in values.items()
    }
    found = {name: score.value for name, score in (scenes or {}).items() if score.value is not None}
    return summary | found


def image_hash(pixels: NDArray) -> str:
    """Return the sha256 of an image's shape and pixels: independent of how a PNG writer compressed it."""
    digest = hashlib.sha256(f"{pixels.dtype} {pixels.shape}".encode())
    digest.update(np.ascontiguousarray(pixels).tobytes())
    return digest.hexdigest()


def find_records(folder: Path) -> Iterator[tuple[Path, Record]]:
    """Yield every record below a folder with its path, sorted by path.

    Raises:
        DataError: The folder is missing or holds no record, or one of them is damaged.
    """
    if not folder.is_dir():
        raise DataError("no such folder", hint="give the --out folder of a run", where=str(folder))
    paths = sorted(folder.rglob("record.json"))
    if not paths:
        raise DataError("holds no record.json", hint="give the --out folder of a run", where=str(folder))
    for path in paths:
        yield path, Record.read(path)
