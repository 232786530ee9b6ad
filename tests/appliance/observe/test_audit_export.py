"""An exported trail: whatever is done to the file is told, by the first entry that is not as it was written."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from appliance.errors import NothingToExport
from appliance.observe.audit import FIRST
from appliance.observe.audit_export import check
from appliance.operations.audit import export_trail, read_trail, verify_own_export, verify_trail
from appliance.state.site import Site
from tests.appliance.cli.commands import ao
from tests.appliance.papers import NOW
from tests.appliance.sites import make_site

ENTRIES = 7


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    with closing(make_site(tmp_path_factory.mktemp("export") / "state")) as made:
        for number in range(2, ENTRIES + 1):
            made.record("key.create", f"key {number}", NOW, after=FIRST, detail={"number": number})
        yield made


@pytest.fixture(scope="module")
def whole(site: Site) -> bytes:
    return export_trail(site, NOW)


def lines_of(data: bytes) -> list[bytes]:
    return data.splitlines(keepends=True)


def edited(line: bytes, **members: object) -> bytes:
    return json.dumps(json.loads(line) | members).encode() + b"\n"


Touch = Callable[[list[bytes]], list[bytes]]
TOUCHED: dict[str, tuple[Touch, int]] = {
    "edited": (lambda lines: [*lines[:2], edited(lines[2], who="mallory"), *lines[3:]], 3),
    "detail edited": (lambda lines: [*lines[:3], edited(lines[3], detail={"number": 9}), *lines[4:]], 4),
    "member added": (lambda lines: [*lines[:1], edited(lines[1], note="x"), *lines[2:]], 2),
    "deleted": (lambda lines: [*lines[:4], *lines[5:]], 5),
    "first deleted": (lambda lines: lines[1:], 1),
    "reordered": (lambda lines: [lines[0], lines[2], lines[1], *lines[3:]], 2),
    "doubled": (lambda lines: [*lines[:3], lines[2], *lines[3:]], 4),
    "truncated": (lambda lines: lines[:4], 5),
    "truncated before its end": (lambda lines: [*lines[:5], lines[-1]], 6),
    "without its end": (lambda lines: lines[:-1], ENTRIES + 1),
    "cut in a line": (lambda lines: [*lines[:3], lines[3][:20]], 4),
    "added to": (lambda lines: [*lines, edited(lines[2])], ENTRIES + 1),
    "empty": (lambda _: [], 1),
    "its end alone": (lambda lines: lines[-1:], 1),
    "no trail": (lambda _: [b"\xff\x00not json\n"], 1),
}


def test_a_file_that_was_not_touched_holds(site: Site, whole: bytes, tmp_path: Path) -> None:
    (tmp_path / "trail.ndjson").write_bytes(whole)
    verdict = verify_own_export(site, tmp_path / "trail.ndjson")
    assert (verdict.first_bad, verdict.entries, verdict.head) == (None, ENTRIES, verify_trail(site).head)
    assert [json.loads(line)["seq"] for line in lines_of(whole)[:-1]] == list(range(1, ENTRIES + 1))


@pytest.mark.parametrize("how", TOUCHED)
def test_what_was_done_to_it_is_told_by_the_first_bad_entry(site: Site, whole: bytes, how: str) -> None:
    touch, bad = TOUCHED[how]
    assert check(b"".join(touch(lines_of(whole))), site.key.public_key).first_bad == bad


@given(st.data())
def test_no_byte_of_an_entry_can_be_another(site: Site, whole: bytes, data: st.DataObject) -> None:
    at = data.draw(st.integers(0, whole.rindex(b'{"payloadType"') - 1))
    other = data.draw(st.integers(0, 255).filter(lambda byte: byte != whole[at]))
    touched = whole[:at] + bytes([other]) + whole[at + 1 :]
    verdict = check(touched, site.key.public_key)
    same = b"".join(lines_of(touched)[: whole[:at].count(b"\n")])
    if verdict.first_bad is None:  # another way to write the very same line: white space, or an escape
        assert [json.loads(each) for each in touched.splitlines()] == [json.loads(each) for each in whole.splitlines()]
    else:
        assert verdict.first_bad >= whole[:at].count(b"\n") + 1
        assert whole.startswith(same)


def test_a_chain_that_was_written_anew_is_not_what_was_signed(tmp_path: Path, whole: bytes, site: Site) -> None:
    """Somebody works out all digests again, as they can; the end they cannot sign."""
    with closing(make_site(tmp_path / "forged")) as other:
        for number in range(2, ENTRIES + 1):
            other.record("key.create", f"forged {number}", NOW, after=FIRST, detail={"number": number})
        forged = [*lines_of(export_trail(other, NOW))[:-1], lines_of(whole)[-1]]
    assert check(b"".join(forged), site.key.public_key).first_bad == ENTRIES


def test_another_sites_file_is_not_ours(tmp_path: Path, whole: bytes) -> None:
    with closing(make_site(tmp_path / "other", name="other")) as other:
        assert check(whole, other.key.public_key).first_bad is not None


@pytest.mark.parametrize("after", [1, 4, ENTRIES])
def test_a_part_of_the_trail_holds_and_says_from_where(site: Site, after: int) -> None:
    part = export_trail(site, NOW, after=after)
    verdict = check(part, site.key.public_key)
    assert (verdict.first_bad, verdict.entries) == (None, ENTRIES - after)
    if after < ENTRIES:
        assert check(b"".join(lines_of(part)[1:]), site.key.public_key).first_bad == after + 1


def test_there_is_no_part_after_an_entry_that_there_is_not(site: Site) -> None:
    with pytest.raises(NothingToExport):
        export_trail(site, NOW, after=ENTRIES + 1)


def test_an_officer_checks_the_file_on_a_machine_of_their_own(tmp_path: Path) -> None:
    state, out = tmp_path / "state", tmp_path / "trail.ndjson"
    make_site(state).close()
    request = tmp_path / "site-request.signed.json"
    for words in (["audit", "export", "--out", str(out)], ["site", "request", "--out", str(request)]):
        assert ao(*words, state=state).code == 0
    assert ao("audit", "verify", str(out), state=state).code == 0
    assert ao("audit", "verify", str(out), "--request", str(request), state=tmp_path / "nowhere").code == 0
    out.write_bytes(b"".join(lines_of(out.read_bytes())[1:]))
    said = ao("audit", "verify", str(out), "--request", str(request), "--json", state=tmp_path / "nowhere")
    assert said.code == 101
    assert json.loads(said.out)["error"]["where"] == "audit entry 1"


@pytest.mark.parametrize(
    ("statements", "bad"),
    [
        (["UPDATE audit SET who = 'mallory' WHERE seq = 3"], 3),
        (["DELETE FROM audit WHERE seq = 4"], 4),
        ([f"UPDATE audit SET seq = {new} WHERE seq = {old}" for old, new in ((2, -2), (3, 2), (-2, 3))], 2),
        (["DELETE FROM audit WHERE seq > 5"], 6),
        (
            [
                "DELETE FROM audit WHERE seq > 5",
                "UPDATE audit_head SET seq = 5, digest = (SELECT digest FROM audit WHERE seq = 5)",
            ],
            5,
        ),
        (["DELETE FROM audit"], 1),
    ],
    ids=["edited", "deleted", "reordered", "truncated", "truncated with its head", "emptied"],
)
def test_the_trail_in_the_database_names_its_first_bad_entry(tmp_path: Path, statements: list[str], bad: int) -> None:
    with closing(make_site(tmp_path / "state")) as own:
        for number in range(2, ENTRIES + 1):
            own.record("key.create", f"key {number}", NOW, after=FIRST)
        for trigger in ("audit_is_not_edited", "audit_is_not_shortened"):
            own.database.execute(f"DROP TRIGGER {trigger}")
        for statement in statements:
            own.database.execute(statement)
        assert verify_trail(own).first_bad == bad
        assert len(read_trail(own)) <= ENTRIES
