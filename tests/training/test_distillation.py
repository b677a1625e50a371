from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import pytest
import torch
from torch import Tensor, nn

from facetrust.errors import UnknownName, UsageError
from facetrust.losses.attention_distillation import attention_distillation
from facetrust.losses.feature_distillation import feature_distillation
from facetrust.losses.logit_distillation import logit_distillation
from facetrust.models import Score, attention_of, create_model, look_inside
from facetrust.tasks.antispoof.objective import objective as antispoof
from facetrust.training.distillation import Distill, WeightedTeacher, distill, looks_inside

Net = Callable[[float], nn.Module]
Batch = Callable[..., dict[str, Any]]
LOGITS = {"logit-distillation": {"weight": 1.0}}
ATTENTION = {"attention-distillation": {"weight": 3.0}}


def vit(depth: int, *, heads: int = 3) -> nn.Module:
    """Returns a small ViT of timm; 5 tokens at 32 pixels."""
    torch.manual_seed(depth)
    tiny = {"image_size": (32, 32), "stage": depth - 1}
    name = {3: "timm/vit_tiny_patch16_224", 6: "timm/vit_small_patch16_224"}[heads]
    return create_model(name, **tiny).eval()


@pytest.fixture
def faces() -> dict[str, Any]:
    drawn = torch.randn(4, 1, 3, 32, 32, generator=torch.Generator().manual_seed(0))
    return {"views": {"student": drawn, "a": drawn}, "target": torch.tensor([0.0, 1.0, 0.0, 1.0])}


def test_teachers_are_averaged_by_weight_each_from_its_own_view(brightness: Net, batch: Batch) -> None:
    teachers = {"a": WeightedTeacher(brightness(1.0), 3.0), "b": WeightedTeacher(brightness(2.0), 1.0)}
    task = distill(antispoof(brightness(0.0)), teachers, LOGITS)
    said = task.ask(batch(student=9.0, a=1.0, b=-1.0)["views"])
    assert said["logits"].tolist() == pytest.approx([(3 - 2) / 4, (9 - 6) / 4])


def test_loss_is_the_sum_of_the_named_parts(brightness: Net, batch: Batch) -> None:
    settings = {"logit-distillation": {"weight": 0.7, "temperature": 3}}
    task = distill(
        antispoof(brightness(1.0), {"binary-cross-entropy": {"weight": 0.3}}),
        {"a": WeightedTeacher(brightness(2.0))},
        settings,
    )
    parts = task(batch(student=1.0, a=0.5))
    assert parts["logit-distillation"].item() == pytest.approx(0, abs=1e-7)
    parts = task(batch(student=1.0, a=2.0))
    soft = logit_distillation(torch.tensor([1.0, 3.0]), torch.tensor([4.0, 12.0]), temperature=3)
    assert parts["logit-distillation"].item() == pytest.approx(soft.item())
    assert parts["loss"].item() == pytest.approx(
        0.3 * parts["binary-cross-entropy"].item() + 0.7 * soft.item()
    )
    assert task.weights == {"binary-cross-entropy": 0.3, "logit-distillation": 0.7}


def test_each_loss_is_given_what_its_arguments_name(faces: dict[str, Any]) -> None:
    student, teacher = vit(2), vit(4, heads=6)
    losses = {"attention-distillation": {"weight": 3.0}, "logit-distillation": {"weight": 0.5}}
    task = distill(antispoof(student, inside=True), {"a": WeightedTeacher(teacher)}, losses)
    parts = task(faces)
    images = faces["views"]["a"][:, 0]
    with torch.no_grad():
        ours, theirs = look_inside(student, images), look_inside(teacher, images)
        attention = attention_distillation(attention_of(ours), attention_of(theirs))
        logits = logit_distillation(ours.output.logit, theirs.output.logit)
    assert parts["attention-distillation"].item() == pytest.approx(attention.item(), rel=1e-5)
    assert parts["logit-distillation"].item() == pytest.approx(logits.item(), rel=1e-5)
    expected = parts["binary-cross-entropy"] + 3 * attention + 0.5 * logits
    assert parts["loss"].item() == pytest.approx(expected.item(), rel=1e-5)


@pytest.mark.parametrize(
    "losses",
    [
        {"relational-distance": {}, "relational-angle": {"weight": 2}},
        {"relation-distillation": {"relation_heads": 3}},
        {"attention-distillation": {"heads": "mix"}},
        {"hidden-distillation": {}},
        {"feature-distillation": {"weight": 2000}},
    ],
    ids=lambda losses: "+".join(losses),
)
def test_every_kind_of_teaching_trains_the_student_and_never_the_teacher(
    losses: dict[str, Any], faces: dict[str, Any]
) -> None:
    student, teacher = vit(2), vit(4, heads=6)
    task = distill(
        antispoof(student, {"binary-cross-entropy": {"weight": 0.0}}, inside=True),
        {"a": WeightedTeacher(teacher)},
        losses,
    )
    task.adapt(faces)
    parts = task(faces)
    assert set(losses) <= set(parts)
    parts["loss"].backward()
    assert student.features.backbone.patch_embed.proj.weight.grad.abs().sum() > 0
    assert all(value.grad is None for value in teacher.parameters())


