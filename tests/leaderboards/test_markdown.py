from __future__ import annotations

import math

import pytest

from recgen_bench.leaderboards.aggregate import tabulate
from recgen_bench.leaderboards.cells import cells_frame, gather, metric_names
from recgen_bench.leaderboards.markdown import to_markdown

GOLDEN = """\
### street, protocol lanes (57d4ae266085)

| method | preset | n | 3m psnr (dB) ↑ | 3m lpips ↓ |
| --- | --- | ---: | ---: | ---: |
| 3dgs | demo | 2 | <ins>20.50</ins> ± 0.71 | <ins>0.300</ins> ± 0.000 |
| faithfusion | demo | 4 | **25.00** ± 0.82 | **0.200** ± 0.000 |
| ipsm | demo | 2 | 30.00; failed (1/2) | 0.100; failed (1/2) |

Scenes: 0, 1. Seeds: 0, 1. Mean over n cells (scenes x seeds), ± their sample standard deviation. \
Best in bold, second best underlined. Means that lack cells say how many and are not ranked.
"""

AWKWARD = {"name": "held_out/a&b", "metrics": {"psnr": 1}, "scenes": []}


@pytest.fixture
def markdown(tmp_path, write, infos):
    def render(*records):
        entries = gather([write(tmp_path, *records)])
        metrics = metric_names(entries, infos)
        return to_markdown(tabulate(cells_frame(entries, metrics), metrics, infos))

    return render


def test_golden(markdown, grid):
    assert markdown(*grid) == GOLDEN


def test_tables_are_separated_by_a_blank_line(markdown, record):
    text = markdown(record("m", {"psnr": 1.0}), record("m", {"psnr": 1.0}, dataset="room"))
    assert text.count("### ") == 2
    assert "\n\n### street" in text


def test_names_cannot_become_markup_or_columns(markdown, record):
    text = markdown(
        record("a", {"psnr": math.inf, "new_one": -1.5}, shift=None, protocol=AWKWARD, scene="my_room <b>"),
        record("b", {"psnr": 20.0}, shift=None, protocol=AWKWARD, overrides={"p": "x|y `*_z_*` <i>\n$u$"}),
    )
    assert "### street, protocol held_out/a\\&b (" in text
    assert "| method | preset | overrides | n | psnr (dB) ↑ | new_one |" in text
    assert "| a | demo |  | 2 | inf; missing (1/2) | -1.500; missing (1/2) |" in text
    assert r"p=x\|y \`\*\_z\_\*\` \<i\> \$u\$ |" in text
    assert r"my_room \<b\>" in text
    assert "An infinite value means that an image equals its reference" in text
    assert "nan" not in text.lower()
