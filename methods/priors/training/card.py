"""The model card of a trained restorer, as Markdown."""

from __future__ import annotations

from collections.abc import Iterable

from recgen_bench.methods.priors.stored import Card
from recgen_bench.methods.priors.training.validation import Validation


def card_text(file: str, card: Card, validation: Validation | None, *, sha256: str, parameters: int) -> str:
    """Return the card: what it is, how it was made, what it saw and how well it does on what it did not."""
    lines = [
        f"# {file}",
        "",
        f"A one-step restorer of {parameters / 1e6:.2f} million parameters, trained by recgen-bench.",
        "",
        "| | |",
        "| --- | --- |",
        f"| sha256 | `{sha256}` |",
        f"| command | `{card.command}` |",
        f"| steps | {card.steps} |",
        f"| seed | {card.seed} |",
        f"| trained on | {', '.join(card.trained_on)} |",
        f"| loss | {', '.join(card.terms)} |",
        *(f"| note | {note} |" for note in card.notes),
    ]
    if validation is not None:
        lines += ["", "Mean PSNR on held-out scenes, in dB:", ""]
        lines += ["| distance from the track | frames | render | restored | gain |"]
        lines += ["| --- | --- | --- | --- | --- |"]
        for band in validation.bands:
            gain = band.restored - band.render
            cells = (band.label, band.frames, f"{band.render:.2f}", f"{band.restored:.2f}", f"{gain:+.2f}")
            lines.append(f"| {' | '.join(map(str, cells))} |")
    return "\n".join(lines) + "\n"


def seed_ranges(scenes: Iterable[tuple[str, str]]) -> tuple[str, ...]:
    """Return (dataset, scene) pairs as ranges.

    >>> seed_ranges([("street", "1001"), ("street", "1000"), ("room", "1005")])
    ('room/1005', 'street/1000-1001')
    """
    named: dict[str, set[str]] = {}
    for dataset, scene in scenes:
        named.setdefault(dataset, set()).add(scene)
    found = []
    for dataset in sorted(named):
        numbers = sorted(int(scene) for scene in named[dataset] if scene.isdecimal())
        runs: list[list[int]] = []
        for number in numbers:
            if runs and number == runs[-1][-1] + 1:
                runs[-1].append(number)
            else:
                runs.append([number])
        found += [f"{dataset}/{run[0]}" if len(run) == 1 else f"{dataset}/{run[0]}-{run[-1]}" for run in runs]
        found += sorted(f"{dataset}/{scene}" for scene in named[dataset] if not scene.isdecimal())
    return tuple(found)
