"""Models that the user keeps: pulled from a catalogue or imported from a file, verified, and removed."""

from __future__ import annotations

import hashlib
import re
import shutil
from collections.abc import Sequence
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import NamedTuple

from facetrust import model_file
from facetrust.errors import ModelError, UnknownName, UsageError
from facetrust.records import ModelCard, model_folder, sha256_of, write_whole
from facetrust.records.files import named
from facetrust.runtime.catalogue.entries import LARGEST, NAME, Catalogue, Entry, read_file
from facetrust.runtime.catalogue.web import Moved, download, fetch
from facetrust.runtime.model import load_model
from facetrust.tasks import task_named

MOST_CARD_BYTES = 1 << 20
_BY_BOTH = "card and catalogue"


class Verified(NamedTuple):
    """A model's name, where it is from, what vouches for it, and what is wrong; None where nothing is."""

    name: str
    origin: str
    by: str
    problem: str | None


def pull(name: str, catalogue: Catalogue, *, progress: Moved | None = None) -> ModelCard:
    """Brings a model of a catalogue to the user's folder and returns its card.

    It is of the size and SHA-256 that the catalogue states, its card too, and it was opened and run once. A
    download that was cut off is continued. Nothing is fetched where that very model is kept already.

    Args:
        progress: is told the bytes that are there, and of how many.

    Raises:
        UnknownName: the catalogue has no such model, or nobody knows its task; the message gives the nearest.
        UsageError: the name is a bundled one, or that of another model which is kept.
        ModelError: it cannot be had, or is not what the catalogue says; nothing is kept of it then.
    """
    entry = catalogue.entry(name)
    task_named(entry.task)
    if name in model_file.kept() and verify([name], catalogue)[0][2:] == (_BY_BOTH, None):
        return read_card(name)
    _check_free(name)
    content = _bytes_of(catalogue.address(entry.card))
    if hashlib.sha256(content).hexdigest() != entry.card_sha256:
        raise ModelError(f"{entry.card}: is not the card that the catalogue states (SHA-256 differs)")
    entry.check_card(ModelCard.from_json(content, entry.card), entry.card)
    part = model_folder() / f"{name}-{entry.sha256[:12]}.part"
    part.parent.mkdir(parents=True, exist_ok=True)
    _bring(entry, catalogue.address(entry.file), part, progress)
    return _keep(part, content, name, source=entry.file)


def import_model(file: Path, card: Path | None = None) -> ModelCard:
    """Copies an .onnx file and its card to the user's folder, by the card's name, and returns that card.

    Args:
        card: a card in JSON; the one beside the file, or inside it, without. One that states no SHA-256 is
            taken for this file's.

    Raises:
        UsageError: the card's name cannot be kept, is a bundled one, or that of a model which is kept.
        ModelError: missing, too large, altered, not ONNX, not fed as its card says, or without an answer.
    """
    if not file.is_file():
        raise ModelError(f"{file}: no such model file")
    if file.stat().st_size > LARGEST:
        raise ModelError(f"{file}: is larger than {LARGEST:,} bytes")
    if card is None:
        stated = model_file.open_model(file)[1]
    else:
        stated = ModelCard.from_json(read_file(card, MOST_CARD_BYTES), str(card))
    if not stated.sha256:
        stated = stated.model_copy(update={"sha256": sha256_of(file)})
    stated.verify(file)
    name = stated.name
    if not re.fullmatch(NAME, name):
        raise UsageError(
            f"{file}: its card names it {name!r}; a name has up to 64 small letters, digits, - and _; "
            "give it one with: facetrust export FILE --name NAME --out NEW"
        )
    _check_free(name)
    model_folder().mkdir(parents=True, exist_ok=True)
    part = model_folder() / f"{name}-{stated.sha256[:12]}.part"
    try:
        with named(part):
            shutil.copyfile(file, part)
        written = stated.model_copy(update={"weights": f"{name}.onnx"})
        return _keep(part, written.to_json().encode(), name, source=str(file))
    finally:
        part.unlink(missing_ok=True)


