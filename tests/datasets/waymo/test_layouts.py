import pytest

from recgen_bench.datasets.waymo.dataset import Waymo
from recgen_bench.datasets.waymo.layouts import VALIDATION, context_name, find_scene, find_scenes, folder_form
from recgen_bench.harness.dataset import Request
from recgen_bench.harness.errors import DataError


def touched(path):
    path.parent.mkdir(parents=True, exist_ok=True)
    path.touch()
    return path


def test_names_of_scenes(forms, writing):
    assert Waymo().scenes(forms["v1"]) == (writing.CONTEXT,)
    assert Waymo().scenes(forms["v2"]) == (writing.CONTEXT,)
    assert Waymo().scenes(forms["drivestudio"].parent) == ("005",)
    assert Waymo().scenes(forms["street-gaussians"]) == ("005",)


def test_forms_are_told_apart(forms, tmp_path):
    assert folder_form(forms["drivestudio"]) == "drivestudio"
    assert folder_form(forms["street-gaussians"]) == "street-gaussians"
    touched(tmp_path / "a" / "ego_pose" / "000000.txt")
    touched(tmp_path / "b" / "ego_pose" / "000.txt")
    assert (folder_form(tmp_path / "a"), folder_form(tmp_path / "b")) == ("street-gaussians", "drivestudio")
    assert folder_form(tmp_path) is None


@pytest.mark.parametrize("form", ["v1", "v2"])
def test_protocols_may_name_segments_by_their_number(forms, form, writing):
    capture = Waymo().open(Request("005", forms[form], count=1))
    # The protocol's entry is looked up by this name.
    assert capture.id == "005"
    assert Waymo().open(Request(writing.CONTEXT, forms[form], count=1)).id == writing.CONTEXT


def test_a_folder_of_the_validation_set_answers_to_the_context_name(forms, writing):
    assert find_scene(forms["drivestudio"].parent, writing.CONTEXT).name == "005"
    # A number alone may be one of the training set.
    with pytest.raises(DataError, match="no such scene"):
        find_scene(forms["street-gaussians"].parent, writing.CONTEXT)


def test_numbers_follow_the_sorted_list():
    assert sorted(VALIDATION.values()) == list(VALIDATION.values())
    assert sorted(VALIDATION) == list(VALIDATION)


def test_file_names_become_context_names(tmp_path):
    assert context_name(tmp_path / "segment-12_000_345_000_with_camera_labels.tfrecord") == "12_000_345_000"
    assert context_name(tmp_path / "mine.tfrecord") == "mine"


def test_several_scenes_need_a_name(tmp_path):
    touched(tmp_path / "b.tfrecord")
    touched(tmp_path / "segment-a.tfrecord")
    assert [found.name for found in find_scenes(tmp_path)] == ["a", "b"]
    with pytest.raises(DataError, match="several scenes") as caught:
        find_scene(tmp_path, None)
    assert "a, b" in str(caught.value)
    with pytest.raises(DataError, match="no such scene"):
        find_scene(tmp_path, "c")
    touched(tmp_path / "a.tfrecord")
    with pytest.raises(DataError, match="same name"):
        find_scenes(tmp_path)


def test_what_is_not_there(tmp_path):
    with pytest.raises(DataError, match="none was given"):
        find_scenes(None)
    with pytest.raises(DataError, match="does not exist"):
        find_scenes(tmp_path / "x")
    with pytest.raises(DataError, match="no Waymo scenes"):
        find_scenes(tmp_path)
    with pytest.raises(DataError, match="no Waymo scenes"):
        find_scenes(touched(tmp_path / "readme.txt"))
    touched(tmp_path / "validation" / "a.tfrecord")
    with pytest.raises(DataError, match="no Waymo scenes") as caught:
        find_scenes(tmp_path)
    assert str(tmp_path / "validation") in str(caught.value)
