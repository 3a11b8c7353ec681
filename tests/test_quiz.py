"""quiz: what it asks is true on the installed torch, and nothing on the page gives it away."""

from collections import Counter

import pytest
import torch
from torch import nn

from helpers.exercises.feedback import quiz
from helpers.exercises.placement import placing_questions
from helpers.exercises.questions import LESSONS, Option, all_questions, read_questions
from helpers.views.markup import prose
from helpers.views.quiz_card import RIGHT, WRONG, QuizCard
from tests.html_page import WIDGET, Page
from tests.proofs import position, proven, the_true_one, unused

HOSTILE = "</script><img src=x onerror=alert(1)> \"'&` \u202e\n" + "x" * 10_000
NAMES = {
    "00": "card 01-delete 01-adam 02-frozen 02-twice 03-keep 03-norm 04-scale 05-after 05-file "
    "06-copy",
    "01": "keys nesting live-view no-parameters keep-vars optimizer",
    "02": "used-up own tied prefix modules freeze-tied position parameter",
    "03": "saved moved gradient copies assign alias eval",
    "04": "where read first taken early lost bypass",
    "05": "suffix whole refused shape unseen assign resume",
    "06": "depth dict new-head assign list tied renamed grows roll best mask taken super",
    "07": "recursion foreign hasattr method seen copy new-parameter twin",
    "08": "buffers sharded load failed",
}
KEYS = [f"{lesson}-{name}" for lesson, names in NAMES.items() for name in names.split()]


def card_of(question, answer):
    options = [(option.text, option.why) for option in question.options]
    return QuizCard(question.key, question.prompt, options, answer, question.code)


def static_face(card):
    return card._repr_mimebundle_()[0]["text/html"]


def plain(words):
    return words.replace("`", "")


@pytest.mark.parametrize("key", KEYS)
def test_the_declared_answer_is_the_one_torch_gives(key):
    assert proven(key) == all_questions()[key].answer
    assert unused() == []


def test_the_lessons_have_their_questions_in_order():
    assert list(all_questions()) == KEYS


def test_every_question_of_every_lesson_is_well_formed():
    questions = all_questions().values()
    assert {question.key[:2] for question in questions} == {lesson[:2] for lesson in LESSONS}
    for question in questions:
        texts = [option.text for option in question.options]
        assert len(set(texts)) == len(texts) >= 3, question.key
        # What places a reader explains nothing; its right option says what it is about.
        explained = (
            question.options
            if question not in placing_questions()
            else [question.options[question.answer]]
        )
        assert all(len(option.why.split()) > 4 for option in explained), question.key
        words = [question.prompt, *texts, *(option.why for option in question.options)]
        assert all(line.count("`") % 2 == 0 for line in words) and question.prompt.endswith("?")


def test_the_right_option_is_not_always_in_the_same_place():
    for lesson in NAMES:
        places = Counter(
            one.answer for key, one in all_questions().items() if key.startswith(lesson)
        )
        spread = len(places) >= 3 and max(places.values()) <= places.total() // 2
        assert spread, (
            f"lesson {lesson}: three quizzes or more, the right option in three places; "
            f"now {dict(places)}"
        )


def test_a_torch_whose_state_dict_clones_disagrees_with_the_live_view(monkeypatch):
    original = nn.Module.state_dict

    def cloning(self, *args, **kwargs):
        state = original(self, *args, **kwargs)
        return type(state)((name, value.clone()) for name, value in state.items())

    monkeypatch.setattr(nn.Module, "state_dict", cloning)
    assert (
        proven("01-live-view") == 0 != all_questions()["01-live-view"].answer
    )  # "as it was before the step" is true


def test_a_torch_that_keeps_duplicates_disagrees_with_lesson_02(monkeypatch):
    original = nn.Module.named_parameters
    monkeypatch.setattr(
        nn.Module,
        "named_parameters",
        lambda self, prefix="", recurse=True, remove_duplicate=True: original(
            self, prefix, recurse, False
        ),
    )
    assert proven("02-tied") == 1
    assert proven("02-freeze-tied") == 1
    monkeypatch.setattr(
        nn.Module, "parameters", lambda self, recurse=True: [one for _, one in original(self)]
    )
    assert proven("02-used-up") == 0


def test_other_changes_of_torch_disagree_too(monkeypatch):
    original = nn.Module.state_dict
    monkeypatch.setattr(nn.Module, "state_dict", lambda self, *a, **k: original(self))
    with pytest.raises(ValueError, match="exactly one option"):
        proven("01-keep-vars")
    monkeypatch.setattr(
        nn.Module, "state_dict", lambda self, *a, **k: dict(self.named_parameters())
    )
    assert proven("01-no-parameters") == 1
    monkeypatch.setattr(nn.Linear, "state_dict", lambda self, *a, **k: {}, raising=False)
    monkeypatch.setattr(nn.Module, "state_dict", lambda self, *a, **k: dict.fromkeys(self._modules))
    assert proven("01-keys") == 0


def test_proofs_leave_no_trace_in_grad_mode_or_dtype():
    before = torch.is_grad_enabled(), torch.get_default_dtype()
    for key in KEYS:
        proven(key)
    assert (torch.is_grad_enabled(), torch.get_default_dtype()) == before


