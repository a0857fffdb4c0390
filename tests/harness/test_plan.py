"""A selection becomes cells, or an error that says which name is wrong."""

from __future__ import annotations

import hashlib
from dataclasses import replace

import pytest

from recgen_bench.harness.errors import DataError, PluginError, ProtocolError, RecgenError
from recgen_bench.harness.plan import Selection, plan_cells


def test_defaults_are_the_protocol_s_scenes_seeds_and_shifts(cells):
    planned = cells()
    assert [(cell.scene, cell.seed, cell.shift) for cell in planned] == [
        (scene, 0, shift) for scene in ("0", "1") for shift in (0.0, 1.0, 3.0)
    ]
    assert planned[0].label == "toy/demo toy/0 0m seed 0"


def test_the_demo_preset_is_for_embedded_worlds(cells, tmp_path):
    assert cells()[0].preset == "demo"
    (recorded,) = cells(dataset="toy-folder", source=tmp_path)
    assert recorded.preset == "paper"
    assert cells(preset="paper")[0].preset == "paper"


def test_everything_chosen_in_the_order_scene_seed_shift(cells):
    planned = cells(scenes=("2", "0"), seeds=(3, 1), shifts=(3.0, 0.0))
    assert [(cell.scene, cell.seed, cell.shift) for cell in planned] == [
        (scene, seed, shift) for scene in "20" for seed in (3, 1) for shift in (3.0, 0.0)
    ]


def test_repeated_choices_are_one_cell(cells):
    assert len(cells(scenes=("1", "01", "1"), seeds=(0, 0), shifts=(3.0, 3, 3.0))) == 1


def test_a_whole_number_of_metres_is_the_same_cell(cells):
    assert cells(scenes=("0",), shifts=(3,))[0].folder == cells(scenes=("0",), shifts=(3.0,))[0].folder


@pytest.mark.parametrize(
    ("name", "scene"), [("7", "7"), ("07", "7"), ("0", "0"), ("12345678901234567890", None)]
)
def test_scenes_of_embedded_worlds_are_integers(cells, name, scene):
    assert cells(scenes=(name,))[0].scene == (scene or name)


@pytest.mark.parametrize("name", ["-1", "1.5", "../x", "", " 1", "1 ", "one", "\u0663", "1/2", "0x1"])
def test_other_scenes_of_embedded_worlds_are_refused(cells, name):
    with pytest.raises(ProtocolError, match="--scene: not a scene") as caught:
        cells(scenes=(name,))
    assert caught.value.got == name


@pytest.mark.parametrize(
    "name", ["../x", "a/b", "/etc", "..", ".", "", ".hidden", "a\\b", "a\nb", "a..b", "-x"]
)
def test_scenes_that_could_leave_the_folder_are_refused(cells, tmp_path, name):
    with pytest.raises(ProtocolError, match="--scene: not a scene"):
        cells(dataset="toy-folder", source=tmp_path, scenes=(name,))


@pytest.mark.parametrize("name", ["fern", "scene 1", "A_b-c.d+e", "0"])
def test_scenes_of_recorded_data_are_folder_names(cells, tmp_path, name):
    assert cells(dataset="toy-folder", source=tmp_path, scenes=(name,))[0].scene == name


def test_the_folder_itself_is_the_scene_of_an_open_protocol(cells, tmp_path):
    (tmp_path / "my capture").mkdir()
    (cell,) = cells(dataset="toy-folder", source=tmp_path / "my capture")
    assert (cell.scene, cell.shift) == ("my capture", None)


@pytest.mark.parametrize(
    ("chosen", "kind", "message"),
    [
        ({"method": "tory"}, PluginError, "unknown method(.|\n)*did you mean toy"),
        ({"dataset": "toyy"}, PluginError, "unknown data set(.|\n)*did you mean toy"),
        ({"preset": "demmo"}, PluginError, "--preset: toy has no such preset(.|\n)*did you mean demo"),
        ({"protocol": "toy-shifts"}, PluginError, "unknown protocol(.|\n)*did you mean toy-shift"),
        (
            {"protocol": "toy-heldout"},
            ProtocolError,
            "not a protocol for toy(.|\n)*protocols for toy: toy-shift",
        ),
        ({"protocol": "toy-shift/future"}, ProtocolError, "another version of a metric(.|\n)*version 2"),
        ({"shifts": (2.0,)}, ProtocolError, "--shift: not a distance of the protocol(.|\n)*0m, 1m, 3m"),
        ({"overrides": ("steps",)}, RecgenError, "--set: not an assignment"),
    ],
)
def test_wrong_names(cells, chosen, kind, message):
    with pytest.raises(kind, match=message):
        cells(**chosen)


