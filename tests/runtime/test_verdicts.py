from facetrust.runtime.session import load_model
from facetrust.runtime.verdicts import verdict


def test_a_score_at_the_threshold_is_an_attack(write_model):
    model = load_model(write_model())
    assert model.threshold == 0.5
    assert [verdict("antispoof", score, model).decision for score in (0.49, 0.5)] == ["bona fide", "attack"]
    assert verdict("antispoof", 0.5, model).model == "tiny@1"
