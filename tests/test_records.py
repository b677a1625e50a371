"""The nouns: refused when wrong, whole on disk, the same after a round trip."""

from __future__ import annotations

import json

import numpy as np
import polars as pl
import pytest

from facetrust.errors import ModelError, ScoresError
from facetrust.records import (
    CheckReport,
    Face,
    ModelCard,
    Preprocessing,
    Provenance,
    Sample,
    Scores,
    Threshold,
    Verdict,
    sha256_of,
    write_text,
    write_whole,
)
from facetrust.records.files import hold

CARD = ModelCard(
    name="tiny",
    task="antispoof",
    architecture="timm/any",
    preprocessing=Preprocessing(),
    score_means="probability of an attack",
    thresholds=(Threshold(value=0.4, rule="eer", manifest="abc", split="dev"),),
)


def test_records_cannot_be_changed_and_refuse_unknown_fields():
    sample = Sample(path="a.png", label=1, split="dev")
    with pytest.raises(ValueError, match="frozen"):
        sample.label = 0
    with pytest.raises(ValueError, match="Extra inputs"):
        Sample(path="a.png", label=1, split="dev", lable=1)
    with pytest.raises(ValueError, match="split"):
        Sample(path="a.png", label=1, split="val")


def test_a_card_survives_the_round_trip():
    assert ModelCard.from_json(CARD.to_json(), "here") == CARD
    assert json.loads(CARD.to_json())["schema"] == "facetrust.card/1"


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("{", "card.json: the card: Invalid JSON"),
        ("{}", "card.json: name: Field required"),
        (CARD.to_json().replace('"seed"', '"sead"'), "card.json: sead: Extra inputs"),
        (CARD.to_json().replace("card/1", "card/9"), "card.json: schema: Input should be 'facetrust.card/1'"),
    ],
)
def test_a_wrong_card_names_the_field(text, said):
    with pytest.raises(ModelError) as caught:
        ModelCard.from_json(text, "card.json")
    assert said in str(caught.value)
    assert "\n" not in str(caught.value)


def test_a_card_verifies_its_weights(tmp_path):
    weights = tmp_path / "w.onnx"
    with pytest.raises(ModelError, match="weight file of tiny is missing"):
        CARD.verify(weights)
    weights.write_bytes(b"weights")
    with pytest.raises(ModelError, match="its card says nothing"):
        CARD.verify(weights)
    CARD.model_copy(update={"sha256": sha256_of(weights)}).verify(weights)
    weights.write_bytes(b"altered")
    with pytest.raises(ModelError, match="SHA-256 is"):
        CARD.model_copy(update={"sha256": "0" * 64}).verify(weights)


def test_sha256_is_the_known_one(tmp_path):
    (tmp_path / "abc").write_bytes(b"abc")
    assert sha256_of(tmp_path / "abc").startswith("ba7816bf8f01cfea414140de5dae2223")


def test_a_report_is_one_json_line_with_the_published_fields():
    verdict = Verdict(task="antispoof", score=0.9, threshold=0.4, decision="attack", model="tiny@1")
    face = Face(box=(1, 2, 3, 4), points=((1, 2),) * 5, confidence=0.99, verdicts=(verdict,))
    line = CheckReport(source="a.jpg", size=(480, 640), trusted=False, faces=(face,)).to_json()
    said = json.loads(line)
    assert "\n" not in line
    assert list(said) == [
        "schema", "source", "kind", "size", "trusted", "reason", "verdicts", "embeddings", "parts", "faces",
        "left_out", "timings", "watched", "evidence_errors", "quality_gate", "width", "height",
    ]  # fmt: skip
    assert said["schema"] == "facetrust.check/1"
    assert set(said["faces"][0]) == {
        "box", "points", "confidence", "track", "verdicts", "embeddings", "parts", "timeline", "quality",
        "not_judged",
    }  # fmt: skip
    assert set(said["faces"][0]["verdicts"][0]) == {
        "task", "score", "threshold", "threshold_rule", "probability", "decision", "model", "advisory",
        "evidence_on",
    }  # fmt: skip


def table(**changes) -> pl.DataFrame:
    columns = {
        "sample": ["a", "b"], "media": ["m", None], "subject": ["s", "t"], "domain": [None, None],
        "attack": [None, "print"], "label": [0, 1], "score": [0.25, 0.75],
    }  # fmt: skip
    return pl.DataFrame({**columns, **changes}, schema_overrides={"domain": pl.String})


MADE_BY = Provenance(model="tiny", version="1", task="antispoof", manifest="abc", split="test", seed=3)


def test_scores_survive_the_round_trip(tmp_path):
    Scores(table(extra=[1, 2]), MADE_BY).write(tmp_path / "s.parquet")
    again = Scores.read(tmp_path / "s.parquet")
    assert again.made_by == MADE_BY
    assert len(again) == 2
    assert again.rows.columns == list(Scores.columns)
    np.testing.assert_array_equal(again.labels, [0, 1])
    np.testing.assert_array_equal(again.scores, [0.25, 0.75])
    assert again.column("media").tolist() == ["m", None]


def test_a_column_without_a_value_keeps_its_kind():
    empty = Scores(table(attack=[None, None], score=[0, 1]), MADE_BY)
    assert empty.rows.schema["attack"] == pl.String
    assert empty.rows.schema["score"] == pl.Float64
    assert (
        empty.rows.join(Scores(table(), MADE_BY).rows, on="attack", how="semi", nulls_equal=True).height == 2
    )


def test_rows_are_the_same_in_any_order_whatever_their_scores():
    ours = Scores(table(), MADE_BY)
    assert ours.same_rows(Scores(table(score=[0.9, 0.8]).reverse(), MADE_BY))
    assert not ours.same_rows(Scores(table().with_columns((1 - pl.col("label")).alias("label")), MADE_BY))
    assert not ours.same_rows(Scores(table().head(1), MADE_BY))


def test_scores_refuse_what_they_cannot_use(tmp_path):
    with pytest.raises(ScoresError, match="lack the column 'score'"):
        Scores(table().drop("score"), MADE_BY)
    with pytest.raises(ScoresError, match="a value does not fit its column"):
        Scores(table(score=["high", "low"]), MADE_BY)
    with pytest.raises(ScoresError, match="no such scores file"):
        Scores.read(tmp_path / "none.parquet")
    (tmp_path / "text.parquet").write_text("no")
    with pytest.raises(ScoresError, match="is not a scores file"):
        Scores.read(tmp_path / "text.parquet")
    table().write_parquet(tmp_path / "plain.parquet")
    with pytest.raises(ScoresError, match="is not a scores file"):
        Scores.read(tmp_path / "plain.parquet")


def test_a_file_is_written_whole_or_not_at_all(tmp_path):
    target = tmp_path / "new" / "file.txt"
    write_text(target, "first")

    with pytest.raises(TypeError):  # After the file beside it was made.
        write_whole(target, "no bytes")
    assert target.read_text() == "first"
    assert [path.name for path in target.parent.iterdir()] == ["file.txt"]
    assert target.stat().st_mode & 0o777 == 0o644


def test_a_held_file_is_one_holders_until_it_is_closed(tmp_path):
    held = hold(tmp_path / "lock")
    with pytest.raises(BlockingIOError):
        hold(tmp_path / "lock", wait=False)
    held.close()
    hold(tmp_path / "lock", wait=False).close()
    with pytest.raises(FileNotFoundError, match="gone"):
        hold(tmp_path / "gone" / "lock")
