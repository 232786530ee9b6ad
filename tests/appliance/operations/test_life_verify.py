"""`ao verify`: any document, genuine and broken, with a site and without, for anybody who holds the file."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, replace
from datetime import datetime, timedelta, tzinfo
from pathlib import Path
from typing import Any

import pytest

from appliance.cli import face
from appliance.operations.site import request_document
from appliance.operations.usage import export_usage, seal_now
from appliance.state.site import Site
from licensing.document import PAYLOAD_TYPES, format_time
from licensing.envelope import Envelope, parse, sign, to_json
from licensing.strict_json import canonical
from tests.appliance.cli.commands import Said, ao
from tests.appliance.operations.test_life_papers import bring_config, delegation, follow, nothing_changes, token_bytes
from tests.appliance.papers import NOW, config_bytes, licence_bytes, receipt_bytes, trust_bytes
from tests.appliance.sites import licensed_site, make_site, on_stick, put_licence
from tests.licensing.documents import key, keys, licence_members, signed, site_request_members, trust_members


class _Clock(datetime):
    """The host's clock, as the command line reads it."""

    @classmethod
    def now(cls, tz: tzinfo | None = None) -> _Clock:
        return cls.fromtimestamp(NOW.timestamp(), tz)


@pytest.fixture(autouse=True)
def clock(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(face, "datetime", _Clock)


HOSTILE = "\x1b]0;owned\x07\x9b2J\u202egnp.exe\u200b\u2066\r\n"
FORBIDDEN = [character for character in HOSTILE if character != "\n" and not character.isascii()] + [
    "\x1b",
    "\x07",
    "\r",
]


@pytest.fixture
def site(tmp_path: Path) -> Iterator[Site]:
    made = licensed_site(tmp_path / "state")
    yield made
    made.close()


def usage_bytes(site: Site) -> bytes:
    folder = site.folder.parent / "usage"
    folder.mkdir(exist_ok=True)
    seal_now(site, NOW + timedelta(hours=1))
    return export_usage(site, folder, everything=True)[0].path.read_bytes()


def licence_of(site: Site, **changes: Any) -> bytes:
    return licence_bytes(key=site.key.public_key.keyid, epoch=site.epoch, **{"serial": 2, **changes})


@dataclass(frozen=True)
class Kind:
    """How a genuine document of the kind is made, the role that signs it, and how many must."""

    make: Callable[[Site], bytes]
    role: str
    needed: int


KINDS: Mapping[str, Kind] = {
    "trust": Kind(lambda _: trust_bytes(serial=2), "root", 2),
    "licence": Kind(licence_of, "licence", 1),
    "config": Kind(lambda _: config_bytes(serial=2), "config", 2),
    "receipt": Kind(lambda site: receipt_bytes(epoch=site.epoch), "receipt", 1),
    "time": Kind(token_bytes, "time", 1),
    "usage": Kind(usage_bytes, "site", 1),
    "site-request": Kind(lambda site: request_document(site, NOW), "site", 1),
}


def without_site(site: Site, file: Path, *more: str) -> Said:
    """As a security officer does it, on a machine without a site."""
    trust = on_stick(site, "trust-1.json", trust_bytes())
    return ao("verify", str(file), "--trust", str(trust), *more, state=site.folder.parent / "none")


def with_site(site: Site, file: Path, *more: str) -> Said:
    with nothing_changes(site):
        return ao("verify", str(file), *more, state=site.folder)


def request_file(site: Site) -> str:
    return str(on_stick(site, "request.json", request_document(site, NOW)))


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("look", [without_site, with_site])
def test_a_genuine_document_is_called_genuine(site: Site, kind: str, look: Callable[..., Said]) -> None:
    file = on_stick(site, "it", KINDS[kind].make(site))
    more = ["--request", request_file(site)] if kind == "usage" else []
    said = look(site, file, "--json", *more)
    assert (said.code, said.fault) == (0, None), said
    told = json.loads(said.out)
    assert (told["kind"], told["genuine"], told["refusal"], told["refused_here"]) == (kind, True, None, None)
    assert (told["role"], told["needed"]) == (KINDS[kind].role, KINDS[kind].needed)
    assert told["says"]["kind"] == kind
    assert look(site, file, *more).out.startswith(f"{kind}: genuine\n")


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("look", [without_site, with_site])
def test_a_document_signed_by_somebody_else_is_not_to_be_believed(
    site: Site, kind: str, look: Callable[..., Said]
) -> None:
    data = KINDS[kind].make(site)
    envelope = parse(data)
    other = sign(envelope.payload_type, envelope.body, keys("thief", "thief-2"))
    file = on_stick(site, "it", to_json(other))
    more = ["--request", request_file(site)] if kind == "usage" else []
    said = look(site, file, "--json", *more)
    told = json.loads(said.out)
    assert (said.code, told["genuine"], told["refusal"]["code"]) == (11, False, "signature_refused")
    assert [each["keyid"] for each in told["signatures"]] == [None, None]
    lines = look(site, file, *more).out
    assert lines.startswith(f"{kind}: NOT to be believed\n")
    assert lines.count(", which is not known here; by no key of this trust") == 2


def findings(said: Said) -> list[str]:
    return [each["finding"] for each in json.loads(said.out)["signatures"]]


def test_changed_bytes_and_an_unknown_key_are_told_apart(site: Site) -> None:
    """By what each signature claims and by whether it holds; that is said, and decides nothing."""
    genuine = parse(KINDS["licence"].make(site))
    licence_key, thief = key("licence-1").keyid[:16], key("thief").keyid[:16]

    def told(envelope: Envelope) -> list[str]:
        file = on_stick(site, "it", to_json(envelope))
        return findings(without_site(site, file, "--json"))

    assert told(genuine) == [f"by key {licence_key} (licence)"]
    changed = replace(genuine, body=genuine.body.replace(b'"enterprise"', b'"business"'))
    assert told(changed) == [
        f"claims key {licence_key} (licence) and does not verify: the bytes were changed, or another key made it"
    ]
    stranger = sign(genuine.payload_type, genuine.body, keys("thief"))
    assert told(stranger) == [f"claims key {thief}, which is not known here; by no key of this trust"]
    nameless = replace(stranger, signatures=(replace(stranger.signatures[0], keyid=""),))
    assert told(nameless) == ["by no key of this trust"]
    mislabelled = replace(genuine, signatures=(replace(genuine.signatures[0], keyid="0" * 64),))
    assert told(mislabelled) == [f"by key {licence_key} (licence)"], "whatever it claims"


def test_an_officer_whom_the_licence_names_is_known(site: Site) -> None:
    put_licence(site, serial=2, config_delegation=delegation("ward-1", "ward-2"))
    file = on_stick(site, "c", config_bytes(signers=("ward-1", "ward-2")))
    assert findings(with_site(site, file, "--json")) == [
        f"by key {key(name).keyid[:16]} (config.delegated)" for name in ("ward-1", "ward-2")
    ]


def test_what_a_document_says_is_shown_whole(site: Site) -> None:
    patterns = [f"model-{number:03}-*" for number in range(200)]
    file = on_stick(site, "l", licence_bytes(key=site.key.public_key.keyid, epoch=site.epoch, models=patterns))
    said = without_site(site, file).out
    assert all(pattern in said for pattern in patterns)
    assert "…" not in said


def test_a_refused_file_is_named(site: Site) -> None:
    file = on_stick(site, "theirs.json", signed("licence", b"{}", key("thief")))
    for words in (("licence", "import"), ("licence", "verify"), ("config", "import"), ("receipt", "import")):
        said = ao(*words, str(file), "--json", state=site.folder)
        assert json.loads(said.out)["error"]["where"] == str(file), words


@pytest.mark.parametrize("kind", KINDS)
def test_a_document_with_another_body_is_not_to_be_believed(site: Site, kind: str) -> None:
    document = json.loads(signed("licence", b"{}", key("licence-1")))
    file = on_stick(site, "it", json.dumps(document | {"payloadType": PAYLOAD_TYPES[kind]}).encode())
    for look in (with_site, without_site):
        said = look(site, file)
        assert said.fault is None
        assert 10 <= said.code <= 16 or said.code == 60, said
        assert "NOT to be believed" in said.out or said.err


@pytest.mark.parametrize("data", [b"", b"{}", b"hello\n", b"\x7fELF\x00", b"[" * 50_000, b"kind: config\n"])
@pytest.mark.parametrize("look", [without_site, with_site])
def test_what_is_no_document_is_refused_in_one_sentence(site: Site, data: bytes, look: Callable[..., Said]) -> None:
    said = look(site, on_stick(site, "it", data))
    assert (said.code, said.out, said.fault) == (10, "", None)
    assert said.err.startswith("ao: ")


def test_a_document_of_another_product_is_of_another_kind(site: Site) -> None:
    document = json.loads(licence_of(site)) | {"payloadType": "application/vnd.in-toto+json"}
    said = with_site(site, on_stick(site, "it", json.dumps(document).encode()))
    assert said.code == 12
    assert "in-toto" in said.err


def test_each_signature_is_told_with_its_roles(site: Site) -> None:
    data = signed("licence", licence_members(), *keys("licence-2", "officer-1", "thief"))
    told = json.loads(without_site(site, on_stick(site, "it", data), "--json").out)
    assert [(each["keyid"], each["roles"]) for each in told["signatures"]] == [
        (key("licence-2").keyid, ["licence"]),
        (key("officer-1").keyid, ["config"]),
        (None, []),
    ]
    assert told["genuine"]


# -- what the site itself would say ------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("changes", "code", "exit_code"),
    [
        ({"serial": 1, "edition": "pro"}, "serial_conflict", 16),
        ({"expires_at": format_time(NOW.replace(year=2025)), "not_before": "2025-01-01T00:00:00Z", "grace_days": 0},
         "licence_expired", 23),
        ({"binding": {"site": "another-site", "key": "0" * 64, "epoch": 1}}, "licence_wrong_site", 25),
    ],
    ids=["conflict", "expired", "another site"],
)  # fmt: skip
def test_a_genuine_licence_that_this_site_would_refuse(
    site: Site, changes: dict[str, Any], code: str, exit_code: int
) -> None:
    file = on_stick(site, "it", licence_of(site, **changes))
    said = with_site(site, file, "--json")
    told = json.loads(said.out)
    assert (said.code, told["genuine"], told["refused_here"]["code"]) == (exit_code, True, code)
    assert f"refused here: {told['refused_here']['message']} [{code}]" in with_site(site, file).out
    assert without_site(site, file).code == 0


