from __future__ import annotations

import shutil
import subprocess
import sys
import time

import numpy as np
import pytest
import torch

from facetrust.errors import ModelError, UsageError
from facetrust.export.onnx import export
from facetrust.model_file import locate
from facetrust.models import create_model, save_checkpoint
from facetrust.profile import ProfileReport, _torch_threads, band, profile
from facetrust.profile._memory import peak_memory
from facetrust.profile._network import named, open_network
from facetrust.profile._timing import take_turns
from facetrust.records import ModelCard, Preprocessing

QUICK = {"rounds": 3, "batches": (1, 4), "memory": False}
MINIFASNET = 434_560


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    """A run folder and the .onnx file of the same network, two crops a face."""
    folder = tmp_path_factory.mktemp("profile")
    torch.manual_seed(0)
    model = create_model("minifasnet").eval()
    preprocessing = Preprocessing(size=(80, 80), margins=(2.7, 4.0), color="BGR", top=255.0)
    card = ModelCard(
        name="m",
        task="antispoof",
        architecture="minifasnet",
        preprocessing=preprocessing,
        score_means="attack",
    )
    save_checkpoint(model, card, folder / "run")
    export(model, card, folder / "m.onnx")
    return folder


def test_a_run_folder_is_profiled_in_both_engines(made):
    report = profile(made / "run", **QUICK)
    ours, runtimes = report.profiles
    assert (ours.engine, runtimes.engine) == ("torch", "onnxruntime")
    assert ours.parameters == MINIFASNET
    assert runtimes.parameters < ours.parameters  # Norms are folded into convolutions.
    assert ours.macs == runtimes.macs
    for one in report.profiles:
        assert (one.size, one.crops, one.peak_memory) == ((80, 80), 2, None)
        assert 0 < one.latency_p50 <= one.latency_p95
        assert set(one.throughput) == {1, 4}
        assert min(one.throughput.values()) > 0
    assert report.ratios == ()


def test_an_onnx_file_is_profiled_from_its_graph_as_the_folder_was(made):
    (profiled,) = profile(made / "m.onnx", **QUICK).profiles
    traced = profile(made / "run", engines=("onnxruntime",), **QUICK).profiles[0]
    assert (profiled.macs, profiled.parameters, profiled.crops) == (traced.macs, traced.parameters, 2)
    assert profiled.bytes == (made / "m.onnx").stat().st_size


def test_a_bundled_model_is_profiled_by_its_name():
    (by_name,) = profile("antispoof-tiny", **QUICK).profiles
    (by_path,) = profile(locate("antispoof-tiny"), **QUICK).profiles
    assert (by_name.model, by_name.engine, by_name.crops) == ("antispoof-tiny", "onnxruntime", 1)
    assert (by_name.macs, by_name.parameters, by_name.bytes) == (
        by_path.macs,
        by_path.parameters,
        by_path.bytes,
    )
    with pytest.raises(UsageError, match="run by onnxruntime"):
        profile("antispoof-tiny", engines=("torch",), **QUICK)


def test_a_folder_of_a_bundled_models_name_is_a_run(made, tmp_path, monkeypatch):
    shutil.copytree(made / "run", tmp_path / "antispoof-tiny")
    monkeypatch.chdir(tmp_path)
    assert profile("antispoof-tiny", engines=("torch",), **QUICK).profiles[0].parameters == MINIFASNET


def test_two_models_give_ratios_and_bands(made):
    report = profile(
        "timm/mobilenetv3_small_050", vs=made / "run", size=(80, 80), engines=("torch",), **QUICK
    )
    student, teacher = report.profiles
    ratios = {(ratio.quantity, ratio.batch): ratio for ratio in report.ratios}
    assert set(ratios) == {
        ("parameters", None),
        ("macs", None),
        ("latency", None),
        ("throughput", 1),
        ("throughput", 4),
    }
    assert ratios["parameters", None].ratio == student.parameters / teacher.parameters
    assert ratios["macs", None].ratio == student.macs / teacher.macs
    assert ratios["macs", None].band == "very successful"
    assert ratios["latency", None].ratio == pytest.approx(1 / ratios["throughput", 1].ratio)
    assert ProfileReport.model_validate_json(report.to_json()) == report


