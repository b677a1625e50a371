"""Where the user's files lie, on each platform and by the variables that name another place."""

from pathlib import Path

import pytest

from facetrust.records import folders

VARIABLES = ("FACETRUST_CACHE", "FACETRUST_MODELS", "XDG_CACHE_HOME", "XDG_DATA_HOME", "LOCALAPPDATA")


@pytest.fixture
def on(monkeypatch):
    def set_up(platform: str, settings: dict[str, str]) -> None:
        for name in VARIABLES:
            monkeypatch.delenv(name, raising=False)
        for name, value in {"HOME": "/home/me", **settings}.items():
            monkeypatch.setenv(name, value)
        monkeypatch.setattr(folders.sys, "platform", platform)

    return set_up


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
def test_the_cache_is_where_the_platform_keeps_it(on, platform, settings, expected):
    on(platform, settings)
    assert folders.cache_folder() == Path(expected)


@pytest.mark.parametrize(
    ("platform", "settings", "expected"),
    [
        ("linux", {"FACETRUST_MODELS": "~/m", "FACETRUST_CACHE": "/a"}, "/home/me/m"),
        ("linux", {"XDG_DATA_HOME": "/x"}, "/x/facetrust/models"),
        ("linux", {}, "/home/me/.local/share/facetrust/models"),
        ("darwin", {}, "/home/me/Library/Application Support/facetrust/models"),
        ("win32", {"LOCALAPPDATA": "/local"}, "/local/facetrust/models"),
    ],
)
def test_models_are_kept_where_the_platform_keeps_data(on, platform, settings, expected):
    on(platform, settings)
    assert folders.model_folder() == Path(expected)