def test_a_licence_for_another_site_is_told_to_be_that_whatever_its_serial(site: Site) -> None:
    """As importing it does: serials are counted per site."""
    binding = {"site": "another-site", "key": "0" * 64, "epoch": 1}
    file = on_stick(site, "it", licence_of(site, serial=1, binding=binding))
    told = json.loads(with_site(site, file, "--json").out)
    assert told["refused_here"]["code"] == "licence_wrong_site"


@pytest.mark.parametrize(
    ("make", "codes"),
    [
        (lambda site: receipt_bytes(epoch=site.epoch, site="another-site"), {"document_audience"}),
        (lambda site: token_bytes(site, challenge="0" * 32), {"document_audience"}),
        (lambda _: config_bytes(serial=2, site="another-site"), {"document_audience"}),
        (lambda _: config_bytes("models:\n  - alias: other\n    provider:\n      name: demo\n"), {"serial_conflict"}),
        (lambda _: config_bytes("models: []\n", serial=2), {"config_refused"}),
    ],
    ids=["receipt", "token", "config for another site", "config with a serial that is taken", "config with a fault"],
)
def test_what_this_site_would_refuse_is_told(site: Site, make: Callable[[Site], bytes], codes: set[str]) -> None:
    file = on_stick(site, "it", make(site))
    said = with_site(site, file, "--json")
    found = json.loads(said.out)["refused_here"]
    assert found is not None
    assert found["code"] in codes
    assert said.code != 0
    assert without_site(site, file).code == 0


