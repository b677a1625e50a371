"""Weights from elsewhere: read as data, fitted to the grid, and refused in one line."""

from __future__ import annotations

import warnings
from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors.torch import save_file

from facetrust.errors import ModelError, UnknownName, UsageError
from facetrust.models import create_model, load_checkpoint, save_checkpoint
from facetrust.models._pretrained import POSITIONS, activation, read_weights, resized
from facetrust.records import ModelCard, Preprocessing

SMALL = {"image_size": (48, 32), "layers": 2}


@pytest.fixture(scope="module")
def weights(tmp_path_factory) -> Path:
    """A square CLIP vit-t16 of 32 x 32 pixels and two blocks, as open_clip's training leaves it."""
    torch.manual_seed(3)
    model = create_model("flip-it", clip="vit-t16", image_size=(32, 32), layers=2).model
    path = tmp_path_factory.mktemp("weights") / "clip.pt"
    found = {f"module.{key}": value.half() for key, value in model.state_dict().items()}
    torch.save({"epoch": 1, "state_dict": found | {"module.context_length": torch.tensor(77)}}, path)
    return path


def test_positions_are_resized_as_a_picture_and_the_class_token_is_kept():
    # Bicubic weights reproduce a plane away from the border: a ramp stays a ramp.
    side = 8
    ramp = torch.arange(side).float().repeat_interleave(side)
    positions = torch.stack([torch.cat([torch.tensor([7.0]), ramp]), torch.zeros(65)], dim=1)
    made = resized(positions, (16, 12))
    assert made.shape == (1 + 16 * 12, 2)
    assert made[0].tolist() == [7, 0]
    rows = made[1:, 0].reshape(16, 12)
    assert torch.allclose(rows, rows[:, :1].expand(-1, 12))
    np.testing.assert_allclose(rows[4:12, 0], (np.arange(4, 12) + 0.5) / 2 - 0.5, atol=1e-5)
    assert resized(positions, (8, 8)) is positions


def test_a_file_fills_both_towers_and_the_head(weights, images):
    whole = create_model("flip-it", clip="vit-t16", pretrained=str(weights), **SMALL).eval()
    student = create_model("clip-vit-t16", pretrained=str(weights), **SMALL).eval()
    read = read_weights(weights)
    for key in ("token_embedding.weight", "visual.conv1.weight", "logit_scale"):
        assert torch.equal(whole.model.state_dict()[key], read[f"module.{key}"].float())
    expected = resized(read[f"module.{POSITIONS}"], (3, 2))
    torch.testing.assert_close(whole.model.state_dict()[POSITIONS], expected)
    # A student that begins with CLIP begins with FLIP-IT's own answer.
    torch.testing.assert_close(student(images).logit, whole(images).logit, atol=1e-4, rtol=1e-4)


def test_what_does_not_fit_is_counted_and_named(weights, tmp_path):
    with pytest.raises(
        ModelError, match=r"not a CLIP vit-t16; tensors: 24 unknown, first transformer\.resblocks.1"
    ):
        create_model("flip-it", clip="vit-t16", pretrained=str(weights), image_size=(32, 32), layers=1)
    read = {key.removeprefix("module."): value for key, value in read_weights(weights).items()}
    read["logit_scale"] = torch.zeros(3)
    del read["ln_final.bias"]
    save_file(read, tmp_path / "bad.safetensors")
    with pytest.raises(ModelError, match=r"1 missing, first ln_final\.bias; 1 misshapen, first logit_scale"):
        create_model("clip-vit-t16", pretrained=str(tmp_path / "bad.safetensors"), **SMALL)


def test_programs_and_other_files_are_refused(tmp_path):
    with pytest.raises(ModelError, match=r"none\.pt: no such weight file"):
        create_model("clip-vit-t16", pretrained=str(tmp_path / "none.pt"), **SMALL)
    (tmp_path / "text.safetensors").write_text("text")
    with pytest.raises(ModelError, match="cannot be read as plain weights"):
        read_weights(tmp_path / "text.safetensors")
    torch.save([1, 2], tmp_path / "list.pt")
    with pytest.raises(ModelError, match="cannot be read as plain weights"):
        read_weights(tmp_path / "list.pt")
    with warnings.catch_warnings():
        # PyTorch no longer wants such files to be made, under another kind of warning with every release.
        warnings.filterwarnings("ignore", message="`torch.jit")
        torch.jit.save(torch.jit.script(torch.nn.Linear(2, 2)), tmp_path / "program.pt")
    with pytest.raises(ModelError, match="is a program"):
        read_weights(tmp_path / "program.pt")


def test_tags_settle_the_activation():
    assert activation("vit-b16", "openai", None)
    assert not activation("vit-b16", "laion2b_s34b_b88k", None)
    assert activation("vit-t16", None, True)
    assert not activation("vit-t16", False, None)
    with pytest.raises(UsageError, match="openai was trained with True"):
        activation("vit-b16", "openai", False)
    with pytest.raises(UnknownName, match="weights for vit-b16 named 'opennai'; did you mean 'openai'"):
        activation("vit-b16", "opennai", None)
    with pytest.raises(UnknownName, match=r"known: a file ending in \.safetensors"):
        activation("vit-t16", "zzz", None)


def test_a_tag_is_fetched_and_its_activation_outlives_it(weights, images, monkeypatch, tmp_path):
    """Tag, fetching and file stand in for the real ones; loading the folder fetches nothing."""
    cfg = {"quick_gelu": True}
    monkeypatch.setattr("open_clip.pretrained.get_pretrained_cfg", lambda name, tag: cfg)
    monkeypatch.setattr("open_clip.pretrained.download_pretrained", lambda found: str(weights))
    settings = {**SMALL, "pretrained": "any"}
    model = create_model("clip-vit-t16", **settings).eval()
    monkeypatch.setattr("open_clip.pretrained.download_pretrained", _unreachable)
    card = ModelCard(
        name="t",
        task="antispoof",
        architecture="clip-vit-t16",
        preprocessing=Preprocessing(),
        score_means="any",
    )
    save_checkpoint(model, card, tmp_path / "run", settings=settings)
    again, _ = load_checkpoint(tmp_path / "run")
    assert torch.equal(again(images).logit, model(images).logit)
    exact = create_model("clip-vit-t16", pretrained=str(weights), **SMALL).eval()
    assert not torch.allclose(exact(images).logit, model(images).logit, atol=1e-5)
    with pytest.raises(ModelError, match=r"any: the weights cannot be fetched \(the hub"):
        create_model("clip-vit-t16", **settings)


def _unreachable(found: object) -> str:
    raise OSError("the hub cannot be reached")
