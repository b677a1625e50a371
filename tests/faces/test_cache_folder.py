from pathlib import Path

import pytest

from facetrust.faces import _mtcnn_graphs as module
from facetrust.model_file import open_session


@pytest.mark.parametrize(
    ("platform", "settings", "expected"),
    [
        ("linux", {"FACETRUST_CACHE": "/a/b"}, "/a/b"),
        ("linux", {"XDG_CACHE_HOME": "/x"}, "/x/facetrust"),
        ("linux", {}, "/home/me/.cache/facetrust"),
        ("darwin", {}, "/home/me/Library/Caches/facetrust"),
        ("win32", {"LOCALAPPDATA": "/local"}, "/local/facetrust"),
    ],
)
def test_the_cache_is_where_the_platform_keeps_it(monkeypatch, platform, settings, expected):
    for name in ("FACETRUST_CACHE", "XDG_CACHE_HOME", "LOCALAPPDATA"):
        monkeypatch.delenv(name, raising=False)
    for name, value in {"HOME": "/home/me", **settings}.items():
        monkeypatch.setenv(name, value)
    monkeypatch.setattr(module.sys, "platform", platform)
    assert module.cache_folder() == Path(expected)


@pytest.mark.parametrize("threads", [0, 1, 2])
def test_the_number_of_threads_is_the_one_asked_for(write_model, threads):
    session = open_session(write_model(), threads=threads)
    assert session.get_session_options().intra_op_num_threads == threads
