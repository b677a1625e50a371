from facetrust.runtime.verdicts import verdict

from facetrust.runtime.model import load_model


def test_a_score_at_the_threshold_is_an_attack(write_model):
    model = load_model(write_model())
    assert model.threshold == 0.5
    assert [verdict("antispoof", score, model).decision for score in (0.49, 0.5)] == ["bona fide", "attack"]
    assert verdict("antispoof", 0.5, model).model == "tiny@1"
