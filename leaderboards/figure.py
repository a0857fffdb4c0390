"""The figure of the study: every metric against the truth, and how they correlate."""

from __future__ import annotations

import io
from typing import TYPE_CHECKING, Any

import numpy as np

from recgen_bench.harness.protocol import format_metres
from recgen_bench.harness.registration import MetricInfo
from recgen_bench.leaderboards.study import ALL, SAME, SHIFT, Study

if TYPE_CHECKING:
    import pandas
    from matplotlib.axes import Axes

ACROSS = 4
MARKS = {"control/copy": "s", "control/blur": "^", "control/grey": "X"}
PANEL = 2.6
"""Side of a small panel in inches."""


def draw(study: Study) -> bytes:
    """Return a PNG: small scatter plots coloured by shift, and below them two matrices of correlations."""
    import matplotlib as mpl
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    rows = -(-len(study.metrics) // ACROSS)
    tall = 1.2 + 0.36 * (len(study.metrics) + 1)
    # A figure without pyplot: no window system, no global state.
    with mpl.rc_context({"font.size": 8, "axes.spines.top": False, "axes.spines.right": False}):
        figure = Figure(figsize=(PANEL * ACROSS, PANEL * rows + tall), dpi=130, layout="constrained")
        FigureCanvasAgg(figure)
        parts = np.ravel(np.array(figure.subfigures(2, 1, height_ratios=[PANEL * rows, tall])))
        upper, lower = parts
        panels = np.ravel(upper.subplots(rows, ACROSS, squeeze=False))
        for panel, metric in zip(panels, study.metrics, strict=False):
            _scatter(panel, study, metric)
        for panel in panels[len(study.metrics) :]:
            panel.set_axis_off()
        handles, labels = panels[0].get_legend_handles_labels()
        upper.legend(handles, labels, loc="outside lower center", ncols=len(labels), frameon=False)
        left, right = lower.subplots(1, 2, sharey=True)
        _matrix(left, study, ALL, "spearman", "Spearman, all cells")
        _matrix(right, study, SAME, "kendall", "Kendall, same scene, shift and seed")
        out = io.BytesIO()
        # Without the version of matplotlib, so that the same numbers give the same bytes longer.
        figure.savefig(out, format="png", metadata={"Software": None})
    return out.getvalue()


def _scatter(panel: Axes, study: Study, metric: MetricInfo) -> None:
    import matplotlib as mpl

    truth = study.truths[0]
    colours = mpl.colormaps["viridis"](np.linspace(0, 0.9, len(study.shifts)))
    for shift, colour in zip(study.shifts, colours, strict=True):
        here = study.methods[study.methods["shift"] == shift]
        x, y = _points(here, truth, metric)
        panel.scatter(x, y, s=9, color=colour, alpha=0.75, linewidths=0, label=format_metres(shift))
    main = study.methods["protocol"].iloc[0]
    for name, mark in MARKS.items():
        frame = study.frame
        here = frame[(frame["method"] == name) & (frame["protocol"] == main) & (frame["shift"] > 0)]
        x, y = _points(here, truth, metric)
        panel.scatter(
            x, y, s=14, marker=mark, facecolors="none", edgecolors="0.45", linewidths=0.6, label=name
        )
    panel.set_xlabel(_axis(truth))
    panel.set_title(_axis(metric))
    if metric.direction == "lower":
        panel.invert_yaxis()


def _points(cells: pandas.DataFrame, truth: MetricInfo, metric: MetricInfo) -> tuple[Any, Any]:
    pairs = cells[[truth.name, metric.name]].to_numpy()
    pairs = pairs[np.isfinite(pairs).all(1)]
    return pairs[:, 0], pairs[:, 1]


def _matrix(panel: Axes, study: Study, scope: str, statistic: str, title: str) -> None:
    infos = (*study.metrics, SHIFT)
    found = [[study.find(info.name, t.name, scope, statistic) for t in study.truths] for info in infos]
    values = [[np.nan if each.value is None else each.value for each in row] for row in found]
    panel.imshow(np.array(values, float), cmap="RdBu", vmin=-1, vmax=1, aspect="auto")
    for i, row in enumerate(found):
        for j, each in enumerate(row):
            text = "-" if each.value is None else f"{each.value:.2f}"
            if each.low is not None and each.high is not None:
                text += f"  [{each.low:.2f}, {each.high:.2f}]"
            strong = each.value is not None and abs(each.value) > 0.7
            panel.text(j, i, text, ha="center", va="center", size=6.5, color="white" if strong else "black")
    panel.set_xticks(range(len(study.truths)), [truth.name for truth in study.truths])
    panel.set_yticks(range(len(infos)), [info.name for info in infos])
    panel.set_title(title)
    panel.spines[:].set_visible(False)
    panel.tick_params(length=0)


def _axis(info: MetricInfo) -> str:
    unit = f" ({info.unit})" if info.unit else ""
    return f"{info.name}{unit}{', lower is better' if info.direction == 'lower' else ''}"
