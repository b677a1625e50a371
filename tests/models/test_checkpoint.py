from __future__ import annotations

from pathlib import Path

import pytest
import torch

from facetrust.errors import ModelError
from facetrust.models import create_model, load_checkpoint, mean_logits, save_checkpoint
from facetrust.records import ModelCard, Preprocessing

SETTINGS = {"stage": 2, "image_size": (48, 48)}


def card(**changes: object) -> ModelCard:
    fields = {"name": "tiny", "task": "antispoof", "architecture": "timm/test_vit", "score_means": "attack"}
    return ModelCard(**{**fields, "preprocessing": Preprocessing(size=(48, 48)), **changes})  # type: ignore[arg-type]


@pytest.fixture
def saved(tmp_path: Path) -> Path:
    torch.manual_seed(0)
    save_checkpoint(create_model("timm/test_vit", **SETTINGS), card(), tmp_path / "run", settings=SETTINGS)
    return tmp_path / "run"


def test_what_is_saved_is_loaded_in_evaluation_mode(tmp_path: Path) -> None:
    model = create_model("timm/mobilenetv3_small_050", stage=2, dropout=0.3, pretrained=False)
    settings = {"stage": 2, "dropout": 0.3, "pretrained": True}
    made = save_checkpoint(
        model,
        card(architecture="timm/mobilenetv3_small_050"),
        tmp_path,
        settings=settings,
        recipe="seed: 1\n",
    )
    loaded, found = load_checkpoint(tmp_path)
    assert found == made
    assert found.parameters == sum(value.numel() for value in model.parameters())
    assert (tmp_path / "recipe.yaml").read_text() == "seed: 1\n"
    images = torch.rand(2, 3, 48, 48)
    assert not loaded.training
    assert torch.equal(loaded(images).logit, model.eval()(images).logit)


def test_a_folder_with_a_card_is_whole(saved: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def stop(*args: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr("facetrust.models.sha256_of", stop)
    with pytest.raises(KeyboardInterrupt):
        save_checkpoint(create_model("timm/test_vit", **SETTINGS), card(), saved, settings=SETTINGS)
    with pytest.raises(ModelError, match="not finished"):
        load_checkpoint(saved)


def test_altered_weights_are_refused(saved: Path) -> None:
    weights = saved / "model.safetensors"
    weights.write_bytes(weights.read_bytes()[:-1] + b"x")
    with pytest.raises(ModelError, match="SHA-256"):
        load_checkpoint(saved)


def test_weights_of_another_network_are_refused(saved: Path) -> None:
    other = create_model("timm/test_vit", stage=3, image_size=(48, 48))
    save_checkpoint(other, card(), saved, settings=SETTINGS)
    with pytest.raises(ModelError, match="does not hold a timm/test_vit"):
        load_checkpoint(saved)


@pytest.mark.parametrize(("name", "message"), [("model.safetensors", "missing"), ("card.json", "card")])
def test_a_missing_file_is_named(saved: Path, name: str, message: str) -> None:
    (saved / name).unlink()
    with pytest.raises(ModelError, match=message):
        load_checkpoint(saved)


def test_no_folder_and_a_damaged_card(saved: Path, tmp_path: Path) -> None:
    with pytest.raises(ModelError, match="no such folder"):
        load_checkpoint(tmp_path / "nothing")
    (saved / "card.json").write_text("{}")
    with pytest.raises(ModelError, match="name: Field required"):
        load_checkpoint(saved)


def test_mean_logits_averages_over_the_crops_of_each_face() -> None:
    model = create_model("timm/test_vit", image_size=(32, 32)).eval()
    crops = torch.rand(3, 2, 3, 32, 32)
    expected = [sum(model(crop[None]).logit.item() for crop in face) / 2 for face in crops]
    assert mean_logits(model, crops).tolist() == pytest.approx(expected, abs=1e-5)


def test_variants_follow_the_family_name() -> None:
    one, other = create_model("minifasnet-v1se"), create_model("minifasnet", variant="v1se")
    assert one.state_dict().keys() == other.state_dict().keys()
    assert one.state_dict().keys() != create_model("minifasnet").state_dict().keys()