def test_what_a_loss_learns_belongs_to_the_task(faces: dict[str, Any]) -> None:
    task = distill(
        antispoof(vit(2), inside=True), {"a": WeightedTeacher(vit(4, heads=6))}, {"feature-distillation": {}}
    )
    own = {name for name, _ in task.named_parameters() if not name.startswith("task.")}
    assert own == set()
    task.adapt(faces)
    assert {tuple(p.shape) for name, p in task.losses.named_parameters() if p.ndim == 2} == {(384, 192)}


@pytest.mark.parametrize("losses", [LOGITS, ATTENTION, {"hidden-distillation": {}}], ids=min)
def test_answers_given_before_count_like_answers_now(losses: dict[str, Any], faces: dict[str, Any]) -> None:
    student = vit(2)
    task = distill(
        antispoof(student, inside=looks_inside(losses)), {"a": WeightedTeacher(vit(4, heads=6))}, losses
    )
    task.adapt(faces)
    told = {**faces, "taught": task.ask(faces["views"])}
    del told["views"]["a"]
    again = {**faces, "views": {**told["views"], "a": faces["views"]["student"]}}
    assert torch.equal(task(again)["loss"], task(told)["loss"])


def test_losses_say_whether_they_look_inside() -> None:
    assert not looks_inside(LOGITS)
    assert looks_inside(ATTENTION)
    assert looks_inside({**LOGITS, "feature-distillation": {}})


def test_embeddings_are_averaged_over_the_crops(brightness: Net, batch: Batch) -> None:
    task = distill(
        antispoof(brightness(1.0), inside=True),
        {"a": WeightedTeacher(brightness(2.0))},
        {"feature-distillation": {}},
    )
    faces = batch(student=1.0, a=1.0)
    faces["views"]["a"][0, 1] = 3.0
    parts = task(faces)
    ours, theirs = torch.tensor([[1.0, 1], [3, 1]]), torch.tensor([[(2 + 6) / 2, 1], [6, 1]])
    assert parts["feature-distillation"].item() == pytest.approx(feature_distillation(ours, theirs).item())


def test_teachers_stay_still(brightness: Net, batch: Batch) -> None:
    teacher = nn.Sequential(nn.Dropout(0.5), brightness(1.0)).train()
    task = distill(antispoof(brightness(0.0)), {"a": WeightedTeacher(teacher)}, LOGITS).train()
    task(batch(student=1.0, a=1.0))["loss"].backward()
    assert not teacher.training
    assert all(value.grad is None and not value.requires_grad for value in teacher.parameters())
    assert list(task.state_dict()) == ["task.model.factor"]


def test_a_student_that_only_imitates_comes_to_its_teacher(brightness: Net, batch: Batch) -> None:
    student = brightness(-1.0)
    losses = {"logit-distillation": {"temperature": 2}}
    task = distill(
        antispoof(student, {"binary-cross-entropy": {"weight": 0.0}}),
        {"a": WeightedTeacher(brightness(0.8))},
        losses,
    )
    optimizer = torch.optim.SGD(task.parameters(), lr=0.5)
    for _ in range(200):
        optimizer.zero_grad()
        task(batch(student=1.0, a=1.0))["loss"].backward()
        optimizer.step()
    assert student.factor.item() == pytest.approx(0.8, abs=1e-3)


def built(brightness: Net, losses: dict[str, Any], count: int = 1) -> Distill:
    teachers = {str(number): WeightedTeacher(brightness(1.0)) for number in range(count)}
    return distill(antispoof(brightness(0.0), inside=looks_inside(losses)), teachers, losses)


def test_what_does_not_fit_is_named(brightness: Net, batch: Batch) -> None:
    with pytest.raises(UsageError, match="at least one teacher"):
        built(brightness, LOGITS, count=0)
    with pytest.raises(UnknownName, match="did you mean 'logit-distillation'"):
        built(brightness, {"logits-distillation": {}})
    with pytest.raises(UsageError, match="temprature"):
        built(brightness, {"logit-distillation": {"temprature": 2}})
    with pytest.raises(UsageError, match="2 teachers: only logits are averaged; a loss wants the embedding"):
        built(brightness, {"feature-distillation": {}}, count=2)
    with pytest.raises(UsageError, match="no attention maps"):
        built(brightness, ATTENTION)(batch(student=1.0, **{"0": 1.0}))
    with pytest.raises(UsageError, match="no transformer layers"):
        built(brightness, {"hidden-distillation": {}})(batch(student=1.0, **{"0": 1.0}))
    with pytest.raises(UsageError, match="Brightness has no class embeddings"):
        built(brightness, {"affinity-mimicking": {}})(batch(student=1.0, **{"0": 1.0}))


