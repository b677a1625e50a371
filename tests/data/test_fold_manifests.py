from __future__ import annotations

import pytest

from facetrust import cli
from facetrust.data.fold_manifests import split_manifest
from facetrust.data.manifest import Manifest
from facetrust.errors import ManifestError, ProtocolError, UnknownName, UsageError
from facetrust.records import Sample
from facetrust.registry import settings_of


@pytest.fixture
def write(tmp_path):
    """A function that writes a manifest of a made-up set, pictures and all, and returns its path."""

    def write(domain, *, people=8, suffix=".parquet", splits=("train", "test"), **fields):
        rows = [
            Sample(
                path=f"faces/{who}-{label}.png",
                label=label,
                split=splits[who % len(splits)],
                subject=f"{domain}-{who}",
                domain=domain,
                mask=f"faces/{who}.mask",
                **fields,
            )
            for who in range(people)
            for label in (0, 1)
        ]
        folder = tmp_path / domain
        (folder / "faces").mkdir(parents=True)
        for name in {name for row in rows for name in (row.path, row.mask)}:
            (folder / name).write_text("a picture")
        path = folder / f"set{suffix}"
        Manifest.write(rows, path)
        return path

    return write


def test_every_fold_is_a_manifest_whose_pictures_are_there(write, tmp_path):
    sets = [write("nuaa"), write("wmca", suffix=".csv")]
    out = tmp_path / "a" / "folds"
    written = split_manifest("leave-one-domain-out", sets, out=out)
    assert written == [out / "to-nuaa.parquet", out / "to-wmca.parquet"]
    assert sorted(out.iterdir()) == written
    for path, target in zip(written, ("nuaa", "wmca"), strict=True):
        made = Manifest.read(path)
        made.verify_files()
        assert len(made) == 32
        assert {row.domain for row in made.only("test").samples()} == {target}
        assert {row.path.split("/")[:3][-1] for row in made.samples()} == {"nuaa", "wmca"}


def test_rows_are_otherwise_as_they_were(write, tmp_path):
    sets = [write("nuaa", x=1.0, y=2.0, w=3.0, h=4.0, attack="print"), write("wmca", frame=7)]
    (path, _) = split_manifest("leave-one-domain-out", sets, out=tmp_path / "folds")
    old = {row.subject: row for each in sets for row in Manifest.read(each).samples() if row.label}
    changed = {"path", "mask", "split"}
    for row in Manifest.read(path).samples():
        if row.label:
            assert row.model_dump(exclude=changed) == old[row.subject].model_dump(exclude=changed)


def test_a_linked_folder_does_not_mislead(write, tmp_path):
    sets = [write("nuaa"), write("wmca")]
    (tmp_path / "deep" / "er").mkdir(parents=True)
    (tmp_path / "link").symlink_to(tmp_path / "deep" / "er")
    for path in split_manifest("leave-one-domain-out", sets, out=tmp_path / "link"):
        Manifest.read(path).verify_files()


def test_the_seed_decides_and_the_order_of_manifests_does_not(write, tmp_path):
    sets = [write("nuaa", people=40), write("wmca", people=40)]

    def hashes(name, manifests, **given):
        written = split_manifest("leave-one-domain-out", manifests, out=tmp_path / name, **given)
        return [Manifest.read(path).hash for path in written]

    first = hashes("1", sets, seed=1)
    assert hashes("2", sets[::-1], seed=1) == first
    assert hashes("3", sets, settings={"seed": "1"}) == first
    assert hashes("4", sets, seed=2) != first


def test_settings_are_of_the_kind_that_the_protocol_says(write, tmp_path):
    sets = [write("nuaa", people=40), write("wmca", people=40)]
    (path, _) = split_manifest(
        "leave-one-domain-out", sets, out=tmp_path / "folds", settings=settings_of(["dev_share = 0.5"])
    )
    assert len(Manifest.read(path).only("dev")) == 20
    assert settings_of(["celeba=true", "a=b=c"]) == {"celeba": "true", "a": "b=c"}
    for wrong in ("celeba", "=true"):
        with pytest.raises(UsageError, match="write key=value"):
            settings_of([wrong])


def _refused(error, message, protocol, sets, out, **given):
    with pytest.raises(error, match=message) as caught:
        split_manifest(protocol, sets, out=out, **given)
    assert "\n" not in str(caught.value)
    assert not out.exists()


def test_what_cannot_be_done_is_said_and_nothing_written(write, tmp_path):
    out, nuaa, wmca = tmp_path / "folds", write("nuaa"), write("wmca")
    sets, name = [nuaa, wmca], "leave-one-domain-out"
    _refused(UsageError, "at least one manifest", name, [], out)
    _refused(UnknownName, "no fold named 'mico'; did you mean 'mcio'", "mico", sets, out)
    _refused(ProtocolError, "needs rows of the domain msu-mfsd", "mcio", sets, out)
    _refused(ProtocolError, "two domains or more", name, [nuaa], out)
    _refused(ManifestError, "comes twice", name, [nuaa, nuaa], out)
    _refused(ManifestError, "no such manifest", name, [tmp_path / "gone.parquet"], out)
    _refused(
        UsageError, "dev_share: Input should be a valid number", name, sets, out, settings={"dev_share": "x"}
    )
    _refused(UsageError, "celeba", name, sets, out, settings={"celeba": "true"})
    _refused(UsageError, "valid boolean", "mcio", sets, out, settings={"celeba": "perhaps"})
    _refused(ProtocolError, "no attacks in test", name, [nuaa, wmca, _live(tmp_path)], out)


def _live(tmp_path):
    path = tmp_path / "live.csv"
    path.write_text("path,label,split,domain\na.png,live,train,zoo\nb.png,live,train,zoo\n")
    return path


def test_folds_of_one_name_are_refused(write, tmp_path):
    sets = [write("a b"), write("a-b")]
    _refused(ProtocolError, "the same name", "leave-one-domain-out", sets, tmp_path / "folds")


def test_the_command(write, tmp_path, capsys):
    sets, out = [str(write("nuaa")), str(write("wmca"))], tmp_path / "folds"
    command = ["data", "split", "leave-one-domain-out", *sets, "--out", str(out)]
    assert cli.main([*command, "--set", "dev_share=0.5", "--seed", "3"]) == 0
    assert capsys.readouterr().out.splitlines() == [
        str(out / f"to-{name}.parquet") for name in ("nuaa", "wmca")
    ]
    assert cli.main([*command, "--set", "shots=5"]) == 2
    said = capsys.readouterr().err
    assert "shots" in said
    assert len(said.splitlines()) == 1
