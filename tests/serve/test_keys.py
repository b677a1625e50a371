"""API keys: hashed in their file, known again, opened by scope, removed while a service runs."""

from __future__ import annotations

import hashlib
import hmac
import stat

import pytest

from facetrust import cli
from facetrust.errors import InputError, UsageError
from facetrust.serve import keys as module
from facetrust.serve.keys import Keyring, add_key, read_keys, remove_key
from facetrust.serve.refusal import Refusal


def test_the_file_holds_a_hash_and_its_owner_alone_reads_it(tmp_path):
    file = tmp_path / "keys.json"
    made = add_key(file, "door", ("check",))
    assert len(made) >= 43
    assert made not in file.read_text()
    (kept,) = read_keys(file)
    assert (kept.name, kept.scopes) == ("door", ("check",))
    assert kept.sha256 == hashlib.sha256(made.encode()).hexdigest()
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    assert add_key(file, "desk", ("gallery", "gallery")) != made
    assert read_keys(file)[1].scopes == ("gallery",)


def test_a_key_opens_its_scopes_until_it_is_removed(tmp_path):
    file = tmp_path / "keys.json"
    made, other = add_key(file, "door", ("check",)), add_key(file, "desk", ("gallery",))
    ring = Keyring(file)
    assert ring.client(f"Bearer {made}", "check") == "door"
    assert ring.client(f"bearer  {made} ", None) == "door"
    assert ring.client(f"Bearer {other}", "gallery") == "desk"
    with pytest.raises(Refusal, match="does not open the scope gallery") as refused:
        ring.client(f"Bearer {made}", "gallery")
    assert refused.value.status == 403
    remove_key(file, "door")
    with pytest.raises(Refusal, match="not known") as refused:
        ring.client(f"Bearer {made}", "check")
    assert refused.value.status == 401
    file.unlink()
    with pytest.raises(Refusal) as refused:
        ring.client(f"Bearer {other}", "gallery")
    assert refused.value.status == 503


def test_every_hash_is_compared_in_constant_time(tmp_path, monkeypatch):
    file = tmp_path / "keys.json"
    made = [add_key(file, name, ("check",)) for name in "abc"]
    compared = []
    real = hmac.compare_digest
    monkeypatch.setattr(module.hmac, "compare_digest", lambda *both: compared.append(1) or real(*both))
    assert Keyring(file).client(f"Bearer {made[0]}", "check") == "a"
    assert len(compared) == 3


@pytest.mark.parametrize("name", ["", "a" * 65, "a\nb", "\x1b[31m"])
def test_a_name_that_cannot_be_printed_is_refused(tmp_path, name):
    with pytest.raises(UsageError):
        add_key(tmp_path / "keys.json", name, ("check",))
    assert not (tmp_path / "keys.json").exists()


@pytest.mark.parametrize("text", [None, "", "[]", '{"keys": [{"name": "a"}]}', "\0"])
def test_what_is_no_file_of_keys_is_named(tmp_path, text):
    file = tmp_path / "keys.json"
    if text is not None:
        file.write_text(text)
    with pytest.raises(InputError, match=r"keys\.json"):
        Keyring(file)


def test_the_commands_make_list_and_remove(tmp_path, capfd):
    file = str(tmp_path / "keys.json")
    assert cli.main(["keys", "add", "door", "--keys", file]) == 0
    assert capfd.readouterr().out.startswith("facetrust_")
    assert cli.main(["keys", "add", "desk", "--scope", "gallery", "--scope", "check", "--keys", file]) == 0
    capfd.readouterr()
    assert cli.main(["keys", "list", "--keys", file]) == 0
    assert [line.split() for line in capfd.readouterr().out.splitlines()] == [
        ["name", "scopes"], ["door", "check"], ["desk", "gallery,", "check"],
    ]  # fmt: skip
    assert cli.main(["keys", "remove", "door", "--keys", file]) == 0
    assert [key.name for key in read_keys(tmp_path / "keys.json")] == ["desk"]
    for wrong in (["add", "desk"], ["remove", "door"], ["add", "x", "--scope", "chekc"]):
        capfd.readouterr()
        assert cli.main(["keys", *wrong, "--keys", file]) == 2
        assert len(capfd.readouterr().err.splitlines()) == 1
