"""The proofs of the quizzes: each finds the right option of its question by experiment on the
installed torch.
"""

from __future__ import annotations

from importlib import import_module

from helpers.exercises.questions import LESSONS, all_questions


def the_true_one(*claims: bool) -> int:
    """The position of the one claim that holds. ValueError: none holds, or several do."""
    if sum(claims) != 1:
        raise ValueError(
            f"exactly one option should be true on the installed torch, found {claims}"
        )
    return claims.index(True)


def proven(key: str) -> int:
    """The position of the option that is true on the installed torch. KeyError: the question has no
    proof.
    """
    return position(_proofs_of(key[:2])[key](), key)


def _proofs_of(number: str) -> dict:
    return import_module(f"tests.proofs.lesson_{number}").PROOFS


def position(found: int | str, key: str) -> int:
    """`found` if it is a position, else the position of the option with this text. ValueError: no
    option has it.
    """
    return (
        found
        if isinstance(found, int)
        else [option.text for option in all_questions()[key].options].index(found)
    )


def unused() -> list[str]:
    """The proofs that no question asks for."""
    named = [key for lesson in LESSONS for key in _proofs_of(lesson[:2])]
    return [key for key in named if key not in all_questions()]
