from __future__ import annotations

from statistics import fmean

import pytest

from facetrust.protocols import published_for

MCIO = ["msu-mfsd", "casia-fasd", "replay-attack", "oulu-npu"]
WCS = ["wmca", "casia-cefa", "casia-surf"]


def rows(domains, protocol, method=None):
    return [
        each
        for each in published_for(domains)
        if f"protocol {protocol}" in each.source and method in (None, each.method)
    ]


# The averages that FLIP's tables print beside the rounds.
@pytest.mark.parametrize(
    ("domains", "protocol", "method", "average", "rounds"),
    [
        (MCIO, 1, "ViT", 6.00, 4),
        (MCIO, 1, "ViT, 5 shots", 3.76, 4),
        (MCIO, 1, "FLIP-V", 3.48, 4),
        (MCIO, 1, "FLIP-IT", 3.06, 4),
        (MCIO, 1, "FLIP-MCL", 3.01, 4),
        (WCS, 2, "ViT", 10.82, 3),
        (WCS, 2, "FLIP-V", 9.83, 3),
        (WCS, 2, "FLIP-IT", 10.2, 3),
        (WCS, 2, "FLIP-MCL", 8.61, 3),
        (MCIO, 3, "FLIP-V", 7.12, 12),
        (MCIO, 3, "FLIP-IT", 6.03, 12),
        (MCIO, 3, "FLIP-MCL", 4.84, 12),
    ],
)
def test_rounds_have_the_printed_average(domains, protocol, method, average, rounds):
    found = [100 * each.figures["hter"] for each in rows(domains, protocol, method)]
    assert len(found) == rounds
    assert fmean(found) == pytest.approx(average, abs=0.0101)


def test_every_table_is_whole():
    assert len(rows(MCIO, 1)) == 4 * (6 + 14)
    assert len(rows(WCS, 2)) == 3 * 6
    assert len(rows(MCIO, 3)) == 3 * 12
    assert len(published_for(MCIO + WCS)) == 134


def test_figures_are_shares_as_far_as_they_are_printed():
    for each in published_for(MCIO + WCS):
        assert all(0 < value <= 1 for value in each.figures.values())
        assert each.figures["hter"] < 0.3
        assert each.figures.get("auc", 1) > 0.7
        expected = 1 if "protocol 3" in each.source else 2 if "quoting" in each.source else 3
        assert len(each.figures) == expected


def test_they_are_found_by_data_set_in_any_case():
    found = published_for(["MSU-MFSD", None, "MSU-MFSD"])
    assert {each.data for each in found} == {"msu-mfsd"}
    assert len(found) == 20 + 9
    flip = next(each for each in found if each.method == "FLIP-V")
    assert flip.figures == pytest.approx({"hter": 0.0379, "auc": 0.9931, "tpr@fpr=1% (live)": 0.8799})
    assert published_for(["nuaa", None]) == ()


def test_the_setting_says_what_trained_and_who_chose():
    for each in published_for(["msu-mfsd"]):
        if "quoting" in each.source:
            assert each.setting == "trained on OULU, CASIA, Idiap; as its authors report it"
            continue
        assert "CelebA-Spoof" in each.setting
        assert "chosen on test" in each.setting
        assert ("of the test set" in each.setting) == ("shots" in each.method)
    (surf,) = (each for each in published_for(["casia-surf"]) if each.method == "FLIP-IT")
    assert surf.setting.startswith("trained on CeFA, WMCA, CelebA-Spoof; ")
