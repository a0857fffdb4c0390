"""A plan is a list of cells: what one command, or one sweep, is going to run."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from recgen_bench.harness.dataset import check_source
from recgen_bench.harness.errors import PluginError, ProtocolError, RecgenError, did_you_mean
from recgen_bench.harness.plugins import Registry
from recgen_bench.harness.protocol import Protocol, canonical_json, format_metres
from recgen_bench.harness.registration import DatasetInfo, MethodInfo


@dataclass(frozen=True, slots=True)
class Cell:
    """One method with one preset on one scene under one protocol, at one shift and seed.

    Attributes:
        method: What runs.
        preset: Name of its configuration.
        overrides: (key, text) of each `--set`, sorted.
        dataset: Where the scene comes from.
        scene: Name of the scene.
        protocol: How it is split and scored.
        shift: Metres; None for protocols without a shift.
        seed: Of everything random.
    """

    method: MethodInfo
    preset: str
    overrides: tuple[tuple[str, str], ...]
    dataset: DatasetInfo
    scene: str
    protocol: Protocol
    shift: float | None
    seed: int

    @property
    def label(self) -> str:
        """For people: "3dgs/demo street/3 3m seed 0"."""
        parts = [f"{self.method.name}/{self.preset}", f"{self.dataset.name}/{self.scene}"]
        parts += [format_metres(self.shift)] if self.shift is not None else []
        return " ".join([*parts, f"seed {self.seed}", *(f"{key}={text}" for key, text in self.overrides)])

    @property
    def folder(self) -> str:
        """Folder name of the cell: readable, and unique by the hash of its specification."""
        parts = (self.method.name, self.preset, self.dataset.name, self.scene, format_metres(self.shift))
        readable = "-".join(re.sub(r"[^a-z0-9.+]+", "_", part.lower())[:24] for part in parts if part)
        return f"{readable}-s{self.seed}-{self._hash(with_shift=True)}"

    @property
    def training(self) -> str:
        """Folder name of the trained model; cells that differ only in an irrelevant shift share it."""
        method = self.method.trains_as or self.method.name
        return f"{method.replace('/', '_')}-{self._hash(with_shift=self.method.per_shift, method=method)}"

    def _hash(self, with_shift: bool, method: str | None = None) -> str:
        specification = {
            "method": method or self.method.name,
            "method_version": self.method.version,
            "preset": self.preset,
            "overrides": dict(self.overrides),
            "dataset": self.dataset.name,
            "scene": self.scene,
            "protocol": self.protocol.hash,
            "shift": self.shift if with_shift else "any",
            "seed": self.seed,
        }
        return hashlib.sha256(canonical_json(specification).encode()).hexdigest()[:16]


@dataclass(frozen=True, slots=True)
class Selection:
    """What the user asked for, by name; empty means the protocol's or the method's default.

    Attributes:
        method: Name.
        dataset: Name.
        preset: Name.
        protocol: Name.
        scenes: Names.
        shifts: Metres.
        seeds: Non-negative.
        overrides: `key=value` texts.
        source: The user's data folder, for data sets that are not embedded.
    """

    method: str
    dataset: str
    preset: str | None = None
    protocol: str | None = None
    scenes: tuple[str, ...] = ()
    shifts: tuple[float, ...] = ()
    seeds: tuple[int, ...] = ()
    overrides: tuple[str, ...] = ()
    source: Path | None = None


def plan_cells(registry: Registry, selection: Selection) -> tuple[Cell, ...]:
    """Expand a selection into cells, in the order scene, seed, shift.

    Raises:
        PluginError: A name is unknown.
        ProtocolError: The protocol is not for this data set, or does not have this scene or shift.
    """
    method = registry.method(selection.method)
    dataset = registry.dataset(selection.dataset)
    protocol = registry.protocol_for(dataset, selection.protocol)
    for name in protocol.metrics:
        registered = registry.metric(name)
        if registered.version != protocol.metrics[name]:
            got, expected = f"{name} version {registered.version}", f"version {protocol.metrics[name]}"
            hint = "results of different versions are not comparable; install the version that has it"
            raise ProtocolError(
                "the protocol needs another version of a metric",
                got=got,
                expected=expected,
                hint=hint,
                where=protocol.name,
            )
    preset = _preset(method, dataset, selection.preset)
    overrides = tuple(sorted(_assignment(text) for text in selection.overrides))
    check_source(dataset, selection.source)
    scenes = selection.scenes or _scenes(protocol, selection)
    return tuple(
        Cell(method, preset, overrides, dataset, scene, protocol, shift, seed)
        for scene in dict.fromkeys(_scene(dataset, protocol, name) for name in scenes)
        for seed in dict.fromkeys(selection.seeds or protocol.seeds)
        for shift in dict.fromkeys(_shifts(protocol, selection.shifts))
    )


def _preset(method: MethodInfo, dataset: DatasetInfo, preset: str | None) -> str:
    if preset is None:
        return "demo" if dataset.embedded and "demo" in method.presets else method.presets[0]
    if preset not in method.presets:
        hint = did_you_mean(preset, method.presets)
        raise PluginError(f"{method.name} has no such preset", got=preset, hint=hint, where="--preset")
    return preset


def _assignment(text: str) -> tuple[str, str]:
    key, equals, value = text.partition("=")
    if not equals:
        raise RecgenError("not an assignment", got=text, expected="key=value", where="--set")
    return key.strip(), value.strip()


def _scene(dataset: DatasetInfo, protocol: Protocol, name: str) -> str:
    """Return a scene name that may become part of a path and that the protocol has."""
    if dataset.embedded:
        if not (name.isascii() and name.isdecimal()):
            raise ProtocolError("not a scene", got=name, expected="a non-negative integer", where="--scene")
        name = str(int(name))
    elif not name.isprintable() or {"/", "\\"} & set(name) or ".." in name or name[:1] in ("", ".", "-"):
        expected = "the name of a folder below --data, without separators"
        raise ProtocolError("not a scene", got=name, expected=expected, where="--scene")
    return protocol.scene(name).id


def _scenes(protocol: Protocol, selection: Selection) -> Sequence[str]:
    if protocol.scenes:
        return [entry.id for entry in protocol.scenes]
    # An open protocol on the user's own capture: the folder itself is the scene.
    if selection.source is not None:
        return [selection.source.resolve().name]
    raise ProtocolError("the protocol lists no scenes", hint="name one with --scene", where=protocol.name)


def _shifts(protocol: Protocol, shifts: tuple[float, ...]) -> Sequence[float | None]:
    if protocol.shift is None:
        if shifts:
            hint = "leave --shift out, or choose a lane-shift protocol"
            raise ProtocolError(f"{protocol.name} has no lane shift", hint=hint, where="--shift")
        return [None]
    for metres in shifts:
        if metres not in protocol.shift.distances:
            known = ", ".join(format_metres(distance) for distance in protocol.shift.distances)
            got = format_metres(metres)
            raise ProtocolError("not a distance of the protocol", got=got, expected=known, where="--shift")
    # As floats, because a cell's hash tells 3 from 3.0.
    return tuple(map(float, shifts)) or protocol.shift.distances
