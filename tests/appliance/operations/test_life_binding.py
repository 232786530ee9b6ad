"""A licence is for one site on one machine: what may change, what may not, and what a state made anew means."""

from __future__ import annotations

import shutil
from collections.abc import Callable, Iterator, Mapping
from contextlib import closing
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from appliance.errors import LicenceRefused
from appliance.operations.licence import import_licence, standing
from appliance.operations.site import request_document
from appliance.state import standing as standing_module
from appliance.state.hardware import hardware_digests, read_hardware
from appliance.state.site import Site, open_site
from licensing.binding import fact_digest
from licensing.licence import open_licence
from licensing.site_request import open_site_request
from licensing.standing import Rung
from tests.appliance.cli.commands import ao
from tests.appliance.operations.test_life_papers import refused
from tests.appliance.papers import NOW, SITE, licence_bytes, trust_bytes
from tests.appliance.sites import make_site, on_stick, put_licence

FACTS = ("board_serial", "disk_serial", "dmi_uuid", "mac", "machine_id")
GOOD: Mapping[str, str] = {
    "etc/machine-id": "8c5dd1c5a9f44ef3a5d5ec7d3a3f4a10\n",
    "sys/class/dmi/id/product_uuid": "4C4C4544-0051-3510-8051-B4C04F4D3232\n",
    "sys/class/dmi/id/board_serial": "/7Q5Q2D2/CNFCW0016Q00PK/\n",
    "sys/class/net/eth0/address": "a4:bf:01:3e:77:10\n",
    "sys/class/net/eth1/address": "a4:bf:01:3e:77:11\n",
    "sys/block/nvme0n1/device/serial": "S4EMNF0M812345     \n",
}


def host(root: Path, changes: Mapping[str, str | None] | None = None) -> Path:
    """A root folder as the kernel of such a host shows it; None takes a file away."""
    for name, text in {**GOOD, **(changes or {})}.items():
        file = root / name
        file.parent.mkdir(parents=True, exist_ok=True)
        if text is None:
            file.unlink(missing_ok=True)
        else:
            file.write_text(text, encoding="utf-8")
        if file.name == "address":
            (file.parent / "device").mkdir(exist_ok=True)
    return root


MoveTo = Callable[[Path], None]


@pytest.fixture
def move_to(monkeypatch: pytest.MonkeyPatch) -> MoveTo:
    """Puts the product on another host."""

    def move(root: Path) -> None:
        monkeypatch.setattr(standing_module, "read_hardware", lambda: read_hardware(root))

    return move


@pytest.fixture
def site(tmp_path: Path, move_to: MoveTo) -> Iterator[Site]:
    """Bound to three of its five facts."""
    move_to(host(tmp_path / "host"))
    made = make_site(tmp_path / "state")
    put_licence(made, binding=bound(made, need=3))
    yield made
    made.close()


def bound(site: Site, *, need: int) -> dict[str, Any]:
    """As a vendor binds a licence: with the facts of the request."""
    claims = open_site_request(request_document(site, NOW)).claims
    return {
        "site": SITE,
        "key": claims.key.key.keyid,
        "epoch": claims.epoch,
        "hardware": {"facts": {name: list(values) for name, values in claims.hardware.items()}, "need": need},
    }


# -- facts -------------------------------------------------------------------------------------------------------------


def test_the_facts_of_a_host(tmp_path: Path) -> None:
    found = read_hardware(host(tmp_path))
    assert tuple(sorted(found)) == FACTS
    assert found["mac"] == {"a4:bf:01:3e:77:10", "a4:bf:01:3e:77:11"}
    assert found["disk_serial"] == {"s4emnf0m812345"}


def test_the_generation_of_a_virtual_machine_is_noted_where_it_is_shown(tmp_path: Path) -> None:
    page = tmp_path / "sys/firmware/qemu_fw_cfg/by_name/etc/vmgenid_guid"
    page.mkdir(parents=True)
    (page / "name").write_text("etc/vmgenid_guid\n")
    (page / "size").write_text("4096\n")
    identity = bytes(range(1, 17))
    (page / "raw").write_bytes(bytes(40) + identity + bytes(4040))
    assert read_hardware(tmp_path) == {"vmgenid": frozenset({identity.hex()})}, "and not what every guest has"
    (page / "raw").write_bytes(bytes(4096))
    assert read_hardware(tmp_path) == {}, "a hypervisor that says nothing"


def test_a_host_that_shows_nothing_has_no_facts(tmp_path: Path) -> None:
    assert read_hardware(tmp_path) == {}


