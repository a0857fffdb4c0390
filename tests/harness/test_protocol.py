"""Protocols are data: what is published parses, hashes stay, and nothing is read loosely."""

from __future__ import annotations

import doctest
import os
import subprocess
import textwrap
from pathlib import Path

import pytest

from recgen_bench.harness import protocol as protocol_module
from recgen_bench.harness.errors import PluginError, ProtocolError
from recgen_bench.harness.protocol import Shift, canonical_json, format_metres, load_protocols, parse_metres

SHIPPED = Path(protocol_module.__file__).parent / "protocols"

# A change there changes which records may share a table: raise the protocol's version on purpose, then run
# `REGENERATE=1 python -m pytest tests/harness/test_protocol.py` and read the diff.
HASHES = Path(__file__).with_name("protocol_hashes.txt")

MINIMAL = """
name = "tiny"
version = 1
datasets = ["toy"]
open_scenes = true
split = { rule = "every-nth", every = 4 }
resolution = { downscale = 2 }
[metrics]
toy_mae = 1
"""


def write(folder: Path, text: str) -> Path:
    path = folder / "p.toml"
    path.write_text(textwrap.dedent(text))
    return path


def test_hashes_of_the_shipped_protocols_are_pinned():
    protocols = [p for path in sorted(SHIPPED.glob("*.toml")) for p in load_protocols(path)]
    text = "".join(f"{protocol.name} {protocol.hash}\n" for protocol in protocols)
    if os.environ.get("REGENERATE"):
        HASHES.write_text(text)
    assert text == HASHES.read_text()


@pytest.mark.parametrize("path", sorted(SHIPPED.glob("*.toml")), ids=lambda path: path.stem)
def test_shipped_protocols_say_where_they_come_from(path, toy_registry):
    for protocol in load_protocols(path):
        assert protocol.summary.endswith(".")
        assert protocol.source
        assert protocol.name.split("/")[0] == path.stem
        for name, version in protocol.metrics.items():
            assert toy_registry.metric(name).version == version
        for dataset in protocol.datasets:
            toy_registry.dataset(dataset)


def test_hash_ignores_order_prose_and_spelling_of_numbers(tmp_path):
    reference = load_protocols(write(tmp_path, MINIMAL))[0].hash
    reordered = """
        datasets = ["toy"]
        summary = "Prose."
        source = "Somewhere."
        unknown = ["Everything."]
        split = { every = 4, rule = "every-nth" }
        resolution = { downscale = 2.0, filter = "area" }
        metrics.toy_mae = 1
        version = 1
        name = "tiny"
        seeds = [0]
        open_scenes = true
    """
    assert load_protocols(write(tmp_path, reordered))[0].hash == reference


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ("version = 1", "version = 2"),
        ('"tiny"', '"tinier"'),
        ("every = 4", "every = 5"),
        ("downscale = 2", "downscale = 2.5"),
        ("toy_mae = 1", "toy_mae = 2"),
        ("open_scenes = true", 'open_scenes = true\nrevision = "b"'),
        ("open_scenes = true", "open_scenes = true\nseeds = [1]"),
    ],
)
def test_hash_covers_everything_that_decides_a_number(tmp_path, old, new):
    reference = load_protocols(write(tmp_path, MINIMAL))[0].hash
    assert old in MINIMAL
    assert load_protocols(write(tmp_path, MINIMAL.replace(old, new, 1)))[0].hash != reference


