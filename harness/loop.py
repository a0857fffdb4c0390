"""Driving one cell through the phases that every method shares.

A cell is: open the scene, reconstruct, refine and distill once per round, render, score, record. Whatever
was finished before a kill is not done again, and a repeated command gives the same bytes.
"""

from __future__ import annotations

import dataclasses
import errno
import shutil
import traceback
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any

from recgen_bench.harness import events
from recgen_bench.harness.checkpoint import Snapshots, check_root
from recgen_bench.harness.errors import (
    MethodFailed,
    NotRunnable,
    OutputError,
    PluginError,
    RecgenError,
)
from recgen_bench.harness.files import check_writable, unwritable
from recgen_bench.harness.frames import frame_hash, read_eig, write_frame
from recgen_bench.harness.method import Method, Refinement, Rendering
from recgen_bench.harness.opening import open_divided
from recgen_bench.harness.phases import Phases, exclusive, phase_paths
from recgen_bench.harness.plan import Cell
from recgen_bench.harness.priors import Priors, count_test_poses, declared_priors
from recgen_bench.harness.provenance import environment
from recgen_bench.harness.record import CellSpec, Record, Status, Weights
from recgen_bench.harness.registration import PriorInfo, resolve
from recgen_bench.harness.run import Run
from recgen_bench.harness.scene import Scene
from recgen_bench.harness.score import Scorer
from recgen_bench.harness.scoring import Scores, score, stored_shots, surroundings
from recgen_bench.harness.settings import override
from recgen_bench.harness.weights import WeightsDoor, file_hash


@dataclass(frozen=True, slots=True)
class Settings:
    """How cells run on this machine; none of it may change a number.

    Attributes:
        out: Folder of all results.
        scorer: The protocol's metrics.
        door: To pretrained weights.
        device: "cpu" or "cuda".
        threads: CPU threads.
        source: The user's data folder.
        emit: Receives every event.
        snapshot_s: Seconds between snapshots inside a phase.
        priors: Every registered prior by name.
    """

    out: Path
    scorer: Scorer
    door: WeightsDoor
    device: str = "cpu"
    threads: int = 1
    source: Path | None = None
    emit: Callable[[events.Event], None] = field(default=lambda event: None)
    snapshot_s: float = 20.0
    priors: Mapping[str, PriorInfo] = field(default_factory=dict)


def run_cell(cell: Cell, settings: Settings) -> Record:
    """Run one cell, or finish what an earlier attempt began; the returned record is on disk.

    A failure of the method is a record too. What is wrong with the input shows before any training, as an
    exception, and leaves nothing behind.

    Raises:
        DataError: The scene is damaged, missing or does not fit the protocol.
        PluginError: The method or data set cannot be loaded.
        OutputError: Results cannot be written; finished phases are kept.
    """
    folder = settings.out / "cells" / cell.folder
    path = folder / "record.json"
    if path.exists():
        record = Record.read(path)
        if record.status is Status.OK and not record.missing.keys() - settings.scorer.missing.keys():
            settings.emit(events.Note(cell.label, f"already done, see {path}"))
            return _finished(record, cell, settings)
    method, config = load_method(cell)
    priors = declared_priors(config, settings.priors, settings.door, settings.device)
    check_writable(settings.out)
    settings.emit(events.CellStarted(cell.label))
    result: dict[str, Any] = {"trained_on": priors.trained_on}
    try:
        result["weights"] = [*_weights(cell, settings.door), *priors.weights()]
        scene, notes = open_scene(cell, settings)
        result["notes"] = [*notes, *priors.contamination(cell.dataset.name, cell.scene)]
        for note in result["notes"]:
            settings.emit(events.Note(cell.label, note))
    except NotRunnable as error:
        result |= {"status": Status.NOT_RUNNABLE, "reason": str(error)}
    except RecgenError:
        raise
    except Exception as error:  # noqa: BLE001 # A data set that fails in its own way must not stop the siblings.
        result |= _failure(error)
    with exclusive(folder):
        if "status" not in result:
            result |= _measured(cell, settings, method, config, scene, priors)
        record = Record(
            cell=cell_spec(cell),
            config=dataclasses.asdict(config),
            protocol=cell.protocol.canonical(),
            environment=environment(settings.device, settings.threads),
            **result,
        )
        record.write(path)
    return _finished(record, cell, settings)


