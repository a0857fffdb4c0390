import pytest

from recgen_bench.datasets.formats.image_folders import find_images, shrunk_folders
from recgen_bench.harness.errors import DataError
from recgen_bench.harness.protocol import Resolution

HALF = Resolution(downscale=2)


def find(root, writer, resolution=HALF, names=None):
    return find_images(root, "images", names or sorted(writer.names), resolution, writer.width)


def test_full_images_by_default(tmp_path, writer):
    writer.pictures(tmp_path / "images")
    writer.pictures(tmp_path / "images_2", 2)
    for resolution in (Resolution(), Resolution(downscale=3), Resolution(width=16, height=12)):
        found = find(tmp_path, writer, resolution)
        assert found.divisor == 1
        assert found.files[0] == tmp_path / "images" / "1.png"


def test_shrunk_images_of_the_same_names(tmp_path, writer):
    writer.pictures(tmp_path / "images")
    writer.pictures(tmp_path / "images_2", 2)
    found = find(tmp_path, writer)
    assert found.divisor == 2
    assert [file.name for file in found.files] == sorted(writer.names)


def test_shrunk_images_of_other_names_pair_in_text_order(tmp_path, writer):
    writer.names = [f"{index}.png" for index in (1, 2, 3, 9, 10, 11)]
    writer.pictures(tmp_path / "images")
    writer.pictures(tmp_path / "images_2", 2, "image{:03d}.png")
    found = find(tmp_path, writer)
    pairs = dict(zip(sorted(writer.names), [file.name for file in found.files], strict=True))
    assert pairs["1.png"] == "image000.png"
    assert pairs["10.png"] == "image001.png"
    assert pairs["9.png"] == "image005.png"
    # A model that lists only some frames still gets the partners of their positions in the folder.
    assert [file.name for file in find(tmp_path, writer, names=["10.png", "9.png"]).files] == [
        "image001.png",
        "image005.png",
    ]


@pytest.mark.parametrize("change", [-1, 1])
@pytest.mark.parametrize("pattern", [None, "image{:03d}.png"])
def test_another_count_is_refused_with_both(tmp_path, writer, change, pattern):
    writer.pictures(tmp_path / "images")
    writer.pictures(tmp_path / "images_2", 2, pattern)
    if change > 0:
        writer.picture(tmp_path / "images_2" / "more.png")
    else:
        sorted((tmp_path / "images_2").iterdir())[2].unlink()
    with pytest.raises(DataError, match="does not hold the same images") as caught:
        find(tmp_path, writer)
    assert f"{6 + change} files in images_2/" in str(caught.value)
    assert "6 files in images/" in str(caught.value)


def test_a_partly_renamed_folder_is_refused(tmp_path, writer):
    writer.pictures(tmp_path / "images")
    writer.pictures(tmp_path / "images_2", 2)
    (tmp_path / "images_2" / "3.png").rename(tmp_path / "images_2" / "7.png")
    with pytest.raises(DataError, match=r"only some images .*") as caught:
        find(tmp_path, writer)
    assert "3.png" in str(caught.value)


def test_shrunk_images_alone_serve_factors_they_reach(tmp_path, writer):
    writer.pictures(tmp_path / "images_2", 2)
    writer.pictures(tmp_path / "images_4", 4)
    assert shrunk_folders(tmp_path, "images") == (2, 4)
    assert find(tmp_path, writer).divisor == 2
    assert find(tmp_path, writer).notes == ()
    found = find(tmp_path, writer, Resolution(downscale=8))
    assert found.divisor == 4
    assert "images_4" in found.notes[0]
    assert find(tmp_path, writer, Resolution(width=10, height=8)).divisor == 2
    with pytest.raises(DataError, match="does not exist") as caught:
        find(tmp_path, writer, Resolution())
    assert "images_2, images_4 can be used: ask for a downscale of 2 or more" in str(caught.value)
    assert "1.png" in str(caught.value)


def test_shrunk_images_alone_may_hold_more_when_names_agree(tmp_path, writer):
    writer.pictures(tmp_path / "images_2", 2)
    found = find(tmp_path, writer, names=["2.png", "3.jpg"])
    assert [file.name for file in found.files] == ["2.png", "3.png"]
    with pytest.raises(DataError, match="does not hold the same images") as caught:
        find(tmp_path, writer, names=["x.png", "y.png"])
    assert "6 files" in str(caught.value)
    assert "2 frames listed" in str(caught.value)


def test_missing_and_unlisted_images_are_reported(tmp_path, writer):
    writer.pictures(tmp_path / "images")
    found = find(tmp_path, writer, Resolution(), ["1.png", "absent.png"])
    assert found.files[1] is None
    assert found.unlisted == ("2.png", "3.png", "4.png", "5.png", "6.png")


def test_no_images_at_all(tmp_path, writer):
    with pytest.raises(DataError, match="does not exist"):
        find(tmp_path, writer)


def test_other_folders_are_not_shrunk_images(tmp_path):
    for name in ("images_0", "images_1", "images_x", "images_2x", "image_2", "images_08"):
        (tmp_path / name).mkdir()
    (tmp_path / "images_3").touch()
    assert shrunk_folders(tmp_path, "images") == ()
    assert shrunk_folders(tmp_path / "absent", "images") == ()