def remove(name: str) -> None:
    """Deletes a model that was pulled or imported, its card, and what a download that was cut off left.

    Raises:
        UsageError: a bundled name.
        UnknownName: no such model is kept; the message gives the nearest one.
    """
    if name in model_file.bundled():
        raise UsageError(f"{name}: comes with the package and is not removed")
    parts = _parts_of(name)
    if name not in model_file.kept() and not parts:
        raise UnknownName("kept model", name, model_file.kept())
    if name in model_file.kept():
        path = model_file.locate(name)
        path.with_suffix(".json").unlink()  # Without its card it is no model any more.
        path.unlink()
    for part in parts:
        part.unlink()


def verify(names: Sequence[str] = (), catalogue: Catalogue | None = None) -> list[Verified]:
    """Returns what the hashes of models say, of all that are bundled or kept where none is named.

    A file is compared with its card; both also with the catalogue, where that has the same version.

    Raises:
        UnknownName: no model of that name; the message gives the nearest one.
    """
    known = model_file.names()
    for name in names:
        if name not in known:
            raise UnknownName("model", name, known)
    entries = {entry.name: entry for entry in catalogue.entries} if catalogue else {}
    return [_verified(name, entries.get(name)) for name in names or known]


def read_card(name: str) -> ModelCard:
    """Returns the card beside the file of a model's name; the file is not opened.

    Raises:
        UnknownName: no model of that name.
        ModelError: the card is damaged.
    """
    path = model_file.locate(name).with_suffix(".json")
    return ModelCard.from_json(read_file(path, MOST_CARD_BYTES), str(path))


def _verified(name: str, entry: Entry | None) -> Verified:
    origin = "bundled" if name in model_file.bundled() else "kept"
    path = model_file.locate(name)
    by = "card"
    try:
        card = read_card(name)
        card.verify(path)
        if entry is not None and entry.version == card.version:
            by = _BY_BOTH
            entry.check_card(card, str(path))
            if sha256_of(path.with_suffix(".json")) != entry.card_sha256:
                raise ModelError(f"{path.with_suffix('.json')}: is not the card that the catalogue states")
    except ModelError as error:
        return Verified(name, origin, by, str(error))
    return Verified(name, origin, by, None)


def _check_free(name: str) -> None:
    """Checks that a new model may have a name."""
    if name in model_file.bundled():
        raise UsageError(f"{name}: a model of that name comes with the package")
    if name in model_file.kept():
        raise UsageError(
            f"{name}: another model of that name is kept; remove it with: facetrust models remove {name}"
        )


def _bytes_of(address: str | Path) -> bytes:
    if isinstance(address, Path):
        return read_file(address, MOST_CARD_BYTES)
    return fetch(address, MOST_CARD_BYTES)


def _bring(entry: Entry, address: str | Path, part: Path, progress: Moved | None) -> None:
    """Makes `part` the entry's file, or leaves no byte that is known to be wrong."""
    if isinstance(address, Path):
        if not address.is_file():
            raise ModelError(f"{address}: no such file")
        if address.stat().st_size != entry.size:
            raise ModelError(
                f"{address}: has {address.stat().st_size:,} bytes, the catalogue states {entry.size:,}"
            )
        with named(part):
            shutil.copyfile(address, part)
    else:
        download(address, part, size=entry.size, progress=progress)
    if (found := sha256_of(part)) != entry.sha256:
        part.unlink()
        raise ModelError(
            f"{entry.file}: SHA-256 is {found[:12]}…, the catalogue says {entry.sha256[:12]}…; it was deleted"
        )


def _keep(weights: Path, card: bytes, name: str, *, source: str) -> ModelCard:
    """Moves a file and its card in among the kept models, once they were opened and run; `source` names them.

    The card comes last, so that a model is there whole or not at all.
    """
    folder = model_folder()
    with TemporaryDirectory(dir=folder, prefix=".new-") as place:
        new = Path(place) / f"{name}.onnx"
        weights.replace(new)
        write_whole(new.with_suffix(".json"), card)
        try:
            made = load_model(new).card
        except ModelError as error:
            raise ModelError(str(error).replace(str(new), source)) from None
        new.chmod(0o644)
        new.replace(folder / new.name)
        new.with_suffix(".json").replace(folder / f"{name}.json")
    return made


def _parts_of(name: str) -> list[Path]:
    return [
        path
        for path in model_folder().glob("*.part")
        if re.fullmatch(re.escape(name) + "-[0-9a-f]{12}", path.stem)
    ]
