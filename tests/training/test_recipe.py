from __future__ import annotations

from pathlib import Path

import pytest

from facetrust.errors import UnknownName, UsageError
from facetrust.training.recipe import Recipe, check_recipe, load_recipe, recipe_names

SMALL = "task: antispoof\nmodel: {name: timm/test_vit}\ndata: {manifests: [m.csv]}\n"


@pytest.fixture
def small(tmp_path: Path) -> Path:
    (tmp_path / "small.yaml").write_text(SMALL)
    return tmp_path / "small.yaml"


@pytest.mark.parametrize("name", recipe_names())
def test_packaged_recipes_load_and_survive_being_written_out(name: str, tmp_path: Path) -> None:
    recipe = load_recipe(name)
    (tmp_path / "again.yaml").write_text(recipe.to_yaml())
    assert load_recipe(tmp_path / "again.yaml") == recipe
    assert name.startswith(recipe.task + "/")
    assert recipe.name == name.split("/")[-1]


@pytest.mark.parametrize("name", recipe_names())
def test_packaged_recipes_say_how_they_are_run(name: str) -> None:
    import facetrust

    head = (Path(facetrust.__file__).parent / "recipes" / f"{name}.yaml").read_text().split("\nterms")[0]
    assert f"facetrust train {name} --out" in head
    assert all(word in head for word in ("Hardware:", "Time:", "Expected:"))


def test_at_least_one_vit_and_two_light_networks_have_recipes() -> None:
    names = {load_recipe(name).model.name for name in recipe_names()}
    assert any("vit_" in name for name in names)
    assert len([name for name in names if "mobilenet" in name]) >= 2


def test_a_plain_student_differs_from_the_taught_one_in_the_teaching_only() -> None:
    taught, plain = load_recipe("antispoof/student-nuaa"), load_recipe("antispoof/student-nuaa-plain")
    same = {"name": "", "teachers": (), "losses": plain.losses}
    assert taught.teachers
    assert not plain.teachers
    assert taught.model_copy(update=same) == plain.model_copy(update=same)


def test_a_name_may_be_given_without_its_folder() -> None:
    assert load_recipe("student-nuaa") == load_recipe("antispoof/student-nuaa")


def test_overrides_are_typed_by_the_schema(small: Path) -> None:
    overrides = [
        "optimizer.lr=1e-3",
        "trainer.epochs=3",
        "data.augment.margins=[1.2, 2]",
        "teachers=[{path: a}, {path: b}]",
        "teachers.1.weight=2",
        "model.settings.stage=3",
        "name=other",
    ]
    recipe = load_recipe(small, overrides)
    assert recipe.optimizer.lr == 0.001
    assert recipe.trainer.epochs == 3
    assert recipe.data.augment.margins == (1.2, 2.0)
    assert [teacher.weight for teacher in recipe.teachers] == [1.0, 2.0]
    assert recipe.model.settings == {"stage": 3}
    assert recipe.name == "other"


@pytest.mark.parametrize(
    ("override", "message"),
    [
        ("trainer.epoch=3", r"unknown key 'trainer\.epoch'; did you mean 'epochs'"),
        ("data.augment.tigth=1", r"'data\.augment\.tigth'; did you mean 'tight'"),
        ("preprocessing.sise=[1, 1]", "did you mean 'size'"),
        ("teachers=[{path: a, wieght: 2}]", r"'teachers\.0\.wieght'; did you mean 'weight'"),
        ("zzz=1", "unknown key 'zzz'; known: cache, data, losses"),
        ("trainer.epochs=many", r"trainer\.epochs: Input should be a valid integer"),
        ("trainer.epochs=0", r"trainer\.epochs: .*greater than or equal to 1"),
        ("task=antispof", "no task named 'antispof'; did you mean 'antispoof'"),
        ("data.manifests=[]", r"data\.manifests: .*at least 1"),
        ("model.name=", r"model\.name"),
        ("seed", "write section.key=value"),
        ("=3", "write section.key=value"),
        ("seed=[", "--set seed: is not YAML"),
        ("seed=" + 60 * "[", "--set seed: is nested more than 50 deep"),
        ("seed" + 60_000 * ".a" + "=3", "nothing lies at"),
        ("seed.deep=3", "nothing lies at 'seed.deep'"),
        ("data.manifests.7.x=3", "nothing lies at"),
    ],
)
def test_a_wrong_override_says_what_is_wrong(small: Path, override: str, message: str) -> None:
    small.write_text(SMALL + "seed: 1\n")
    with pytest.raises(UsageError, match=message):
        load_recipe(small, [override])


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("a: [", "is not YAML"),
        ("- 1\n", "is not a recipe"),
        ("", "is not a recipe"),
        ("task: antispoof\ndata: {manifests: [a]}", "model"),
        ("seed: !!int x", r"is not YAML \(invalid literal"),
        ("seed: 2001-99-99", r"is not YAML \(month must be"),
        ("seed: !!timestamp x", "is not YAML"),
        ("seed: *nothing", r"is not YAML \(found undefined alias"),
        ("{a: " * 50_000, "is nested more than 50 deep"),
        ("[" * 50_000 + "]" * 50_000, "is nested more than 50 deep"),
        ("a: &a [*a]", "more than 10,000 values"),
        ("a: [" + 10_001 * "1," + "]", "more than 10,000 values"),
        ("#" * 2**20 + "#", "is larger than 1,048,576 bytes"),
    ],
    ids=range(13),
)
def test_a_file_that_is_no_recipe(tmp_path: Path, text: str, message: str) -> None:
    (tmp_path / "r.yaml").write_text(text)
    with pytest.raises(UsageError, match=message):
        load_recipe(tmp_path / "r.yaml")


def test_aliases_may_be_used_but_not_unfold_into_gigabytes(tmp_path: Path) -> None:
    """Nine lists of nine of the list before are 9 ** 9 values in a few hundred bytes."""
    (tmp_path / "r.yaml").write_text(
        SMALL + "losses:\n  nt-xent: &same {weight: 2}\n  view-consistency: *same\n"
    )
    assert load_recipe(tmp_path / "r.yaml").losses["view-consistency"] == {"weight": 2}
    lines = ["a0: &a0 [" + 9 * "1," + "]"]
    lines += [f"a{n}: &a{n} [" + 9 * f"*a{n - 1}," + "]" for n in range(1, 9)]
    (tmp_path / "r.yaml").write_text("\n".join(lines))
    with pytest.raises(UsageError, match="with its aliases written out") as caught:
        load_recipe(tmp_path / "r.yaml")
    assert "\n" not in str(caught.value)


def test_what_cannot_be_found_is_named() -> None:
    with pytest.raises(UnknownName, match="did you mean 'antispoof/teacher-nuaa'"):
        load_recipe("antispoof/teacher-nua")
    with pytest.raises(UsageError, match="no such recipe file"):
        load_recipe("nothing.yaml")


def test_defaults_are_written_out() -> None:
    recipe = check_recipe(
        {"task": "antispoof", "model": {"name": "m"}, "data": {"manifests": ["a.csv"]}}, "here"
    )
    assert isinstance(recipe, Recipe)
    assert "weight_decay: 0.05" in recipe.to_yaml()
