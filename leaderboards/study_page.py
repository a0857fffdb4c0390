"""The study as Markdown tables, CSV text and a page whose prose somebody else wrote."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

from recgen_bench.harness.protocol import format_metres
from recgen_bench.harness.registration import MetricInfo
from recgen_bench.leaderboards.bootstrap import Estimate
from recgen_bench.leaderboards.cells import HASH_DIGITS, natural
from recgen_bench.leaderboards.statistics import mean, spread
from recgen_bench.leaderboards.study import ALL, BESIDE, BOARD, SAME, SHIFT, Study, at

if TYPE_CHECKING:
    import pandas

FIGURE = "images/metrics-study.png"
TITLES = {
    "cells": "What was measured",
    "pooled": "All cells together",
    "fixed": "At a fixed shift",
    "floors": "Floors and ceilings",
    "beaten": "What the metrics prefer",
}
ARROWS = {"higher": " ↑", "lower": " ↓"}


def blocks(study: Study) -> dict[str, str]:
    """Return each generated part of the page as Markdown, by name."""
    return {
        "cells": f"{_cells(study)}\n\n![Each metric against the truth]({FIGURE})\n",
        "pooled": _pooled(study),
        "fixed": _fixed(study),
        "floors": _floors(study),
        "beaten": _beaten(study),
    }


def page(parts: Mapping[str, str], existing: str | None = None) -> str:
    """Return a page with the parts; of an existing page only what stands between the marks is replaced.

    A part that the existing page does not mark is left out.
    """
    if existing is None:
        body = "\n".join(f"## {TITLES[name]}\n\n{_marked(name, text)}" for name, text in parts.items())
        return f"# How good are the metrics that need no true image?\n\n{body}"
    for name, text in parts.items():
        start, end = (re.escape(mark) for mark in _marks(name))
        # Split rather than substituted, because backslashes in a replacement have a meaning.
        before, *found = re.split(f"{start}.*?{end}\n", existing, maxsplit=1, flags=re.S)
        existing = _marked(name, text).join([before, *found])
    return existing


def findings_csv(study: Study) -> str:
    """Return one line per finding, floats in full precision."""
    lines = ["metric,truth,scope,statistic,value,low,high,points,scenes,reason"]
    for each in study.findings:
        found = each.estimate
        numbers = ("" if number is None else repr(number) for number in (found.value, found.low, found.high))
        texts = (each.metric, each.truth, f'"{each.scope}"', each.statistic, *numbers)
        lines.append(",".join((*texts, str(found.count), str(found.clusters), found.reason)))
    return "\n".join(lines) + "\n"


def cells_csv(study: Study) -> str:
    """Return one line per cell, floats in full precision and absent values empty."""
    return str(study.frame.to_csv(index=False, lineterminator="\n"))


def _cells(study: Study) -> str:
    cells = study.methods
    methods = sorted(set(cells["method"]), key=natural)
    scenes = sorted(set(cells["scene"]), key=natural)
    seeds = ", ".join(map(str, sorted(set(cells["seed"]))))
    shifts = ", ".join(map(format_metres, study.shifts))
    controls = ", ".join(dict.fromkeys(study.frame[study.frame["control"]]["method"])) or "none"
    return (
        f"{len(cells)} cells under the protocol {cells['protocol'].iloc[0]} ({study.hash[:HASH_DIGITS]}): "
        f"{len(methods)} methods ({'; '.join(methods)}), {len(scenes)} scenes ({', '.join(scenes)}), "
        f"shifts {shifts}, seeds {seeds}. Controls: {controls}. Every metric is turned so that higher is "
        "better; brackets hold 95 % intervals over scenes."
    )


def _pooled(study: Study) -> str:
    first = study.truths[0].name
    head = ["metric", *(f"{truth.name}, Spearman" for truth in study.truths)]
    rows = [
        [
            info.name,
            *(_text(study.find(info.name, truth.name, ALL, "spearman")) for truth in study.truths),
            *(_text(study.find(info.name, first, ALL, kind)) for kind in ("kendall", "pearson")),
        ]
        for info in (*study.metrics, SHIFT)
    ]
    return _table([*head, f"{first}, Kendall", f"{first}, Pearson"], rows)


def _fixed(study: Study) -> str:
    """Return, for the first truth, correlations at each shift, and for all truths the agreement."""
    first = study.truths[0].name
    metrics = [info.name for info in study.metrics]
    correlations = _table(
        ["metric", *(f"{format_metres(shift)}, Spearman" for shift in study.shifts), "within, Kendall"],
        [
            [
                name,
                *(_text(study.find(name, first, at(shift), "spearman")) for shift in study.shifts),
                _text(study.find(name, first, SAME, "kendall")),
            ]
            for name in metrics
        ],
    )
    kinds = [
        (truth.name, *kind) for truth in study.truths for kind in ((SAME, "agreement"), (BOARD, "ranking"))
    ]
    words = {"agreement": "cells", "ranking": "methods"}
    agreements = _table(
        ["metric", *(f"{truth}, {words[kind]}" for truth, _, kind in kinds)],
        [[name, *(_share(study.find(name, *kind)) for kind in kinds)] for name in metrics],
    )
    return (
        f"Correlation with {first} among the cells at one shift; last, among the methods within one scene, "
        f"shift and seed:\n\n{correlations}\n"
        "Share of pairs that a metric orders as the truth does, where a coin has 50 %: pairs of cells of one "
        "scene, shift and seed, and pairs of methods by their means over scenes at one shift:\n\n"
        f"{agreements}"
    )


def _floors(study: Study) -> str:
    """Return the means over scenes of the controls at each shift, and of the best and worst method there.

    Best and worst are chosen for each number by itself. Controls under another protocol come last.
    """
    infos = (*study.truths, *study.metrics)
    main = study.methods["protocol"].iloc[0]
    controls = study.frame[study.frame["control"]]
    rows = []
    for shift in study.shifts:
        here = controls[(controls["shift"] == shift) & (controls["protocol"] == main)]
        where = format_metres(shift)
        for name in dict.fromkeys(here["method"]):
            cells = here[here["method"] == name]
            rows.append([where, name, *(_level(cells, info) for info in infos)])
        methods = study.methods[study.methods["shift"] == shift]
        for word, best in (("best method", True), ("worst method", False)):
            rows.append([where, word, *(_extreme(methods, info, best) for info in infos)])
    other = controls[controls["protocol"] != main]
    for name, protocol in dict.fromkeys(zip(other["method"], other["protocol"], strict=True)):
        cells = other[(other["method"] == name) & (other["protocol"] == protocol)]
        rows.append(["", f"{name}, {protocol}", *(_level(cells, info) for info in infos)])
    return _table(
        ["shift", "prediction", *(info.name + ARROWS[info.direction] for info in infos)], rows, texts=2
    )


def _beaten(study: Study) -> str:
    names = dict.fromkeys(each.truth for each in study.findings if each.statistic == "beaten")
    if not names:
        return "No control was run.\n"
    rows = [
        [info.name, *(_share(study.find(info.name, name, BESIDE, "beaten")) for name in names)]
        for info in (*study.truths, *study.metrics)
    ]
    text = (
        "Share of the methods' cells beside the track that score better than the control in the same scene:"
    )
    return f"{text}\n\n{_table(['metric', *names], rows)}"


def _level(cells: pandas.DataFrame, info: MetricInfo) -> str:
    values = [float(value) for value in cells[info.name].dropna()]
    if not values:
        return "-"
    around = spread(values)
    text = f"{mean(values):.{info.digits}f}"
    return text if around is None else f"{text} ± {around:.{info.digits}f}"


def _extreme(cells: pandas.DataFrame, info: MetricInfo, best: bool) -> str:
    means = cells.groupby("method")[info.name].mean().dropna()
    if means.empty:
        return "-"
    value = means.max() if best == (info.direction == "higher") else means.min()
    return f"{value:.{info.digits}f}"


def _text(found: Estimate) -> str:
    if found.value is None:
        return found.reason
    around = "" if found.low is None else f" [{_signed(found.low)}, {_signed(found.high)}]"
    return f"{_signed(found.value)}{around}"


def _share(found: Estimate) -> str:
    if found.value is None:
        return found.reason
    if found.low is None or found.high is None:
        return f"{found.value:.0%}"
    return f"{found.value:.0%} [{found.low * 100:.0f}, {found.high * 100:.0f}]"


def _signed(value: float | None) -> str:
    # Adding zero turns -0.0 into 0.0, which would print as "-0.00".
    return "" if value is None else f"{round(value, 2) + 0.0:.2f}"


def _table(head: Sequence[str], rows: Sequence[Sequence[str]], texts: int = 1) -> str:
    """Return a table whose first columns are text and the others numbers."""
    rule = ["---"] * texts + ["---:"] * (len(head) - texts)
    return "".join(f"| {' | '.join(row)} |\n" for row in (head, rule, *rows))


def _marks(name: str) -> tuple[str, str]:
    return f"<!-- {name}: written by recgen-bench metrics study -->", f"<!-- end of {name} -->"


def _marked(name: str, text: str) -> str:
    start, end = _marks(name)
    return f"{start}\n{text.rstrip()}\n{end}\n"
