"""Batches of curated pairs: which ones, cropped and mirrored how, is fixed by the seed and the step alone."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import torch
from torch import Tensor

from recgen_bench.harness.errors import DataError
from recgen_bench.methods.priors.curation.folder import Archive, Entry, read_archive, read_index
from recgen_bench.methods.splats.target import stream

TURN = 200
"""Steps for which one choice of resident archives is drawn from."""


@dataclass(frozen=True, slots=True)
class Batch:
    """Frames as a network takes them: (B, 3, H, W) float32 in [0, 1]; eig (B, H, W) in [0, 1] or None."""

    renders: Tensor
    targets: Tensor
    references: Tensor
    eig: Tensor | None


@dataclass(frozen=True, slots=True)
class Source:
    """One archive and the folder it lies in."""

    folder: Path
    entry: Entry


class Examples:
    """Training examples from archives, of which a limited number is in memory at a time.

    Args:
        sources: The archives.
        seed: Of every choice.
        batch: Examples per step.
        crop: (height, width) of random windows; a side that is 0, or longer than the image, stays whole.
        multiple: Windows are cut to multiples of this.
        with_eig: Batches carry maps.
        jitter: Each colour channel of all three images of a pair is multiplied by 1 give or take this much.
        resident: Archives in memory.
    """

    def __init__(
        self,
        sources: Sequence[Source],
        *,
        seed: int,
        batch: int,
        crop: tuple[int, int] = (0, 0),
        multiple: int = 1,
        with_eig: bool = False,
        jitter: float = 0.0,
        resident: int = 96,
    ) -> None:
        if not sources:
            raise DataError("there are no pairs to train on", hint="make some with recgen-bench prior curate")
        self._sources, self._seed, self._batch = tuple(sources), seed, batch
        self._crop, self._multiple = crop, multiple
        self._with_eig, self._resident = with_eig, resident
        self._jitter = jitter
        self._loaded: dict[int, Archive] = {}

    def __call__(self, step: int) -> Batch:
        """Return the batch of a step, counted from 0."""
        chosen = self._chosen(step // TURN)
        self._loaded = {index: each for index, each in self._loaded.items() if index in chosen}
        draw = stream(self._seed, step)
        picked = []
        for _ in range(self._batch):
            index = chosen[int(torch.randint(len(chosen), (), generator=draw))]
            archive = self._archive(index)
            place = int(torch.randint(len(archive), (), generator=draw))
            picked.append(self._example(archive, place, draw))
        renders, targets, references, maps = (torch.stack(part) for part in zip(*picked, strict=True))
        return Batch(renders, targets, references, maps if self._with_eig else None)

    def _chosen(self, turn: int) -> list[int]:
        count = len(self._sources)
        if count <= self._resident:
            return list(range(count))
        draw = stream(self._seed ^ 0x5EED, turn)
        return sorted(torch.randperm(count, generator=draw)[: self._resident].tolist())

    def _archive(self, index: int) -> Archive:
        if index not in self._loaded:
            self._loaded[index] = load_archive(self._sources[index], self._with_eig)
        return self._loaded[index]

    def _example(self, archive: Archive, place: int, draw: torch.Generator) -> tuple[Tensor, ...]:
        """Return render, target and reference (3, h, w) and the map (h, w) of one pair, augmented alike."""
        height, width = archive.render.shape[1:3]
        rows, columns = (
            self._window(size, want, draw) for size, want in zip((height, width), self._crop, strict=True)
        )
        mirror = bool(torch.rand((), generator=draw) < 0.5)
        gains = 1 + self._jitter * (2 * torch.rand(3, 1, 1, generator=draw) - 1)
        images = []
        for name in ("render", "target", "reference"):
            pixels = torch.from_numpy(getattr(archive, name)[place, rows, columns])
            image = pixels.permute(2, 0, 1).float() / 255
            image = (image * gains).clamp(0, 1) if self._jitter else image
            images.append(image.flip(-1) if mirror else image)
        plane = torch.zeros(images[0].shape[1:])
        if archive.eig is not None:
            plane = torch.from_numpy(archive.eig[place, rows, columns]).float().clamp(0, 1)
            plane = plane.flip(-1) if mirror else plane
        return (*images, plane)

    def _window(self, size: int, want: int, draw: torch.Generator) -> slice:
        want = min(want, size) if want > 0 else size
        want -= want % self._multiple
        if want == 0:
            expected = f"at least {self._multiple} pixels"
            raise DataError("the frames are too small for the network", got=size, expected=expected)
        if want == size:
            return slice(0, size)
        begin = int(torch.randint(size - want + 1, (), generator=draw))
        return slice(begin, begin + want)


def load_archive(source: Source, with_eig: bool) -> Archive:
    """Read an archive that has what a network needs.

    Raises:
        DataError: It is damaged, or has no maps although they are needed.
    """
    archive = read_archive(source.folder, source.entry)
    if with_eig and archive.eig is None:
        hint = "repeat the `prior curate` command with --eig"
        where = str(source.folder / source.entry.file)
        raise DataError("has no expected information gain", hint=hint, where=where)
    return archive


def find_sources(folders: Sequence[Path]) -> tuple[Source, ...]:
    """Return every archive in some folders, in the order of folders and names.

    Raises:
        DataError: A folder has no index, or the index is damaged.
    """
    return tuple(Source(folder, entry) for folder in folders for entry in read_index(folder))
