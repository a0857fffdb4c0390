"""The one door to pretrained weights: found locally or in the hub cache, verified, never fetched unasked."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from recgen_bench.harness.errors import DataError, PluginError, RecgenError, WeightsMissing, did_you_mean
from recgen_bench.harness.plugins import Registry
from recgen_bench.harness.record import Weights
from recgen_bench.harness.registration import WeightsInfo


@dataclass(frozen=True, slots=True)
class WeightsDoor:
    """Resolves names to files.

    Attributes:
        known: Every file some method, prior or metric declares, by name.
        given: Paths from `--weights name=path`; they are used as they are, with their own hash recorded.
        hashed: What `facts` has returned.
    """

    known: Mapping[str, WeightsInfo]
    given: Mapping[str, Path] = field(default_factory=dict)
    hashed: dict[str, Weights] = field(default_factory=dict, compare=False, repr=False)

    def find(self, name: str) -> Path | None:
        """Return where a file is on this machine, None when it is not: given, RECGEN_WEIGHTS, hub cache."""
        info = self.info(name)
        if name in self.given:
            return self.given[name]
        folder = os.environ.get("RECGEN_WEIGHTS")
        if folder:
            for candidate in (
                Path(folder) / name / Path(info.file).name,
                Path(folder) / Path(info.file).name,
            ):
                if candidate.is_file():
                    return candidate
        return _in_hub_cache(info) if info.hub else None

    def path(self, name: str) -> Path:
        """Return the path of a verified file.

        Raises:
            WeightsMissing: It is not on this machine; the hint is the command that fetches it.
            DataError: Its content is not what the registry says.
        """
        found = self.find(name)
        if found is None:
            raise WeightsMissing(
                f"the weights {name} are not on this machine", hint=how_to_get(self.info(name))
            )
        if name not in self.given:
            verify(found, self.info(name))
        return found

    def facts(self, name: str) -> Weights:
        """Return what a record says of a file; the file is found, verified and hashed once.

        Raises:
            WeightsMissing: It is not on this machine.
            DataError: Its content is not what the registry says.
        """
        if name not in self.hashed:
            info = self.info(name)
            self.hashed[name] = Weights(
                name=name, revision=info.revision, sha256=file_hash(self.path(name)), licence=info.licence
            )
        return self.hashed[name]

    def info(self, name: str) -> WeightsInfo:
        """Return what is known of a file, or raise RecgenError with the closest names."""
        if name not in self.known:
            raise RecgenError("unknown weights", got=name, hint=did_you_mean(name, self.known))
        return self.known[name]

    def fetch(self, name: str) -> Path:
        """Download one file from the hub and verify it.

        Raises:
            WeightsMissing: The hub cannot be reached, or has no such file.
        """
        info = self.info(name)
        if not info.hub:
            raise WeightsMissing(f"the weights {name} are not on a hub", hint=how_to_get(info))
        from huggingface_hub import hf_hub_download
        from huggingface_hub.errors import HfHubHTTPError, LocalEntryNotFoundError

        try:
            path = Path(hf_hub_download(info.hub, info.file, revision=info.revision or None))
        except (HfHubHTTPError, LocalEntryNotFoundError, OSError) as error:
            hint = f"check the connection and the licence of {info.hub}, or use --weights {name}=PATH"
            raise WeightsMissing(f"the weights {name} could not be fetched: {error}", hint=hint) from error
        verify(path, info)
        return path


def open_door(registry: Registry, given: Mapping[str, Path] | None = None) -> WeightsDoor:
    """Return the door to everything the plugins declare.

    Raises:
        RecgenError: A given name is unknown, or its file does not exist.
    """
    door = WeightsDoor({info.name: info for info, _ in declared_weights(registry)}, given or {})
    for name, path in door.given.items():
        door.info(name)
        if not path.is_file():
            raise DataError("no such file", where=f"--weights {name}={path}")
    return door


def declared_weights(registry: Registry) -> tuple[tuple[WeightsInfo, tuple[str, ...]], ...]:
    """Return every file that a method, prior or metric declares, and who: "metric lpips_alex".

    Raises:
        PluginError: Two declare different files under one name.
    """
    found: dict[str, tuple[WeightsInfo, list[str]]] = {}
    for kind, infos in (
        ("method", registry.methods),
        ("prior", registry.priors),
        ("metric", registry.metrics),
    ):
        for owner in infos.values():
            for info in owner.weights:
                known, owners = found.setdefault(info.name, (info, []))
                if known != info:
                    raise PluginError(
                        "two different files of weights have one name",
                        got=f"{kind} {owner.name} and {owners[0]}",
                        where=info.name,
                    )
                owners.append(f"{kind} {owner.name}")
    return tuple((info, tuple(owners)) for info, owners in found.values())


def verify(path: Path, info: WeightsInfo) -> str:
    """Return the sha256 of a file after comparing it with the registry's.

    Raises:
        DataError: They differ.
    """
    digest = file_hash(path)
    if info.sha256 and digest != info.sha256:
        hint = "delete the file and fetch it again"
        raise DataError(
            "the weights are not the registered ones",
            got=digest,
            expected=info.sha256,
            hint=hint,
            where=str(path),
        )
    return digest


def file_hash(path: Path) -> str:
    """Return the sha256 of a file, 64 hex digits."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def how_to_get(info: WeightsInfo) -> str:
    """Return what a user types to make a file available."""
    if info.hub:
        facts = f"{info.size / 1e6:.0f} MB, {info.licence}, from {info.hub}"
        return f"recgen-bench weights fetch {info.name}   ({facts})"
    return (
        f"pass --weights {info.name}=PATH, or put {Path(info.file).name} into the folder RECGEN_WEIGHTS names"
    )


def _in_hub_cache(info: WeightsInfo) -> Path | None:
    from huggingface_hub import try_to_load_from_cache

    found = try_to_load_from_cache(info.hub, info.file, revision=info.revision or None)
    return Path(found) if isinstance(found, str) else None