def test_a_config_under_a_delegation_is_held_against_the_officers(site: Site) -> None:
    put_licence(site, serial=2, config_delegation=delegation("ward-1", "ward-2"))
    licence = str(on_stick(site, "licence.json", licence_of(site, config_delegation=delegation("ward-1", "ward-2"))))
    theirs = on_stick(site, "theirs", config_bytes(serial=3, signers=("ward-1", "ward-2")))
    vendors = on_stick(site, "vendors", config_bytes(serial=3))
    for look, more in ((with_site, []), (without_site, ["--licence", licence])):
        told = json.loads(look(site, theirs, "--json", *more).out)
        assert (told["genuine"], told["role"], told["needed"]) == (True, "config.delegated", 2)
        assert look(site, vendors, *more).code == 11
    assert without_site(site, theirs).code == 11
    bring_config(site, 1, "ward-1", "ward-2")


def test_usage_needs_the_key_of_its_site(site: Site, tmp_path: Path) -> None:
    file = on_stick(site, "it", usage_bytes(site))
    assert with_site(site, file).code == 0
    said = without_site(site, file)
    assert said.code == 11
    assert "--request site-request.signed.json" in said.out
    other = make_site(tmp_path / "other", name="other")
    assert without_site(site, file, "--request", request_file(other)).code == 11
    other.close()


