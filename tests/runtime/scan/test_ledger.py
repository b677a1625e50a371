"""The ledger: the first that asks judges, and an input that two workers died with is not tried again."""

from __future__ import annotations

from facetrust.runtime.scan.ledger import Ledger, Suspects

A, B, C = ("0a" * 32, "0b" * 32, "0c" * 32)


def test_the_first_that_asks_for_bytes_judges_them_also_when_it_asks_again():
    ledger = Ledger()
    assert ledger.claim([(A, 4), (B, 5), (A, 6)]) == [4, 5, 4]
    assert ledger.claim([(A, 4), (A, 2), (C, 2)]) == [4, 4, 2]


def test_what_was_judged_before_is_known():
    ledger = Ledger([(A, 7), (A, 7), (B, 1)])
    assert ledger.claim([(A, 3), (A, 7), (C, 3)]) == [7, 7, 3]


def test_what_was_in_hand_twice_is_poison_and_what_was_once_is_suspected():
    ledger = Ledger()
    assert ledger.begin(0, [0, 1, 2, 3]) == Suspects((), ())
    ledger.at(0, [0, 1], 0)
    assert ledger.has_in_hand(0)
    assert ledger.begin(0, [0, 1, 2, 3]) == Suspects((0, 1), ())
    assert not ledger.has_in_hand(0)
    ledger.at(0, [1], 1)
    assert ledger.begin(0, [0, 1, 2, 3]) == Suspects((0,), (1,))
    ledger.finish(0)
    assert ledger.begin(1, [4, 5]) == Suspects((), ())


def test_what_is_looked_at_counts_once():
    ledger = Ledger()
    ledger.begin(0, range(16))
    ledger.at(0, range(8), 0)
    ledger.at(0, range(8, 16), 8)
    ledger.begin(1, range(16, 32))
    ledger.at(1, [], 5)
    assert ledger.looked_at == 13
    ledger.begin(0, range(16))
    assert ledger.looked_at == 5
    ledger.finish(1)
    assert ledger.looked_at == 0
