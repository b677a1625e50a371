"""What is asked of the models: opened once, called from the threads of the pool, answered as records."""

from __future__ import annotations

import base64
from collections.abc import Iterator, Sequence
from contextlib import contextmanager

import cv2
import numpy as np

from facetrust.errors import GalleryError, ImageError, InputError, ModelError, PastLimit, UsageError
from facetrust.faces.detector import Search
from facetrust.imaging import Pixels
from facetrust.imaging.inputs import Encoded, read_source
from facetrust.model_file import bundled, locate
from facetrust.records import CheckReport, Comparison, Enrolment, Identification, ModelCard, Policy
from facetrust.runtime.bundled import default_tasks, open_model_named
from facetrust.runtime.checker import Checker
from facetrust.runtime.gallery.gallery import Gallery, checked_name
from facetrust.runtime.gallery.store import shown_place
from facetrust.runtime.live import LiveState
from facetrust.runtime.parse import Parsed, Parser
from facetrust.runtime.pictures import Failure
from facetrust.runtime.verifier import Verifier
from facetrust.runtime.videos import Sampling
from facetrust.serve.answers import Evidence, EvidenceMap, Forgotten, People
from facetrust.serve.pool import Deadline
from facetrust.serve.refusal import Refusal
from facetrust.serve.settings import Settings
from facetrust.serve.uploads import admitted
from facetrust.tasks import task_named

_WARM = 160  # Pixels.
FRAME_PIXELS = 3840 * 2160  # Of a camera.


