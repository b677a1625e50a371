from __future__ import annotations

from facetrust.records import write_unreadable


def test_unreadable_pictures_are_listed_and_an_old_list_goes(tmp_path):
    path = tmp_path / "out" / "errors.csv"
    assert write_unreadable(path, []) is None
    assert write_unreadable(path, [("a,b.png", "not an image"), ("c.png", "empty")]) == path
    assert path.read_text() == 'sample,reason\n"a,b.png",not an image\nc.png,empty\n'
    write_unreadable(path, [("d.png", "no face")], columns=("path", "error"))
    assert path.read_text() == "path,error\nd.png,no face\n"
    assert write_unreadable(path, []) is None
    assert not path.exists()
