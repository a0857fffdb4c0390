import pytest

from recgen_bench.datasets.formats.paths import inside, relative, scene_folder, scene_names
from recgen_bench.harness.dataset import Request
from recgen_bench.harness.errors import DataError


def is_scene(folder):
    return (folder / "marker").is_file()


@pytest.fixture
def root(tmp_path):
    for name in ("b", "a", "10", "9"):
        (tmp_path / "data" / name / "images").mkdir(parents=True)
        (tmp_path / "data" / name / "marker").touch()
    (tmp_path / "data" / "other").mkdir()
    return tmp_path / "data"


@pytest.mark.parametrize(
    ("name", "clean"),
    [("a.png", "a.png"), ("./a//b.png", "a/b.png"), ("a/../b.png", "b.png"), ("..a/b", "..a/b")],
)
def test_names_are_cleaned(tmp_path, name, clean):
    assert relative(name, "x") == clean
    assert inside(tmp_path, name, "x") == tmp_path / clean


@pytest.mark.parametrize(
    "name",
    [
        "..",
        "../a",
        "a/../../b",
        "/a",
        "//a",
        ".",
        "",
        "a/..",
        "\\a",
        "C:/a",
        "a\0",
        "b/" + 256 * "x",
        None,
        3,
        "\ud800",
    ],
)
def test_names_that_leave_the_folder_are_refused(tmp_path, name):
    with pytest.raises(DataError) as caught:
        inside(tmp_path, name, "model.txt, line 3")
    assert caught.value.where == "model.txt, line 3"
    str(caught.value).encode()


def test_scenes_in_text_order(root):
    assert scene_names(root, is_scene, "a marker") == ("10", "9", "a", "b")
    assert scene_names(root / "a", is_scene, "a marker") == ("a",)


@pytest.mark.parametrize(("scene", "below"), [("a", ""), (None, "a"), ("a", "a")])
def test_a_scene_is_found_by_name_or_by_folder(root, scene, below):
    assert scene_folder(Request(scene, root / below), is_scene, "a marker") == root / "a"


def test_linked_scenes_are_found(root, tmp_path):
    (tmp_path / "links").mkdir()
    (tmp_path / "links" / "mine").symlink_to(root / "a")
    (tmp_path / "links" / "loop").symlink_to(tmp_path / "links" / "loop")
    assert scene_names(tmp_path / "links", is_scene, "a marker") == ("mine",)
    with pytest.raises(DataError, match="no such scene"):
        scene_folder(Request("loop", tmp_path / "links"), is_scene, "a marker")


@pytest.mark.parametrize(
    ("scene", "below", "expected"),
    [
        (None, "", ["not a scene", "one level below: name one of 10, 9, a, b", "a marker"]),
        (None, "a/images", ["not a scene", "an empty folder", "the scene is the folder above"]),
        (None, "other", ["not a scene", "an empty folder"]),
        (None, "nowhere", ["does not exist", "a marker"]),
        (None, "a/marker", ["is a file"]),
        ("aa", "", ["no such scene", "did you mean a?"]),
        ("other", "", ["not a scene", "an empty folder"]),
        ("../data/a", "", ["inside the scene"]),
    ],
)
def test_wrong_levels_are_explained(root, scene, below, expected):
    with pytest.raises(DataError) as caught:
        scene_folder(Request(scene, root / below), is_scene, "a marker")
    for text in expected:
        assert text in str(caught.value)


def test_nothing_to_list_is_an_error(root):
    for folder in (root / "other", root / "nowhere", root / "a" / "marker"):
        with pytest.raises(DataError):
            scene_names(folder, is_scene, "a marker")
    with pytest.raises(DataError, match="add --data") as caught:
        scene_names(None, is_scene, "a marker")
    assert "a marker" in str(caught.value)


def test_time_steps_are_refused(root):
    with pytest.raises(DataError, match="no time steps"):
        scene_folder(Request("a", root, first=3), is_scene, "a marker")
    with pytest.raises(DataError, match="no time steps"):
        scene_folder(Request("a", root, count=3), is_scene, "a marker")
