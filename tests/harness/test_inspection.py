"""What a check says of copies that are sound, incomplete, damaged or in the wrong world."""

from __future__ import annotations

import hashlib
import shutil
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from recgen_bench.harness import inspection
from recgen_bench.harness.dataset import Request
from recgen_bench.harness.errors import DataError, PluginError, ProtocolError
from recgen_bench.harness.inspection import (
    Level,
    evenly,
    inspect_capture,
    inspect_copy,
    open_copy,
    projects,
    selection_hash,
)
from recgen_bench.harness.protocol import Protocol, Resolution, SceneEntry, Shift, Split
from recgen_bench.harness.scene import Actor, Camera, Capture, Points, View
from recgen_bench.harness.shown import kept_points

HELDOUT = Protocol("p", 1, ("toy",), Split("every-nth", every=4), {"toy_mae": 1}, open_scenes=True)


@pytest.fixture
def capture(toy) -> Capture:
    return toy.ToyWorld().open(Request("1", None))


@pytest.fixture
def folder(toy, tmp_path) -> Path:
    """Return a data folder with the recorded scenes "a" and "b"."""
    for name in "ab":
        toy.write_recording(tmp_path / "data" / name)
    return tmp_path / "data"


def said(findings, subject: str, level: Level | None = None) -> str:
    """Return what was found of a subject, and at which level."""
    return "\n".join(f.text for f in findings if f.subject == subject and level in (None, f.level))


def worst(findings) -> Level:
    return max((f.level for f in findings), key=list(Level).index)


def test_a_sound_capture_has_no_warning(capture):
    found = list(inspect_capture(capture, HELDOUT))
    assert worst(found) is Level.NOTE
    assert said(found, "contents") == "8 views, 0 points, 0 actors (0 moving), 0 lane lines"
    assert said(found, "poses") == "cameras spread over 3.5 x 0 x 0 m"
    assert said(found, "images") == "32x24; 2 of 8 decoded; --deep decodes the others too"
    assert said(found, "split") == "6 training and 2 test views"


def test_the_selection_is_the_hash_of_names_and_sizes_in_order(capture):
    two = capture.views[:2]
    text = b'[["000000",32,24],["000001",32,24]]'
    assert selection_hash(two) == hashlib.sha256(text).hexdigest()
    assert selection_hash(two[::-1]) != selection_hash(two)
    smaller = replace(two[0], camera=two[0].camera.resized(16, 12))
    assert selection_hash((smaller, two[1])) != selection_hash(two)


def test_projects_agrees_with_a_count_by_hand_and_with_the_protocols_rule():
    camera = Camera(np.array([[10.0, 0, 5], [0, 10, 4], [0, 0, 1]]), np.eye(4), 10, 8)
    xyz = np.array([[0.0, 0, 2], [0, 0, -2], [-1, 0, 2], [1, 0, 2], [0.99, 0.79, 2], [0, 0, 0]])
    np.testing.assert_array_equal(projects(camera, xyz), [True, False, True, False, True, False])
    many = np.random.default_rng(0).normal(0, 3, (500, 3))
    kept = kept_points(
        Points(many, np.zeros((500, 3), np.uint8)),
        [View("v", camera)],
        replace(HELDOUT, points="in-train-views"),
    )
    np.testing.assert_array_equal(many[projects(camera, many)], kept.xyz)


def test_evenly_keeps_the_ends():
    assert evenly(np.arange(10), 4).tolist() == [0, 3, 6, 9]
    assert evenly(np.arange(3), 4).tolist() == [0, 1, 2]
    assert evenly(np.arange(0), 4).tolist() == []


def test_cameras_in_one_place_are_warned_of(capture):
    views = [replace(v, camera=replace(v.camera, c2w=capture.views[0].camera.c2w)) for v in capture.views]
    some = replace(capture, views=(*views[:2], *capture.views[2:]))
    found = list(inspect_capture(some, HELDOUT))
    text = "1 view in the place of another, for example 000000, 000001"
    assert said(found, "poses", Level.WARNING) == text
    found = list(inspect_capture(replace(capture, views=tuple(views)), HELDOUT))
    assert "all cameras stand in one place" in said(found, "poses", Level.WARNING)
    # Two sensors of a rig may share a centre.
    other = replace(views[1], camera=replace(views[1].camera, sensor="side"))
    found = list(inspect_capture(replace(some, views=(views[0], other, *capture.views[2:])), HELDOUT))
    assert said(found, "poses", Level.WARNING) == ""