def test_an_onnx_file_is_held_against_a_folder_in_the_engine_they_share(made):
    report = profile(made / "m.onnx", vs=made / "run", **QUICK)
    assert [one.engine for one in report.profiles] == ["onnxruntime", "onnxruntime"]
    (parameters,) = [ratio for ratio in report.ratios if ratio.quantity == "parameters"]
    assert parameters.ratio == 1
    assert parameters.band == "not reached"


def test_a_network_that_reads_sentences_is_profiled_with_and_without_its_text_tower():
    settings = "clip=vit-t16,layers=1"
    report = profile(
        "clip-vit-t16:layers=1", vs=f"flip-mcl:{settings}", size=(32, 32), engines=("torch",), **QUICK
    )
    ours, each_call, cached = report.profiles
    assert [one.text for one in report.profiles] == [None, "each call", "cached"]
    assert each_call.macs - cached.macs == 12 * (77 * 12 * 384**2 + 2 * 77**2 * 384 + 384 * 512)
    assert cached.macs == ours.macs
    assert cached.parameters == ours.parameters
    # FLIP-IT is FLIP-MCL without the head that only training needs.
    both = create_model("flip-it", clip="vit-t16", layers=1, image_size=(32, 32))
    assert each_call.parameters == sum(parameter.numel() for parameter in both.parameters())
    assert each_call.latency_p50 > cached.latency_p50
    ratios = {(ratio.quantity, ratio.text, ratio.batch): ratio.ratio for ratio in report.ratios}
    assert len(ratios) == len(report.ratios) == 2 * 5
    assert ratios["macs", "cached", None] == ratios["parameters", "cached", None] == 1
    assert ratios["parameters", "each call", None] == ours.parameters / each_call.parameters


def test_two_that_read_sentences_are_held_against_each_other_form_by_form():
    name = "flip-it:clip=vit-t16,layers=1"
    report = profile(name, vs=name, size=(32, 32), engines=("torch",), rounds=3, batches=(1,), memory=False)
    assert [one.text for one in report.profiles] == ["each call", "cached"] * 2
    macs = [(ratio.text, ratio.ratio) for ratio in report.ratios if ratio.quantity == "macs"]
    assert macs == [("each call", 1), ("cached", 1)]


def test_onnx_runtime_has_the_form_with_cached_text_only():
    report = profile("flip-it:clip=vit-t16,layers=1", size=(32, 32), **QUICK)
    forms = [(one.engine, one.text) for one in report.profiles]
    assert forms == [("torch", "each call"), ("torch", "cached"), ("onnxruntime", "cached")]
    assert report.profiles[2].macs < report.profiles[0].macs / 10


def test_the_side_of_a_named_networks_images_is_a_setting():
    assert open_network("mobilefacenet-s:image_size=96", None).size == (96, 96)
    assert open_network("mobilefacenet-s:image_size=96", (112, 112)).size == (112, 112)
    for wrong in ("0", "x", "true"):
        with pytest.raises(UsageError, match="give the side of a square in pixels"):
            open_network(f"minifasnet:image_size={wrong}", None)


def test_settings_follow_the_name():
    assert named("minifasnet") == ("minifasnet", {})
    assert named("flip-it:clip=vit-t16,layers=1") == ("flip-it", {"clip": "vit-t16", "layers": 1})
    assert named("timm/x:dropout=0.5,pretrained=false") == ("timm/x", {"dropout": 0.5, "pretrained": False})
    with pytest.raises(UsageError, match="'layers' is no setting; write NAME:KEY=VALUE"):
        named("flip-it:layers")


@pytest.mark.parametrize(
    ("quantity", "ratio", "wanted"),
    [
        ("parameters", 0.51, "not reached"),
        ("parameters", 0.5, "partly successful"),
        ("parameters", 1 - 0.7, "successful"),
        ("macs", 0.31, "partly successful"),
        ("macs", 1 - 0.9, "very successful"),
        ("macs", 1.5, "not reached"),
        ("throughput", 1.99, "not reached"),
        ("throughput", 2.0, "partly successful"),
        ("throughput", 2.25, "successful"),
        ("throughput", 2.52, "very successful"),
        ("latency", 0.01, None),
        ("memory", 0.01, None),
    ],
)
def test_bands(quantity, ratio, wanted):
    assert band(quantity, ratio) == wanted