class Service:
    """Models, detector and gallery, opened once; its methods may be called from several threads.

    Raises:
        UsageError: a setting is out of range.
        ModelError: a model's file cannot be used.
    """

    def __init__(self, settings: Settings) -> None:
        self.limits = settings.limits
        self.cards = [_card_of(name) for name in bundled()]
        self._threads = settings.threads
        self._models = {
            task: open_model_named(name, threads=settings.threads) for task, name in settings.models.items()
        }
        self._search = Search(most=self.limits.most_faces)
        checker = Checker(
            list(dict.fromkeys([*default_tasks(), *self._models])),
            models=self._models,
            detector=settings.detector,
            threads=settings.threads,
        )
        self._detector = checker.detector
        self._place = settings.gallery
        self._gallery = None
        if settings.gallery is not None:
            self._gallery = Gallery(settings.gallery, key=settings.gallery_key, verifier=self._verifier())
        self.cards += [model.card for model in self._models.values() if model.card not in self.cards]

    def warm(self) -> None:
        """Asks everything once of a grey picture, so that the first request need not wait for memory."""
        grey = np.full((_WARM, _WARM, 3), 128, np.uint8)
        self.checker(None, None).check(grey)

    def close(self) -> None:
        """Lets the gallery go."""
        if self._gallery is not None:
            self._gallery.close()

    def checker(self, tasks: Sequence[str] | None, policy: Policy | None) -> Checker:
        """Returns what asks these questions, with the models that are open.

        Raises:
            UsageError: a task that is not known or has no model; a policy that a card has no threshold for.
        """
        asked = list(tasks or default_tasks())
        return Checker(
            asked,
            models={task: model for task, model in self._models.items() if task in asked},
            policy=policy,
            detector=self._detector,
            threads=self._threads,
            sampling=Sampling(longest=self.limits.longest_video),
            search=self._search,
        )

    def check(
        self, data: bytes, deadline: Deadline, *, tasks: Sequence[str] | None, policy: Policy | None
    ) -> CheckReport:
        """Returns the report of a picture or video."""
        with _refusing():
            source = admitted(data, self.limits)
            many = self.checker(tasks, policy).check_many([source], readers=0, progress=deadline.check)
            (result,) = many
            if isinstance(result, Failure):
                raise result.error
            return result

    def check_with_evidence(
        self, data: bytes, deadline: Deadline, *, tasks: Sequence[str] | None, policy: Policy | None
    ) -> Evidence:
        """Returns the report of a picture or video, with the overlays as PNG."""
        with _refusing():
            source = admitted(data, self.limits)
            checker = self.checker(tasks, policy)
            report, overlays, maps = checker.check_with_maps(source, progress=deadline.check)
            drawn = {name: _png(pixels) for name, pixels in overlays.items()}
            told = (
                EvidenceMap(task=each.task, track=each.track, strength=each.strength, layer=_png(each.pixels))
                for each in maps
            )
            return Evidence.of(report, drawn, tuple(told))

    def live(self, tasks: Sequence[str] | None, policy: Policy | None) -> LiveState:
        """Returns what a camera has seen before its first frame."""
        with _refusing():
            return self.checker(tasks, policy).live().state

    def see(
        self, state: LiveState, frame: bytes, at: float, *, tasks: Sequence[str] | None, policy: Policy | None
    ) -> tuple[CheckReport, LiveState]:
        """Returns what is to be said of the faces that a camera sees `at` seconds, and what to go on from."""
        with _refusing():
            limits = self.limits.model_copy(
                update={"most_pixels": min(self.limits.most_pixels, FRAME_PIXELS)}
            )
            live = self.checker(tasks, policy).live(state)
            report = live.see(read_source(admitted(frame, limits, "frame", videos=False)).image, at)
            return report, live.state

    def verify(
        self, first: bytes, second: bytes, *, far: float | None = None, liveness: bool = False
    ) -> Comparison:
        """Returns whether two pictures show the same person."""
        with _refusing():
            sources = self._pictures([first, second])
            return self._verifier(far=far, liveness=liveness).verify(*sources)

    def parse(self, data: bytes) -> Parsed:
        """Returns the parts of the faces in a picture."""
        with _refusing():
            task = next((t for t in self._models if task_named(t).output == "classes"), None)
            parser = Parser(
                self._models.get(task) if task else None,
                detector=self._detector,
                threads=self._threads,
                search=self._search,
            )
            return parser.parse(admitted(data, self.limits, videos=False))

    def identify(self, data: bytes) -> Identification:
        """Returns who of the gallery every face in a picture is."""
        with self._opened() as gallery:
            source = admitted(data, self.limits, videos=False)
            if not gallery.made:
                raise Refusal(404, "nobody is in the gallery yet")
            return gallery.identify(source)

    def enroll(self, person: str, files: Sequence[bytes]) -> Enrolment:
        """Keeps a template of a person's face per picture: of all of them, or of none."""
        with self._opened() as gallery:
            return gallery.enroll(person, self._pictures(files))

    def forget(self, person: str) -> Forgotten:
        """Deletes a person's templates."""
        with self._opened() as gallery:
            name = checked_name(person)
            if not gallery.made or name not in gallery.summary().people:
                raise Refusal(404, "nobody of that name is in the gallery")
            return Forgotten(name=name, templates=gallery.forget(name))

    def people(self) -> People:
        """Returns who is in the gallery."""
        with self._opened() as gallery:
            if not gallery.made:
                return People(people={}, templates=0, model=None)
            found = gallery.summary()
            return People(people=found.people, templates=found.templates, model=found.model)

    def _pictures(self, files: Sequence[bytes]) -> list[Encoded]:
        names = (f"upload {number}" for number in range(1, len(files) + 1))
        return [
            admitted(data, self.limits, name, videos=False) for data, name in zip(files, names, strict=True)
        ]

    def _verifier(self, *, far: float | None = None, liveness: bool = False) -> Verifier:
        task = next((t for t in self._models if task_named(t).output == "embedding"), None)
        return Verifier(
            self._models.get(task) if task else None,
            far=far,
            liveness=liveness,
            detector=self._detector,
            threads=self._threads,
            search=self._search,
        )

    @contextmanager
    def _opened(self) -> Iterator[Gallery]:
        """The gallery; what goes wrong with it is said without its place."""
        if self._gallery is None or self._place is None:
            raise Refusal(404, "this server keeps no gallery; it is started with: facetrust serve --gallery")
        with _refusing(hidden=shown_place(self._place)):
            yield self._gallery


def _card_of(name: str) -> ModelCard:
    """The card of a bundled model, which is not opened for it."""
    return ModelCard.from_json(locate(name).with_suffix(".json").read_bytes(), name)


@contextmanager
def _refusing(hidden: str = "") -> Iterator[None]:
    """Turns what a check raises into a refusal."""
    try:
        yield
    except PastLimit as error:
        raise Refusal(413, str(error)) from None
    except GalleryError as error:
        raise Refusal(503, str(error).replace(hidden, "the gallery") if hidden else str(error)) from None
    except (ImageError, InputError, UsageError) as error:
        raise Refusal(422, str(error)) from None
    except ModelError:
        raise Refusal(503, "a model cannot answer; see the server's log") from None


def _png(pixels: Pixels) -> str:
    order = cv2.COLOR_RGBA2BGRA if pixels.shape[2] == 4 else cv2.COLOR_RGB2BGR
    _, data = cv2.imencode(".png", cv2.cvtColor(pixels, order))
    return base64.b64encode(data.tobytes()).decode()