def forget_cell(cell: Cell, out: Path) -> None:
    """Remove what earlier attempts at a cell left, its training included, so that it runs from the start."""
    for folder in (out / "cells" / cell.folder, out / "training" / cell.training):
        if folder.is_dir():
            with exclusive(folder):
                for path in folder.iterdir():
                    if path.is_dir():
                        shutil.rmtree(path)
                    elif path.name != "lock":
                        path.unlink()


def fail_cell(cell: Cell, settings: Settings, error: RecgenError) -> Record:
    """Write and return the record of a cell that could not begin."""
    record = Record(
        cell=cell_spec(cell),
        config={},
        protocol=cell.protocol.canonical(),
        status=Status.FAILED,
        reason=str(error),
        environment=environment(settings.device, settings.threads),
    )
    record.write(settings.out / "cells" / cell.folder / "record.json")
    return _finished(record, cell, settings)


def load_method(cell: Cell) -> tuple[Method, Any]:
    """Return the cell's method and its configuration after `--set`.

    Raises:
        PluginError: The class cannot be loaded or lacks the preset.
        RecgenError: An override does not fit.
    """
    kind = resolve(cell.method.target, f"method {cell.method.name}")
    try:
        method = kind()
        config = method.presets[cell.preset]
        kinds = (method.model, getattr(method, "refinement", Refinement))
    except (KeyError, AttributeError, TypeError) as error:
        what = f"the method {cell.method.name} does not hold its preset {cell.preset}"
        raise PluginError(
            f"{what}: {type(error).__name__}: {error}", expected="a class with `presets` and `model`"
        ) from error
    for stored in kinds:
        check_root(stored)
    return method, override(config, [f"{key}={text}" for key, text in cell.overrides])


def open_scene(cell: Cell, settings: Settings) -> tuple[Scene, tuple[str, ...]]:
    """Return the scene of a cell, after reading every recorded image once, and what to tell the user.

    Raises:
        DataError: A file is missing, damaged or inconsistent; it is named.
        ProtocolError: The scene does not fit the protocol.
    """
    place = (cell.dataset, cell.protocol, cell.scene, cell.shift)
    return open_divided(*place, settings.source, settings.threads)


def cell_spec(cell: Cell) -> CellSpec:
    """Return the cell as its record names it."""
    return CellSpec(
        method=cell.method.name,
        method_version=cell.method.version,
        preset=cell.preset,
        overrides=dict(cell.overrides),
        dataset=cell.dataset.name,
        scene=cell.scene,
        protocol=cell.protocol.name,
        protocol_hash=cell.protocol.hash,
        shift=cell.shift,
        seed=cell.seed,
    )


def _measured(
    cell: Cell, settings: Settings, method: Method, config: Any, scene: Scene, priors: Priors
) -> dict[str, Any]:
    """Return the record's fields that come from running the method."""
    training = settings.out / "training" / cell.training
    folder = settings.out / "cells" / cell.folder
    run = Run(
        scene=scene.without_answers(),
        config=config,
        seed=cell.seed,
        device=settings.device,
        threads=settings.threads,
        shift=cell.shift,
        scratch=training,
        snapshots=Snapshots(training / "unused"),
        report=lambda step, total, values: None,
        weights=settings.door.path,
        prior=priors.load,
    )
    phases = Phases(run, cell.label, settings.emit, settings.snapshot_s)
    _limit_threads(settings.threads)
    try:
        with exclusive(training):
            model, last = train(method, phases, training)
            met = count_test_poses(method.rounds(model, phases.run), scene.test)
        if met:
            text = f"{met} of the {len(scene.test)} test poses entered the training as pseudo-views"
            settings.emit(events.Note(cell.label, text))
        hashes = phases.once(
            "render", folder, tuple, lambda run: _render(method, model, scene, folder, run, settings)
        )
        settings.emit(events.PhaseStarted(cell.label, "score"))
        scores = _scores(cell, scene, folder, hashes, settings)
    except OutputError:
        raise
    except NotRunnable as error:
        return {"status": Status.NOT_RUNNABLE, "reason": str(error), "phases": phases.done}
    except (Exception, SystemExit) as error:  # The cell boundary: whatever a method does, its siblings go on.
        if isinstance(error, OSError) and error.errno in (errno.ENOSPC, errno.EDQUOT):
            raise unwritable(settings.out, error) from error
        return {**_failure(error), "phases": phases.done}
    model_path = str(phase_paths(training, last)[0].relative_to(settings.out))
    return {
        "status": Status.OK,
        **scores.fields(),
        "phases": phases.done,
        "model": model_path,
        "test_poses": met > 0 or getattr(config, "uses_test_poses", False),
    }


