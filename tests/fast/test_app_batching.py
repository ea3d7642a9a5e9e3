"""Requests share batches and nothing else: fairness, failures, leaving, a full queue, streams beside batches."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from concurrent.futures import CancelledError
from itertools import pairwise
from pathlib import Path

import pytest
from app_server import ENGLISH, FIXED, FRENCH, GERMAN, FixedEngine, until
from hypothesis import given, settings
from hypothesis import strategies as st

from dragoman.app.batching import Batcher, BatchLimits, BusyError, ClosedError
from dragoman.app.engine import EngineSource, Material, ModelEngine, Task, open_engine
from dragoman.app.limits import Limits, TooLargeError
from dragoman.app.segmentation import lay_out
from dragoman.app.serving import Serving, serve
from dragoman.app.turns import Turns
from dragoman.mt.backends.hf import opened_model
from dragoman.mt.config import DecodingConfig
from dragoman.mt.errors import ConfigError, ModelError
from dragoman.mt.lexicons import Matcher, read_lexicon
from dragoman.mt.models import load_model
from dragoman.mt.prompting.glossary import Glossary
from dragoman.mt.prompting.plan import PromptPlan
from dragoman.mt.translator import Translation

TASK, OTHER = Task(ENGLISH, FRENCH), Task(GERMAN, ENGLISH)


@pytest.fixture
def engine() -> Iterator[FixedEngine]:
    engine = FixedEngine()
    yield engine
    engine.gate.set()


def batcher(engine: FixedEngine, **limits: int) -> Batcher:
    return Batcher(engine, BatchLimits(**limits))


def hold(engine: FixedEngine, one: Batcher) -> None:
    """Keep the engine busy with a first text, so that what comes next waits together."""
    engine.gate.clear()
    one.submit(["first"], TASK)
    assert engine.entered.acquire(timeout=10)


def test_what_waits_together_is_translated_together_and_what_comes_alone_at_once(engine: FixedEngine) -> None:
    one = batcher(engine, rows=8)
    hold(engine, one)
    tickets = [one.submit([f"text {i}"], TASK, client=i) for i in range(5)]
    engine.gate.set()
    assert [ticket.future.result(10)[0].text for ticket in tickets] == [f"TEXT {i}" for i in range(5)]
    assert engine.batches == [["first"], [f"text {i}" for i in range(5)]]
    one.close()


def test_batches_hold_to_rows_characters_and_one_task(engine: FixedEngine) -> None:
    one = batcher(engine, rows=8, characters=100)
    hold(engine, one)
    long = one.submit(["x" * 90] * 4, TASK, client="long")
    mixed = one.submit(["a"] * 20, OTHER, client="other")
    engine.gate.set()
    assert len(long.future.result(10)) == 4
    assert len(mixed.future.result(10)) == 20
    sizes = [len(batch) for batch in engine.batches[1:]]
    assert max(sizes) <= 8
    assert all(len(batch) <= 2 for batch in engine.batches if batch[0].startswith("x"))
    assert all(len(set(batch)) == 1 for batch in engine.batches)
    one.close()


def test_a_one_liner_does_not_wait_for_two_thousand_sentences(engine: FixedEngine) -> None:
    one = batcher(engine, rows=8)
    hold(engine, one)
    book = one.submit([f"sentence {i}" for i in range(2000)], TASK, client="book")
    mine = [one.submit(["short"], TASK, client=client) for client in ("book", "somebody else")]
    engine.gate.set()
    for ticket in mine:
        ticket.future.result(10)
    assert all("short" in engine.batches[i] for i in (1,))
    assert [each.text for each in book.future.result(20)] == [f"SENTENCE {i}" for i in range(2000)]
    assert all(len(batch) == 8 for batch in engine.batches[1:-1])
    one.close()


def test_another_direction_has_the_next_batch(engine: FixedEngine) -> None:
    one = batcher(engine, rows=4)
    hold(engine, one)
    one.submit(["book"] * 100, TASK, client="book")
    other = one.submit(["other"], OTHER, client="other")
    engine.gate.set()
    other.future.result(10)
    assert engine.batches.index(["other"]) == 2
    one.close()


def test_only_the_guilty_request_of_a_batch_fails(engine: FixedEngine) -> None:
    one = batcher(engine, rows=16)
    hold(engine, one)
    good = [one.submit([f"good {i}", "fine"], TASK, client=i) for i in range(3)]
    bad = one.submit(["fine", "BOOM", "never tried"], TASK, client="bad")
    told = one.submit(["WRONG"], TASK, client="told")
    engine.gate.set()
    for i, ticket in enumerate(good):
        assert [each.text for each in ticket.future.result(10)] == [f"GOOD {i}", "FINE"]
    with pytest.raises(RuntimeError, match="secret"):
        bad.future.result(10)
    with pytest.raises(ModelError):
        told.future.result(10)
    assert one.submit(["after"], TASK).future.result(10)[0].text == "AFTER"
    assert ["never tried"] not in engine.batches
    one.close()


def test_a_client_that_leaves_takes_its_waiting_sentences_along(engine: FixedEngine) -> None:
    one = batcher(engine, rows=2, queue=10)
    hold(engine, one)
    leaving = one.submit(["gone"] * 9, TASK, client="leaving")
    one.cancel(leaving)
    one.cancel(leaving)
    staying = one.submit(["stays"] * 10, TASK, client="staying")
    engine.gate.set()
    staying.future.result(10)
    assert not any("gone" in batch for batch in engine.batches)
    with pytest.raises(CancelledError):
        leaving.future.result(10)
    one.close()


def test_a_full_queue_says_when_to_come_back_and_takes_nothing(engine: FixedEngine) -> None:
    one = batcher(engine, rows=2, queue=10)
    hold(engine, one)
    one.submit(["a"] * 8, TASK)
    with pytest.raises(BusyError) as refused:
        one.submit(["b"] * 3, TASK)
    assert 1 <= refused.value.retry_after <= 60
    assert one.waiting == 8
    assert len(one.submit(["c"] * 2, TASK).texts) == 2
    engine.gate.set()
    one.close()


def test_a_closed_batcher_fails_what_waits_and_refuses_what_comes(engine: FixedEngine) -> None:
    one = batcher(engine)
    hold(engine, one)
    waiting = one.submit(["waits"], TASK)
    closing = threading.Thread(target=one.close)
    closing.start()
    with pytest.raises(ClosedError):
        waiting.future.result(10)
    engine.gate.set()
    closing.join(10)
    assert not closing.is_alive()
    with pytest.raises(ClosedError):
        one.submit(["late"], TASK)


@settings(deadline=None, max_examples=30)
@given(st.lists(st.tuples(st.integers(1, 30), st.integers(0, 3), st.booleans()), max_size=12), st.integers(1, 9))
def test_every_segment_is_translated_once_whoever_waits(requests: list[tuple[int, int, bool]], rows: int) -> None:
    engine = FixedEngine()
    one = batcher(engine, rows=rows)
    tickets = [
        one.submit([f"{i}.{n}." for n in range(count)], OTHER if other else TASK, client)
        for i, (count, client, other) in enumerate(requests)
    ]
    for i, (ticket, (count, _, _)) in enumerate(zip(tickets, requests, strict=True)):
        assert [each.text for each in ticket.future.result(10)] == [f"{i}.{n}." for n in range(count)]
    assert sum(map(len, engine.batches)) == sum(count for count, _, _ in requests)
    assert one.waiting == 0
    one.close()


# ---- streams ----


def serving(engine: FixedEngine, limits: Limits | None = None) -> Serving:
    return Serving([serve(FIXED, engine, None, (limits or Limits()).streams)], limits)


def test_leaving_a_stream_stops_the_model_and_frees_the_slot(engine: FixedEngine) -> None:
    one = serving(engine, Limits(streams=1))
    engine.gate.clear()
    stream = one.stream("a long text", (ENGLISH, FRENCH))
    with pytest.raises(BusyError):
        one.stream("another", (ENGLISH, FRENCH))
    stream.cancel()
    engine.gate.set()
    assert engine.stopped.wait(10)
    until(lambda: one.streaming == 0)
    assert list(stream) == []
    assert "".join(one.stream("one\ntwo", (ENGLISH, FRENCH))) == "ONE\nTWO"
    one.close()


def test_an_error_in_a_stream_reaches_its_reader_and_frees_the_slot(engine: FixedEngine) -> None:
    one = serving(engine, Limits(streams=1))
    stream = one.stream("ab!c", (ENGLISH, FRENCH))
    seen = []
    with pytest.raises(RuntimeError, match="secret"):
        for piece in stream:
            seen.append(piece)
    assert seen == ["A", "B"]
    until(lambda: one.streaming == 0)
    one.close()


def test_a_stream_and_a_batch_of_a_real_model_run_at_the_same_time(tiny_llama_folder: Path) -> None:
    loaded = load_model(str(tiny_llama_folder), device="cpu")
    real = ModelEngine(opened_model(loaded))
    long = Task(ENGLISH, FRENCH, DecodingConfig(max_new_tokens=200, stop="eos"))
    expected = real.translate(["Good morning.", "Dog."], long)
    alone = "".join(real.stream("Habari", long))
    passes: list[int] = []
    loaded.model.register_forward_hook(lambda *_: passes.append(threading.get_ident()))
    done: list[list[Translation]] = []
    beside = threading.Thread(target=lambda: done.append(real.translate(["Good morning.", "Dog."], long)))
    beside.start()
    together = "".join(real.stream("Habari", long))
    beside.join(20)
    assert together == alone
    assert [one.text for one in done[0]] == [one.text for one in expected]
    assert len(set(passes)) == 2
    assert sum(one != two for one, two in pairwise(passes)) > 20  # neither waited for the other to end


def test_turns_are_given_in_the_order_they_were_asked_for() -> None:
    turns = Turns()
    turns.acquire()
    order: list[int] = []

    def take(number: int) -> None:
        turns.acquire()
        order.append(number)
        turns.release()

    threads = []
    for number in range(8):
        threads.append(threading.Thread(target=take, args=(number,)))
        threads[-1].start()
        until(lambda number=number: len(turns._waiting) == number + 1)
    turns.release()
    for thread in threads:
        thread.join(10)
    assert order == list(range(8))


# ---- requests ----


def test_limits_are_refused_before_anything_waits(engine: FixedEngine) -> None:
    one = serving(engine, Limits(characters=100, segments=10, texts=5))
    for texts, said in ((["x" * 101], "101 characters"), (["x"] * 6, "6 texts"), (["a\n" * 11], "11 segments")):
        with pytest.raises(TooLargeError, match=said):
            one.submit(texts, (ENGLISH, FRENCH))
    with pytest.raises(TooLargeError, match="9 beams"):
        one.submit(["a"], (ENGLISH, FRENCH), DecodingConfig(beams=9))
    assert one.translate([], (ENGLISH, FRENCH)) == []
    one.close()


def test_leaving_by_an_exception_in_progress_frees_the_queue(engine: FixedEngine) -> None:
    one = Serving([serve(FIXED, engine, BatchLimits(rows=1))])

    def leave(_done: int, _total: int) -> None:
        raise KeyboardInterrupt

    engine.gate.clear()
    with pytest.raises(KeyboardInterrupt):
        one.translate(["a", "b", "c"], (ENGLISH, FRENCH), progress=leave)
    assert one.waiting == 0
    engine.gate.set()
    one.close()


def test_a_missing_back_end_says_what_is_missing(tiny_llama_folder: Path) -> None:
    with pytest.raises(ModelError, match="dragoman export ct2"):
        open_engine(EngineSource(str(tiny_llama_folder)), "ct2")
    with pytest.raises(ConfigError, match="no back end 'cuda'"):
        open_engine(EngineSource(str(tiny_llama_folder)), "cuda")


@given(st.text(alphabet=st.sampled_from("ab .\n\r\t\u3000。你"), max_size=60), st.integers(1, 12))
def test_a_text_taken_apart_and_put_together_is_the_text_but_for_gaps_inside_lines(text: str, longest: int) -> None:
    layout = lay_out(text, longest)
    assert all(segment == segment.strip() != "" and "\n" not in segment for segment in layout.segments)
    joined = layout.join(layout.segments, spaced=True)
    assert ["".join(line.split()) for line in joined.split("\n")] == ["".join(line.split()) for line in text.split("\n")]
    whole = lay_out(text)
    assert whole.join(whole.segments, spaced=False) == text


def test_a_glossary_reaches_the_prompts_of_its_own_request_only(tiny_llama_folder: Path, tmp_path: Path) -> None:
    (tmp_path / "terms.tsv").write_text("dog\tchien\n", encoding="utf-8")
    terms = Material(PromptPlan(glossary=Glossary(Matcher.of(read_lexicon(tmp_path / "terms.tsv", "eng", "fra")))))
    one = Serving([serve(FIXED, open_engine(EngineSource(str(tiny_llama_folder), "cpu")))])
    direction = ENGLISH, FRENCH
    (without,) = one.translate(["The dog."], direction)
    (with_terms,) = one.translate(["The dog."], direction, material=terms)
    assert "chien" in one.prompt("The dog.", direction, material=terms)
    assert "chien" not in one.prompt("The dog.", direction)
    assert [(term.required, term.met) for term in with_terms.segments[0].terms] == [(1, 0)]
    assert without.segments[0].terms == ()
    assert "".join(one.stream("The dog.", direction, material=terms)) == with_terms.text != without.text
    one.close()
