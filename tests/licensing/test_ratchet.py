"""Serial floors: whatever arrives in whatever order, nothing older ever replaces what is in force."""

from __future__ import annotations

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule

from licensing.errors import SerialConflict, SerialRefused
from licensing.ratchet import Arrival, Floor, arrive

IN_FORCE = Floor("licence", 2, 10, "sha256:aa")


def arrives(serial: int, digest: str = "sha256:bb", key_epoch: int = 2) -> Arrival:
    return arrive(IN_FORCE, role="licence", key_epoch=key_epoch, serial=serial, digest=digest)


def test_the_first_document_is_new_whatever_its_serial() -> None:
    for serial in (0, 1, 99_999):
        assert arrive(None, role="licence", key_epoch=1, serial=serial, digest="sha256:aa") is Arrival.NEW


@pytest.mark.parametrize("serial", [11, 12, 99_999])
def test_a_higher_serial_is_new(serial: int) -> None:
    assert arrives(serial) is Arrival.NEW
    assert arrives(serial, "sha256:aa") is Arrival.NEW


def test_the_same_serial_with_the_same_bytes_is_the_same() -> None:
    assert arrives(10, "sha256:aa") is Arrival.SAME


def test_the_same_serial_with_other_bytes_is_an_alarm() -> None:
    with pytest.raises(SerialConflict) as caught:
        arrives(10)
    assert caught.value.code == "serial_conflict"


@pytest.mark.parametrize("serial", [0, 1, 9])
@pytest.mark.parametrize("digest", ["sha256:aa", "sha256:bb"])
def test_a_lower_serial_is_a_rollback(serial: int, digest: str) -> None:
    with pytest.raises(SerialRefused, match="rollback"):
        arrives(serial, digest)


@pytest.mark.parametrize("serial", [0, 1, 10, 99_999])
def test_a_newer_key_epoch_starts_anew(serial: int) -> None:
    assert arrives(serial, key_epoch=3) is Arrival.NEW
    assert arrives(serial, "sha256:aa", key_epoch=3) is Arrival.NEW


@pytest.mark.parametrize("serial", [0, 10, 11, 99_999])
def test_an_older_key_epoch_never_returns(serial: int) -> None:
    with pytest.raises(SerialRefused):
        arrives(serial, "sha256:aa", key_epoch=1)


class Site(RuleBasedStateMachine):
    """A site to which documents are carried in any order, any number of times, with rotations in between."""

    def __init__(self) -> None:
        super().__init__()
        self.floor: Floor | None = None
        self.accepted: list[Floor] = []
        self.current_epoch = 1

    @rule()
    def rotate_keys(self) -> None:
        self.current_epoch += 1

    @rule(serial=st.integers(0, 6), content=st.integers(0, 2))
    def carry(self, serial: int, content: int) -> None:
        self._arrive(Floor("licence", self.current_epoch, serial, f"sha256:{content}"))

    @precondition(lambda self: self.accepted)
    @rule(data=st.data())
    def carry_again(self, data: st.DataObject) -> None:
        known = data.draw(st.sampled_from(self.accepted))
        before = self.floor
        answer = self._arrive(known)
        assert answer is (Arrival.SAME if known == before else None)

    @rule(serial=st.integers(0, 99_999))
    def carry_from_an_old_epoch(self, serial: int) -> None:
        if self.floor is not None and self.floor.key_epoch > 1:
            stale = Floor("licence", self.floor.key_epoch - 1, serial, "sha256:stale")
            assert self._arrive(stale) is None

    def _arrive(self, document: Floor) -> Arrival | None:
        before = self.floor
        try:
            answer = arrive(
                before,
                role=document.role,
                key_epoch=document.key_epoch,
                serial=document.serial,
                digest=document.digest,
            )
        except SerialConflict:
            assert before is not None
            assert (before.key_epoch, before.serial) == (document.key_epoch, document.serial)
            assert before.digest != document.digest
            return None
        except SerialRefused:
            assert before is not None
            assert (document.key_epoch, document.serial) < (before.key_epoch, before.serial)
            return None
        if answer is Arrival.SAME:
            assert document == before
        else:
            assert before is None or (document.key_epoch, document.serial) > (before.key_epoch, before.serial)
            self.floor = document
            self.accepted.append(document)
        return answer

    @invariant()
    def what_was_accepted_only_rises(self) -> None:
        heights = [(each.key_epoch, each.serial) for each in self.accepted]
        assert heights == sorted(set(heights))


TestSite = Site.TestCase
TestSite.settings = settings(max_examples=60, stateful_step_count=30, deadline=None)
