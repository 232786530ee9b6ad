"""Each answer is checked as it is given: one clear sentence, and what to do."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from installer.errors import AnswerRefused
from installer.first_run.conversation import AtTerminal, FromFile, as_it_is, read_answers
from installer.first_run.listen import check_host, check_port
from installer.first_run.request import check_place
from installer.first_run.settings_file import with_members
from installer.first_run.setup import ANSWERS
from installer.first_run.site import check_group, check_name, check_site_id, check_whole, read_trust, spelt
from installer.preflight.gather import HostFiles
from licensing.errors import Refusal
from licensing.trust import pin
from tests.appliance.gateways import free_port
from tests.appliance.papers import trust_bytes

DIGEST = pin(trust_bytes()).digest


def host(typed: str) -> object:
    return check_host(typed, HostFiles())


def port(typed: str) -> object:
    return check_port(typed, "127.0.0.1", HostFiles())


def place(typed: str) -> object:
    return check_place(typed, None)


REFUSED: tuple[tuple[Callable[[str], object], str, str], ...] = (
    (check_site_id, "", "needs an id"),
    (check_site_id, "Acme Berlin", "no site id"),
    (check_site_id, "ab", "no site id"),
    (check_site_id, "-ab", "no site id"),
    (check_site_id, "a" * 64, "no site id"),
    (check_site_id, "acme\n", "no site id"),
    (check_name, "", "needs a name"),
    (check_name, "a\u202eb", "no name"),
    (check_name, "a" * 129, "no name"),
    (read_trust, "", "No file was named"),
    (read_trust, "/nowhere/trust.json", "no such file"),
    (read_trust, "/dev/null", "a device"),
    (check_group, "ba5", "four characters"),
    (check_group, "xyzw", "four characters"),
    (check_whole, DIGEST[-4:], "no digest"),
    (check_whole, "", "no digest"),
    (host, "localhost", "no address"),
    (host, "", "no address"),
    (host, "192.0.2.9", "no address 192.0.2.9"),
    (port, "0", "no port"),
    (port, "70000", "no port"),
    (port, "\u0661\u0662", "no port"),
    (port, "", "no port"),
    (place, "", "No file was named"),
    (place, "/nowhere/at/all.json", "no folder"),
    (place, "/etc/passwd", "is there"),
)


@pytest.mark.parametrize(("check", "typed", "says"), REFUSED)
def test_what_cannot_be_is_refused_in_a_sentence(check: Callable[[str], object], typed: str, says: str) -> None:
    with pytest.raises(Refusal) as caught:
        check(typed)
    assert says in caught.value.message
    assert caught.value.message.endswith(".")
    assert caught.value.remedy.endswith(".")


TAKEN: tuple[tuple[Callable[[str], object], str, object], ...] = (
    (check_site_id, "acme-berlin", "acme-berlin"),
    (check_site_id, "a" * 63, "a" * 63),
    (check_name, "Gesundheitsamt M\u00fcnchen", "Gesundheitsamt M\u00fcnchen"),
    (check_group, " BA58 ", "ba58"),
    (check_whole, DIGEST, DIGEST.removeprefix("sha256:")),
    (check_whole, "\n".join(spelt(DIGEST)), DIGEST.removeprefix("sha256:")),
    (host, "127.0.0.1", "127.0.0.1"),
    (host, "0.0.0.0", "0.0.0.0"),
)


@pytest.mark.parametrize(("check", "typed", "value"), TAKEN)
def test_what_can_be_is_taken(check: Callable[[str], object], typed: str, value: object) -> None:
    assert check(typed) == value


def test_a_port_that_is_free_is_taken() -> None:
    free = free_port()
    assert port(str(free)) == free


def test_a_digest_is_spelt_in_groups_that_can_be_read_out() -> None:
    assert [len(line.split()) for line in spelt(DIGEST)] == [4, 4, 4, 4]
    assert "".join("".join(spelt(DIGEST)).split()) == DIGEST.removeprefix("sha256:")


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("[site\n", "not TOML"),
        ("id = 'x'\n", "no table"),
        ("[site]\nid = 1.5\n", "An answer is a text"),
        ("[site]\nid = ['a', 1]\n", "An answer is a text"),
        ("[site]\npassword = 'x'\n", "Nobody asks for site.password"),
        ("#" * 70_000, "more than"),
    ],
)
def test_a_file_of_answers_that_cannot_be_is_refused(tmp_path: Path, text: str, says: str) -> None:
    file = tmp_path / "answers.toml"
    file.write_text(text)
    with pytest.raises(AnswerRefused) as caught:
        read_answers(file, ANSWERS)
    assert says in caught.value.message
    assert str(file) in (caught.value.where or "")


def test_answers_are_known_by_their_table_and_name(tmp_path: Path) -> None:
    file = tmp_path / "answers.toml"
    file.write_text("[listen]\nhost = '0.0.0.0'\nport = 8443\n")
    assert read_answers(file, ANSWERS) == {"listen.host": "0.0.0.0", "listen.port": "8443"}


def test_a_secret_is_read_from_a_private_file_alone(tmp_path: Path) -> None:
    file = tmp_path / "secret"
    file.write_text("four words are enough\n")
    talk = FromFile({"x.secret_file": str(file)}, "answers", lambda line: None)
    file.chmod(0o644)
    with pytest.raises(AnswerRefused, match="Other users"):
        talk.secret("x.secret", "A secret")
    file.chmod(0o600)
    assert talk.secret("x.secret", "A secret").reveal() == b"four words are enough"


def test_at_a_terminal_a_secret_is_typed_twice_and_asked_again_where_the_two_differ() -> None:
    typed, said = iter(["one", "two", "", "three", "three"]), list[str]()
    talk = AtTerminal(input, lambda prompt: next(typed), said.append)
    assert talk.secret("x", "A secret").reveal() == b"three"
    assert said == ["  The two differ. Type it again.", "  Nothing was typed. Type it again."]


def test_a_choice_is_made_by_number_or_by_name() -> None:
    for line, chosen in (("", "a"), ("2", "b"), ("b", "b")):
        said: list[str] = []
        talk = AtTerminal(lambda prompt, line=line: line, input, said.append)  # type: ignore[misc]
        assert talk.choose("x", "Which?", {"a": "The first", "b": "The other"}, default="a") == chosen
        assert said == ["Which?", "  1  The first", "  2  The other"]


def test_what_a_terminal_is_shown_is_harmless_ascii_of_its_width() -> None:
    said: list[str] = []
    talk = AtTerminal(lambda prompt: "x", input, said.append)
    talk.say("caf\u00e9 \x1b[31m " + "word " * 40)
    assert all(line.isascii() and "\x1b" not in line and len(line) <= 80 for line in said)
    assert talk.ask("x", "caf\u00e9", as_it_is) == "x"


SETTINGS = '# mine\nworkers = 2\nhost = "127.0.0.1"   # for now\n\n[more]\nport = 1\n'


def test_members_are_changed_in_their_line_or_put_before_the_first() -> None:
    changed = with_members(SETTINGS, {"host": "::", "workers": 4}, where="x")
    assert changed == SETTINGS.replace('"127.0.0.1"', '"::"').replace("workers = 2", "workers = 4")
    assert with_members(SETTINGS, {"port": 8443}, where="x") == "port = 8443\n" + SETTINGS
    assert with_members("", {"port": 8443}, where="x") == "port = 8443\n"


@pytest.mark.parametrize("text", ['host = """a"""\n', 'host = "a"\n[x]\nhost = "b"\n', '"host" = "a"\n'])
def test_a_member_that_is_written_otherwise_is_left_to_a_person(text: str) -> None:
    with pytest.raises(AnswerRefused, match="cannot be changed"):
        with_members(text, {"host": "c"}, where="settings.toml")


def test_the_installations_own_answers_may_stand_in_the_same_file(tmp_path: Path) -> None:
    file = tmp_path / "answers.toml"
    file.write_text("[install]\nallow = ['10.0.0.0/8']\nstart = false\n[site]\nid = 'acme'\n")
    assert read_answers(file, ANSWERS) == {"site.id": "acme"}
