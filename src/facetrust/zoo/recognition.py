"""What the importers of face recognition say in their cards."""

from __future__ import annotations

from facetrust.records import ModelCard, Preprocessing, Threshold

MEANING = "a vector; the cosine of two is higher for the same person"
# Aligned to 112 x 112 pixels by five points, brought to [-1, 1].
ALIGNED = Preprocessing(
    margins=(1.0,), size=(112, 112), mean=(0.5, 0.5, 0.5), std=(0.5, 0.5, 0.5), align="points"
)


def embedder(
    name: str,
    architecture: str,
    *,
    preprocessing: Preprocessing = ALIGNED,
    training_data: str = "not stated",
    terms: str = "not stated",
    threshold: float | None = None,
) -> ModelCard:
    """Returns the card of a published network, with its authors' threshold if they state one."""
    own = (
        ()
        if threshold is None
        else (Threshold(value=threshold, rule="as published", manifest="none", split="dev"),)
    )
    return ModelCard(
        name=name,
        task="recognition",
        architecture=architecture,
        preprocessing=preprocessing,
        score_means=MEANING,
        training_data=training_data,
        terms=terms,
        thresholds=own,
    )


SFACE = embedder(
    "sface",
    "sface",
    preprocessing=ALIGNED.model_copy(
        update={"mean": (127.5, 127.5, 127.5), "std": (128.0, 128.0, 128.0), "top": 255.0}
    ),
    terms="Apache-2.0 as published by the OpenCV Zoo",
    threshold=0.363,
)
