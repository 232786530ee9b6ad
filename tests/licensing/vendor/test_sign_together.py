"""Several people sign one document, one after the other; until enough have, no site takes it."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest

from licensing.document import PAYLOAD_TYPES
from licensing.envelope import BEGIN, SIGNATURES_LIMIT, Envelope, Signature, parse, sign, to_json
from licensing.errors import SignatureRefused
from licensing.licence import open_licence
from licensing.receipt import open_receipt
from licensing.strict_json import canonical
from licensing.time_token import open_time_token
from licensing.trust import Trust
from licensing.vendor.countersign import add_signature, count, finished_name, unfinished_name
from licensing.vendor.errors import KeyUnfit
from licensing.vendor.home import ALL_ROLES, Home
from licensing.vendor.keyring import VendorKey, new_key, seal
from licensing.vendor.operations_time import issue_time_token
from tests.licensing.documents import release_members
from tests.licensing.vendor.simulated_site import SimulatedSite
from tests.licensing.vendor.vendors_desk import CHEAP, VendorsDesk, repeatable, words
from tests.licensing.vendor.vendors_shell import Shell

CHALLENGE = "0123456789abcdef" * 2
CONFIG = b"models: []\n"
TWO = tuple((role, 2) for role in ALL_ROLES if role not in ("root", "release"))


@pytest.fixture
def bob(desk: VendorsDesk) -> Path:
    """Bob's key, which every role of the vendor's but root needs beside its own: a home's role keys, and his file."""
    for role, _ in TWO:
        key = new_key(role, "bob", "ed25519", repeatable(f"bob as {role}"))
        desk.file(f"bob-{role}.key", seal(key, words(), random=desk.random, limits=CHEAP)).chmod(0o600)
    desk.rotate(add=tuple((role, str(desk.folder / f"bob-{role}.key")) for role, _ in TWO), thresholds=TWO)
    return desk.folder


def opens_licence(data: bytes, trust: Trust) -> object:
    return open_licence(data, trust)


def opens_config(data: bytes, trust: Trust) -> object:
    return trust.verify(parse(data), role="config", payload_type=PAYLOAD_TYPES["config"])


def opens_receipt(data: bytes, trust: Trust) -> object:
    return open_receipt(data, trust, site="plant-7", epoch=1)


def opens_time(data: bytes, trust: Trust) -> object:
    return open_time_token(data, trust, site="plant-7", epoch=1, challenge=CHALLENGE)


def issue_time(desk: VendorsDesk, site: SimulatedSite) -> Path:
    request = desk.file("asks", site.request(challenge=CHALLENGE))
    out = desk.folder / "time.json"
    return issue_time_token(desk.home, request, out, at=None, unlock=desk.unlock, now=desk.now).file


Maker = Callable[[VendorsDesk, SimulatedSite], Path]
Opener = Callable[[bytes, Trust], object]
KINDS: dict[str, tuple[Maker, Opener]] = {
    "licence": (lambda desk, site: desk.issue(site, "again.json").file, opens_licence),
    "config": (lambda desk, site: desk.sign(CONFIG).file, opens_config),
    "receipt": (lambda desk, site: desk.take(site.seal()).receipts[0][1], opens_receipt),
    "time": (issue_time, opens_time),
}


@pytest.mark.usefixtures("bob")
@pytest.mark.parametrize("kind", KINDS)
def test_an_unfinished_document_says_so_and_opens_nowhere_until_it_is_complete(
    shell: Shell, site: SimulatedSite, kind: str
) -> None:
    desk = shell.desk
    desk.issue(site)
    make, opens = KINDS[kind]
    file = make(desk, site)
    assert ".unfinished." in file.name
    data = file.read_bytes()
    with pytest.raises(SignatureRefused, match="1 of the 2"):
        opens(data, desk.trust)
    status = shell.json_plain("sign", "status", file)
    assert (status["kind"], status["complete"]) == (kind, False)
    assert [(each["role"], each["missing"]) for each in status["quorums"]] == [(kind, 1)]

    done = shell.json("sign", "add", file, "--key", f"bob-{kind}.key", "--yes")
    finished = Path(done["file"])
    assert (done["complete"], finished) == (True, finished_name(file))
    opens(finished.read_bytes(), desk.trust)
    assert file.read_bytes() == data
    first, second = parse(finished.read_bytes()), parse(data)
    assert (first.body, first.signatures[0]) == (second.body, second.signatures[0]), "what was there stays"
    assert (finished.read_bytes()[:1] == b"{") == (kind != "config"), "the form stays"


