"""Records survive the disk, and edits show."""

from __future__ import annotations

import json
import math
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from recgen_bench.harness.errors import DataError
from recgen_bench.harness.protocol import canonical_hash
from recgen_bench.harness.provenance import environment
from recgen_bench.harness.record import (
    CellSpec,
    Phase,
    Record,
    Row,
    Status,
    Weights,
    find_records,
    image_hash,
    summarise,
)


def row(view: str = "v", **values: float) -> Row:
    return Row(view=view, shift=-1.5, prediction="p" * 64, reference=None, values=values)


PROTOCOL = {"name": "toy-shift", "resolution": {"downscale": 4.0}}


def record(rows: list[Row], **changes) -> Record:
    spec = CellSpec(
        method="toy",
        method_version=1,
        preset="demo",
        overrides={"steps": "3"},
        dataset="toy",
        scene="0",
        protocol="toy-shift",
        protocol_hash=canonical_hash(PROTOCOL),
        shift=None,
        seed=0,
    )
    facts = {
        "config": {"steps": 3, "rate": 0.1, "sizes": [1, 2], "note": None},
        "protocol": PROTOCOL,
        "status": Status.OK,
        "rows": rows,
        "summary": summarise(rows),
        "environment": environment("cpu", 2),
    }
    return Record(cell=spec, **facts | changes)


def test_round_trip_with_everything(tmp_path):
    rows = [row("a", psnr=math.inf, ssim=0.1), row("b", psnr=12.345678901234567, ssim=1 / 3), row("c")]
    full = record(
        rows,
        status=Status.FAILED,
        reason="two\nlines",
        traceback="Traceback",
        notes=["a note"],
        phases=[Phase(name="render", wall_s=1.5, cpu_s=1.0, peak_memory=3, gpu_s=None)],
        weights=[Weights(name="w", revision="r", sha256="s", licence="MIT")],
        trained_on=["street/1"],
        model="training/x/distill-2.safetensors",
        external=True,
    )
    full.write(tmp_path / "record.json")
    back = Record.read(tmp_path / "record.json")
    assert back == full
    assert back.rows[0].values["psnr"] == math.inf
    assert back.summary == {"psnr": math.inf, "ssim": (0.1 + 1 / 3) / 2}
    full.write(tmp_path / "again.json")
    assert (tmp_path / "again.json").read_bytes() == (tmp_path / "record.json").read_bytes()
    # It is JSON for everybody, not only for Python.
    json.loads((tmp_path / "record.json").read_text(), parse_constant=lambda text: pytest.fail(text))


@given(st.lists(st.floats(allow_nan=False), min_size=1, max_size=6))
def test_every_float_survives(values):
    rows = [row(str(i), m=value) for i, value in enumerate(values)]
    try:
        written = record(rows)
    except OverflowError:
        return  # The exact sum of huge floats does not fit into one; no metric comes near.
    text = written.model_dump_json()
    back = Record.model_validate_json(text)
    assert back == written or any(math.isinf(value) for value in values)
    assert summarise(back.rows) == back.summary or math.isnan(written.summary["m"])


@given(st.permutations([0.1, 0.2, 0.3, 1e16, -1e16, 1e-9]))
def test_the_mean_does_not_depend_on_the_order_of_rows(values):
    assert summarise([row(m=value) for value in values]) == summarise(
        [row(m=value) for value in sorted(values)]
    )


def test_summary_is_over_the_rows_that_have_the_metric():
    assert summarise([row(a=1.0), row(a=2.0, b=5.0), row()]) == {"a": 1.5, "b": 5.0}
    assert summarise([]) == {}
    assert summarise([row(a=math.inf), row(a=1.0)]) == {"a": math.inf}
    assert summarise([row(a=-math.inf), row(a=1.0)]) == {"a": -math.inf}


@pytest.mark.parametrize(
    ("old", "new"),
    [("0.25", "0.35"), ('"a": 0.5', '"a": 0.6'), ('"view": "x"', '"view": "y", "shft": 3'), ("4.0", "2.0")],
)
def test_an_edited_digit_is_found(tmp_path, old, new):
    record([row("x", a=0.25), row("y", a=0.75)]).write(tmp_path / "record.json")
    text = (tmp_path / "record.json").read_text()
    assert old in text
    (tmp_path / "record.json").write_text(text.replace(old, new, 1))
    with pytest.raises(DataError, match=r"follow from the rows|not a record|hash it claims") as caught:
        Record.read(tmp_path / "record.json")
    assert caught.value.where == str(tmp_path / "record.json")
    assert caught.value.hint


@pytest.mark.parametrize(
    "text", ["", "{}", "[]", "null", '{"schema_version": 2}', "{'a': 1}", "\x00", "\ud800"]
)
def test_damaged_records(tmp_path, text):
    path = tmp_path / "record.json"
    path.write_bytes(text.encode("utf-8", "surrogatepass"))
    with pytest.raises(DataError, match="not a record") as caught:
        Record.read(path)
    assert caught.value.where == str(path)


def test_missing_records(tmp_path):
    with pytest.raises(DataError, match="cannot be read: No such file"):
        Record.read(tmp_path / "record.json")


def test_unknown_fields_and_changes_are_refused():
    with pytest.raises(ValueError, match="extra"):
        Record.model_validate({**record([]).model_dump(), "extra": 1})
    with pytest.raises(ValueError, match="frozen"):
        record([]).status = Status.OK


def test_image_hash_is_of_pixels_and_shape():
    image = np.arange(24, dtype=np.uint8).reshape(2, 4, 3)
    pinned = "7a341f6db8a4146c965ee7ee401792c42996b7512998f7f818e8a150419cf09a"
    assert image_hash(image) == pinned
    assert image_hash(np.asfortranarray(image)) == pinned
    assert image_hash(image[:, :, ::-1][:, :, ::-1]) == pinned
    assert image_hash(image.reshape(4, 2, 3)) != pinned
    changed = image.copy()
    changed[0, 0, 0] ^= 1
    assert image_hash(changed) != pinned


def test_find_records(tmp_path):
    for name in ("b", "a/deep"):
        record([]).write(tmp_path / name / "record.json")
    (tmp_path / "a" / "render.json").write_text("{}")
    found = list(find_records(tmp_path))
    assert [path.parent.name for path, _ in found] == ["deep", "b"]
    assert all(isinstance(item, Record) for _, item in found)


def test_find_records_where_there_are_none(tmp_path):
    with pytest.raises(DataError, match=r"holds no record.json"):
        list(find_records(tmp_path))
    with pytest.raises(DataError, match="no such folder"):
        list(find_records(tmp_path / "missing"))
    (tmp_path / "record.json").write_text("{}")
    with pytest.raises(DataError, match="not a record"):
        list(find_records(tmp_path))
    with pytest.raises(DataError, match="no such folder"):
        list(find_records(tmp_path / "record.json"))


def test_environment_names_what_can_change_a_number():
    found = environment("cpu", 3)
    assert (found.device, found.threads) == ("cpu", 3)
    assert {"torch", "numpy", "opencv-python-headless"} <= set(found.packages)
    assert found.python.startswith("3.")
    assert found.commit is None or len(found.commit) == 40
    assert (found.commit is None) == (found.dirty is None) or Path(".git").exists()