@pytest.mark.parametrize(
    "text",
    [
        "",
        "\n",
        "None",
        "Default string",
        "To be filled by O.E.M.",
        "Not Specified",
        "Not Applicable",
        "unknown",
        "0",
        "00000000",
        "FFFFFFFF",
        "00000000-0000-0000-0000-000000000000",
        "FFFFFFFF-FFFF-FFFF-FFFF-FFFFFFFFFFFF",
        "00:00:00:00:00:00",
        "ff:ff:ff:ff:ff:ff",
        "System Serial Number",
        "03000200-0400-0500-0006-000700080009",
    ],
)
def test_what_firmware_writes_where_it_has_nothing_to_say_is_no_fact(tmp_path: Path, text: str) -> None:
    changes = dict.fromkeys(GOOD, text)
    assert read_hardware(host(tmp_path, changes)) == {}


@pytest.mark.parametrize(
    ("file", "fact", "text"),
    [
        ("sys/block/nvme0n1/device/serial", "disk_serial", "20318745123"),
        ("sys/class/dmi/id/board_serial", "board_serial", "140731203100917"),
        ("sys/class/net/eth0/address", "mac", "52:54:00:12:34:56"),
        ("sys/class/dmi/id/product_uuid", "dmi_uuid", "42031987-1234-5678-9012-345678901234"),
        ("etc/machine-id", "machine_id", "10203040506070809010203040506070"),
    ],
)
def test_a_number_is_an_identity_like_any_other(tmp_path: Path, file: str, fact: str, text: str) -> None:
    assert text in read_hardware(host(tmp_path, {file: text})).get(fact, frozenset())


def test_an_interface_without_a_device_is_no_network_card(tmp_path: Path) -> None:
    root = host(tmp_path)
    bridge = root / "sys/class/net/docker0"
    bridge.mkdir()
    (bridge / "address").write_text("02:42:8a:11:22:33")
    assert "02:42:8a:11:22:33" not in read_hardware(root)["mac"]


def test_a_fact_cannot_be_read_from_its_digest_nor_compared_between_sites() -> None:
    hardware = {"machine_id": frozenset({"secret-id"})}
    here, there = hardware_digests("site-a", hardware), hardware_digests("site-b", hardware)
    assert here != there
    assert "secret-id" not in str(here)
    assert here == {"machine_id": frozenset({fact_digest("site-a", "machine_id", "secret-id")})}


def test_a_host_with_very_many_network_cards_still_makes_a_request(tmp_path: Path, move_to: MoveTo) -> None:
    """As one with virtual functions: 128 a card is nothing special."""
    many = {f"sys/class/net/eth{n}/address": f"a4:bf:01:3e:78:{n:02x}" for n in range(2, 130)}
    move_to(host(tmp_path / "host", many))
    site = make_site(tmp_path / "state")
    assert open_site_request(request_document(site, NOW)).claims.hardware["mac"]
    site.close()


# -- moving ------------------------------------------------------------------------------------------------------------


def test_a_site_serves_on_the_host_that_asked(site: Site) -> None:
    assert standing(site, NOW).rung is Rung.VALID


@pytest.mark.parametrize(
    ("changes", "rung"),
    [
        ({"sys/class/net/eth0/address": "a4:bf:01:99:99:99"}, Rung.VALID),
        ({"sys/class/net/eth0/address": "x1", "sys/class/net/eth1/address": "x2"}, Rung.VALID),
        ({"sys/class/net/eth0/address": None, "sys/class/net/eth1/address": None, "etc/machine-id": None}, Rung.VALID),
        (
            {
                "sys/class/net/eth0/address": None,
                "sys/class/net/eth1/address": None,
                "etc/machine-id": "another",
                "sys/block/nvme0n1/device/serial": "ANOTHER",
            },
            Rung.WRONG_SITE,
        ),
    ],
    ids=["one card", "both cards", "cards and machine id", "only the board is left"],
)
def test_hardware_may_change_within_what_the_licence_needs(
    site: Site, tmp_path: Path, move_to: MoveTo, changes: Mapping[str, str | None], rung: Rung
) -> None:
    move_to(host(tmp_path / "host", changes))
    assert standing(site, NOW).rung is rung


