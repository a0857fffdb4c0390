"""Asking for help costs nothing, and every verb can be asked."""

from __future__ import annotations

import resource
import statistics
import subprocess

import pytest

from recgen_bench.harness.cli import VERBS

HEAVY = "('torch', 'numpy', 'pydantic', 'cv2', 'pandas', 'trimesh', 'huggingface_hub', 'rich')"


@pytest.mark.parametrize(
    "arguments", [["--help"], ["methods"], ["plugins"], ["protocols"], ["run", "--help"]]
)
def test_listing_takes_less_than_a_third_of_a_second(python, arguments):
    code = "from recgen_bench.harness.cli import main; main()"

    def once() -> float:
        """Processor seconds: what the clock shows on an idle machine, and on a busy one still the same."""
        before = resource.getrusage(resource.RUSAGE_CHILDREN)
        subprocess.run([python, "-c", code, *arguments], capture_output=True, check=True)
        after = resource.getrusage(resource.RUSAGE_CHILDREN)
        return after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime

    assert statistics.median(once() for _ in range(3)) < 0.3


@pytest.mark.parametrize(
    "arguments", [["--help"], ["methods"], ["plugins"], ["protocols"], ["metrics"], ["datasets"]]
)
def test_listing_imports_nothing_heavy(python, arguments):
    code = (
        "import sys\nfrom recgen_bench.harness.cli import main\n"
        "try:\n    main()\n"
        f"finally:\n    print([name for name in {HEAVY} if name in sys.modules], file=sys.stderr)"
    )
    done = subprocess.run([python, "-c", code, *arguments], capture_output=True, text=True, check=True)
    assert done.stderr.strip() == "[]"
    assert done.stdout


@pytest.mark.parametrize("verb", VERBS)
def test_every_verb_has_help(recgen, verb):
    outcome = recgen(verb, "--help")
    assert outcome.status == 0
    assert outcome.out.startswith(f"Usage: recgen-bench {verb}")
    assert outcome.err == ""


def test_the_short_flag_reaches_the_verbs(recgen):
    # Not for every verb: click keeps the flags of the first call, and other tests call verbs alone.
    assert recgen("-h").out == recgen("--help").out
    assert recgen("plugins", "-h").out == recgen("plugins", "--help").out


def test_the_summaries_in_the_list_are_those_of_the_verbs(recgen):
    listed = recgen("--help").out
    for verb, (_, summary) in VERBS.items():
        assert f"  {verb} " in listed
        assert summary.endswith(".")
        assert summary.split()[0] in " ".join(recgen(verb, "--help").out.split())


def test_no_verb_shows_help_and_unknown_verbs_the_closest(recgen):
    assert recgen().status == 2
    outcome = recgen("metods")
    assert (outcome.status, outcome.out) == (2, "")
    assert "no such command 'metods': did you mean methods" in outcome.err


def test_version(recgen):
    from importlib.metadata import version

    outcome = recgen("--version")
    assert (outcome.status, outcome.err) == (0, "")
    assert version("recgen-bench") in outcome.out


def test_the_installed_script_is_the_same(python):
    from pathlib import Path

    script = Path(python).with_name("recgen-bench")
    if not script.exists():
        pytest.skip("installed without scripts")
    done = subprocess.run([script, "nonsense"], capture_output=True, text=True, check=False)
    assert done.returncode == 2
    assert "no such command" in done.stderr


def test_a_pipe_that_closes_early_is_no_error(python):
    code = "from recgen_bench.harness.cli import main; main(['metrics'] )"
    done = subprocess.run(
        f'{python} -c "{code}" | head -n 1; echo ${{PIPESTATUS[0]}}',
        shell=True,
        executable="/bin/bash",
        capture_output=True,
        text=True,
        check=True,
    )
    assert done.stderr == ""
    assert done.stdout.splitlines()[-1] in ("0", "1", "141")  # click turns the closed pipe into 1.


def test_control_c_says_how_to_go_on(monkeypatch, recgen):
    from recgen_bench.harness import plugins

    def interrupted(files):
        raise KeyboardInterrupt

    monkeypatch.setattr(plugins, "load_registry", interrupted)
    outcome = recgen("methods")
    assert outcome.status == 130
    assert outcome.err.strip() == "stopped; repeat the command to go on where it was"
