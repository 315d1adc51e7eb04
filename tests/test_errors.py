from __future__ import annotations

import pickle

import pytest

from depthmap import errors
from depthmap.errors import DepthmapError

ALL = [e for e in vars(errors).values() if isinstance(e, type) and issubclass(e, DepthmapError)]


@pytest.mark.parametrize("kind", ALL)
def test_an_error_says_what_where_and_the_remedy_and_survives_pickling(kind: type[DepthmapError]) -> None:
    error = pickle.loads(pickle.dumps(kind("it broke", "/a/file", "Mend it.")))
    assert type(error) is kind
    assert (error.what, error.where, error.remedy) == ("it broke", "/a/file", "Mend it.")
    assert str(error).endswith("it broke (/a/file). Mend it.")
    assert error.as_dict()["error"] == kind.__name__


def test_the_errors_that_users_know_begin_with_the_words_they_know() -> None:
    titles = {e.title for e in ALL}
    known = {
        "Cache directory not writable",
        "Model file corrupted",
        "Insufficient disk space",
        "Network timeout",
    }
    assert known <= titles


def test_the_tree_in_the_docstring_names_every_error() -> None:
    assert errors.__doc__
    for kind in ALL:
        assert f" {kind.__name__}" in errors.__doc__ or errors.__doc__.count(kind.__name__)
