"""Plain lines for logs, a live bar for terminals, and names are never markup."""

from __future__ import annotations

import io
import os
import pty

import pytest

from recgen_bench.harness import displays
from recgen_bench.harness.displays import PlainDisplay, RichDisplay, choose_display, describe
from recgen_bench.harness.events import (
    CellFinished,
    CellStarted,
    Event,
    Note,
    PhaseFinished,
    PhaseStarted,
    Progress,
)

CELL = "toy/demo toy/0 3m seed 0"
STORY = [
    CellStarted(CELL),
    Note(CELL, "3m to the right leaves the road"),
    PhaseFinished(CELL, "reconstruct", 12.0, restored=True),
    PhaseStarted(CELL, "distill 1: shift 3 m"),
    Progress(CELL, "distill 1: shift 3 m", 1, 3, {"loss": 0.123456}),
    Progress(CELL, "distill 1: shift 3 m", 2, 3, {"loss": 0.1}),
    Progress(CELL, "distill 1: shift 3 m", 3, 3, {}),
    PhaseFinished(CELL, "distill 1: shift 3 m", 1.26),
    CellFinished(CELL, "ok", "", {"psnr": 21.987654, "ssim": 0.5}),
    CellFinished(CELL, "failed", "it broke\n  next:     repair it", {}),
    CellFinished(CELL, "ok", "", {}),
]
PLAIN = """\
toy/demo toy/0 3m seed 0
  note: 3m to the right leaves the road
  reconstruct: found, not run again
  distill 1: shift 3 m: 1/3 loss 0.1235
  distill 1: shift 3 m: 3/3
  distill 1: shift 3 m: 1.3 s
  ok  psnr 21.99  ssim 0.5
  failed  it broke
    next:     repair it
  ok
"""


def test_plain_lines():
    stream = io.StringIO()
    display = PlainDisplay(stream)
    for event in STORY:
        display.on_event(event)
    assert stream.getvalue() == PLAIN


def test_progress_is_throttled_but_the_end_is_told(monkeypatch):
    clock = iter(range(1000, 2000))
    monkeypatch.setattr(displays.time, "monotonic", lambda: next(clock))
    stream = io.StringIO()
    display = PlainDisplay(stream, every_s=10.0)
    for step in range(1, 41):
        display.on_event(Progress(CELL, "p", step, 40))
    told = [int(line.split()[1].split("/")[0]) for line in stream.getvalue().splitlines()]
    assert told[0] == 1
    assert told[-1] == 40
    assert len(told) <= 6


MARKUP = "[red]a[/red] [/] [link=x] :smile:"


@pytest.mark.parametrize("terminal", [True, False])
def test_the_live_display_prints_everything_and_interprets_nothing(monkeypatch, capfd, terminal):
    monkeypatch.setenv("TERM", "xterm-256color" if terminal else "dumb")
    if terminal:
        monkeypatch.setenv("FORCE_COLOR", "1")
    display = RichDisplay()
    for event in (
        CellStarted(MARKUP),
        PhaseStarted(MARKUP, MARKUP),
        Progress(MARKUP, MARKUP, 1, 2, {MARKUP: 1.0}),
        Progress(MARKUP, MARKUP, 2, 2, {MARKUP: 2.0}),
        PhaseFinished(MARKUP, MARKUP, 1.0),
        Note(MARKUP, MARKUP),
        CellFinished(MARKUP, "failed", MARKUP),
        *STORY,
    ):
        display.on_event(event)
    printed = capfd.readouterr().err
    assert printed.count("[red]a[/red] [/] [link=x] :smile:") >= 4
    assert "ok  psnr 21.99  ssim 0.5" in printed


def test_the_bar_is_left_behind_when_a_cell_fails():
    display = RichDisplay()
    display.on_event(Progress(CELL, "render", 1, 3))
    assert display._bars.live.is_started
    display.on_event(CellFinished(CELL, "failed", "it broke"))
    assert not display._bars.live.is_started


def test_the_terminal_chooses(monkeypatch):
    leader, follower = pty.openpty()
    with os.fdopen(follower, "w") as terminal:
        monkeypatch.setattr("sys.stderr", terminal)
        assert isinstance(choose_display(), RichDisplay)
    monkeypatch.setattr("sys.stderr", io.StringIO())
    assert isinstance(choose_display(), PlainDisplay)
    os.close(leader)


def test_unknown_events_are_silent():
    assert describe(Event(CELL)) == ""
