"""Files pair by what wildcards match, whatever their names."""

import string
import tempfile
from pathlib import Path

from hypothesis import given, settings
from hypothesis import strategies as st

from geofoundry.data.pairing import find_files, pair_files

NAMES = st.text(string.ascii_letters + string.digits + "_-. []", min_size=1, max_size=8).filter(
    lambda text: text.strip() == text and not text.startswith(".") and not text.endswith(".")
)


def make(root: Path, names: list[str]) -> None:
    for name in names:
        path = root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.touch()


@settings(max_examples=60, deadline=None)
@given(st.sets(NAMES, max_size=6), st.sets(NAMES, max_size=6))
def test_common_keys_pair_and_the_others_are_named(image_keys, label_keys):
    with tempfile.TemporaryDirectory() as folder:
        root = Path(folder)
        make(root, [f"i/{key}_image.tif" for key in image_keys])
        make(root, [f"m/{key}_mask.tif" for key in label_keys])
        samples, faults = pair_files(root, "i/*_image.tif", "m/*_mask.tif")
        assert {sample.key for sample in samples} == image_keys & label_keys
        for sample in samples:
            assert sample.image.name == f"{sample.key}_image.tif"
            assert sample.label is not None
            assert sample.label.name == f"{sample.key}_mask.tif"
        assert bool(faults) == (image_keys != label_keys or not image_keys)


@settings(max_examples=60, deadline=None)
@given(st.sets(st.tuples(NAMES, NAMES), min_size=1, max_size=6))
def test_keys_of_two_wildcards_tell_all_files_apart(places):
    with tempfile.TemporaryDirectory() as folder:
        root = Path(folder)
        make(root, [f"{scene}/images/{name}.tif" for scene, name in places])
        found = find_files(root, "*/images/*.tif")
        assert set(found) == {f"{scene}/{name}" for scene, name in places}
        assert all(len(paths) == 1 for paths in found.values())