@pytest.mark.parametrize("claims", [(False, False), (True, True)])
def test_a_proof_needs_exactly_one_true_option(claims):
    with pytest.raises(ValueError, match="exactly one option should be true"):
        the_true_one(*claims)


def test_a_proof_by_text_must_hit_an_option():
    with pytest.raises(ValueError, match="'c' is not in list"):
        position("c", KEYS[0])


@pytest.mark.parametrize("key", KEYS)
def test_the_static_face_asks_and_does_not_answer(key):
    question, face = all_questions()[key], static_face(quiz(key))
    page = Page(face)
    assert plain(question.prompt) in page.words and question.code in page.words
    assert page.words.rstrip().endswith("Run this cell to answer.")
    for letter, option in zip("ABCDEF", question.options, strict=False):
        assert f"{letter} {plain(option.text)}" in page.words
        assert not option.why or plain(option.why) not in page.words
    rows = [attributes for tag, attributes in page.tags if tag == "li"]
    assert len(rows) == len(question.options) and all(row == rows[0] for row in rows)
    assert not {tag for tag, _ in page.tags} & {"svg", "script", "input", "details"}
    assert not {name for _, attributes in page.tags for name in attributes} - {"style", "class"}
    assert not any(sign in page.words for sign in ("✓", "✗", "right", "correct"))


@pytest.mark.parametrize("key", KEYS)
def test_the_static_face_is_the_same_whichever_option_is_right(key):
    question = all_questions()[key]
    faces = {static_face(card_of(question, answer)) for answer in range(len(question.options))}
    assert len(faces) == 1


def test_the_card_has_three_faces_and_the_plain_one_is_one_line():
    card = quiz("01-live-view")
    bundle, _ = card._repr_mimebundle_()
    assert set(bundle) == {"text/plain", "text/html", WIDGET}
    line = 'Quiz 01-live-view: After these lines, what does `saved["layer1.weight"]` hold?'
    assert bundle["text/plain"] == repr(card) == line


def test_the_faces_are_the_same_every_time():
    first, second = (quiz("01-keys")._repr_mimebundle_()[0] for _ in range(2))
    assert first.pop(WIDGET) != second.pop(WIDGET)
    assert first == second


def test_everything_the_browser_needs_is_sent_once():
    card, question = quiz("01-optimizer"), all_questions()["01-optimizer"]
    assert card.answer == 2
    assert card.prompt == question.prompt and card.code == question.code
    assert card.options == [{"text": option.text, "why": option.why} for option in question.options]
    sent = {name for name in card.get_state() if not name.startswith("_")} - {
        "layout",
        "tooltip",
        "tabbable",
    }
    assert sent == {"prompt", "code", "options", "answer", "solved"}


def test_the_look_is_the_common_one_and_its_own():
    card = quiz("01-keys")
    assert ".inm{" in card._css and ".inm-quiz{" in card._css
    assert "innerHTML" not in card._esm and "http" not in card._esm


def test_hostile_text_stays_text_in_the_static_face():
    card = QuizCard("k", HOSTILE, [(HOSTILE, HOSTILE), ("b", "w")], 1, HOSTILE)
    page = Page(static_face(card))
    assert {tag for tag, _ in page.tags} == {"div", "p", "b", "pre", "code", "ul", "li"}
    assert all(set(attributes) <= {"style", "class"} for _, attributes in page.tags)
    assert page.words.count(HOSTILE) == 3
    assert len(repr(card).splitlines()) == 1
    assert card.prompt == HOSTILE


def test_backticks_make_code_and_a_lone_one_stays():
    assert prose("a `b < c` d") == "a <code>b &lt; c</code> d"
    assert prose("`a` ` b") == "<code>a</code> ` b"
    assert prose("``") == "``"


def test_an_unknown_key_names_itself_and_lists_the_others():
    with pytest.raises(
        ValueError, match="no question '01-live-veiw'; did you mean '01-live-view'"
    ) as caught:
        quiz("01-live-veiw")
    assert all(key in str(caught.value) for key in KEYS)
    with pytest.raises(ValueError, match=r"no question 'zzz'\. There are: 00-card"):
        quiz("zzz")


@pytest.mark.parametrize("key", [None, 1, b"01-keys", ["01-keys"]])
def test_a_key_that_is_not_text_is_a_type_error(key):
    with pytest.raises(TypeError, match=f"as text, such as '00-card'; got {type(key).__name__}"):
        quiz(key)


def test_questions_are_read_from_their_text_file():
    words = "# Title\n\n## k\nOne\ntwo?\n\n    if x:\n        y\n\n- a\n  not\n  a\n+ b\n  yes\n"
    (question,) = read_questions(words)
    assert (question.key, question.prompt, question.code) == ("k", "One two?", "if x:\n    y")
    assert question.options == (Option("a", "not a"), Option("b", "yes")) and question.answer == 1
    with pytest.raises(ValueError, match="unpack"):
        read_questions(words.replace("- a", "+ a"))


def test_the_card_has_the_colours_of_right_and_wrong_that_the_static_faces_have():
    look = str(QuizCard._css)
    assert f"--inm-right:{RIGHT};" in look and f"--inm-wrong:{WRONG};" in look
