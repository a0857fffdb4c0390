"""Every edit of a record is found; nothing else is."""

from __future__ import annotations

import json
import math
from dataclasses import replace

import pytest

from recgen_bench.harness.loop import open_scene
from recgen_bench.harness.record import Record, results_hash, summarise
from recgen_bench.harness.score import Scorer
from recgen_bench.harness.scoring import score, stored_shots, surroundings
from recgen_bench.harness.verify import TOLERANCE, check_parts, compare, tolerance_for, unchecked


@pytest.fixture
def finished(cells, bench, toy_registry):
    """Return a record and its frames scored again."""
    cell = cells(protocol="toy-shift/scene", scenes=("0",), shifts=(1.0,))[0]
    scorer = Scorer.load(toy_registry.metric(name) for name in cell.protocol.metrics)
    bench.settings = replace(bench.settings, scorer=scorer)
    record = bench.run(cell)
    scene, _ = open_scene(cell, bench.settings)
    found = score(stored_shots(scene, bench.folder(cell) / "frames"), surroundings(scene, True), scorer, 1)
    return record, found


def consistent(facts):
    """Return an edited record whose editor adapted the summary and the hash too."""
    record = Record.model_validate(facts)
    parts = {"summary": summarise(record.rows, record.scenes)}
    return record.model_copy(update=parts | {"results_hash": results_hash(record.rows, record.scenes)})


def test_an_untouched_record_is_true(finished, toy_registry):
    record, found = finished
    assert list(check_parts(record, toy_registry.metrics)) == []
    assert list(compare(record, found, 0.0)) == []
    assert unchecked(record, found) == []


def numbers(value, path=()):
    """Yield the path of every number in a record's results."""
    if isinstance(value, dict):
        for key, item in value.items():
            yield from numbers(item, (*path, key))
    elif isinstance(value, list):
        for i, item in enumerate(value):
            yield from numbers(item, (*path, i))
    elif isinstance(value, (int, float)) and not isinstance(value, bool):
        yield path


def edited(facts, path, change):
    facts = json.loads(json.dumps(facts))
    place = facts
    for key in path[:-1]:
        place = place[key]
    place[path[-1]] = change(place[path[-1]])
    return facts


def test_any_edited_number_is_found_without_images(finished, toy_registry):
    record, _ = finished
    facts = json.loads(record.model_dump_json())
    paths = [(kind, *path) for kind in ("rows", "summary", "scenes") for path in numbers(facts[kind])]
    assert len(paths) > 60
    for path in paths:
        # The last digit of the number.
        changed = edited(facts, path, lambda x: x + 1 if isinstance(x, int) else math.nextafter(x, math.inf))
        assert list(check_parts(Record.model_validate(changed), toy_registry.metrics)), path


def test_any_edited_result_is_named_with_images_even_by_an_editor_who_adapts_the_rest(finished):
    record, found = finished
    facts = json.loads(record.model_dump_json())
    for path in numbers(facts["rows"]):
        index, kind, *name = path
        changed = consistent(edited(facts, ("rows", *path), lambda x: math.nextafter(x, math.inf)))
        (finding,) = compare(changed, found, 0.0)
        assert finding.place == f"row {facts['rows'][index]['view']}, {name[0] if name else kind}"
        assert float(finding.stored) == math.nextafter(float(finding.recomputed), math.inf)
    for path in numbers(facts["scenes"]):
        changed = consistent(edited(facts, ("scenes", *path), lambda x: x + 1))
        (finding,) = compare(changed, found, 0.0)
        assert finding.place.startswith("scene toy_bright, ")


def test_statistics_give_the_value_again(finished, toy_registry):
    record, _ = finished
    facts = json.loads(record.model_dump_json())
    changed = consistent(edited(facts, ("scenes", "toy_bright", "value"), lambda x: x + 1e-9))
    (finding,) = check_parts(changed, toy_registry.metrics)
    assert finding.place == "scene toy_bright, value from its statistics"
    assert str(finding).startswith(f"{finding.place}: stored {finding.stored}, recomputed ")
    view = record.rows[3].view
    where = ("scenes", "toy_bright", "per_view", view, "level")
    changed = consistent(edited(facts, where, lambda x: x + 1))
    assert len(list(check_parts(changed, toy_registry.metrics))) == 1


