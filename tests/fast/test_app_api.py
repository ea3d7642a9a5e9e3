"""The HTTP API over a tiny random model: what comes out is noise, in LibreTranslate's shapes."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest
from app_server import ENGLISH, FIXED, FRENCH, GERMAN, Running, fixed_server, running

from dragoman.app.batching import BatchLimits
from dragoman.app.models import ModelInfo, choose_models
from dragoman.app.serving import Serving
from dragoman.mt.config import DecodingConfig
from dragoman.mt.languages import known_languages
from dragoman.mt.translator import Translator

TEXTS = [
    "Good morning, everyone.",
    "Dog.",
    "",
    "The quick brown fox\n\n  jumps over the lazy dog.\n",
    "你好，世界。",
    "<script>alert(1)</script>",
]


@pytest.fixture(scope="module")
def tiny(tiny_llama_folder: Path) -> Iterator[Running]:
    """A server over the tiny model, which says nothing of directions."""
    serving = Serving.load(choose_models([f"tiny={tiny_llama_folder}"]), device="cpu", batches=BatchLimits(rows=8))
    try:
        with running(serving) as server:
            yield server
    finally:
        serving.close()


@pytest.fixture(scope="module")
def fixed() -> Iterator[Running]:
    with fixed_server() as (server, _):
        yield server


def answer(response: httpx.Response) -> object:
    assert response.status_code == 200, response.text
    return response.json()


def test_an_array_gives_what_its_texts_give_one_by_one_and_what_the_translator_gives(tiny: Running, tiny_llama_folder: Path) -> None:
    together = answer(tiny.translate(TEXTS))
    assert isinstance(together, dict)
    alone = [answer(tiny.translate(text))["translatedText"] if text else "" for text in TEXTS]  # type: ignore[index]
    assert together == {"translatedText": alone}
    translator = Translator.from_source(str(tiny_llama_folder), ENGLISH, FRENCH, DecodingConfig(), device="cpu")
    lines = [translator.translate([line])[0].text for line in ("The quick brown fox", "jumps over the lazy dog.")]
    assert alone[3] == f"{lines[0]}\n\n  {lines[1]}\n"
    assert alone[0] == translator.translate(TEXTS[:1])[0].text != ""


def test_forms_json_and_the_address_say_the_same(tiny: Running) -> None:
    fields = {"q": "Good morning, everyone.", "source": "en", "target": "fr"}
    ways = [
        tiny.client.post("/translate", json=fields),
        tiny.client.post("/translate", data=fields),
        tiny.client.post("/translate", files={name: (None, value) for name, value in fields.items()}),
        tiny.client.post("/translate", params=fields),
        tiny.client.post("/translate", json={**fields, "source": "eng_Latn", "target": "French"}),
    ]
    assert len({str(answer(way)) for way in ways}) == 1


def test_a_libretranslate_client_works_unchanged(tiny: Running) -> None:
    from libretranslatepy import LibreTranslateAPI

    client = LibreTranslateAPI(tiny.url)
    assert client.translate("Good morning, everyone.", "en", "fr") == tiny.translate("Good morning, everyone.").json()["translatedText"]
    assert client.detect("The quick brown fox jumps over the lazy dog.")[0]["language"] == "en"
    assert {"code": "fr", "name": "French"}.items() <= next(each for each in client.languages() if each["code"] == "fr").items()


def test_streamed_pieces_join_to_the_translation(tiny: Running) -> None:
    text = "The quick brown fox\n\n jumps over the lazy dog. \n"
    expected = tiny.translate(text).json()["translatedText"]
    with tiny.client.stream("POST", "/translate_stream", json={"q": text, "source": "en", "target": "fr"}) as response:
        assert response.headers["content-type"].startswith("text/event-stream")
        events = [line.removeprefix("data: ") for line in response.iter_lines() if line.startswith("data: ")]
    pieces = [json.loads(event).get("text", "") for event in events]
    assert "".join(pieces) == expected
    assert len(pieces) > 3


def test_a_model_without_directions_offers_every_language_and_says_how_little_it_tells(tiny: Running) -> None:
    codes = {each["code"] for each in tiny.client.get("/languages").json()}
    assert codes == {language.bcp47 for language in known_languages()}
    (model,) = tiny.client.get("/health").json()["models"]
    assert model["name"] == "tiny"
    assert "does not say" in model["note"]
    assert model["runs on"] == "hf on cpu, float32"


def test_languages_are_those_of_the_models_with_what_each_is_translated_into(fixed: Running) -> None:
    assert fixed.client.get("/languages").json() == [
        {"code": "en", "name": "English", "targets": ["fr"]},
        {"code": "de", "name": "German", "targets": ["en"]},
    ]


def test_settings_and_health_have_libretranslates_fields(fixed: Running) -> None:
    settings = fixed.client.get("/frontend/settings").json()
    assert {"charLimit", "frontendTimeout", "apiKeys", "keyRequired", "suggestions", "supportedFilesFormat", "language"} <= set(settings)
    assert settings["language"] == {"source": {"code": "en", "name": "English"}, "target": {"code": "fr", "name": "French"}}
    assert fixed.client.get("/health").json()["status"] == "ok"
    assert fixed.client.post("/suggest", json={}).status_code == 403


def test_a_detected_source_is_told_and_used(fixed: Running) -> None:
    german = "Der schnelle braune Fuchs springt über den faulen Hund und läuft davon."
    found = fixed.translate(german, source="auto", target="en").json()
    assert found["translatedText"] == german.upper().replace("SS", "SS")
    assert found["detectedLanguage"]["language"] == "de"
    assert found["detectedLanguage"]["confidence"] > 90
    both = fixed.translate(["Good morning to everyone in this room today.", "It is raining again this evening."], source="auto").json()
    assert [each["language"] for each in both["detectedLanguage"]] == ["en", "en"]


def test_a_source_no_model_reads_is_refused_by_name(fixed: Running) -> None:
    response = fixed.translate("Быстрая коричневая лиса прыгает через ленивую собаку.", source="auto")
    assert response.status_code == 400
    assert "from Russian (ru)" in response.json()["error"]
    assert "cannot be detected" in fixed.translate("12345 !!", source="auto").json()["error"]


def test_detection_without_letters_is_undetermined(fixed: Running) -> None:
    assert fixed.client.post("/detect", data={"q": "12345"}).json() == [{"confidence": 0.0, "language": "und"}]


def test_html_keeps_its_tags_and_only_texts_are_translated(fixed: Running) -> None:
    html = '<p class="a>b">Good <b>day</b> &amp; bye</p><!-- no --><script>var x = "<p>";</script><code>let</code>\n<br/>'
    expected = '<p class="a>b">GOOD <b>DAY</b> &amp; BYE</p><!-- no --><script>var x = "<p>";</script><code>let</code>\n<br/>'
    assert fixed.translate(html, format="html").json() == {"translatedText": expected}


def test_alternatives_are_further_translations_without_duplicates(tiny: Running, fixed: Running) -> None:
    found = tiny.translate("Good morning, everyone.", alternatives=3).json()
    assert found["translatedText"] == tiny.translate("Good morning, everyone.").json()["translatedText"]
    assert len({found["translatedText"], *found["alternatives"]}) == 1 + len(found["alternatives"]) > 1
    assert fixed.translate(["a", "b"], alternatives="2").json() == {"translatedText": ["A", "B"], "alternatives": [[], []]}


def test_warnings_are_told_when_asked_for(fixed: Running) -> None:
    assert fixed.translate(["the same", "other"], warnings=True).json()["warnings"] == [["copied"], []]
    assert "warnings" not in fixed.translate("the same").json()


def test_older_libretranslate_codes_and_regions_reach_the_trained_direction() -> None:
    info = ModelInfo("m", "m", ((ENGLISH, FRENCH),))
    with fixed_server(info=info) as (server, engine):
        assert server.translate("a", source="en-GB", target="fr-CA").status_code == 200
        assert (engine.tasks[-1].source, engine.tasks[-1].target) == (ENGLISH, FRENCH)
        assert "zh-Hant" in server.translate("a", target="zt").json()["error"]


@pytest.mark.parametrize(
    ("fields", "said"),
    [
        ({"q": None}, "`q` is missing"),
        ({"q": ""}, "`q` is missing"),
        ({"q": []}, "`q` is missing"),
        ({"q": 5}, "q: a number where text belongs"),
        ({"q": {"a": 1}}, "q: a mapping where text belongs"),
        ({"q": ["a", None]}, "q[1]: a null where text belongs"),
        ({"q": ["a", ["b"]]}, "q[1]: a list where text belongs"),
        ({"source": None}, "`source` is missing"),
        ({"source": 3}, "source: a number where text belongs"),
        ({"target": "klingonish"}, "unknown language 'klingonish'"),
        ({"target": "auto"}, "unknown language 'auto'"),
        ({"target": "x" * 10_000}, "unknown language"),
        ({"target": "de"}, "German (de) is not available as a target language from English (en)"),
        ({"format": "pdf"}, "format 'pdf' is not supported"),
        ({"alternatives": 99}, "`alternatives` is not a number that is served"),
        ({"alternatives": "-1"}, "`alternatives` is not a number that is served"),
        ({"alternatives": True}, "`alternatives` is not a number that is served"),
        ({"model": "none"}, "no model 'none'"),
        ({"warnings": "perhaps"}, "`warnings` is neither true nor false"),
    ],
)
def test_a_wrong_field_is_named(fixed: Running, fields: dict[str, object], said: str) -> None:
    response = fixed.client.post("/translate", json={"q": "a", "source": "en", "target": "fr", **fields})
    assert response.status_code == 400
    assert set(response.json()) == {"error"}
    assert said in response.json()["error"]
    assert len(response.json()["error"]) < 1000


def test_the_page_of_the_api_needs_nothing_from_elsewhere(fixed: Running) -> None:
    page = fixed.client.get("/docs").text
    assert "/translate_stream" in page
    assert "src=" not in page
    assert {link.split('"')[0] for link in page.split('href="')[1:]} == {"openapi.json"}
    described = fixed.client.get("/openapi.json").json()
    assert "q" in described["paths"]["/translate"]["post"]["requestBody"]["content"]["application/json"]["schema"]["required"]


def test_two_models_serve_the_direction_each_was_trained_for() -> None:
    from app_server import FixedEngine

    from dragoman.app.serving import serve

    first, second = FixedEngine(), FixedEngine()
    serving = Serving([serve(FIXED, first), serve(ModelInfo("other", "other", ((FRENCH, GERMAN),)), second)])
    try:
        with running(serving) as server:
            assert server.translate("a", source="fr", target="de").status_code == 200
            assert server.translate("b", source="de", target="en").status_code == 200
            assert server.translate("c", model="other").status_code == 400
    finally:
        serving.close()
    assert (first.batches, second.batches) == ([["b"]], [["a"]])
