"""The page as people use it, in a real browser over a real server with tiny random models."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest
from playground import Tab, app_server, chromium

pytestmark = [pytest.mark.slow, pytest.mark.timeout(300)]
TABS = ("Translate", "Compare", "Glossary", "Files", "Evaluate", "History")
ATTACK = "<img src=x onerror=alert(1)><script>alert(2)</script>${alert(3)}{{constructor.constructor('alert(4)')()}}"


@pytest.fixture(scope="module")
def address(tmp_path_factory: pytest.TempPathFactory, tiny_llama_folder: Path) -> Iterator[str]:
    models = ["--model", f"tiny={tiny_llama_folder}", "--model", f"other={tiny_llama_folder}"]
    with app_server(tmp_path_factory.mktemp("app"), *models) as address:
        yield address


@pytest.fixture(scope="module")
def browser() -> Iterator[Any]:
    with chromium() as browser:
        yield browser


@pytest.fixture
def tab(browser: Any, address: str) -> Iterator[Tab]:
    context = browser.new_context(
        viewport={"width": 1200, "height": 900}, accept_downloads=True, permissions=["clipboard-read", "clipboard-write"]
    )
    tab = Tab(context.new_page())
    tab.open(address)
    yield tab
    context.close()
    assert not tab.problems, tab.problems


def test_a_text_is_translated_with_its_paragraphs_and_copied(tab: Tab) -> None:
    tab.page.fill("#translate-text textarea", "Good morning.\n\nHow are you?")
    tab.page.click("#translate-go")
    translation = tab.ends("translate-output")
    assert translation.count("\n") == 2
    assert translation.split("\n")[1] == ""
    tab.page.get_by_role("button", name="Copy").first.click()
    assert tab.page.evaluate("navigator.clipboard.readText()") == translation


def test_the_translation_appears_piece_by_piece(tab: Tab) -> None:
    tab.page.evaluate(
        """() => { const box = document.querySelector("#translate-output textarea"); window.seen = new Set();
        setInterval(() => window.seen.add(document.querySelector("#translate-output textarea").value), 10); }"""
    )
    tab.page.fill("#translate-text textarea", "\n".join(["The quick brown fox jumps over the lazy dog."] * 8))
    tab.page.click("#translate-go")
    whole = tab.ends("translate-output")
    seen = sorted(tab.page.evaluate("[...window.seen]"), key=len)
    assert len(seen) > 3
    assert all(whole.startswith(part) for part in seen)


def test_stop_ends_the_stream_and_frees_its_slot(tab: Tab, address: str) -> None:
    tab.page.fill("#translate-text textarea", "\n".join(["The quick brown fox jumps over the lazy dog."] * 400))
    tab.page.click("#translate-go")
    tab.page.wait_for_function("document.querySelector('#translate-output textarea').value.length > 20", timeout=60_000)
    assert httpx.get(f"{address}/health").json()["streams"] == 1
    tab.page.click("#translate-stop")
    tab.page.wait_for_timeout(3000)
    shown = tab.value("translate-output")
    assert httpx.get(f"{address}/health").json()["streams"] == 0
    tab.page.wait_for_timeout(1000)
    assert tab.value("translate-output") == shown
    assert 0 < shown.count("\n") + 1 < 400


def test_languages_are_found_by_name_and_code_and_swapped_with_the_texts(tab: Tab) -> None:
    tab.choose("translate-from", "deu_Latn")
    tab.choose("translate-to", "Ital")
    assert tab.page.input_value("#translate-from input").startswith("German")
    assert tab.page.input_value("#translate-to input").startswith("Italian")
    tab.page.fill("#translate-text textarea", "Guten Tag.")
    tab.page.click("#translate-go")
    translation = tab.ends("translate-output")
    tab.page.click("#translate-swap")
    tab.page.wait_for_function("document.querySelector('#translate-output textarea').value === 'Guten Tag.'")
    assert tab.value("translate-text") == translation
    assert tab.page.input_value("#translate-from input").startswith("Italian")
    assert tab.page.input_value("#translate-to input").startswith("German")


def test_right_to_left_texts_run_right_to_left_in_their_language(tab: Tab, tmp_path: Path) -> None:
    tab.choose("translate-from", "Detect")
    tab.choose("translate-to", "Hebrew")
    tab.page.fill("#translate-text textarea", "مرحبا بالعالم، كيف حالك اليوم؟")
    tab.page.click("#translate-go")
    tab.ends("translate-output")
    boxes = "[...document.querySelectorAll('#translate-text textarea, #translate-output textarea')]"
    assert tab.page.evaluate(f"{boxes}.map((box) => [box.dir, box.lang])") == [["auto", ""], ["rtl", "he"]]
    assert tab.page.evaluate(f"{boxes}.map((box) => getComputedStyle(box).direction)") == ["rtl", "rtl"]
    assert "Arabic" in tab.has("translate-hints", "Arabic")
    tab.page.screenshot(path=tmp_path / "rtl.png")
    tab.choose("translate-to", "Thai")
    assert tab.page.evaluate(f"{boxes}.map((box) => [box.dir, box.lang])")[1] == ["ltr", "th"]


def test_a_doubtful_language_is_said_to_be_doubtful(tab: Tab) -> None:
    tab.choose("translate-from", "Detect")
    tab.page.fill("#translate-text textarea", "ok")
    tab.page.keyboard.press("Tab")
    tab.has("translate-hints", "Not sure")
    tab.choose("translate-from", "Russian")
    tab.page.fill("#translate-text textarea", "This is not Russian at all.")
    tab.page.keyboard.press("Tab")
    tab.has("translate-hints", "not in the script of Russian")


def test_the_keyboard_alone_translates_and_reaches_every_tab(tab: Tab) -> None:
    reached = []
    for _ in range(60):
        tab.page.keyboard.press("Tab")
        reached.append(tab.page.evaluate("document.activeElement.closest('[id^=translate-]')?.id ?? document.activeElement.role ?? ''"))
        if reached[-1] == "translate-text":
            break
    order = [name for name in dict.fromkeys(reached) if name.startswith("translate-")]
    assert order == ["translate-from", "translate-swap", "translate-to", "translate-text"]
    tab.page.keyboard.type("Good morning.")
    tab.page.keyboard.press("Control+Enter")
    assert tab.ends("translate-output")
    tab.page.get_by_role("tab", name="Translate", exact=True).focus()
    for name in TABS[1:]:
        tab.page.keyboard.press("ArrowRight")
        assert tab.page.evaluate("document.activeElement.getAttribute('aria-selected')") == "true"
        assert tab.page.evaluate("document.activeElement.textContent").strip() == name


def test_every_control_of_every_tab_has_a_name_for_screen_readers(tab: Tab) -> None:
    nameless = """() => [...document.querySelectorAll("input, textarea, button, select")]
        .filter((one) => one.offsetParent).filter((one) => {
        const named = one.getAttribute("aria-label") || one.getAttribute("aria-labelledby") || one.title || one.textContent.trim();
        return !named && !(one.labels && [...one.labels].some((label) => label.textContent.trim()));
    }).map((one) => one.outerHTML.slice(0, 200))"""
    for name in TABS:
        tab.show(name)
        tab.page.wait_for_timeout(300)
        assert tab.page.evaluate(nameless) == [], name


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_no_tab_scrolls_sideways_on_a_phone_in_light_and_dark(browser: Any, address: str, scheme: str, tmp_path: Path) -> None:
    context = browser.new_context(viewport={"width": 360, "height": 740}, color_scheme=scheme)
    tab = Tab(context.new_page())
    tab.open(address)
    tab.page.fill("#translate-text textarea", "Donaudampfschifffahrtsgesellschaftskapitänswitwe" * 6)
    tab.page.click("#translate-go")
    tab.ends("translate-output")
    for name in TABS:
        if tab.page.get_by_role("tab", name=name, exact=True).count() and tab.page.get_by_role("tab", name=name, exact=True).is_visible():
            tab.show(name)
        else:
            tab.page.locator(".overflow-menu > button").click()
            tab.page.locator(".overflow-dropdown").get_by_text(name, exact=True).click()
        tab.page.wait_for_timeout(300)
        widths = tab.page.evaluate("[document.scrollingElement.scrollWidth, innerWidth]")
        assert widths[0] <= widths[1] == 360, name
    dark = tab.page.evaluate("document.body.classList.contains('dark')")
    assert dark is (scheme == "dark")
    tab.page.screenshot(path=tmp_path / f"{scheme}.png")
    context.close()
    assert not tab.problems, tab.problems


def test_context_formality_and_estimates_are_within_reach_of_keyboard_and_phone(browser: Any, address: str, tmp_path: Path) -> None:
    context = browser.new_context(viewport={"width": 360, "height": 740})
    tab = Tab(context.new_page())
    tab.open(address)
    tab.page.fill("#translate-text textarea", "He fell into the water.\nNobody saw it.")
    for name in ("Context, formality, instruction", "What the model read"):
        tab.page.get_by_role("button", name=name).focus()
        tab.page.keyboard.press("Enter")
    tab.page.get_by_label("Text before, as context").fill("The bank was steep.")
    tab.page.get_by_role("radio", name="formal", exact=True).focus()
    tab.page.keyboard.press("Space")
    tab.page.check("#translate-estimate input")
    tab.page.locator("#translate-text textarea").focus()
    tab.page.keyboard.press("Control+Enter")
    assert "over 2 segments" in tab.has("translate-estimates", "Adequacy estimate", timeout=60_000)
    tab.page.get_by_text("Segment by segment").click()
    assert tab.page.locator("#translate-estimates tbody tr").count() == 2
    prompt = tab.value("translate-prompt")
    assert "not to be translated:\nThe bank was steep.\n\nUse the formal form of address in French." in prompt
    widths = tab.page.evaluate("[document.scrollingElement.scrollWidth, innerWidth]")
    assert widths[0] <= widths[1] == 360
    tab.page.screenshot(path=tmp_path / "wishes.png", full_page=True)
    context.close()
    assert not tab.problems, tab.problems


def test_two_models_are_compared_voted_on_and_scored(tab: Tab, tmp_path: Path) -> None:
    tab.show("Compare")
    tab.choose("compare-decoding-b", "a sample, temperature 1")
    tab.page.fill("#compare-text textarea", "The quick brown fox jumps over the lazy dog.")
    tab.page.fill("#compare-reference textarea", "Le renard brun saute.")
    tab.page.click("#compare-go")
    shown = tab.has("compare-shown", "A: tiny, greedy")
    assert "B: other, a sample, temperature 1" in shown
    assert "chrF++" in shown and "BLEU" in shown
    assert tab.page.locator("#compare-shown mark").count() > 0
    texts = tab.page.locator("#compare-shown .passage").all_text_contents()
    tab.page.click("#compare-vote-b")
    tab.has("compare-counted", "B is best")
    tab.show("History")
    tab.page.click("#history-export")
    (row,) = _downloaded(tab, tmp_path, "history-files")["preferences.en-fr.jsonl"]
    letters = [[character for character in text if character.isalnum()] for text in (row["chosen"], row["rejected"], texts[1], texts[0])]
    assert letters[:2] == letters[2:]
    assert (row["chosen_by"], row["rejected_by"]) == ("other, a sample, temperature 1", "tiny, greedy")
    assert (row["source_language"], row["target_language"]) == ("en", "fr")


def test_a_correction_is_exported_as_training_data(tab: Tab, tmp_path: Path) -> None:
    tab.page.fill("#translate-text textarea", "Good morning.")
    tab.page.click("#translate-go")
    translation = tab.ends("translate-output")
    tab.show("History")
    tab.has("history-table", "Good morning.")
    tab.choose("history-which", "1. en to fr")
    tab.page.wait_for_function("document.querySelector('#history-source textarea').value === 'Good morning.'")
    assert tab.value("history-correction") == translation
    tab.page.fill("#history-correction textarea", "Bonjour.")
    tab.page.click("#history-save")
    tab.has("history-told", "Saved.")
    tab.page.click("#history-export")
    files = _downloaded(tab, tmp_path, "history-files")
    assert files["corrections.en-fr.jsonl"] == [{"translation": {"en": "Good morning.", "fr": "Bonjour."}}]
    assert files["preferences.en-fr.jsonl"][0]["rejected"] == translation


def _downloaded(tab: Tab, folder: Path, element: str) -> dict[str, list[Any]]:
    files = {}
    tab.page.wait_for_selector(f"#{element} a[download]")
    for link in tab.page.locator(f"#{element} a[download]").all():
        with tab.page.expect_download() as started:
            link.click()
        started.value.save_as(folder / started.value.suggested_filename)
        text = (folder / started.value.suggested_filename).read_text(encoding="utf-8")
        files[started.value.suggested_filename] = [json.loads(line) for line in text.split("\n") if line]
    return files


def test_a_file_comes_back_in_its_format_with_what_went_wrong(tab: Tab, tmp_path: Path) -> None:
    subtitles = "1\n00:00:01,000 --> 00:00:02,000\nGood morning.\n\n2\n00:00:03,000 --> 00:00:04,000\nSave %(count)s files.\n\n"
    (tmp_path / "film.srt").write_text(subtitles, encoding="utf-8")
    tab.show("Files")
    tab.page.set_input_files("#files-upload input[type=file]", tmp_path / "film.srt")
    tab.page.locator("#files-upload").get_by_text("film").first.wait_for()
    tab.page.click("#files-go")
    assert "2 texts" in tab.has("files-shown", "2 texts")
    with tab.page.expect_download() as started:
        tab.page.locator("#files-result a[download]").first.click()
    assert started.value.suggested_filename == "film_fr.srt"
    started.value.save_as(tmp_path / "film_fr.srt")
    made = (tmp_path / "film_fr.srt").read_text(encoding="utf-8")
    assert [line for line in made.split("\n") if "-->" in line] == [line for line in subtitles.split("\n") if "-->" in line]
    assert made != subtitles


def test_terms_are_marked_and_counted(tab: Tab) -> None:
    tab.show("Glossary")
    tab.page.fill("#glossary-terms textarea", "fox\trenard\nlazy dog\tchien paresseux\n")
    tab.page.fill("#glossary-text textarea", "The quick brown fox jumps over the lazy dog.")
    tab.page.keyboard.press("Control+Enter")
    assert "in the text: 2" in tab.has("glossary-shown", "Terms found")
    assert tab.page.locator("#glossary-shown .passage").first.locator("mark").all_text_contents() == ["fox", "lazy dog"]
    tab.page.get_by_text("Prompt", exact=True).click()
    assert "Translate this from English to French" in tab.value("glossary-prompt")
    assert "renard" in tab.value("glossary-prompt")
    tab.page.get_by_label("only check").check()
    tab.page.click("#glossary-go")
    tab.page.wait_for_function("!document.querySelector('#glossary-prompt textarea').value.includes('renard')")


def test_models_are_evaluated_with_intervals_and_a_report(tab: Tab, tmp_path: Path) -> None:
    (tmp_path / "source.en").write_text("Good morning.\nThe fox.\nGood night.\n", encoding="utf-8")
    (tmp_path / "reference.fr").write_text("Bonjour.\nLe renard.\nBonne nuit.\n", encoding="utf-8")
    tab.show("Evaluate")
    for side, name in (("source", "source.en"), ("reference", "reference.fr")):
        tab.page.set_input_files(f"#evaluate-{side} input[type=file]", tmp_path / name)
        tab.page.locator(f"#evaluate-{side}").get_by_text(name.split(".")[0]).first.wait_for()
    tab.page.click("#evaluate-go")
    shown = tab.has("evaluate-shown", "chrF++")
    assert "BLEU" in shown and "tiny" in shown
    with tab.page.expect_download() as started:
        tab.page.locator("#evaluate-report a[download]").first.click()
    started.value.save_as(tmp_path / "report.html")
    assert "Content-Security-Policy" in (tmp_path / "report.html").read_text(encoding="utf-8")


def test_scripts_in_texts_glossaries_and_file_names_are_shown_and_never_run(tab: Tab, tmp_path: Path) -> None:
    tab.page.fill("#translate-text textarea", ATTACK)
    tab.page.click("#translate-go")
    tab.ends("translate-output")
    tab.show("Compare")
    tab.choose("compare-decoding-b", "a sample, temperature 1")
    tab.page.fill("#compare-text textarea", ATTACK)
    tab.page.click("#compare-go")
    tab.has("compare-shown", "A: tiny")
    tab.show("Glossary")
    tab.page.fill("#glossary-terms textarea", "alert\t<img src=x onerror=alert(5)>\nonerror\t${alert(6)}\n")
    tab.page.fill("#glossary-text textarea", ATTACK)
    tab.page.click("#glossary-go")
    tab.has("glossary-shown", "Terms found in the text: 1")
    assert tab.page.locator("#glossary-shown img, #glossary-shown script").count() == 0
    tab.show("Files")
    name = "<img src=x onerror=alert(7)>.txt"
    tab.page.set_input_files("#files-upload input[type=file]", {"name": name, "mimeType": "text/plain", "buffer": ATTACK.encode()})
    tab.page.wait_for_timeout(1500)
    tab.page.click("#files-go")
    tab.has("files-shown", "texts: ")
    tab.show("History")
    tab.has("history-table", "onerror")
    assert tab.page.locator("#history-table img, #history-table script").count() == 0
    assert tab.page.evaluate("document.querySelectorAll('img[onerror]').length") == 0


def test_two_visitors_do_not_see_each_others_history(browser: Any, address: str, tab: Tab) -> None:
    tab.page.fill("#translate-text textarea", "A secret of mine.")
    tab.page.click("#translate-go")
    tab.ends("translate-output")
    context = browser.new_context()
    other = Tab(context.new_page())
    other.open(address)
    other.show("History")
    other.page.click("#history-refresh")
    assert "secret" not in other.has("history-table", "Nothing yet.")
    context.close()
    tab.show("History")
    tab.has("history-table", "A secret of mine.")


def test_an_error_is_told_in_words_and_without_paths_of_the_server(tab: Tab) -> None:
    tab.show("Files")
    tab.page.set_input_files("#files-upload input[type=file]", {"name": "broken.csv", "mimeType": "text/csv", "buffer": b'a,"b\n'})
    tab.page.wait_for_timeout(1500)
    tab.page.click("#files-go")
    toast = tab.page.locator(".toast-body")
    toast.wait_for()
    assert "broken.csv" in toast.inner_text()
    assert "/" not in toast.inner_text().replace("and/or", "")
