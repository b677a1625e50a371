"""`check --threshold`: the user decides, and the verdict says so."""

from __future__ import annotations

import json

import numpy as np
import pytest
from PIL import Image

from facetrust import cli

ATTACKS = ("--task", "antispoof", "--model")
BOTH = ("--task", "antispoof", "--task", "deepfake")
NEVER, ALWAYS = 0.999999, 0.000001  # Thresholds that nothing, and that everything reaches.


def run(*arguments: object) -> int:
    return cli.main([str(argument) for argument in arguments])


def lines_of(text: str) -> list[dict]:
    return [json.loads(line) for line in text.splitlines()]


class TestThreshold:
    def test_the_users_decides_and_the_verdict_says_so(self, photo, bright_model, capsys):
        assert run("check", photo, *ATTACKS, bright_model, "--threshold", ALWAYS, "--json") == 1
        (verdict,) = lines_of(capsys.readouterr().out)[0]["faces"][0]["verdicts"]
        assert (verdict["threshold"], verdict["threshold_rule"]) == (ALWAYS, "user")
        assert verdict["decision"] == "attack"
        run("check", photo, *ATTACKS, bright_model, "--json")
        (verdict,) = lines_of(capsys.readouterr().out)[0]["faces"][0]["verdicts"]
        assert (verdict["threshold"], verdict["threshold_rule"]) == (0.5, "by hand")
        run("check", photo, *ATTACKS, bright_model, "--threshold", "0.25")
        assert "0.250 (yours)" in capsys.readouterr().out

    def test_it_is_for_all_tasks_or_for_the_named(self, photo, bright_model, another, capsys):
        asked = (
            "check",
            photo,
            *BOTH,
            "--model",
            bright_model,
            "--model",
            another("deepfake", 0.5),
            "--json",
        )

        def thresholds(*options: str) -> dict[str, float]:
            assert run(*asked, *options) in (0, 1)
            verdicts = lines_of(capsys.readouterr().out)[0]["faces"][0]["verdicts"]
            return {each["task"]: each["threshold"] for each in verdicts}

        assert thresholds("--threshold", "0.3") == {"antispoof": 0.3, "deepfake": 0.3}
        assert thresholds("--threshold", "deepfake=0.3") == {"antispoof": 0.5, "deepfake": 0.3}
        both = ("--threshold", "deepfake=0.3", "--threshold", "0.7")
        assert thresholds(*both) == {"antispoof": 0.7, "deepfake": 0.3}

    def test_it_holds_for_videos(self, tmp_path, photo, film, bright_model, capsys):
        face = np.asarray(Image.open(photo))[::2, ::2]
        path = film(tmp_path / "a.mp4", [face] * 10)
        assert run("check", path, *ATTACKS, bright_model, "--threshold", ALWAYS, "--json") == 1
        (said,) = lines_of(capsys.readouterr().out)
        assert (
            said["verdicts"][0]["threshold_rule"]
            == said["faces"][0]["verdicts"][0]["threshold_rule"]
            == "user"
        )

    @pytest.mark.parametrize(
        ("values", "message"),
        [
            (["high"], "--threshold high: 'high' is not a number above 0 and below 1"),
            (["0,5"], "--threshold 0,5: '0,5' is not a number"),
            (["0"], "threshold for antispoof: 0.0 is not above 0 and below 1"),
            (["1"], "threshold for antispoof: 1.0 is not above 0 and below 1"),
            (["nan"], "threshold for antispoof: nan is not above 0 and below 1"),
            (
                ["deepfake=0.5"],
                "--threshold deepfake=0.5: is for deepfake, which is not asked; add --task deepfake",
            ),
            (["antispof=0.5"], "--threshold antispof=0.5: is for antispof, which is not asked"),
            (["0.5", "0.6"], "--threshold 0.6: there is a value for that already"),
            (
                ["antispoof=0.5", "antispoof=0.5"],
                "--threshold antispoof=0.5: there is a value for that already",
            ),
        ],
    )
    def test_what_is_no_threshold(self, photo, bright_model, capsys, values, message):
        options = (part for value in values for part in ("--threshold", value))
        assert run("check", photo, *ATTACKS, bright_model, *options) == 2
        said = capsys.readouterr()
        assert said.out == ""
        assert said.err.startswith(f"facetrust: {message}")


class TestPolicy:
    def test_it_picks_one_of_the_cards_and_the_json_says_which(self, photo, another, capsys):
        rules = {"eer": 0.4, "apcer@5%": ALWAYS, "bpcer@5%": NEVER}
        fitted = [{"value": v, "rule": r, "manifest": "m", "split": "dev"} for r, v in rules.items()]
        model = another("antispoof", 0.5, thresholds=fitted)
        for policy, rule, status in (
            ("strict", "apcer@5%", 1),
            ("balanced", "eer", 0),
            ("lenient", "bpcer@5%", 0),
        ):
            assert run("check", photo, *ATTACKS, model, "--policy", policy, "--json") == status
            (verdict,) = lines_of(capsys.readouterr().out)[0]["faces"][0]["verdicts"]
            assert (verdict["threshold"], verdict["threshold_rule"]) == (rules[rule], rule)

    @pytest.mark.parametrize(
        ("options", "message"),
        [
            (["harsh"], "no policy 'harsh'; use strict, balanced, lenient"),
            (["strict"], "its card has no threshold for the policy strict, only by hand; fit one with"),
            (["balanced", "--threshold", "0.5"], "give a policy or thresholds, not both"),
        ],
    )
    def test_what_is_refused(self, photo, bright_model, capsys, options, message):
        assert run("check", photo, *ATTACKS, bright_model, "--policy", *options) == 2
        said = capsys.readouterr()
        assert said.out == ""
        assert message in said.err
        assert said.err.count("\n") == 1
