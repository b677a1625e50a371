"""What a question is: plain facts that training, report and runtime read."""

from __future__ import annotations

from typing import Literal

from facetrust.records import Record

Unit = Literal["face", "picture"]
Target = Literal["label", "identity", "mask"]
OutputKind = Literal["score", "embedding", "classes"]


class Task(Record):
    """A question about a face or a picture.

    unit: what is asked about. target: what a manifest's row must bring to train it. output: what a
    network answers with, which is also the name of the exported file's output.
    negative, positive: the two decisions, of label 0 and 1 (empty where the output is no score).
    negative_says, positive_says: the two decisions as sentences for readers who know no word of the field.
    positive_means: what a higher score speaks for, as in "more likely an attack".
    distrusts: whether the positive decision makes `trusted` false.
    as_published: whether published works choose threshold and checkpoint on test, so that a report measures
    that way too, beside its own figures.
    protocol: name of the protocol that a report uses if none is asked for.
    bundled: name of the model that comes with the package, if there is one.
    """

    name: str
    question: str
    unit: Unit = "face"
    target: Target = "label"
    output: OutputKind = "score"
    negative: str = ""
    positive: str = ""
    positive_means: str = ""
    negative_says: str = ""
    positive_says: str = ""
    distrusts: bool = False
    as_published: bool = False
    protocol: str = "dev-threshold"
    bundled: str | None = None

    @property
    def decisions(self) -> tuple[str, str]:
        """The words of label 0 and label 1."""
        return self.negative, self.positive
