"""Which layer of the teacher a student's layer is compared with."""

from __future__ import annotations

from collections.abc import Sequence

from facetrust.errors import UsageError


def matched_layers(
    student_depth: int, teacher_depth: int, layers: Sequence[int] | None = None
) -> list[tuple[int, int]]:
    """Returns pairs (student's layer, teacher's layer), both counted from 0.

    Student layer i of L_S goes with teacher layer floor((i + 1) L_T / L_S) - 1, so that equal depths
    match one to one and the last goes with the last. A student deeper than its teacher has first layers
    that lie before the teacher's first ends; they go with layer 0.

    Args:
        student_depth: L_S.
        teacher_depth: L_T.
        layers: the student's layers, negative ones counted from its end; none for all.

    Raises:
        UsageError: a network has no layers, none is chosen, or a layer does not exist.
    """
    for name, depth in (("student", student_depth), ("teacher", teacher_depth)):
        if depth < 1:
            raise UsageError(f"the {name} shows no layers; only a transformer has them")
    chosen = range(student_depth) if layers is None else layers
    if not len(chosen):
        raise UsageError("layers: none is chosen; name one or more, or leave it out for all")
    return [(i, _teacher_layer(i, student_depth, teacher_depth)) for i in _counted(chosen, student_depth)]


def same_tokens(student: int, teacher: int) -> None:
    """Raises UsageError when the networks cut an image into different numbers of tokens."""
    if student != teacher:
        raise UsageError(
            f"the student has {student} tokens, the teacher {teacher}; "
            "give both the same image size, patch size and class token"
        )


def _teacher_layer(i: int, student_depth: int, teacher_depth: int) -> int:
    return max((i + 1) * teacher_depth // student_depth - 1, 0)


def _counted(layers: Sequence[int], depth: int) -> list[int]:
    for layer in layers:
        if not -depth <= layer < depth:
            raise UsageError(f"layers: {layer} does not exist; the student has {depth}, 0 to {depth - 1}")
    return [layer % depth for layer in layers]
