"""The published plan of the study: which cells are run when no folder of records is given."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace

from recgen_bench.harness.errors import PluginError, did_you_mean
from recgen_bench.harness.plan import Cell, Selection, plan_cells
from recgen_bench.harness.plugins import Registry
from recgen_bench.harness.registration import DatasetInfo
from recgen_bench.leaderboards.controls import PREFIX, controls

DATASET = "street"
PROTOCOL = "street-study"
HALVES = "street-halves"
"""Even frames are tested, odd ones shown: control/copy then compares real images with other real images."""
SCENES = ("0", "1", "2", "3", "4")
TWO = (0, 1)


@dataclass(frozen=True, slots=True)
class Entry:
    """A method of the plan; different faults make it likelier that a metric's blind spots show.

    Attributes:
        method: Name; a method that is not registered is left out.
        overrides: As given by --set.
        shifts: Metres; empty for all of the protocol.
        seeds: Run when none is named.
    """

    method: str
    overrides: tuple[str, ...] = ()
    shifts: tuple[float, ...] = ()
    seeds: tuple[int, ...] = (0,)


METHODS = (
    Entry("3dgs", seeds=TWO),
    Entry("3dgs", ("iterations=50",), seeds=TWO),  # Blurred everywhere.
    Entry("3dgs", ("iterations=150",), seeds=TWO),
    Entry("3dgs", ("most_points=2000", "densify=none")),  # Too few Gaussians.
    Entry("3dgs", ("position_rate=0.007",)),  # Positions that overshoot.
    Entry("difix3d"),
    Entry("difix3d+"),
    Entry("faithfusion"),
)


@dataclass(frozen=True, slots=True)
class Choice:
    """What part of the plan is run; empty means all of it.

    Attributes:
        protocol: With the lane shifts.
        dataset: A generated world.
        methods: Names.
        scenes: Names.
        shifts: Metres.
        seeds: Non-negative.
    """

    protocol: str = PROTOCOL
    dataset: str = DATASET
    methods: tuple[str, ...] = ()
    scenes: tuple[str, ...] = ()
    shifts: tuple[float, ...] = ()
    seeds: tuple[int, ...] = ()


def plan_study(registry: Registry, choice: Choice) -> tuple[Cell, ...]:
    """Return the cells of the study: controls first, because they are cheap and show what is missing.

    Raises:
        PluginError: The plan has no such method, or a name is unknown.
        ProtocolError: The protocol has no such scene or shift, or is for other data.
    """
    planned = dict.fromkeys(entry.method for entry in METHODS)
    for name in choice.methods:
        if name not in planned:
            hint = did_you_mean(name, planned)
            raise PluginError(
                "the plan of the study has no such method", got=name, hint=hint, where="--method"
            )
    dataset = registry.dataset(choice.dataset)
    registry.methods.update(
        {info.name: info for info in controls(dataset) if info.name not in registry.methods}
    )
    scenes = choice.scenes or SCENES
    base = Selection("", dataset.name, protocol=choice.protocol, scenes=scenes, shifts=choice.shifts)
    wanted = list(_controls(registry, dataset, base))
    for entry in METHODS:
        shifts = tuple(shift for shift in entry.shifts if shift in (choice.shifts or entry.shifts))
        if entry.method not in registry.methods or (entry.shifts and not shifts):
            continue
        if choice.methods and entry.method not in choice.methods:
            continue
        seeds = choice.seeds or entry.seeds
        method = replace(base, method=entry.method, overrides=entry.overrides, seeds=seeds)
        wanted.append(replace(method, shifts=shifts or choice.shifts))
    cells = [cell for selection in wanted for cell in plan_cells(registry, selection)]
    return tuple({cell.folder: cell for cell in cells}.values())


def left_out(registry: Registry) -> tuple[str, ...]:
    """Return the methods of the plan that no plugin here has."""
    return tuple(dict.fromkeys(entry.method for entry in METHODS if entry.method not in registry.methods))


def _controls(registry: Registry, dataset: DatasetInfo, base: Selection) -> Iterator[Selection]:
    for info in controls(dataset):
        yield replace(base, method=info.name, seeds=(0,))
    if HALVES in registry.protocols and dataset.name in registry.protocols[HALVES].datasets:
        yield replace(base, method=f"{PREFIX}copy", protocol=HALVES, shifts=(), seeds=(0,))