@pytest.mark.parametrize(
    ("names", "level", "text"),
    [
        (("a", "a"), Level.PROBLEM, "a"),
        (("IMG_1", "img_01"), Level.WARNING, "IMG_1, img_01"),
        (("5.png", "5.JPG"), Level.WARNING, "5.JPG, 5.png"),
        (("10", "100"), None, ""),
        (("a1", "a11"), None, ""),
    ],
)
def test_names_that_are_easily_confused(capture, names, level, text):
    views = tuple(replace(view, name=name) for view, name in zip(capture.views, names, strict=False))
    found = [f for f in inspect_capture(replace(capture, views=views), HELDOUT) if f.subject == "names"]
    assert [f.level for f in found] == ([level] if level else [])
    assert all(text in f.text for f in found)


def test_a_damaged_image_between_the_ends_needs_a_deep_check(toy_registry, folder):
    path = folder / "a" / "003.png"
    path.write_bytes(path.read_bytes()[:100])
    copy = open_copy(toy_registry, "toy-folder", None, folder)
    assert worst(inspect_copy(copy)) is Level.NOTE
    found = list(inspect_copy(copy, deep=True))
    assert "003.png: the image is damaged" in said(found, "images", Level.PROBLEM)
    assert [f.scene for f in found if f.level is Level.PROBLEM] == ["a"]
    assert said(found, "images", Level.OK).splitlines() == ["32x24; 7 of 8 decoded", "32x24; 8 of 8 decoded"]


def boxed(capture: Capture, *centres) -> Capture:
    actors = []
    for number, centre in enumerate(centres):
        poses = np.tile(np.eye(4), (8, 1, 1))
        poses[:, :3, 3] = centre
        actors.append(Actor(str(number), "vehicle", np.array([4.0, 2, 1.5]), np.arange(8), poses, False))
    return replace(capture, actors=tuple(actors))


def test_boxes_in_and_out_of_the_images(capture):
    # One ahead of the whole drive, one behind it, one that the drive passes after two of the eight frames.
    found = list(
        inspect_capture(boxed(capture, [20, 0, 1.5], [-9, 0, 1.5], [1.75, 0, 1.5]), HELDOUT),
    )
    # The camera is 1 m ahead of the vehicle and moves 0.5 m a frame: frames 0 and 1 see the third box.
    assert said(found, "boxes", Level.OK) == (
        "10 of 24 box centres (42%) lie inside an image of their time step, 2 of 3 actors at some time"
    )
    found = list(inspect_capture(boxed(capture, [-9, 0, 1.5]), HELDOUT))
    assert "same world?" in said(found, "boxes", Level.WARNING)


def test_points_in_and_out_of_the_images(capture):
    rgb = np.zeros((4, 3), np.uint8)
    ahead = np.array([[20.0, 0, 1.5], [20, 1, 1.5], [20, 0, 2], [20.0, 400, 1.5]])
    found = list(inspect_capture(replace(capture, points=Points(ahead, rgb)), HELDOUT))
    assert said(found, "points", Level.OK) == "100% in front of a camera, 75% inside an image"
    flipped = Points(ahead * [-1, 1, 1], rgb)
    found = list(inspect_capture(replace(capture, points=flipped), HELDOUT))
    text = "0% in front of a camera, 0% inside an image; do points and cameras share one world?"
    assert said(found, "points", Level.WARNING) == text


def test_what_the_protocol_lacks_in_a_scene(capture):
    beyond = replace(HELDOUT, split=Split("ids", train=(0,), test=(8,)))
    found = list(inspect_capture(capture, beyond))
    assert "a view index of the split does not exist" in said(found, "split", Level.PROBLEM)
    shifted = replace(HELDOUT, split=Split("all-train"), shift=Shift((0, 3, 9)))
    found = list(inspect_capture(capture, shifted))
    assert said(found, "shift 0m", Level.OK) == "8 training and 8 test views"
    assert said(found, "shift 3m", Level.NOTE) == "3m to the right leaves the road, which ends at 2.5 m"
    assert "allows this shift on no side" in said(found, "shift 9m", Level.PROBLEM)


def test_no_view_and_a_note_of_the_adapter(capture):
    assert worst(inspect_capture(replace(capture, views=()), HELDOUT)) is Level.PROBLEM
    found = list(inspect_capture(replace(capture, notes=("One frame is left out.",)), HELDOUT))
    assert said(found, "adapter", Level.NOTE) == "One frame is left out."


def test_listed_scenes_that_are_missing(toy_registry, folder):
    copy = open_copy(toy_registry, "toy-folder", None, folder)
    listed = replace(
        copy, protocol=replace(copy.protocol, scenes=(SceneEntry("b"), SceneEntry("c")), open_scenes=False)
    )
    found = list(inspect_copy(listed))
    assert said(found, "scenes", Level.PROBLEM) == "1 of 2 are missing: c"
    assert {f.scene for f in found} == {"", "b"}
    assert said(inspect_copy(listed, ("b",)), "scenes") == "1 of 1 that are needed"
    with pytest.raises(ProtocolError, match="does not list this scene"):
        list(inspect_copy(listed, ("a",)))


