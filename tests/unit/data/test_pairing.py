import pytest

from geofoundry.data.pairing import find_files, list_images, pair_files


@pytest.fixture
def tree(tmp_path):
    def make(*names):
        for name in names:
            path = tmp_path / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.touch()
        return tmp_path

    return make


def keys(samples):
    return [sample.key for sample in samples]


def test_images_meet_labels_by_what_wildcards_match(tree):
    root = tree("i/x_image.tif", "i/y_image.tif", "i/x_image.txt", "m/y_mask.tif", "m/x_mask.tif")
    samples, faults = pair_files(root, "i/*_image.tif", "m/*_mask.tif")
    assert faults == []
    assert keys(samples) == ["x", "y"]
    assert [(s.image.name, s.label.name) for s in samples] == [
        ("x_image.tif", "x_mask.tif"),
        ("y_image.tif", "y_mask.tif"),
    ]


@pytest.mark.parametrize(
    ("pattern", "expected"),
    [
        ("*/images/*.tif", ["s1/a", "s2/a"]),
        ("**/*.tif", ["s1/images/a", "s2/images/a", "top"]),
        ("s?/images/*.tif", ["1/a", "2/a"]),
        ("s[1]/images/*.tif", ["1/a"]),
        ("s[!1]/images/*.tif", ["2/a"]),
        ("top.tif", ["top"]),
    ],
)
def test_keys_of_patterns(tree, pattern, expected):
    root = tree("s1/images/a.tif", "s2/images/a.tif", "top.tif")
    assert sorted(find_files(root, pattern)) == expected


def test_a_root_with_magic_characters_is_taken_literally(tree):
    root = tree("scene[1]/a.tif")
    assert list(find_files(root / "scene[1]", "*.tif")) == ["a"]


def test_orphans_are_counted_on_both_sides(tree):
    root = tree("i/a.tif", "i/b.tif", "m/b.tif", "m/c.tif", "m/d.tif")
    samples, faults = pair_files(root, "i/*.tif", "m/*.tif")
    assert keys(samples) == ["b"]
    assert [fault.what for fault in faults] == ["1 image of 2 without a label", "2 labels of 3 without an image"]


def test_better_globs_are_proposed(tree):
    root = tree("i/a_image.tif", "i/b_image.tif", "m/a_mask.tif", "m/b_mask.tif")
    _, faults = pair_files(root, "i/*.tif", "m/*.tif")
    assert faults[0].mend == "write image_glob: 'i/*_image.tif' and label_glob: 'm/*_mask.tif'"


def test_an_empty_glob_says_what_is_there(tree):
    root = tree("images/a.tiff", "images/b.tiff", "masks/a.tif")
    _, faults = pair_files(root, "images/*.tif", "mask/*.tif")
    assert len(faults) == 2
    assert "2 x .tiff" in faults[0].got
    assert faults[1].mend == "write 'masks'"
    _, (fault,) = list_images(root / "no", "*.tif")
    assert "does not exist" in fault.what


def test_one_file_cannot_be_both(tree):
    root = tree("a.tif", "b.tif")
    _, faults = pair_files(root, "*.tif", "*.tif")
    assert "image and label at once" in faults[0].what


def test_ambiguous_keys_are_refused(tree):
    root = tree("i/ab/c.tif", "i/a/bc.tif")
    _, faults = list_images(root, "i/[a]*/*c.tif")
    assert [fault.what for fault in faults] == ["several files have the key 'a/b'"]
    assert "ab/c.tif" in faults[0].got
