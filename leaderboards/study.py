"""How good are metrics that need no true image? Cells of a generated world, where the truth is known, tell.

Every number is turned so that higher is better before it is compared; +1 is a metric that always agrees.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from recgen_bench.harness.errors import DataError, PluginError, ProtocolError, did_you_mean
from recgen_bench.harness.protocol import format_metres
from recgen_bench.harness.record import Status
from recgen_bench.harness.registration import MetricInfo
from recgen_bench.leaderboards.bootstrap import Estimate
from recgen_bench.leaderboards.cells import Entry, overrides_text
from recgen_bench.leaderboards.controls import is_control

if TYPE_CHECKING:
    import pandas

    from recgen_bench.leaderboards.correlation import Sample

TRUTHS = ("psnr", "ssim", "gmsd", "depth_abs_rel_80m")
"""Compared with when nothing else is chosen; those that the records have."""

WITH_REFERENCES = "avge_scene/"
"""Begins the names of metrics of whole scenes that do look at the true images."""

SHIFT = MetricInfo(
    "shift", "Distance from the recorded track: no metric at all.", "", direction="lower", unit="m", digits=0
)
"""Stands beside the metrics: what the shift alone explains is no merit of theirs."""

ALL = "all cells"
SAME = "same scene, shift and seed"
BESIDE = "all cells beside the track"
BOARD = "means over scenes, same shift"
KEYS = ("method", "scene", "shift", "seed", "protocol", "protocol_hash", "control")


@dataclass(frozen=True, slots=True)
class Finding:
    """One statistic of one metric.

    Attributes:
        metric: Name.
        truth: What it is compared with; the name of a control for the statistic "beaten".
        scope: Which cells are compared with each other.
        statistic: "spearman", "kendall", "pearson", "agreement" (share of pairs of cells in the same order),
            "ranking" (share of pairs of methods in the same order, by their means over scenes) or "beaten"
            (share of the methods' cells that score better than the control).
        estimate: With its interval over scenes.
    """

    metric: str
    truth: str
    scope: str
    statistic: str
    estimate: Estimate


@dataclass(frozen=True, slots=True, eq=False)
class Study:
    """The cells, and what is found in them.

    Attributes:
        frame: One row per cell: `KEYS`, then metrics as floats, NaN where a cell has none.
        metrics: Under study.
        truths: What they should follow.
        findings: In the order metric, truth, scope.
    """

    frame: pandas.DataFrame
    metrics: tuple[MetricInfo, ...]
    truths: tuple[MetricInfo, ...]
    findings: tuple[Finding, ...]

    @property
    def hash(self) -> str:
        """Of the protocol that the methods' cells follow."""
        return str(self.methods["protocol_hash"].iloc[0])

    @property
    def methods(self) -> pandas.DataFrame:
        """The cells that are no controls."""
        return self.frame[~self.frame["control"]]

    @property
    def shifts(self) -> tuple[float, ...]:
        """Distances of the methods' cells, ascending."""
        return tuple(sorted(set(self.methods["shift"])))

    def find(self, metric: str, truth: str, scope: str, statistic: str) -> Estimate:
        """Return one estimate; one without a value where nothing was computed."""
        wanted = (metric, truth, scope, statistic)
        for each in self.findings:
            if (each.metric, each.truth, each.scope, each.statistic) == wanted:
                return each.estimate
        return Estimate(None, reason="not computed")


def at(shift: float) -> str:
    """Return the scope of all cells at one shift."""
    return f"all cells at {format_metres(shift)}"


def cells_table(
    entries: Sequence[Entry], infos: Mapping[str, MetricInfo], protocol: str | None = None
) -> pandas.DataFrame:
    """Return one row per finished cell: `KEYS`, then every registered metric that one of them has.

    Args:
        entries: From `gather`.
        infos: Of all registered metrics.
        protocol: Leave out the methods' cells of any other.

    Raises:
        DataError: No cell has numbers, or none is of a method.
        ProtocolError: The methods' cells follow several protocols, or none the one that is named.
    """
    import pandas

    followed = dict.fromkeys(entry.record.cell.protocol for entry in entries)
    if protocol is not None and protocol not in followed:
        hint = did_you_mean(protocol, followed)
        raise ProtocolError("no record follows this protocol", got=protocol, hint=hint, where="--protocol")
    kept = [
        entry
        for entry in entries
        if protocol in (None, entry.record.cell.protocol) or is_control(entry.record.cell.method)
    ]
    done = [entry for entry in kept if entry.record.status is Status.OK]
    if not done:
        what = "no cell is finished, so there is nothing to study"
        raise DataError(what, got=f"{len(kept)} records", hint="repeat the run and see why they failed")
    present = {name for entry in done for name in entry.record.summary}
    names = [name for name in infos if name in present]
    rows = [[*_keys(entry), *(entry.record.summary.get(name) for name in names)] for entry in done]
    frame = pandas.DataFrame(rows, columns=[*KEYS, *names])
    frame[names] = frame[names].astype("float64")
    frame["shift"] = frame["shift"].astype("float64")
    _check_protocols(frame)
    return frame


def conduct(frame: pandas.DataFrame, metrics: Sequence[MetricInfo], truths: Sequence[MetricInfo]) -> Study:
    """Return the study of a table from `cells_table`."""
    methods = frame[~frame["control"]]
    controls = frame[frame["control"]]
    findings = [
        finding
        for metric in (*metrics, SHIFT)
        for truth in truths
        for finding in _comparisons(methods, metric, truth)
    ]
    findings += [finding for metric in (*truths, *metrics) for finding in _beaten(methods, controls, metric)]
    return Study(frame, tuple(metrics), tuple(truths), tuple(findings))


def choose(
    frame: pandas.DataFrame, infos: Mapping[str, MetricInfo], asked: Sequence[str], kind: str
) -> tuple[MetricInfo, ...]:
    """Return the metrics that were asked for, else all that need no true image, or all usual truths.

    Args:
        frame: From `cells_table`.
        infos: Of all registered metrics.
        asked: Names from the command line.
        kind: "metric" or "truth".

    Raises:
        PluginError: A name is in no record.
        DataError: The records have no such metric.
    """
    names = list(frame.columns[len(KEYS) :])
    for name in asked:
        if name not in names:
            hint = did_you_mean(name, names)
            raise PluginError("no finished cell has this metric", got=name, hint=hint, where=f"--{kind}")
    blind = [name for name in names if infos[name].scope == "scene" and not name.startswith(WITH_REFERENCES)]
    usual: Sequence[str] = TRUTHS if kind == "truth" else blind
    measured = set(frame.columns[frame[~frame["control"]].notna().any()])
    chosen = list(dict.fromkeys(asked)) or [name for name in usual if name in names and name in measured]
    if not chosen:
        wanted = " or ".join(TRUTHS) if kind == "truth" else "one of whole scenes, such as fid/embedded"
        what = "the methods' cells have none of the metrics to study"
        if kind == "truth":
            what = "the methods' cells have nothing true to compare with"
        hint = f"run them under the protocol of the study, or name some with --{kind}"
        raise DataError(what, got=", ".join(names), expected=wanted, hint=hint)
    return tuple(infos[name] for name in chosen)


def _keys(entry: Entry) -> tuple[object, ...]:
    cell = entry.record.cell
    changes = overrides_text(cell.overrides)
    name = cell.method if cell.preset in ("demo", "external") else f"{cell.method} {cell.preset}"
    label = f"{name} {changes}" if changes else name
    place = (f"{cell.dataset}/{cell.scene}", cell.shift, cell.seed, cell.protocol, cell.protocol_hash)
    return (label, *place, is_control(cell.method))


def _check_protocols(frame: pandas.DataFrame) -> None:
    methods = frame[~frame["control"]]
    if methods.empty:
        raise DataError("only controls are finished, and no method", hint="run some methods first")
    # Controls may follow other protocols, but not another version of the methods' own.
    related = frame[frame["protocol"].isin(set(methods["protocol"]))]
    found = related.groupby(["protocol", "protocol_hash"], sort=False).size()
    if len(found) > 1:
        got = ", ".join(f"{name} ({digest[:12]})" for name, digest in found.index)
        hint = "give the folder of one of them, or choose with --protocol"
        raise ProtocolError("numbers of several protocols do not compare", got=got, hint=hint)
    if methods["shift"].isna().any():
        hint = "run the methods under a protocol with a lane shift"
        raise DataError(
            "the study compares lane shifts, and these cells have none", got=found.index[0][0], hint=hint
        )


def _comparisons(methods: pandas.DataFrame, metric: MetricInfo, truth: MetricInfo) -> Iterator[Finding]:
    from recgen_bench.leaderboards.correlation import agreement, kendall, pearson, ranking, spearman

    def found(scope: str, measure: Callable[[Sample], Estimate], sample: Sample) -> Finding:
        return Finding(metric.name, truth.name, scope, measure.__name__, measure(sample))

    pooled = _sample(methods, metric, truth)
    for measure in (spearman, kendall, pearson):
        yield found(ALL, measure, pooled)
    for shift in sorted(set(methods["shift"])):
        yield found(at(shift), spearman, _sample(methods[methods["shift"] == shift], metric, truth))
    same = _sample(methods, metric, truth, ["scene", "shift", "seed"])
    for measure in (kendall, agreement):
        yield found(SAME, measure, same)
    yield found(BOARD, ranking, _sample(methods, metric, truth, ["shift"]))


def _sample(
    cells: pandas.DataFrame, metric: MetricInfo, truth: MetricInfo, strata: Sequence[str] = ()
) -> Sample:
    from recgen_bench.leaderboards.correlation import make_sample

    x, y = (_upwards(cells, info) for info in (metric, truth))
    stratum = list(zip(*(cells[name] for name in strata), strict=True)) if strata else None
    return make_sample(x, y, list(cells["scene"]), stratum, list(cells["method"]))


def _upwards(cells: pandas.DataFrame, info: MetricInfo) -> list[float]:
    sign = 1.0 if info.direction == "higher" else -1.0
    return [sign * value for value in cells[info.name]]


def _beaten(methods: pandas.DataFrame, controls: pandas.DataFrame, metric: MetricInfo) -> Iterator[Finding]:
    """Yield for each control the share of cells beside the track that score better; equals count half."""
    from recgen_bench.leaderboards.correlation import fraction

    beside = methods[methods["shift"] > 0]
    for control in dict.fromkeys(controls["method"]):
        known = controls[controls["method"] == control].groupby(["scene", "shift"])[metric.name].mean()
        floor = known.reindex(list(zip(beside["scene"], beside["shift"], strict=True))).to_numpy()
        sign = 1.0 if metric.direction == "higher" else -1.0
        margin = sign * (beside[metric.name].to_numpy() - floor)
        score = [float("nan") if gap != gap else (gap > 0) + 0.5 * (gap == 0) for gap in margin]
        yield Finding(metric.name, control, BESIDE, "beaten", fraction(score, list(beside["scene"])))