def test_rows_that_were_added_left_out_or_swapped(finished, toy_registry):
    record, found = finished
    for rows in (
        record.rows[1:],
        [*record.rows, record.rows[0]],
        [*record.rows, record.rows[0].model_copy(update={"view": "new"})],
        [record.rows[0].model_copy(update={"view": record.rows[1].view}), *record.rows[1:]],
    ):
        changed = consistent({**record.model_dump(), "rows": [row.model_dump() for row in rows]})
        assert list(compare(changed, found, 0.0))
    # The order does not change a mean, but it is part of the hash.
    swapped = {**record.model_dump(), "rows": [row.model_dump() for row in record.rows[::-1]]}
    (finding,) = check_parts(Record.model_validate(swapped), toy_registry.metrics)
    assert "do not have the hash" in finding.stored


def test_hashes_of_images_are_compared(finished):
    record, found = finished
    for key in ("prediction", "reference"):
        row = record.rows[0].model_copy(update={key: "0" * 64})
        changed = record.model_copy(update={"rows": [row, *record.rows[1:]]})
        (finding,) = compare(changed, found, 0.0)
        assert finding.place == f"row {row.view}, sha256 of the {key}"


def test_a_metric_that_was_removed_is_named(finished):
    record, found = finished
    values = {name: value for name, value in record.rows[0].values.items() if name != "toy_mae"}
    row = record.rows[0].model_copy(update={"values": values})
    (finding,) = compare(record.model_copy(update={"rows": [row, *record.rows[1:]]}), found, 0.0)
    assert (finding.place, finding.stored) == (f"row {row.view}, toy_mae", "nothing")
    (finding,) = compare(record.model_copy(update={"scenes": {}}), found, 0.0)
    assert (finding.place, finding.stored) == ("scene toy_bright", "nothing")


def test_another_machine_may_round_otherwise(finished):
    record, found = finished
    assert tolerance_for(record, "cpu") == 0.0
    other = record.environment.model_copy(update={"processor": "another"})
    assert tolerance_for(record.model_copy(update={"environment": other}), "cpu") == TOLERANCE
    assert tolerance_for(record.model_copy(update={"environment": None}), "cpu") == TOLERANCE
    facts = json.loads(record.model_dump_json())
    near = consistent(edited(facts, ("rows", 0, "values", "toy_mae"), lambda x: x * (1 + 1e-7)))
    assert list(compare(near, found, TOLERANCE)) == []
    assert len(list(compare(near, found, 0.0))) == 1


def test_infinite_values_are_equal_to_themselves(finished):
    record, found = finished
    values = record.rows[0].values | {"toy_mae": math.inf}
    rows = [record.rows[0].model_copy(update={"values": values}), *record.rows[1:]]
    both = record.model_copy(update={"rows": rows}), replace(found, rows=rows)
    assert list(compare(*both, 0.0)) == []
    assert list(compare(both[0], found, TOLERANCE))


def test_facts_and_reasons_are_compared(finished):
    record, found = finished
    score = record.scenes["toy_bright"]
    for change, place in (
        ({"facts": {**score.facts, "real": "9"}}, "scene toy_bright, real"),
        ({"facts": {}}, "scene toy_bright, real"),
        ({"reason": "because"}, "scene toy_bright, reason"),
    ):
        changed = record.model_copy(update={"scenes": {"toy_bright": score.model_copy(update=change)}})
        assert place in [finding.place for finding in compare(changed, found, 0.0)]


def test_a_value_where_there_is_none_is_found(finished):
    record, found = finished
    undefined = found.scenes["toy_bright"].model_copy(update={"value": None, "reason": "no image"})
    invented = compare(record, replace(found, scenes={"toy_bright": undefined}), 0.0)
    assert [finding.recomputed for finding in invented] == ["nothing", "no image"]
    # Not so where only the weights are missing.
    lacking = replace(found, scenes={"toy_bright": undefined}, missing={"toy_bright": "fetch it"})
    assert list(compare(record, lacking, 0.0)) == []
    assert unchecked(record, lacking) == ["toy_bright"]


def test_statistics_that_give_no_value_are_a_finding(finished, toy_registry):
    record, _ = finished
    facts = json.loads(record.model_dump_json())
    del facts["scenes"]["toy_bright"]["per_view"][record.rows[0].view]["level"]
    (finding,) = check_parts(consistent(facts), toy_registry.metrics)
    assert finding.recomputed.startswith("nothing (KeyError")