def test_data_is_asked_for_exactly_where_it_is_needed(cells, tmp_path):
    with pytest.raises(DataError, match="toy is generated and takes no --data"):
        cells(source=tmp_path)
    with pytest.raises(
        DataError, match=r"toy-folder needs --data PATH(.|\n)*frame(.|\n)*Call write_recording"
    ):
        cells(dataset="toy-folder")
    with pytest.raises(DataError, match="no such folder"):
        cells(dataset="toy-folder", source=tmp_path / "missing")
    (tmp_path / "file").write_text("x")
    with pytest.raises(DataError, match="is a file, not a folder"):
        cells(dataset="toy-folder", source=tmp_path / "file")


def test_a_shift_needs_a_protocol_with_one(cells, tmp_path):
    with pytest.raises(ProtocolError, match="toy-heldout has no lane shift"):
        cells(dataset="toy-folder", source=tmp_path, shifts=(3.0,))


def one(cells, **chosen):
    return cells(**{"scenes": ("0",), "shifts": (3.0,)} | chosen)[0]


def test_the_folder_is_readable_and_unique(cells):
    base = one(cells)
    assert base.folder.startswith("toy-demo-toy-0-3m-s0-")
    others = [
        one(cells, scenes=("1",)),
        one(cells, shifts=(1.0,)),
        one(cells, seeds=(1,)),
        one(cells, preset="paper"),
        one(cells, overrides=("steps=3",)),
        one(cells, method="toy-shared"),
        replace(base, method=replace(base.method, version=2)),
        replace(base, protocol=replace(base.protocol, version=2)),
    ]
    assert len({cell.folder for cell in (base, *others)}) == len(others) + 1
    assert len({cell.training for cell in (base, *others)}) == len(others) + 1


def test_the_hash_is_of_the_specification(cells):
    # It names folders on users' disks: a change here orphans their results.
    cell = one(cells, overrides=("turns=1", "steps=3"))
    text = (
        '{"dataset":"toy","method":"toy","method_version":1,"overrides":{"steps":"3","turns":"1"},'
        f'"preset":"demo","protocol":"{cell.protocol.hash}","scene":"0","seed":0,"shift":3.0}}'
    )
    assert cell.folder == f"toy-demo-toy-0-3m-s0-{hashlib.sha256(text.encode()).hexdigest()[:16]}"
    shared = one(cells, overrides=("turns=1", "steps=3"), method="toy-shared")
    text = text.replace('"method":"toy"', '"method":"toy-shared"').replace("3.0", '"any"')
    assert shared.training == f"toy-shared-{hashlib.sha256(text.encode()).hexdigest()[:16]}"


def test_order_and_blanks_of_overrides_do_not_matter(cells):
    a = one(cells, overrides=("steps=3", "turns = 1"))
    b = one(cells, overrides=("turns=1", " steps=3"))
    assert a.folder == b.folder
    assert a.label.endswith("seed 0 steps=3 turns=1")


def test_shifts_share_a_training_only_where_it_does_not_depend_on_them(cells):
    shared = cells(method="toy-shared", scenes=("0",))
    assert len({cell.training for cell in shared}) == 1
    assert len({cell.folder for cell in shared}) == 3
    own = cells(scenes=("0",))
    assert len({cell.training for cell in own}) == 3


def test_folders_hold_no_separators_whatever_the_names_are(cells):
    cell = one(cells)
    odd = replace(cell, method=replace(cell.method, name="me/v.2@x"), preset="../Up", scene="a b/c")
    for folder in (odd.folder, odd.training):
        assert "/" not in folder
        assert not folder.startswith(".")


def test_selection_needs_only_method_and_data_set(toy_registry):
    assert plan_cells(toy_registry, Selection("toy", "toy"))
