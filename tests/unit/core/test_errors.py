import pickle

import pytest

from geofoundry.core.errors import (
    ConfigError,
    DataError,
    Fault,
    GeofoundryError,
    MissingExtraError,
    UnknownNameError,
    plural,
)
from geofoundry.core.optional import require
from geofoundry.core.suggest import did_you_mean, nearest

FAULTS = [
    Fault("unknown band", where="fit.yaml:3:9", got="'GREN'", expected="a band of sentinel2", mend="write 'GREEN'"),
    Fault("no files", where="data.image_glob"),
]


def test_an_error_tells_all_its_faults_with_every_detail():
    text = str(ConfigError(FAULTS, summary="2 faults in fit.yaml"))
    assert text.splitlines()[0] == "2 faults in fit.yaml"
    for part in (
        "fit.yaml:3:9: unknown band",
        "'GREN'",
        "a band of sentinel2",
        "write 'GREEN'",
        "data.image_glob: no files",
    ):
        assert part in text


def test_a_sentence_becomes_one_fault():
    assert GeofoundryError("it broke").faults == (Fault("it broke"),)


def test_errors_survive_pickling_with_their_faults():
    # Data-loader workers send their errors through a pipe.
    error = pickle.loads(pickle.dumps(DataError(FAULTS, summary="2 faults")))
    assert type(error) is DataError
    assert error.faults == tuple(FAULTS)
    assert str(error) == str(DataError(FAULTS, summary="2 faults"))


def test_an_unknown_name_reads_well_although_it_is_a_key_error():
    error = UnknownNameError("unknown backbone 'x'")
    assert isinstance(error, KeyError)
    assert str(error) == "unknown backbone 'x'"
    assert error.exit_code == 2


def test_a_missing_package_names_its_extra():
    with pytest.raises(MissingExtraError, match=r"pip install '\.\[mlflow\]'") as caught:
        require("no_such_package_at_all", "mlflow", purpose="the MLflow logger")
    assert isinstance(caught.value, ImportError)
    assert caught.value.exit_code == 6


def test_require_returns_the_module():
    assert require("json", "none").loads("1") == 1


def test_nearest_names_ignore_case_and_keep_spelling():
    assert nearest("unetdecodr", ["FCNDecoder", "UNetDecoder"]) == ["UNetDecoder", "FCNDecoder"]
    assert did_you_mean("Backbnoe", ["backbone", "head"]) == "write 'backbone'"
    assert did_you_mean("zzz", ["backbone", "head"]) == ""


def test_plural():
    assert [plural(n, "fault") for n in (0, 1, 2)] == ["0 faults", "1 fault", "2 faults"]
    assert plural(2, "class", "classes") == "2 classes"