def test_a_copied_disk_on_another_machine_serves_nothing(site: Site, tmp_path: Path, move_to: MoveTo) -> None:
    """The machine id, the site key and the state came along; the machine did not."""
    changes: dict[str, str | None] = {name: f"other-{number}" for number, name in enumerate(GOOD)}
    changes["etc/machine-id"] = GOOD["etc/machine-id"]
    move_to(host(tmp_path / "other", changes))
    found = standing(site, NOW)
    assert found.rung is Rung.WRONG_SITE
    assert "1 of the 5 hardware facts" in found.sentence
    assert "machine_id" in found.sentence
    assert "3 are needed" in found.sentence


def test_coming_home_is_enough(site: Site, tmp_path: Path, move_to: MoveTo) -> None:
    move_to(tmp_path / "nowhere")
    assert standing(site, NOW).rung is Rung.WRONG_SITE
    move_to(tmp_path / "host")
    assert standing(site, NOW).rung is Rung.VALID


def test_a_fresh_request_from_the_new_machine_heals_it(site: Site, tmp_path: Path, move_to: MoveTo) -> None:
    move_to(host(tmp_path / "other", {name: f"other-{number}" for number, name in enumerate(GOOD)}))
    assert standing(site, NOW).rung is Rung.WRONG_SITE
    put_licence(site, serial=2, binding=bound(site, need=3))
    assert standing(site, NOW).rung is Rung.VALID


def test_a_licence_for_other_hardware_is_not_imported(site: Site) -> None:
    other = bound(site, need=1)
    other["hardware"]["facts"] = {"machine_id": [fact_digest(SITE, "machine_id", "elsewhere")]}
    with refused(site, "licence_wrong_site"):
        put_licence(site, serial=2, binding=other)


# -- a state made anew -------------------------------------------------------------------------------------------------


def test_a_state_deleted_and_made_anew_is_another_epoch(site: Site, tmp_path: Path) -> None:
    kept = site.folder.parent / "kept"
    old_request = open_site_request(request_document(site, NOW)).claims
    old = licence_bytes(key=site.key.public_key.keyid, epoch=site.epoch)
    shutil.copytree(site.folder, kept)
    shutil.rmtree(site.folder)
    anew = make_site(tmp_path / "state", now=NOW + timedelta(hours=1), name="anew")
    with refused(anew, "licence_wrong_epoch") as caught:
        import_licence(anew, on_stick(anew, "old.json", old), NOW + timedelta(hours=1))
    assert isinstance(caught.value, LicenceRefused)
    assert caught.value.exit_code == 26
    assert "ao site request" in caught.value.remedy
    request = open_site_request(request_document(anew, NOW + timedelta(hours=1))).claims
    assert request.epoch > old_request.epoch
    assert request.key != old_request.key
    assert request.challenge != old_request.challenge
    put_licence(anew, now=NOW + timedelta(hours=1))
    assert standing(anew, NOW + timedelta(hours=1)).rung is Rung.VALID
    anew.close()


def test_with_a_state_made_anew_a_request_lies_ready_and_status_says_where(tmp_path: Path) -> None:
    """Deleted and made anew by the commands themselves; the old licence is put back as an operator would."""
    trust = tmp_path / "trust.json"
    trust.write_bytes(trust_bytes())
    words = ("init", "--site", SITE, "--name", "Harbour Hospital", "--trust", str(trust))
    made = ao(*words, state=tmp_path / "state")
    ready = tmp_path / "state" / "out" / "site-request.signed.json"
    assert made.code == 0
    assert str(ready) in made.out
    asked = open_site_request(ready.read_bytes()).claims
    with closing(open_site(tmp_path / "state")) as site:
        assert (asked.epoch, asked.key.key, asked.challenge) == (site.epoch, site.key.public_key, site.challenge)
        today = datetime.now(UTC).replace(microsecond=0)
        old = licence_bytes(key=site.key.public_key.keyid, epoch=site.epoch - 1, now=today)
        missing = ao("status", state=site.folder)
        assert (missing.code, str(ready) in missing.out) == (20, True)
        verified = open_licence(old, site.trust())
        site.accept(verified, old, slot="licence", now=today)
        said = ao("status", state=site.folder)
    assert said.code == 26
    assert "wrong_epoch" in said.out
    assert f"A request lies ready: {ready}" in said.out
    onto = tmp_path / "usb.json"
    assert ao("site", "request", "--out", str(onto), state=tmp_path / "state").code == 0
    assert onto.read_bytes() == ready.read_bytes(), "the one that lies ready is as fresh"


def test_each_request_has_a_serial_of_its_own(site: Site) -> None:
    serials = [open_site_request(request_document(site, NOW)).claims.serial for _ in range(3)]
    assert serials == sorted(set(serials))