def test_usage_that_does_not_add_up_is_told_although_it_is_signed(site: Site) -> None:
    envelope = parse(usage_bytes(site))
    members = json.loads(envelope.body) | {"tree": {"size": 5, "root": "sha256:" + "0" * 64}}
    file = on_stick(site, "it", to_json(sign(envelope.payload_type, canonical(members), [site.key])))
    said = with_site(site, file)
    assert said.code != 0
    assert "does not add up" in said.out


def test_trust_is_walked_in_the_order_given(site: Site) -> None:
    follow(site, 2)
    names = [str(on_stick(site, f"t{serial}", trust_bytes(serial=serial))) for serial in (1, 2, 3)]
    file = on_stick(site, "it", licence_of(site, signer="licence-2"))
    chain = ["--trust", names[0], "--trust", names[1], "--trust", names[2]]
    assert ao("verify", str(file), *chain, state=site.folder.parent / "none").code == 0
    assert ao("verify", names[2], *chain[:4], state=site.folder.parent / "none").code == 0
    assert ao("verify", str(file), *chain[2:], state=site.folder.parent / "none").code == 14
    assert ao("verify", names[2], *chain[:2], state=site.folder.parent / "none").code == 14


def test_without_a_site_and_without_a_trust_the_cure_is_told(site: Site, tmp_path: Path) -> None:
    said = ao("verify", str(on_stick(site, "it", licence_of(site))), state=tmp_path / "none")
    assert said.code == 40
    assert "--trust trust.json" in said.err


# -- hostile text ------------------------------------------------------------------------------------------------------


def hostile(**changes: Any) -> dict[str, Any]:
    return licence_members(**changes)


@pytest.mark.parametrize(
    "data",
    [
        signed("licence", hostile(customer=HOSTILE), key("thief")),
        signed("licence", hostile(kind=HOSTILE), key("thief")),
        signed("licence", hostile() | {HOSTILE: 1}, key("thief")),
        signed("licence", hostile(caps={HOSTILE: {HOSTILE: HOSTILE}}), key("thief")),
        signed("trust", trust_members() | {"vendor": HOSTILE}, key("thief")),
        signed("trust", trust_members(revoked_licences=[HOSTILE], serial=2), *keys("root-1", "root-2")),
        signed("site-request", site_request_members(name=HOSTILE), key("site")),
        signed("config", canonical({"kind": HOSTILE, HOSTILE: [HOSTILE]}), key("thief")),
        signed("release", canonical({HOSTILE: HOSTILE}), *keys("release-1", "release-2")),
        json.dumps(json.loads(signed("licence", {}, key("thief"))) | {"payloadType": HOSTILE}).encode(),
        json.dumps({"payloadType": "x", "payload": "", "signatures": [{"keyid": HOSTILE, "sig": HOSTILE}]}).encode(),
        b'{"' + HOSTILE.encode("unicode_escape").replace(b"\\x", b"\\u00") + b'":1,',
    ],
)  # fmt: skip
@pytest.mark.parametrize("as_json", [False, True], ids=["lines", "json"])
def test_hostile_text_is_shown_harmless(site: Site, data: bytes, as_json: bool) -> None:
    file = on_stick(site, "it", data)
    for look in (with_site, without_site):
        said = look(site, file, *(["--json"] if as_json else []))
        assert said.fault is None, repr(said.fault)
        assert not [each for each in FORBIDDEN if each in said.out + said.err]


def test_a_hostile_file_name_is_shown_harmless(site: Site) -> None:
    name = HOSTILE.replace("/", "").strip("\r\n")
    said = with_site(site, site.folder.parent / name)
    assert said.code == 50
    assert not [each for each in FORBIDDEN if each in said.out + said.err]


@pytest.mark.parametrize("algorithm", ["none", "rsa", "ed25519", "sm2"])
def test_a_request_with_a_key_that_is_none_is_told_like_any_other(site: Site, algorithm: str) -> None:
    members = site_request_members(key={"algorithm": algorithm, "public": "AAAA"})
    said = with_site(site, on_stick(site, "it", signed("site-request", members, key("site"))))
    assert said.fault is None
    assert said.code in {10, 15}
    assert "NOT to be believed" in said.out