def test_only_some_scenes_are_opened_unless_all_are_asked_for(toy_registry, folder, monkeypatch):
    monkeypatch.setattr(inspection, "LIMIT", 1)
    copy = open_copy(toy_registry, "toy-folder", None, folder)
    found = list(inspect_copy(copy))
    assert {f.scene for f in found} == {"", "a"}
    assert said(found, "layout") == "2 scenes found: a, b"
    assert said(found, "scenes", Level.NOTE) == "1 of 2 are not opened; --all opens them too"
    assert {f.scene for f in inspect_copy(copy, everything=True)} == {"", "a", "b"}
    assert {f.scene for f in inspect_copy(copy, ("b", "a", "b"))} == {"", "a", "b"}


def test_a_scene_that_fails_does_not_hide_the_next(toy_registry, folder):
    shutil.rmtree(folder / "a")
    (folder / "a").mkdir()
    found = list(inspect_copy(open_copy(toy_registry, "toy-folder", None, folder)))
    assert "no images" in said(found, "opening", Level.PROBLEM)
    assert [f.scene for f in found if f.subject == "split"] == ["b"]
    world = open_copy(toy_registry, "toy", None, None)
    found = list(inspect_copy(world, ("14", "0")))
    assert said(found, "opening") == "RuntimeError: this adapter has a bug"
    assert {f.scene for f in found if f.subject == "shift 3m"} == {"0"}


def test_an_empty_folder_and_one_scene_named_after_its_folder(toy_registry, folder, tmp_path):
    (tmp_path / "empty").mkdir()
    empty = open_copy(toy_registry, "toy-folder", None, tmp_path / "empty")
    assert said(inspect_copy(empty), "layout", Level.PROBLEM).startswith("no scene found; expected <scene>/")
    itself = open_copy(toy_registry, "toy-folder", None, folder / "a")
    assert len(itself.open("a").views) == 8


def test_mistakes_of_the_user(toy_registry, folder):
    with pytest.raises(PluginError, match="unknown data set"):
        open_copy(toy_registry, "toyy", None, None)
    with pytest.raises(ProtocolError, match="is not a protocol for"):
        open_copy(toy_registry, "toy", "toy-heldout", None)
    with pytest.raises(DataError, match="takes no --data"):
        open_copy(toy_registry, "toy", None, folder)
    with pytest.raises(DataError, match="needs --data PATH"):
        open_copy(toy_registry, "toy-folder", None, None)
    with pytest.raises(DataError, match="no such folder"):
        open_copy(toy_registry, "toy-folder", None, folder / "missing")
    with pytest.raises(DataError, match="is a file, not a folder"):
        open_copy(toy_registry, "toy-folder", None, folder / "a" / "000.png")


def test_known_scenes(toy_registry, folder):
    world, copy = (
        open_copy(toy_registry, "toy", None, None),
        open_copy(toy_registry, "toy-folder", None, folder),
    )
    assert (world.known("007"), copy.known("b")) == ("7", "b")
    for of, name in ((world, "-1"), (copy, "../data/a"), (copy, "c")):
        with pytest.raises(DataError, match="there is no such scene"):
            of.known(name)


def test_the_embedded_street_is_sound(toy_registry, tmp_path, monkeypatch):
    monkeypatch.setenv("RECGEN_CACHE", str(tmp_path))
    street = open_copy(toy_registry, "street", None, None)
    tiny = replace(street, protocol=replace(street.protocol, resolution=Resolution(width=24, height=16)))
    found = list(inspect_copy(tiny, ("3",)))
    assert worst(found) is Level.NOTE
    assert said(found, "images") == "24x16; 2 of 40 decoded; --deep decodes the others too"
    assert said(found, "boxes", Level.OK)
    assert said(found, "points", Level.OK).startswith("100% in front of a camera")
    assert "leaves the road" in said(found, "shift 6m", Level.NOTE)


def test_real_captures_are_sound(toy_registry, shared):
    fox = open_copy(toy_registry, "nerfstudio", "heldout-8/f8", shared / "samples" / "instant_ngp_fox")
    found = list(inspect_copy(fox))
    assert worst(found) is Level.NOTE
    assert said(found, "split") == "43 training and 7 test views"
    cup = open_copy(toy_registry, "llff", None, shared / "samples" / "llff_capture")
    found = list(inspect_copy(cup))
    assert worst(found) is Level.NOTE
    assert said(found, "points") == "100% in front of a camera, 100% inside an image"