@pytest.mark.usefixtures("bob")
def test_what_is_unfinished_is_remembered_and_comes_again_the_same(shell: Shell, site: SimulatedSite) -> None:
    printed = shell.issue(site)
    assert (Path(printed["file"]).name, printed["missing"]) == ("licence.unfinished.json", 1)
    desk = shell.desk
    assert shell.json_plain("licence", "list")["licences"][0]["serial"] == 1
    files = site.days(2)
    ((_, path),) = desk.take(*files).receipts
    before = desk.contents()
    data = path.read_bytes()
    path.unlink()
    assert desk.take(*files).receipts[0][1].read_bytes() == data
    assert desk.contents() == before


@pytest.mark.usefixtures("bob")
def test_one_key_does_not_sign_twice(shell: Shell, site: SimulatedSite) -> None:
    file = shell.desk.issue(site).file
    before = file.read_bytes()
    refused = shell.json("sign", "add", file, "--key", "licence-1", "--yes", code=93)
    assert refused["error"]["code"] == "vendor_key_unfit"
    assert "signed this document already" in refused["error"]["message"]
    assert file.read_bytes() == before


def test_nor_does_it_when_its_signature_stands_under_another_id(desk: VendorsDesk) -> None:
    key = VendorKey("licence", "x", bytes(range(32)))
    envelope = sign("application/x", b"body", [key])
    disguised = replace(envelope, signatures=(Signature("0" * 64, envelope.signatures[0].sig),))
    with pytest.raises(KeyUnfit):
        add_signature(disguised, key)
    assert desk.home.path.exists()


def test_a_forged_signature_under_ones_id_does_not_stop_one_from_signing() -> None:
    key = VendorKey("licence", "x", bytes(range(32)))
    forged = Envelope("application/x", b"body", (Signature(key.public_key.keyid, bytes(64)),))
    assert len(add_signature(forged, key).signatures) == 2


def test_there_are_no_more_signatures_than_a_reader_takes() -> None:
    key = VendorKey("licence", "x", bytes(range(32)))
    full = Envelope("application/x", b"body", (Signature("", bytes(64)),) * SIGNATURES_LIMIT)
    with pytest.raises(KeyUnfit):
        add_signature(full, key)


@pytest.mark.usefixtures("bob")
def test_a_key_of_another_role_or_of_nobody_is_refused(shell: Shell, site: SimulatedSite) -> None:
    file = shell.desk.issue(site).file
    before = file.read_bytes()
    other = shell.json("sign", "add", file, "--key", "bob-receipt.key", "--yes", code=93)["error"]
    assert "made for role receipt" in other["message"]
    stranger = new_key(None, "stranger", "ed25519", repeatable("stranger"))
    path = shell.desk.file("stranger.key", seal(stranger, words(), random=shell.desk.random, limits=CHEAP))
    path.chmod(0o600)
    nobody = shell.json("sign", "add", file, "--key", path, "--yes", code=93)["error"]
    assert "not one that the trust names" in nobody["message"]
    assert shell.json("sign", "add", file, "--key", "nobody", "--yes", code=93)["error"]["code"] == "vendor_key_missing"
    assert file.read_bytes() == before


@pytest.mark.usefixtures("bob")
def test_what_is_signed_is_shown_first(shell: Shell, site: SimulatedSite) -> None:
    file = shell.desk.issue(site).file
    digest = shell.json_plain("sign", "status", file)["digest"]
    arguments: tuple[str | Path, ...] = ("sign", "add", file, "--key", "bob-licence.key", *shell.words)
    for stdin in ("n\n", ""):
        refused = shell.run(*arguments, stdin=stdin)
        assert refused.exit_code == 90
        for expected in ("licence, serial 1", digest, "Example Works", "plant-7", "lic-0001"):
            assert expected in refused.stdout
    scripted = shell.run(*arguments, "--json", stdin="y\n")
    assert json.loads(scripted.stdout)["complete"] is True
    assert digest in scripted.stderr


