"""What is counted adds up, and the page shows it whatever files are called."""

from __future__ import annotations

import json
import re
import shutil
from html.parser import HTMLParser

import pytest

from facetrust.records import CheckReport, Face, Verdict
from facetrust.runtime.scan.summary import page_of, write_summary
from facetrust.runtime.scan.tally import BINS, MOST, Tally, added


def report(source: str, *scores: float, unit: str = "face") -> CheckReport:
    verdicts = [
        Verdict(task="toy", score=s, threshold=0.5, decision="bad" if s >= 0.5 else "good", model="m")
        for s in scores
    ]
    if unit == "picture":
        return CheckReport(source=source, size=(4, 5), trusted=True, verdicts=tuple(verdicts))
    faces = tuple(Face(box=(0, 0, 1, 1), points=(), confidence=1, verdicts=(v,)) for v in verdicts)
    trusted = max(scores) < 0.5 if scores else None
    return CheckReport(source=source, size=(4, 5), trusted=trusted, faces=faces, timings={"detect": 0.25})


def tally(*reports: CheckReport) -> Tally:
    made = Tally()
    for each in reports:
        made.add_report(each)
    return made


def test_scores_fall_into_bins_and_the_highest_are_named():
    of_picture = report("d", 0.5, unit="picture")
    made = tally(report("a", 0.0, 0.04, 1.0), report("b", 0.05), report("c"), of_picture)
    filled = {place: count for place, count in enumerate(made.scores["toy"]) if count}
    assert filled == {0: 2, 1: 1, 10: 1, 19: 1}
    assert len(made.scores["toy"]) == BINS
    named = [(source, face) for _, source, face in made.suspicious["toy"]]
    assert named == [("a", 3), ("d", None), ("b", 1), ("a", 2), ("a", 1)]
    assert made.answers == {"toy": {"good": 3, "bad": 2}}
    assert (made.pictures, made.faces, made.without_face) == (4, 4, 2)
    assert (made.trusted, made.not_trusted, made.cannot_tell) == (2, 1, 1)


def test_the_sum_of_parts_is_the_tally_of_all_through_json():
    reports = [report(f"{n}", n / 100, 1 - n / 100) for n in range(60)]
    whole = tally(*reports)
    whole.add_failure("missing", "x", "x: gone")
    whole.add_duplicate()
    first, second = tally(*reports[:25]), tally(*reports[25:])
    second.add_failure("missing", "x", "x: gone")
    first.add_duplicate()
    sums = added(json.loads(json.dumps(each.to_dict())) for each in (first, second))
    assert sums == whole
    assert len(sums.suspicious["toy"]) == MOST
    assert sums.suspicious["toy"][0] == (1.0, "0", 2)


def test_no_name_of_a_file_becomes_markup(tmp_path):
    evil = "<script>alert('x')</script>&\".png"
    made = tally(report(evil, 0.9))
    made.add_failure("<b>", evil, f"{evil}: broken")
    page = page_of(made, {"source": evil, "model": "<i>"}, skipped=0)
    assert "<script" not in page
    assert "<b>" not in page
    assert "<i>" not in page
    assert page.count("&lt;script&gt;alert(&#x27;x&#x27;)&lt;/script&gt;&amp;&quot;.png") == 5
    assert not re.search(r"(src|href|url)\s*[=(]", page)  # It needs nothing else.


class Balance(HTMLParser):
    """Keeps the elements that are open; the empty ones of HTML are never closed."""

    def __init__(self) -> None:
        super().__init__()
        self.open: list[str] = []

    def handle_starttag(self, tag: str, _: object) -> None:
        if tag != "meta":
            self.open.append(tag)

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag


def test_what_is_opened_in_the_page_is_closed():
    made = tally(report("a <", 0.2), report("b &", 0.9, unit="picture"))
    made.add_failure("missing", "c", "c: gone")
    balance = Balance()
    balance.feed(page_of(made, {"source": "s"}, skipped=1))
    balance.close()
    assert balance.open == []


def test_the_summary_is_written_twice_with_the_same_counts(tmp_path):
    page = write_summary(tmp_path, tally(report("a", 0.2)), {"source": "s"}, skipped=3)
    found = json.loads((tmp_path / "summary.json").read_text())
    assert (found["settings"], found["pictures"], found["skipped"]) == ({"source": "s"}, 1, 3)
    text = page.read_text()
    assert text.startswith("<!doctype html>")
    assert text.count("<rect") == BINS
    assert "0.20 to 0.25: 1" in text


def test_a_browser_opens_the_page_without_an_error(tmp_path):
    """Its tables and bars are shown, nothing is fetched, and nothing is said on the console."""
    playwright = pytest.importorskip("playwright.sync_api", reason="playwright is not installed")
    made = tally(*[report(f"{n}.png", n / 20) for n in range(20)], report("wall.png"))
    made.add_failure("missing", "c", "c: gone")
    (tmp_path / "summary.html").write_text(page_of(made, {"source": "pictures"}, skipped=1), encoding="utf-8")
    said: list[str] = []
    asked: list[str] = []
    with playwright.sync_playwright() as started:
        found = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None)
        try:
            browser = started.chromium.launch(executable_path=found, args=["--no-sandbox"])
        except playwright.Error:
            pytest.skip("no browser is installed: apt-get install chromium, or playwright install chromium")
        page = browser.new_page()
        page.on("console", lambda message: said.append(message.text))
        page.on("pageerror", lambda error: said.append(str(error)))
        page.on("request", lambda request: asked.append(request.url))
        page.goto((tmp_path / "summary.html").as_uri())
        text = page.inner_text("body")
        rows = page.locator("table tr").count()
        browser.close()
    assert said == []
    assert asked == [(tmp_path / "summary.html").as_uri()]
    assert "19.png" in text
    assert "c: gone" in text
    assert rows > 20