def test_hash_does_not_depend_on_the_process(python, tmp_path):
    path = write(tmp_path, MINIMAL)
    code = (
        "import sys; from pathlib import Path; from recgen_bench.harness.protocol import load_protocols; "
        "print(load_protocols(Path(sys.argv[1]))[0].hash)"
    )
    done = subprocess.run([python, "-c", code, str(path)], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == load_protocols(path)[0].hash


def test_canonical_json_refuses_nan():
    with pytest.raises(ValueError, match="Out of range"):
        canonical_json({"a": float("nan")})


def test_variants_merge_tables_and_replace_lists(tmp_path):
    text = MINIMAL + '[variants.half]\nresolution = { width = 4, height = 3 }\ndatasets = ["other"]\n'
    base, half = load_protocols(write(tmp_path, text))
    assert (base.name, half.name) == ("tiny", "tiny/half")
    assert (half.resolution.downscale, half.resolution.width, half.resolution.height) == (2.0, 4, 3)
    assert half.datasets == ("other",)
    assert half.hash != base.hash


def test_abstract_files_hold_only_their_variants(tmp_path):
    text = "abstract = true\n" + MINIMAL.replace("every-nth", "few-views") + "[variants.3]\nsplit.views = 3\n"
    (only,) = load_protocols(write(tmp_path, text))
    assert only.name == "tiny/3"
    assert (only.split.rule, only.split.every, only.split.views) == ("few-views", 4, 3)


SHIFTED = "[shift]\ndistances = [0, 1]\n"


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (MINIMAL.replace("every = 4", "evry = 4"), "did you mean every"),
        (MINIMAL.replace("[metrics]", "[metrix]"), "did you mean metrics"),
        (MINIMAL.replace('rule = "every-nth"', 'rule = "every-n"'), "did you mean every-nth"),
        (MINIMAL.replace("version = 1", 'version = "1"'), "wrong type"),
        (MINIMAL.replace("version = 1", ""), "a key is missing"),
        (MINIMAL.replace("every = 4", "every = 1"), "tests every view"),
        (MINIMAL.replace("open_scenes = true", ""), "lists no scene and is not open"),
        (MINIMAL.replace("open_scenes = true", "scenes = 3"), "wrong type"),
        (MINIMAL.replace("open_scenes = true", 'scenes = "012"'), "wrong type"),
        (MINIMAL.replace("open_scenes = true", 'scenes = ["a", "a"]'), "lists a scene twice"),
        (MINIMAL.replace("open_scenes = true", "scenes = [{ count = 3 }]"), "a key is missing"),
        (MINIMAL.replace("open_scenes = true", "open_scenes = true\nseeds = []"), "names no seed"),
        (MINIMAL.replace("open_scenes = true", "open_scenes = true\nseeds = [-1]"), "names no seed"),
        (MINIMAL.replace('["toy"]', "[]"), "names no data set"),
        (MINIMAL.replace("toy_mae = 1", ""), "names no metric"),
        (MINIMAL.replace("downscale = 2", "downscale = nan"), "NaN or infinity"),
        (MINIMAL.replace("downscale = 2", "downscale = inf"), "NaN or infinity"),
        (MINIMAL + SHIFTED.replace("0, 1", ""), "without distances"),
        (MINIMAL + SHIFTED.replace("0, 1", "-1"), "negative distance"),
        (MINIMAL + SHIFTED.replace("0, 1", "1, nan"), "NaN or infinity"),
        (MINIMAL + SHIFTED + "every = 0\n", "tests no view"),
        (MINIMAL + SHIFTED + "sides = []\n", "tests no view"),
        (MINIMAL + SHIFTED + 'sides = ["top"]\n', "not one of the choices"),
        (MINIMAL + SHIFTED + 'convention = "ego-x"\n', "did you mean ego-y"),
        (MINIMAL + "[variants]\nhalf = 3\n", "not tables"),
        ("variants = 3\n" + MINIMAL, "not tables"),
        ("abstract = true\n" + MINIMAL, "holds no protocol"),
        (MINIMAL.replace('"tiny"', "3"), "wrong type"),
        ("name = ", "is not TOML"),
    ],
)
def test_bad_files_are_refused_with_their_path(tmp_path, text, message):
    path = write(tmp_path, text)
    with pytest.raises(ProtocolError, match=message) as caught:
        load_protocols(path)
    assert str(path) in str(caught.value)


@pytest.mark.parametrize("name", ["Tiny", "../tiny", "a b", "", "-tiny", "x" * 81])
def test_names_must_be_usable_in_paths(tmp_path, name):
    with pytest.raises(PluginError, match="not a usable protocol name"):
        load_protocols(write(tmp_path, MINIMAL.replace("tiny", name)))


def test_files_that_cannot_be_read(tmp_path):
    with pytest.raises(ProtocolError, match="cannot be read: No such file"):
        load_protocols(tmp_path / "missing.toml")
    (tmp_path / "binary.toml").write_bytes(b"\xff\xfe")
    with pytest.raises(ProtocolError, match="cannot be read"):
        load_protocols(tmp_path / "binary.toml")


def test_a_closed_protocol_names_the_closest_scene(tmp_path):
    text = MINIMAL.replace("open_scenes = true", 'scenes = ["fern", { id = "room", first = 3, count = 5 }]')
    (protocol,) = load_protocols(write(tmp_path, text))
    assert (protocol.scene("room").first, protocol.scene("room").count) == (3, 5)
    with pytest.raises(ProtocolError, match="did you mean fern"):
        protocol.scene("ferns")


@pytest.mark.parametrize(
    ("text", "metres"),
    [("3m", 3.0), ("3 m", 3.0), (" 1.5 ", 1.5), ("0", 0.0), ("+2M", 2.0), (".5m", 0.5), ("10.25m", 10.25)],
)
def test_parse_metres(text, metres):
    assert parse_metres(text) == metres


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("3ft", "unknown unit of distance"),
        ("3 metres", "did you mean 3m"),
        ("3mm", "give metres"),
        ("-3m", "a shift is a distance"),
        ("-0m", "a shift is a distance"),
        ("three", "not a distance"),
        ("nan", "not a distance"),
        ("inf", "not a distance"),
        ("1e3", "unknown unit|not a distance"),
        ("3,5m", "not a distance"),
        ("", "not a distance"),
        ("m", "not a distance"),
        ("\u0663m", "not a distance"),
        ("9" * 400, "a shift is a distance"),
    ],
)
def test_parse_metres_refuses(text, message):
    with pytest.raises(ProtocolError, match=message) as caught:
        parse_metres(text)
    assert caught.value.where == "--shift"


def test_format_metres_and_doctests():
    assert [format_metres(m) for m in (None, 0.0, 3.0, 1.5)] == ["", "0m", "3m", "1.5m"]
    assert doctest.testmod(protocol_module).failed == 0


def test_shift_defaults_are_the_documented_ones():
    shift = Shift((1.0,))
    assert (shift.sides, shift.convention, shift.profile, shift.every) == (
        ("left", "right"),
        "ego-y",
        "constant",
        1,
    )
