from __future__ import annotations

import torch

from facetrust.models._prompts import LIVE, LONGEST, SPOOF, prompt_tokens
from facetrust.models._torchvision import make_torchvision_importable


def test_the_ids_are_what_clips_tokenizer_makes_of_the_texts() -> None:
    make_torchvision_importable()
    from open_clip.tokenizer import SimpleTokenizer

    texts = [*SPOOF, *LIVE]
    assert len(set(texts)) == 12
    expected = SimpleTokenizer()(texts, context_length=77)
    found = prompt_tokens()
    assert found.shape == (2, 6, 77)
    assert found.dtype == torch.int64
    assert torch.equal(found.flatten(0, 1), expected)


def test_an_attack_comes_first_and_no_sentence_is_in_both_classes() -> None:
    assert next(iter(SPOOF)) == "This is an example of a spoof face"
    assert not set(SPOOF) & set(LIVE)
    assert (prompt_tokens()[0, 4, :9]).tolist() == [49406, 320, 1125, 539, 320, 1261, 539, 1710, 49407]


def test_the_short_form_lacks_nothing_but_zeros() -> None:
    whole, short = prompt_tokens(), prompt_tokens(LONGEST)
    assert torch.equal(whole[..., :LONGEST], short)
    assert whole[..., LONGEST:].abs().sum() == 0
    assert (short[..., -1] == 49407).any()
