from __future__ import annotations

import math
import re

import pytest

from recgen_bench.harness.record import Status
from recgen_bench.leaderboards.aggregate import tabulate
from recgen_bench.leaderboards.cells import cells_frame, gather, metric_names
from recgen_bench.leaderboards.latex import escape, to_latex

GOLDEN = r"""% Needs \usepackage{booktabs} in the preamble.
\begin{table}
  \centering
  \caption{street, protocol lanes (57d4ae266085). Scenes: 0, 1. Seeds: 0, 1. CAPTION}
  \label{tab:street-lanes-57d4ae266085}
  \begin{tabular}{llrrr}
    \toprule
     &  &  & \multicolumn{2}{c}{3m} \\
    \cmidrule(lr){4-5}
    method & preset & $n$ & psnr (dB) $\uparrow$ & lpips $\downarrow$ \\
    \midrule
    3dgs & demo & 2 & \underline{20.50} $\pm$ 0.71 & \underline{0.300} $\pm$ 0.000 \\
    faithfusion & demo & 4 & \textbf{25.00} $\pm$ 0.82 & \textbf{0.200} $\pm$ 0.000 \\
    ipsm & demo & 2 & 30.00; failed (1/2) & 0.100; failed (1/2) \\
    \bottomrule
  \end{tabular}
\end{table}
""".replace(
    "CAPTION",
    r"Mean over n cells (scenes x seeds), $\pm$ their sample standard deviation. Best in bold, second best "
    "underlined. Means that lack cells say how many and are not ranked.",
)


@pytest.fixture
def latex(tmp_path, write, infos):
    def render(*records):
        entries = gather([write(tmp_path, *records)])
        metrics = metric_names(entries, infos)
        return to_latex(tabulate(cells_frame(entries, metrics), metrics, infos))

    return render


def check_structure(text: str) -> None:
    """What a TeX run would trip over: unbalanced groups, open environments, rows of another width."""
    bare = re.sub(r"\\[{}$&%#_\\]", "", text)
    assert bare.count("{") == bare.count("}")
    assert bare.count("$") % 2 == 0
    for name in ("table", "tabular"):
        assert text.count(rf"\begin{{{name}}}") == text.count(rf"\end{{{name}}}")
    for body in re.findall(r"\\begin\{tabular\}.*?\\end\{tabular\}", text, re.DOTALL):
        columns = len(re.search(r"\{tabular\}\{([lr]+)\}", body)[1])
        rows = [line for line in body.splitlines() if line.endswith(r"\\")]
        assert len(rows) > 1
        for row in rows:
            spans = [int(width) for width in re.findall(r"\\multicolumn\{(\d+)\}", row)]
            separators = len(re.findall(r"(?<!\\)&", row))
            assert separators + 1 + sum(spans) - len(spans) == columns
        for start, end in re.findall(r"\\cmidrule\(lr\)\{(\d+)-(\d+)\}", body):
            assert 1 <= int(start) <= int(end) <= columns


def test_golden(latex, grid):
    assert latex(*grid) == GOLDEN
    check_structure(GOLDEN)


def test_structure_with_several_shifts_tables_and_awkward_names(latex, record):
    awkward = {"name": "held_out/a&b", "metrics": {"psnr": 1}, "scenes": []}
    text = latex(
        record("m", {"psnr": 20.0, "lpips": 0.1}),
        record("m", {"psnr": 20.0}, shift=6),
        record("n", None, shift=6, status=Status.NOT_RUNNABLE),
        record("m", {"psnr": math.inf, "new_one": -2.0}, shift=None, protocol=awkward, scene=r"50% \a_b"),
        record("m", {"psnr": 3.0}, shift=None, protocol=awkward, overrides={"k": "a|b {$x^2$} ~#&"}),
    )
    check_structure(text)
    assert r"\multicolumn{2}{c}{3m} & \multicolumn{1}{c}{6m} \\" in text
    assert r"\cmidrule(lr){4-5} \cmidrule(lr){6-6}" in text
    assert "n & demo & 1 & - & - & n/r" in text
    assert r"50\% \textbackslash{}a\_b" in text
    assert r"k=a\textbar{}b \{\$x\textasciicircum{}2\$\} \textasciitilde{}\#\&" in text
    assert r"$\infty$" in text
    assert "$-$2.000" in text
    labels = re.findall(r"\\label\{(.*?)\}", text)
    assert len(set(labels)) == len(labels) == 2


def test_escape():
    assert escape("a_b & 100%\n{x}") == r"a\_b \& 100\% \{x\}"
    assert escape("plain text 3.5") == "plain text 3.5"