@pytest.mark.usefixtures("bob")
def test_status_without_any_trust_says_what_is_needed(shell: Shell, site: SimulatedSite) -> None:
    file = shell.desk.issue(site).file
    home = shell.desk.home
    shell.desk.home = Home(shell.desk.folder / "nowhere")
    refused = shell.json_plain("sign", "status", file, code=92)["error"]
    assert "--trust" in refused["remedy"]
    trusts: list[str | Path] = []
    for version in (1, 2):
        trusts += ["--trust", home.version_file(version)]
    assert shell.json_plain("sign", "status", file, *trusts)["quorums"][0]["trust"] == 2
    assert shell.json_plain("sign", "status", file, *trusts[:2])["quorums"][0]["trust"] == 1
    text = shell.run("sign", "status", file, *trusts).stdout
    assert "1 of 2 have signed, 1 more needed" in text


def test_a_config_is_signed_by_officers_whom_no_trust_names(shell: Shell, site: SimulatedSite) -> None:
    shell.issue(site)
    shell.json("config", "sign", shell.desk.file("c.yaml", CONFIG), "--site", "plant-7", "--out", "c.signed")
    officer = new_key("config", "officer", "ed25519", repeatable("officer"))
    shell.desk.file("officer.key", seal(officer, words(), random=shell.desk.random, limits=CHEAP)).chmod(0o600)
    shell.json("sign", "add", "c.signed", "--key", "officer.key", "--yes", "--out", "both")
    data = (shell.desk.folder / "both").read_bytes()
    assert BEGIN in data
    assert [each.keyid for each in parse(data).signatures][1] == officer.public_key.keyid


def test_a_release_is_signed_as_well(shell: Shell) -> None:
    key = new_key(None, "first", "ed25519", repeatable("first"))
    body = canonical(release_members())
    file = shell.desk.file("release.json", to_json(sign(PAYLOAD_TYPES["release"], body, [key])))
    done = shell.json("sign", "add", file, "--key", "release-1", "--yes")
    assert (done["kind"], done["serial"], done["complete"], done["file"]) == ("release", 2001, True, str(file))
    assert {"name": "version", "value": "0.2.1, built 2026-03-01T08:00:00Z"} in done["facts"]
    shell.desk.trust.verify(parse(file.read_bytes()), role="release", payload_type=PAYLOAD_TYPES["release"])


@pytest.mark.parametrize("body", [b"{}", b'{"kind":"release","serial":"7"}', b'{"kind":"licence","serial":7}'])
def test_a_body_that_is_not_what_its_envelope_says_is_not_signed(shell: Shell, body: bytes) -> None:
    key = new_key(None, "first", "ed25519", repeatable("first"))
    for kind in ("release", "licence", "trust", "config"):
        file = shell.desk.file(kind, to_json(sign(PAYLOAD_TYPES[kind], body, [key])))
        before = file.read_bytes()
        refused = shell.json(
            "sign",
            "add",
            file,
            "--key",
            f"{'root' if kind == 'trust' else kind}-1",
            "--yes",
            code=12,
        )
        assert refused["error"]["code"] in ("document_malformed", "document_kind")
        assert file.read_bytes() == before


def test_what_a_site_signs_no_person_signs(shell: Shell, site: SimulatedSite) -> None:
    for data in (site.request(), site.seal()):
        file = shell.desk.file("sites", data)
        assert shell.json("sign", "add", file, "--key", "root-1", "--yes", code=12)["error"]["code"] == "document_kind"


def test_a_count_demands_each_algorithm(desk: VendorsDesk) -> None:
    desk.rotate(
        new=(("licence", "sm2"), ("licence", "ed25519")),
        thresholds=(("licence", 2),),
        at_least=(("licence", "sm2", 1),),
    )
    assert len(list(desk.home.keys.glob("licence-*.json"))) == 3
    signers = desk.home.signers(desk.trust, "licence", desk.unlock)
    assert sorted(key.label for key in signers) == ["1", "2"], "one by SM2, and another up to the threshold"
    envelope = sign("application/x", b"body", [key for key in signers if key.label == "1"])
    quorum = count(envelope, desk.trust, "licence")
    assert (quorum.missing, dict(quorum.missing_of), len(quorum.waiting)) == (1, {"sm2": 1}, 2)


@pytest.mark.parametrize("name", ["licence.json", "config.yaml.signed", "receipt-plant-7-3.signed.json", "plain"])
def test_names_go_there_and_back(name: str) -> None:
    path = Path("/media/usb") / name
    assert unfinished_name(path) != path
    assert finished_name(unfinished_name(path)) == path == finished_name(path)