def train(method: Method, phases: Phases, folder: Path) -> tuple[Any, str]:
    """Run the paper's schedule and return the final model with the name of the phase that made it."""
    last = "reconstruct"
    model = phases.once(last, folder, method.model, lambda run: method.reconstruct(run.scene, run))
    for number, turn in enumerate(method.rounds(model, phases.run), 1):
        answer = phases.once(
            f"refine {number}",
            folder,
            getattr(method, "refinement", Refinement),
            partial(method.refine, model, turn),
            detail=turn.label,
        )
        last = f"distill {number}"
        model = phases.once(last, folder, method.model, partial(method.distill, model, answer))
    return model, last


def _render(
    method: Method, model: Any, scene: Scene, folder: Path, run: Run, settings: Settings
) -> tuple[str, ...]:
    """Store a frame for every test view and return their hashes."""
    hashes = []
    renderings = iter(method.render(model, [view.camera for view in scene.test], run))
    for step, view in enumerate(scene.test, 1):
        rendering = next(renderings, None)
        if rendering is None:
            raise MethodFailed(
                "render stopped early", got=f"{step - 1} frames", expected=f"{len(scene.test)}"
            )
        if not isinstance(rendering, Rendering):
            got = type(rendering).__name__
            raise MethodFailed("render yielded another type", got=got, expected="Rendering", where=view.name)
        stored = write_frame(folder / "frames", view, rendering, with_depth=settings.scorer.needs_depth)
        eig = read_eig(folder / "frames", view)
        hashes.append(frame_hash(*stored, eig() if eig else None))
        run.report(step, len(scene.test), {})
    if next(renderings, None) is not None:
        raise MethodFailed("render went on after the last camera", expected=f"{len(scene.test)} frames")
    return tuple(hashes)


def _scores(cell: Cell, scene: Scene, folder: Path, hashes: tuple[str, ...], settings: Settings) -> Scores:
    """Score the frames as they are stored, and tell which metrics are left out."""
    shots = stored_shots(scene, folder / "frames", hashes)
    around = surroundings(scene, shifted=cell.protocol.shift is not None)
    scores = score(shots, around, settings.scorer, settings.threads)
    for name, reason in scores.missing.items():
        settings.emit(events.Note(cell.label, f"without {name}: {' '.join(reason.split())}"))
    for name, found in scores.scenes.items():
        if found.value is None and name not in scores.missing:
            settings.emit(events.Note(cell.label, f"no value of {name}: {found.reason}"))
    return scores


def _failure(error: BaseException) -> dict[str, Any]:
    """Return the record's fields for a cell that failed; the traceback is for the author, not the user."""
    reason = str(error) if isinstance(error, RecgenError) else f"{type(error).__name__}: {error}"
    text = "".join(traceback.format_exception(error))
    return {"status": Status.FAILED, "reason": reason, "traceback": text}


def _weights(cell: Cell, door: WeightsDoor) -> list[Weights]:
    return [
        Weights(
            name=info.name,
            revision=info.revision,
            sha256=file_hash(door.path(info.name)),
            licence=info.licence,
        )
        for info in cell.method.weights
    ]


def _finished(record: Record, cell: Cell, settings: Settings) -> Record:
    settings.emit(events.CellFinished(cell.label, record.status, record.reason, record.summary))
    return record


def _limit_threads(threads: int) -> None:
    import cv2
    import torch

    torch.set_num_threads(threads)
    cv2.setNumThreads(threads)