def test_models_take_turns():
    order = []
    runs = [lambda: order.append("a"), lambda: order.append("b")]
    assert take_turns(runs, rounds=5).shape == (2, 5)
    assert order == ["a", "b"] + ["a", "a", "b", "b"] * 5


def test_what_the_other_model_took_from_the_caches_is_not_counted():
    last = []

    def run(name, seconds):
        cold = last[-1:] != [name]
        last.append(name)
        time.sleep(seconds + 0.05 * cold)

    small, large = take_turns([lambda: run("small", 0.001), lambda: run("large", 0.01)], rounds=3)
    assert np.median(small) < 0.03
    assert np.median(large) < 0.04


def test_times_are_those_of_the_calls():
    quick, slow = take_turns([lambda: time.sleep(0.002), lambda: time.sleep(0.02)], rounds=5)
    assert 0.002 <= np.median(quick) < 0.02 <= np.median(slow)


def test_a_spent_budget_ends_the_rounds_after_three():
    assert take_turns([lambda: time.sleep(0.01)], rounds=100, budget=0.0).shape == (1, 3)


@pytest.mark.skipif(sys.platform != "linux", reason="peak memory is read from /proc")
def test_peak_memory_holds_at_least_the_weights(made):
    peak = peak_memory(str(made / "m.onnx"), "onnxruntime", size=(80, 80))
    assert MINIFASNET * 4 * 0.9 < peak < 500e6


def test_peak_memory_of_what_does_not_run_is_unknown(made):
    assert peak_memory(str(made / "absent.onnx"), "onnxruntime", size=(80, 80)) is None


def test_threads_are_set_and_set_back():
    before = torch.get_num_threads()
    with _torch_threads(before + 1, ["a folder", "a.onnx"]):
        assert torch.get_num_threads() == before + 1
    assert torch.get_num_threads() == before
    with _torch_threads(before + 1, ["a.onnx"]):
        assert torch.get_num_threads() == before


def test_an_onnx_file_needs_no_torch(made):
    code = (
        "import sys; sys.modules['torch'] = None\n"
        "from facetrust.profile import profile\n"
        "(one,) = profile(sys.argv[1], rounds=3, batches=(1,), memory=False).profiles\n"
        "print(one.macs)"
    )
    done = subprocess.run(
        [sys.executable, "-c", code, made / "m.onnx"], capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    assert int(done.stdout) > 1e6


@pytest.mark.parametrize(
    ("model", "settings", "error", "message"),
    [
        ("absent.onnx", {}, ModelError, "no such model file"),
        ("m.onnx", {"engines": ("torch",)}, UsageError, "run by onnxruntime"),
        ("m.onnx", {"engines": ("tensorrt",)}, UsageError, "known are torch, onnxruntime"),
        ("m.onnx", {"engines": ()}, UsageError, "none given"),
        ("m.onnx", {"batches": (0,)}, UsageError, "start at 1"),
        ("run", {"size": (16, 16)}, UsageError, "does not take 16x16 images"),
    ],
)
def test_what_cannot_be_profiled_is_one_line(made, model, settings, error, message):
    with pytest.raises(error, match=message) as raised:
        profile(made / model, **{**QUICK, **settings})
    assert "\n" not in str(raised.value)


def test_an_unknown_name_is_answered_with_the_nearest():
    with pytest.raises(UsageError, match="did you mean 'minifasnet'"):
        profile("minifasnt", **QUICK)


def test_an_onnx_file_is_profiled_without_torch() -> None:
    code = (
        "import sys\n"
        "class Refuse:\n"
        "    def find_spec(self, name, path=None, target=None):\n"
        "        if name.partition('.')[0] in ('torch', 'timm'): raise ModuleNotFoundError(name)\n"
        "sys.meta_path.insert(0, Refuse())\n"
        "from facetrust.profile import profile\n"
        f"found = profile('antispoof-tiny', engines=('onnxruntime',), **{QUICK!r})\n"
        "print(found.profiles[0].engine, found.profiles[0].parameters)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert (done.returncode, done.stdout) == (0, "onnxruntime 249968\n"), done.stderr
