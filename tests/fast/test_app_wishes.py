"""What may be asked for beside the languages, what is estimated of a translation, and what streams and shares tell."""

from __future__ import annotations

import json
from collections.abc import Generator, Sequence
from dataclasses import dataclass
from types import SimpleNamespace

import numpy as np
import pytest
from app_server import ENGLISH, FIXED, FRENCH, FixedEngine, fixed_server
from numpy.typing import NDArray

from dragoman.app.access import Access, digest
from dragoman.app.adequacy import Adequacy, Estimate
from dragoman.app.engine import Task
from dragoman.app.limits import Limits
from dragoman.app.rates import TooManyError
from dragoman.app.serving import Serving, serve
from dragoman.app.shares import Shares
from dragoman.app.wishes import Wishes
from dragoman.mt.errors import ConfigError
from dragoman.mt.languages import find_language
from dragoman.mt.prompting import PromptPlan
from dragoman.mt.prompts import load_template
from dragoman.mt.translator import Translation


class LetterVectors:
    """Texts are alike where they share letters, whatever their case."""

    name = "letters"
    languages = frozenset({"eng", "fra"})

    def __init__(self) -> None:
        self.calls: list[list[str]] = []

    def encode(self, texts: Sequence[str]) -> NDArray[np.float32]:
        self.calls.append(list(texts))
        rows = np.asarray([[text.casefold().count(letter) for letter in "abcdefghijklmnopqrstuvwxyz"] for text in texts], dtype=np.float32)
        rows = rows.reshape(len(texts), 26)
        return (rows / np.maximum(np.linalg.norm(rows, axis=1, keepdims=True), 1e-9)).astype(np.float32)


# ---- context, formality, instruction ----


def test_a_context_stands_before_the_prompt_and_gives_way_sentence_by_sentence() -> None:
    plan = PromptPlan(context="It was late.  The bank was steep.\nNobody came.", instruction="Be brief.")
    framing = plan.framing(load_template("alma"), ENGLISH, FRENCH)
    heading = "Text before, for context only, not to be translated:\n"
    bare = framing.bare("He fell.")
    assert not plan.empty and bare.startswith("Be brief.\n")
    whole = plan.build(framing, "He fell.")
    assert whole.prompt == f"{heading}It was late.  The bank was steep.\nNobody came.\n\n{bare}"
    assert (whole.account.context, whole.account.left_out, whole.bare) == (3, 0, False)
    some = plan.build(framing, "He fell.", size=len, most=len(whole.prompt) - 1)
    assert some.prompt == f"{heading}The bank was steep.\nNobody came.\n\n{bare}"
    assert (some.account.context, some.account.context_left_out) == (2, 1)
    assert plan.build(framing, "He fell.", size=len, most=len(bare)).prompt == bare
    assert PromptPlan(context=" \n ").empty


def test_wishes_become_a_line_before_the_prompt_and_a_context() -> None:
    material = Wishes(context="Before.", formality="formal", instruction="On\nlaw.").check(Limits()).material(FRENCH)
    assert material is not None
    assert (material.plan.instruction, material.plan.context) == ("Use the formal form of address in French. On law.", "Before.")
    assert Wishes(" ", "", " ").material(FRENCH) is None


def test_the_api_takes_context_formality_and_instruction_and_refuses_what_it_cannot_mean() -> None:
    with fixed_server(limits=Limits(context=10)) as (server, engine):
        assert server.translate("One.", context="Before.", formality="informal").json() == {"translatedText": "ONE."}
        plan = engine.tasks[-1].material.plan  # type: ignore[union-attr]
        assert (plan.context, plan.instruction) == ("Before.", "Use the informal form of address in French.")
        for fields, status in (({"formality": "polite"}, 400), ({"context": "x" * 11}, 413), ({"context": 3}, 400)):
            assert server.translate("One.", **fields).status_code == status
        server.translate("One.")
        assert engine.tasks[-1].material is None


# ---- adequacy ----


