"""Verification packs: read as insightface makes them, and never run."""

from __future__ import annotations

import os
import pickle
from pathlib import Path

import numpy as np
import pytest

from facetrust.data.verification_pack import read_pack
from facetrust.errors import ManifestError

PICTURES = [bytes([0xFF, 0xD8, number, 0, 0x80, 10, 39, 92]) for number in range(44)]
SAME = [number % 2 == 0 for number in range(22)]


class Evil:
    """Makes a file when it is unpickled."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def __reduce__(self):
        return os.mkdir, (str(self.path),)


def packed(tmp_path: Path, content: object, *, protocol: int = 4) -> Path:
    path = tmp_path / "lfw.bin"
    path.write_bytes(content if isinstance(content, bytes) else pickle.dumps(content, protocol=protocol))
    return path


@pytest.mark.parametrize("protocol", range(6))
def test_every_protocol_of_python_3_is_read(tmp_path, protocol):
    pack = read_pack(packed(tmp_path, (PICTURES, SAME), protocol=protocol))
    assert (pack.pictures, pack.same) == (PICTURES, SAME)
    assert pack.folds == [1] * 3 + [2] * 3 + [fold for fold in range(3, 11) for _ in range(2)]


def test_a_pack_of_python_2_is_read(tmp_path):
    """Python 2 wrote bytes as text of one byte a character, by the protocol 2 that was its highest."""
    items = b"".join(b"U" + bytes([len(each)]) + each for each in PICTURES)
    same = b"".join(b"\x88" if each else b"\x89" for each in SAME)
    content = b"\x80\x02](" + items + b"e](" + same + b"e\x86."
    assert pickle.loads(content, encoding="bytes") == (PICTURES, SAME)  # our own bytes
    pack = read_pack(packed(tmp_path, content))
    assert (pack.pictures, pack.same) == (PICTURES, SAME)


@pytest.mark.parametrize("protocol", [0, 2, 4])
def test_truth_values_and_pictures_may_be_numpys(tmp_path, protocol):
    pictures = [np.frombuffer(each, np.uint8) for each in PICTURES]
    for same in (np.array(SAME), [np.bool_(each) for each in SAME], np.array(SAME, np.int64)):
        pack = read_pack(packed(tmp_path, [pictures, same], protocol=protocol))
        assert (pack.pictures, pack.same) == (PICTURES, SAME)


@pytest.mark.parametrize("protocol", range(6))
def test_code_is_named_and_not_run(tmp_path, protocol):
    path = packed(tmp_path, ([Evil(tmp_path / "made")], [True]), protocol=protocol)
    with pytest.raises(
        ManifestError, match=r"lfw\.bin: asks for \w+\.mkdir, which is no plain data"
    ) as caught:
        read_pack(path)
    assert "\n" not in str(caught.value)
    assert not (tmp_path / "made").exists()
    pickle.loads(path.read_bytes())  # to prove that the file would have run it
    assert (tmp_path / "made").is_dir()


@pytest.mark.parametrize(
    ("content", "named"),
    [
        (b"cbuiltins\neval\n(S'1'\ntR.", "builtins.eval"),
        (b"(S'print(1)'\nibuiltins\nexec\n.", "the operation INST"),
        (b"\x80\x02cnumpy.core.multiarray\n_reconstruct\n]\x85\x81.", "the operation NEWOBJ"),
        (b"cnumpy\ndtype\n(S'O8'\ntR.", "numbers of the kind 'O8'"),
        (b"cnumpy\ndtype\n}b.", "the operation EMPTY_DICT"),
        (b"cnumpy\ndtype\n(I1\nI2\ntb.", "an object with a state of its own"),
        (b"c_codecs\nencode\n(S'a'\nS'rot13'\ntR.", "_codecs.encode"),
        (b"P1\n.", "the operation PERSID"),
    ],
)
def test_whatever_else_a_pickle_may_ask_for_is_refused(tmp_path, content, named):
    with pytest.raises(ManifestError) as caught:
        read_pack(packed(tmp_path, content))
    assert f"asks for {named}, which is no plain data" in str(caught.value)


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (b"", "is not a verification pack"),
        (b"hello", "is not a verification pack"),
        (b"e.", "is not a verification pack"),
        (pickle.dumps((PICTURES, SAME))[:-40], "is not a verification pack"),
        ([PICTURES], "holds no pictures and truth values"),
        ((3, 4), "holds no pictures and truth values"),
        ((PICTURES[:-1], SAME), "two pictures for every truth value"),
        (([], []), "two pictures for every truth value"),
        (([1, 2], [True]), "holds int in place of an encoded picture"),
        ((PICTURES[:2], [2]), "holds int in place of a truth value"),
        ((PICTURES[:2], ["yes"]), "holds str in place of a truth value"),
    ],
)
def test_a_broken_pack_is_one_line(tmp_path, content, said):
    with pytest.raises(ManifestError, match=said) as caught:
        read_pack(packed(tmp_path, content))
    assert "\n" not in str(caught.value)


def test_a_missing_pack_is_named(tmp_path):
    with pytest.raises(ManifestError, match=r"none\.bin: the verification pack is missing"):
        read_pack(tmp_path / "none.bin")
