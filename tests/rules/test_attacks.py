"""The attack list can be read by somebody who does not program: each file says what it tries and what that meets."""

from __future__ import annotations

import ast
import re

import pytest

from tests.rules.tree import ROOT

FOLDER = ROOT / "tests" / "attacks" / "licensing"
ATTACKS = sorted(FOLDER.glob("test_*.py"))
ASKED_FOR = (
    *("rotation_too_few_of_the_old", "rotation_too_few_of_the_new", "rollback_of_trust", "rollback_of_a_licence"),
    *("freeze_of_trust", "freeze_by_an_old_licence", "fast_forward_of_trust", "fast_forward_of_a_licence"),
    *("duplicate_key_in_a_role", "duplicate_signature", "wrong_role", "wrong_kind", "key_id_confusion"),
    *("mix_and_match_of_signatures", "mix_and_match_of_bodies"),
    *("json_duplicate_members", "json_not_a_number", "json_huge_integer", "json_deep_nesting", "json_lone_surrogate"),
    *("json_trailing_bytes", "base64_padding", "base64_stray_bits", "base64_alphabets", "base64_white_space"),
    *("older_state_file_restored", "clock_back", "clock_ahead", "clock_stepping_while_running"),
)


def test_the_list_is_there() -> None:
    assert {f"test_{name}.py" for name in ASKED_FOR} <= {path.name for path in ATTACKS}


@pytest.mark.parametrize("path", ATTACKS, ids=lambda path: path.stem)
def test_an_attack_says_what_it_tries_and_what_it_meets(path: object) -> None:
    text = (FOLDER / str(path)).read_text(encoding="utf-8")
    syntax = ast.parse(text)
    says = ast.get_docstring(syntax) or ""
    tries, _, rest = says.partition("\n\n")
    assert re.fullmatch(r"Tries: \S.{20,}", tries, re.DOTALL)
    assert re.match(r"Meets: \S", rest)
    tests = [each.name for each in syntax.body if isinstance(each, ast.FunctionDef) and each.name.startswith("test_")]
    assert tests


@pytest.mark.parametrize("path", ATTACKS, ids=lambda path: path.stem)
def test_the_codes_that_an_attack_is_said_to_meet_are_those_it_is_held_against(path: object) -> None:
    text = (FOLDER / str(path)).read_text(encoding="utf-8")
    says = ast.get_docstring(ast.parse(text)) or ""
    code = text.split('"""', 2)[2]
    # `refuses` holds against document_malformed unless another code is given.
    held = code + ("document_malformed" if "refuses(" in code else "")
    missing = [
        each
        for each in re.findall(r"`([a-z_]+)`", says.partition("Meets: ")[2])
        if each not in held and each.removeprefix("licence_") not in held and each.upper() not in held
    ]
    assert not missing