def test_an_estimate_is_a_cosine_with_a_meaning_or_a_reason_why_there_is_none() -> None:
    vectors = LetterVectors()
    adequacy = Adequacy(lambda: vectors)
    pairs = [("abc", "ABC"), ("abc", "xyz"), ("abc", " "), ("aab", "abb")]
    same, other, empty, between = adequacy.estimates(pairs, (ENGLISH, FRENCH))
    assert (same.value, same.meaning, same.doubtful) == (1.0, "as human translations have", False)
    assert (other.value, other.doubtful) == (0.0, True) and "unrelated" in other.meaning
    assert empty.value is None and "no text" in empty.meaning
    assert between.value == pytest.approx(0.8)
    unknown = adequacy.estimates(pairs, (ENGLISH, find_language("wol")))
    assert {each.meaning for each in unknown} == {"no estimate for Wolof: letters does not know it"}
    assert len(vectors.calls) == 2


def test_vectors_that_cannot_be_had_are_asked_for_once_and_told() -> None:
    asked = []

    def load() -> LetterVectors:
        asked.append(1)
        raise ConfigError("the package is not installed", where="/secret")

    adequacy = Adequacy(load)
    for _ in range(2):
        assert adequacy.estimates([("a", "b")], (ENGLISH, FRENCH)) == [Estimate(None, "no estimate: the package is not installed")]
    assert len(asked) == 1


def test_the_api_estimates_segment_by_segment_where_asked() -> None:
    with fixed_server() as (server, _):
        server.serving.adequacy = Adequacy(LetterVectors)
        answer = server.translate(["abc\ndef", "x"], estimate=True).json()
        assert [[each["value"] for each in text] for text in answer["estimates"]] == [[1.0, 1.0], [1.0]]
        one = server.translate("<p>abc</p> <p>def</p>", format="html", estimate=True).json()
        assert [each["meaning"] for each in one["estimates"]] == ["as human translations have"] * 2
        assert "estimates" not in server.translate("abc").json()


# ---- streams ----


@dataclass
class TellingEngine(FixedEngine):
    """Streams that say at their end that the model was cut off."""

    def stream(self, text: str, task: Task) -> Generator[str, None, Translation]:
        yield text.upper()
        return Translation(text, text.upper(), -1.0, 1, False, ("unfinished",))


def test_a_streams_result_has_the_warnings_of_its_engine_or_those_its_text_shows() -> None:
    text = "Nothing here.\n\nA long line about nothing at all. "
    for engine, warnings in ((TellingEngine(), ("unfinished",)), (FixedEngine(), ("copied",))):
        serving = Serving([serve(FIXED, engine)])
        stream = serving.stream(text, (ENGLISH, FRENCH))
        assert "".join(stream) == text.upper()
        assert stream.result is not None
        assert (stream.result.source, stream.result.text) == (text, text.upper())
        assert [segment.source for segment in stream.result.segments] == ["Nothing here.", "A long line about nothing at all."]
        assert stream.result.warnings == warnings
        serving.close()


def test_the_last_event_of_a_stream_has_the_warnings_where_asked() -> None:
    with fixed_server(TellingEngine()) as (server, _):
        fields = {"q": "One.", "source": "en", "target": "fr"}
        told = [server.client.post("/translate_stream", json={**fields, **more}).text for more in ({"warnings": True}, {})]
    ends = [json.loads(each.rpartition("data: ")[2]) for each in told]
    assert ends == [{"warnings": ["unfinished"]}, {}]


# ---- shares ----


def test_the_page_takes_from_the_same_share_as_the_api_by_address_or_user() -> None:
    pytest.importorskip("gradio")
    from dragoman.app.pages.admission import Admission
    from dragoman.app.pages.telling import said

    def request(address: str, authorization: str | None = None) -> SimpleNamespace:
        headers = {"authorization": authorization} if authorization else {}
        return SimpleNamespace(client=SimpleNamespace(host=address), headers=headers, session_hash="made up")

    shares = Shares(Limits(characters_per_minute=10))
    admission = Admission(shares, Access(users={"ann": digest("a long password")}))
    admission.admit(request("1.2.3.4"), "12345", "678")  # type: ignore[arg-type]
    with pytest.raises(TooManyError) as caught:
        shares.characters.spend("1.2.3.4", 5)
    assert said(caught.value).endswith(f"try again in {caught.value.retry_after} s")
    ann = "Basic YW5uOmEgbG9uZyBwYXNzd29yZA=="
    admission.admit(request("1.2.3.4", ann), "1234567890")  # type: ignore[arg-type]
    with pytest.raises(TooManyError):
        shares.characters.spend("ann", 1)
    admission.admit(request("5.6.7.8"), "x")  # type: ignore[arg-type]
