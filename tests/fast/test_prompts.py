"""Prompt templates: what is shipped, what is refused, and that texts pass through untouched."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from dragoman.mt.errors import ConfigError
from dragoman.mt.languages import find_language
from dragoman.mt.prompts import (
    DEFAULT_TEMPLATE,
    PromptTemplate,
    load_template,
    read_answer,
    render_prompt,
    render_target,
    template_fields,
    template_from_fields,
    template_names,
)

ENGLISH, FRENCH = find_language("eng"), find_language("fra")
TRICKY = ["{text}", "{source_language}", "{0}", "{", "}}", "{a.b[0]}", "%(count)s", "\\1 \\g<0>", "$text", "a\n\n{target}"]


def test_alma_is_worded_as_in_the_paper() -> None:
    rendered = render_prompt(load_template("alma"), "Good morning.", ENGLISH, FRENCH)
    assert rendered == "Translate this from English to French:\nEnglish: Good morning.\nFrench:"
    assert render_target(load_template("alma"), "Bonjour.") == " Bonjour."


def test_plain_is_two_labels() -> None:
    assert render_prompt(load_template("plain"), "Dog", ENGLISH, FRENCH) == "English: Dog\nFrench:"


@pytest.mark.parametrize("name", template_names())
def test_every_shipped_template_loads_names_both_languages_and_reads_its_own_answers(name: str) -> None:
    template = load_template(name)
    assert template.name == name
    assert template.description
    rendered = render_prompt(template, "Dog", ENGLISH, FRENCH)
    assert "French" in rendered
    assert "English" in rendered
    for answer in ("Chien", "Un\n\ndeux\ntrois", "« 1 »"):
        assert read_answer(template, render_target(template, answer)) == answer


def test_the_default_template_is_shipped() -> None:
    assert DEFAULT_TEMPLATE in template_names()


@pytest.mark.parametrize("text", TRICKY)
def test_braces_and_escapes_in_a_text_are_ordinary_characters(text: str) -> None:
    template = load_template("alma")
    assert f"English: {text}\nFrench:" in render_prompt(template, text, ENGLISH, FRENCH)
    assert render_target(template, text) == f" {text}"


@given(st.text())
@settings(max_examples=50)
def test_any_text_comes_through_unchanged(text: str) -> None:
    template = PromptTemplate("t", "<{text}>{target_language}", "[{target}]")
    assert render_prompt(template, text, ENGLISH, FRENCH) == f"<{text}>French"
    assert read_answer(template, render_target(template, text)) == text.strip()


@pytest.mark.parametrize(
    ("prompt", "target", "complaint"),
    [
        ("no text", "{target}", "0 times {text}"),
        ("{text} {text}", "{target}", "2 times {text}"),
        ("{text}", "nothing", "0 times {target}"),
        ("{text} {glossary}", "{target}", "unknown placeholder {glossary}"),
        ("{text}", "{target} {text}", "unknown placeholder {text}"),
    ],
)
def test_wrong_placeholders_are_refused(prompt: str, target: str, complaint: str) -> None:
    with pytest.raises(ConfigError) as caught:
        PromptTemplate("mine", prompt, target)
    assert complaint in str(caught.value)
    assert caught.value.allowed


def test_a_misspelt_name_is_answered_with_the_nearest_ones() -> None:
    with pytest.raises(ConfigError, match="did you mean alma"):
        load_template("alme")


def test_a_template_of_ones_own_is_loaded_by_path_and_unknown_keys_are_refused(tmp_path: Path) -> None:
    path = tmp_path / "mine.yaml"
    path.write_text('name: mine\nprompt: "{text} ->"\ntarget: " {target}"\n', encoding="utf-8")
    assert load_template(path) == PromptTemplate("mine", "{text} ->", " {target}")
    path.write_text('name: mine\nprompt: "{text}"\ntargt: "{target}"\n', encoding="utf-8")
    with pytest.raises(ConfigError, match="did you mean target") as caught:
        load_template(str(path))
    assert caught.value.where == str(path)


@pytest.mark.parametrize("text", ["- a list", "name: [", "name: mine\nprompt: 3\ntarget: x", "name: mine"])
def test_a_file_that_is_no_template_is_refused_with_its_path(tmp_path: Path, text: str) -> None:
    path = tmp_path / "bad.yaml"
    path.write_text(text, encoding="utf-8")
    with pytest.raises(ConfigError, match=r"bad\.yaml"):
        load_template(path)


def test_fields_and_template_are_each_others_inverse() -> None:
    for name in template_names():
        template = load_template(name)
        assert template_from_fields(template_fields(template), "here") == template
