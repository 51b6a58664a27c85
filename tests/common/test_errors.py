from __future__ import annotations

import pickle

from coffer_common import errors
from coffer_common.errors import MissingFileError, TextFileError
from tests.support import drawn_tree, real_tree


def test_the_docstring_draws_the_tree() -> None:
    assert drawn_tree(errors) == real_tree(errors)


def test_a_text_file_is_named_with_its_line() -> None:
    assert str(TextFileError("a.toml", "it is empty", "write a key")) == "a.toml: it is empty: write a key"
    assert str(TextFileError("a.toml", "it is empty", "write a key", 3, 5)) == "a.toml, line 3, column 5: it is empty: write a key"


def test_an_error_can_be_sent_to_another_process() -> None:
    error = MissingFileError("a.toml", "it is empty", "write a key", 3, 5)
    copy = pickle.loads(pickle.dumps(error))
    assert (type(copy), str(copy), copy.args) == (MissingFileError, str(error), error.args)