class Sentenced(nn.Module):
    """Embeds the mean colour; has one vector that stands for an attack and one for a live face."""

    def __init__(self, seed: int) -> None:
        super().__init__()
        draw = torch.Generator().manual_seed(seed)
        self.turn = nn.Parameter(torch.randn(3, 3, generator=draw))
        self.attack = nn.Parameter(torch.randn(3, generator=draw))
        self.live = nn.Parameter(torch.randn(3, generator=draw))

    def answer(self, images: Tensor) -> tuple[Score, Tensor]:
        embedding = images.mean((2, 3)) @ self.turn
        logit = embedding @ (self.attack - self.live)
        return Score(logit, logit[:, None, None]), embedding

    def forward(self, images: Tensor) -> Score:
        return self.answer(images)[0]

    def class_embeddings(self) -> Tensor:
        return torch.stack([self.attack, self.live])


def cosine(a: list[float], b: list[float]) -> float:
    return sum(x * y for x, y in zip(a, b, strict=True)) / math.hypot(*a) / math.hypot(*b)


def shares(values: list[float]) -> list[float]:
    whole = sum(math.exp(value) for value in values)
    return [math.exp(value) / whole for value in values]


def by_loops(name: str, student: Sentenced, teacher: Sentenced, images: Tensor, attacks: list[bool]) -> float:
    """A text loss of a batch in plain numbers; an attack's text is the attack's vector."""
    scale = {
        "affinity-mimicking": 50.0,
        "contrastive-relational": 100.0,
        "interactive-contrastive": 1 / 0.07,
    }[name]
    faces, texts = [], []
    for net in (student, teacher):
        faces.append([net.answer(image[None])[1][0].tolist() for image in images])
        texts.append([(net.attack if attack else net.live).tolist() for attack in attacks])
    count = range(len(attacks))
    rows = []
    for i in count:
        if name == "interactive-contrastive":
            alike = [j for j in count if attacks[j] == attacks[i]]
            image = shares([scale * cosine(faces[0][i], texts[1][j]) for j in count])
            text = shares([scale * cosine(texts[0][i], faces[1][j]) for j in count])
            rows += [-sum(math.log(image[j]) + math.log(text[j]) for j in alike) / len(alike)]
            continue
        image = [shares([scale * cosine(faces[n][i], texts[n][j]) for j in count]) for n in (0, 1)]
        text = [shares([scale * cosine(texts[n][i], faces[n][j]) for j in count]) for n in (0, 1)]
        rows += [0.0]
        for ours, theirs in (image, text):
            own = 0.0 if name == "affinity-mimicking" else 1.0  # whether the teacher's entropy is taken off
            rows[-1] += sum(p * (own * math.log(p) - math.log(q)) for p, q in zip(theirs, ours, strict=True))
    return sum(rows) / len(rows) / 2


TEXTS = ("affinity-mimicking", "contrastive-relational", "interactive-contrastive")


@pytest.mark.parametrize("name", TEXTS)
def test_a_text_loss_gives_every_face_its_own_classes_text(name: str) -> None:
    student, teacher = Sentenced(0), Sentenced(1)
    images = torch.randn(5, 1, 3, 4, 4, generator=torch.Generator().manual_seed(2))
    attacks = [True, False, True, True, False]
    faces = {
        "views": {"student": images, "a": images},
        "target": torch.tensor([float(attack) for attack in attacks]),
    }
    plain = antispoof(student, {"binary-cross-entropy": {"weight": 0.0}}, inside=looks_inside({name: {}}))
    task = distill(plain, {"a": WeightedTeacher(teacher)}, {name: {"weight": 3.0}})
    task.adapt(faces)
    expected = by_loops(name, student, teacher, images[:, 0], attacks)
    swapped = by_loops(name, student, teacher, images[:, 0], [not attack for attack in attacks])
    assert abs(expected - swapped) > 0.1  # or the test could not tell the classes apart
    for _ in range(2):  # the teacher's texts are kept after the first step
        parts = task(faces)
        assert parts[name].item() == pytest.approx(expected, rel=1e-4)
    assert parts["loss"].item() == pytest.approx(3 * expected, rel=1e-4)
    parts["loss"].backward()
    assert min(student.attack.grad.abs().sum(), student.live.grad.abs().sum()) > 1e-3
    assert all(value.grad is None for value in teacher.parameters())


def test_text_losses_follow_a_student_whose_texts_move() -> None:
    """The teacher's vectors are looked up once, the student's at every step."""
    student, teacher = Sentenced(0), Sentenced(1)
    images = torch.randn(4, 1, 3, 4, 4, generator=torch.Generator().manual_seed(2))
    faces = {"views": {"student": images, "a": images}, "target": torch.tensor([0.0, 1.0, 1.0, 0.0])}
    name = "contrastive-relational"
    task = distill(antispoof(student, inside=True), {"a": WeightedTeacher(teacher)}, {name: {}})
    task(faces)
    with torch.no_grad():
        student.live.add_(1)
    expected = by_loops(name, student, teacher, images[:, 0], [False, True, True, False])
    assert task(faces)[name].item() == pytest.approx(expected, rel=1e-4)
