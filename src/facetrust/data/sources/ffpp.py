"""FaceForensics++: faces swapped or re-enacted in videos of YouTube (Rössler et al., ICCV 2019).

Read as released: `original_sequences/{youtube,actors}/<compression>/videos` and
`manipulated_sequences/<method>/<compression>/videos`. A fake is `<target>_<source>.mp4`: the video of
the first, with the face or the expression of the second. FaceShifter (Li et al., CVPR 2020) and the
actors of DeepFakeDetection (Dufour and Gully, 2019) came with later releases. Official splits are lists
of pairs (`train.json`, `val.json`, `test.json`) beside the two folders or in `splits`.
"""

from __future__ import annotations

import re
from itertools import chain as joined
from pathlib import Path

from facetrust.data.sources._files import folder_at, folders, json_at
from facetrust.data.sources._identities import Shown, chains, drawn
from facetrust.data.sources._videos import Frames, spread_rows
from facetrust.errors import ManifestError
from facetrust.records import Sample, Split

_HOLDS = "original_sequences/ and manipulated_sequences/ of FaceForensics++"
_LISTS: dict[str, Split] = {"train.json": "train", "val.json": "dev", "test.json": "test"}
_PEOPLE = re.compile(r"(\d{3})(?:_(\d{3}))?")
_ACTORS = re.compile(r"(\d\d)(?:_(\d\d))?__.+")
_METHODS = ("Deepfakes", "Face2Face", "FaceShifter", "FaceSwap", "NeuralTextures")
_PLACES: dict[str, re.Pattern[str]] = {
    **dict.fromkeys((f"manipulated_sequences/{method}" for method in _METHODS), _PEOPLE),
    "manipulated_sequences/DeepFakeDetection": _ACTORS,
    "original_sequences/actors": _ACTORS,
    "original_sequences/youtube": _PEOPLE,
}


def ffpp(
    root: Path, *, seed: int = 0, frames: Frames = 10, compression: str = "c23", complete: bool = False
) -> list[Sample]:
    """Returns evenly spread frames of the videos by place and name (`_videos.spread` says which).

    The split is the official lists' where they are; without them it is drawn under the seed, so that
    it is not the published one: all who are linked by fakes stay together. The subject is such a chain,
    named by its first identity. DeepFakeDetection has no lists; there few actors are swapped with each
    other throughout, so it is test, and the subject is the actor of the video. The attack is the method.

    Args:
        root: the folder that holds original_sequences and manipulated_sequences; either may hold a part.
        seed: seed of the split where there are no lists.
        frames: how many of each video, or (of a genuine one, of a manipulated one).
        compression: c23, c40 or raw; the others are left out.
        complete: whether a video that the lists name must be there, in each method's folder that is.

    Raises:
        ManifestError: a folder, a list or a video is missing, a list is no list of pairs, a name is
            another, a video is in no list, or the two of a fake are in two.
        UsageError: `frames` is below 1.
    """
    root = folder_at(root, _HOLDS)
    listed, pairs = _listed(root)
    found = list(joined.from_iterable(_videos(root, place, compression) for place in _PLACES))
    if not found:
        raise ManifestError(f"{root}: holds no {compression} videos{_others(root)}; it needs {_HOLDS}")
    if complete:
        _check_complete(root, pairs, compression)
    chain = chains([*pairs, *(shown.people for shown in found)])
    videos = [_placed(shown, chain, listed) for shown in found]
    return spread_rows(root, drawn(videos, seed=seed), frames)


def _listed(root: Path) -> tuple[dict[str, Split], list[list[str]]]:
    """Returns the split of each listed identity and all pairs; none if no list is there."""
    splits: dict[str, Split] = {}
    every: list[list[str]] = []
    places = [place for place in (root, root / "splits") if any((place / name).exists() for name in _LISTS)]
    for name, split in _LISTS.items() if places else ():
        path = places[0] / name
        for pair in _pairs(path):
            every.append(pair)
            for person in pair:
                if splits.setdefault(person, split) != split:
                    raise ManifestError(
                        f"{path}: {person} is in another list as well; take the official ones"
                    )
    return splits, every


def _pairs(path: Path) -> list[list[str]]:
    rows = json_at(path, "a list of the splits")
    fits = isinstance(rows, list) and all(
        isinstance(pair, list) and len(pair) == 2 and all(isinstance(person, str) for person in pair)
        for pair in rows
    )
    if not fits or not rows:
        raise ManifestError(f'{path}: is not a list of pairs such as ["720", "672"]; take the official one')
    return [list(pair) for pair in rows]


def _videos(root: Path, place: str, compression: str) -> list[Shown]:
    return [
        _shown(path, place, compression)
        for path in sorted((root / place / compression / "videos").glob("[!.]*.mp4"))
    ]


def _shown(path: Path, place: str, compression: str) -> Shown:
    name = _PLACES[place].fullmatch(path.stem)
    manipulated, source = place.startswith("manipulated"), place.rpartition("/")[2]
    if name is None or manipulated != bool(name[2]):
        wanted = "target and source, 000_003.mp4" if manipulated else "one identity, 000.mp4"
        raise ManifestError(f"{path}: is not named by {wanted} (or as DeepFakeDetection names its actors)")
    actors = _PLACES[place] is _ACTORS
    people = tuple(f"actor-{who}" if actors else who for who in name.groups() if who)
    video = Sample(
        path=f"{place}/{compression}/videos/{path.name}",
        label=int(manipulated),
        split="test",
        subject=f"ffpp-{people[0]}",
        domain="ffpp",
        attack=source if manipulated else None,
        media=f"ffpp/{source}/{compression}/{path.stem}",
    )
    return Shown(video, people, "test" if actors else None)


def _placed(shown: Shown, chain: dict[str, str], listed: dict[str, Split]) -> Shown:
    """The video with its chain for a subject and the lists' split; actors as they are."""
    if shown.split is not None:
        return shown
    video = shown.video.model_copy(update={"subject": f"ffpp-{chain[shown.people[0]]}"})
    splits = {listed.get(person) for person in shown.people}
    if listed and (len(splits) > 1 or None in splits):
        raise ManifestError(
            f"{video.path}: its identities are not in one of the lists; take the official ones"
        )
    return Shown(video, shown.people, splits.pop())


def _check_complete(root: Path, pairs: list[list[str]], compression: str) -> None:
    if not pairs:
        raise ManifestError(f"{root}: lacks train.json, val.json and test.json; take the official ones")
    names = {
        True: [f"{one}_{two}.mp4" for pair in pairs for one, two in (pair, pair[::-1])],
        False: [f"{person}.mp4" for pair in pairs for person in pair],
    }
    for place in _PLACES:
        folder = root / place / compression / "videos"
        if _PLACES[place] is not _ACTORS and (folder.is_dir() or place.endswith("youtube")):
            for name in names[place.startswith("manipulated")]:
                if not (folder / name).is_file():
                    raise ManifestError(f"{folder / name}: a video of the lists is missing; fetch it again")


def _others(root: Path) -> str:
    """Which compressions there are instead."""
    there = (part.name for place in _PLACES if (root / place).is_dir() for part in folders(root / place))
    names = sorted(set(there))
    return f", but {', '.join(names)}" if names else ""
