"""Wrong keys: counted by address in a bounded memory, told to wait, and never in the way of a right one."""

from __future__ import annotations

import logging

import pytest

from facetrust.serve import attempts
from facetrust.serve.attempts import Attempts
from facetrust.serve.keys import add_key
from facetrust.serve.refusal import Refusal


class Clock:
    """Seconds that a test sets."""

    now = 1000.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def clock() -> Clock:
    return Clock()


def refused(counter: Attempts, address: str) -> str | None:
    """After how many seconds a wrong key may be tried again; None if its address is not told to wait."""
    try:
        counter.wrong(address)
    except Refusal as refusal:
        return refusal.headers["Retry-After"]
    return None


def test_beyond_so_many_in_a_minute_an_address_is_told_to_wait(clock):
    counter = Attempts(3, clock)
    assert [refused(counter, "192.0.2.1") for _ in range(4)] == [None, None, None, "60"]
    assert refused(counter, "192.0.2.2") is None
    clock.now += 59.5
    assert refused(counter, "192.0.2.1") == "1"
    clock.now += 0.5
    assert [refused(counter, "192.0.2.1") for _ in range(4)] == [None, None, None, "60"]


def test_a_network_of_ipv6_counts_as_one_and_ipv4_within_it_by_itself(clock):
    counter = Attempts(1, clock)
    assert refused(counter, "2001:db8:0:1::1") is None
    assert refused(counter, "2001:db8:0:1:ffff::2") == "60"
    assert refused(counter, "2001:db8:0:2::1") is None
    assert refused(counter, "::ffff:192.0.2.1") is None
    assert refused(counter, "::ffff:192.0.2.2") is None
    assert refused(counter, "192.0.2.1") == "60"
    assert [refused(counter, "a pipe") for _ in range(2)] == [None, "60"]


def test_its_memory_is_bounded(clock, monkeypatch):
    monkeypatch.setattr(attempts, "_ADDRESSES", 3)
    counter = Attempts(1, clock)
    for n in range(50):
        counter.wrong(f"192.0.2.{n}")
    assert list(counter._seen) == ["192.0.2.47", "192.0.2.48", "192.0.2.49"]


def test_the_service_answers_429_and_lets_a_right_key_in(serving, tmp_path, caplog):
    made = add_key(tmp_path / "keys.json", "door", ("check",))
    client = serving({"wrong_keys": 2}, keys=tmp_path / "keys.json")

    def ask(key: str | None):
        return client.get("/v1/models", headers={} if key is None else {"authorization": f"Bearer {key}"})

    with caplog.at_level(logging.DEBUG):
        # A request without any key is no attempt.
        statuses = [ask(key).status_code for key in (None, None, None, "guess-1", "guess-2", "guess-3")]
        assert statuses == [401, 401, 401, 401, 401, 429]
        answer = ask("guess-4")
        assert answer.status_code == 429
        assert answer.json() == {"error": "too many wrong API keys; try again later"}
        assert 1 <= int(answer.headers["retry-after"]) <= 60
        assert ask(made).status_code == 200
        with client.websocket_connect("/v1/camera") as camera:
            camera.send_json({"key": "guess-5"})
            assert camera.receive_json() == {"error": "too many wrong API keys; try again later"}
    assert "facetrust_wrong_keys_total 5.0" in ask_metrics(client, made)
    ours = [each.getMessage() for each in caplog.records if each.name.startswith(("facetrust", "uvicorn"))]
    assert "GET /v1/models 429" in "\n".join(ours)
    assert "guess" not in "\n".join(ours)


def ask_metrics(client, key: str) -> str:
    return client.get("/metrics", headers={"authorization": f"Bearer {key}"}).text
