"""Keys in a hardware token, by a software token that behaves like one (SoftHSM), and by none at all."""

from __future__ import annotations

import shutil
import subprocess
import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from licensing.algorithms import PublicKey
from licensing.envelope import pae, parse
from licensing.errors import Refusal
from licensing.licence import open_licence
from licensing.trust import RoleName
from licensing.vendor.errors import PassphraseWrong, PinWrong, TokenRefused
from licensing.vendor.key_files import TokenReference, read_key_file, refer, write_private
from licensing.vendor.operations_trust import Asked, rotate_trust
from licensing.vendor.token_key import open_token_key, parse_uri, read_public
from licensing.vendor.unlock import Unlock
from media.errors import PassphraseMissing
from media.passphrase import Passphrase
from tests.licensing.vendor.simulated_site import SimulatedSite
from tests.licensing.vendor.vendors_desk import CHEAP, VendorsDesk, words
from tests.licensing.vendor.vendors_shell import Shell

MODULE = Path("/usr/lib/softhsm/libsofthsm2.so")
PIN = b"271828"
ED25519_OID = bytes.fromhex("06032b6570")
P256_OID = bytes.fromhex("06082a8648ce3d030107")

with_softhsm = pytest.mark.skipif(
    not MODULE.exists() or shutil.which("softhsm2-util") is None, reason="there is no SoftHSM on this host"
)


@dataclass(frozen=True)
class Token:
    """A token in a folder of its own, with an Ed25519 key `licence`, another `root`, and a P-256 key `other`."""

    folder: Path
    module: Path = MODULE

    def uri(self, key: str = "licence", token: str = "desk") -> str:
        return f"pkcs11:token={token};object={key};type=private"

    def public(self, key: str = "licence") -> PublicKey:
        return read_public(parse_uri(self.uri(key)), self.module)

    def unlock(self, pin: bytes = PIN) -> Unlock:
        return Unlock(words, lambda: Passphrase(pin), self.module)

    def refer(self, desk: VendorsDesk, role: RoleName) -> Path:
        """A reference to a key of the token, in the home."""
        path = desk.home.keys / f"{role}-hsm.json"
        write_private(path, refer(self.uri(role), label="hsm", role=role, module=self.module))
        return path


@pytest.fixture
def token(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Token:
    import pkcs11

    folder = tmp_path / "softhsm"
    (folder / "tokens").mkdir(parents=True)
    settings = folder / "softhsm2.conf"
    settings.write_text(f"directories.tokendir = {folder / 'tokens'}\nobjectstore.backend = file\nlog.level = ERROR\n")
    monkeypatch.setenv("SOFTHSM2_CONF", str(settings))
    command = ["softhsm2-util", "--init-token", "--free", "--label", "desk", "--pin", PIN.decode()]
    subprocess.run([*command, "--so-pin", "31415926"], check=True, capture_output=True, timeout=60)
    library = pkcs11.lib(str(MODULE))
    library.reinitialize()  # it looked for tokens when it was loaded, which another test may have done
    with library.get_token(token_label="desk").open(rw=True, user_pin=PIN.decode()) as session:
        for number, label in enumerate(("licence", "root", "other"), start=1):
            edwards = label != "other"
            kind = pkcs11.KeyType.EC_EDWARDS if edwards else pkcs11.KeyType.EC
            parameters = session.create_domain_parameters(
                kind, {pkcs11.Attribute.EC_PARAMS: ED25519_OID if edwards else P256_OID}, local=True
            )
            mechanism = pkcs11.Mechanism.EC_EDWARDS_KEY_PAIR_GEN if edwards else pkcs11.Mechanism.EC_KEY_PAIR_GEN
            parameters.generate_keypair(store=True, label=label, id=bytes([number]), mechanism=mechanism)
    return Token(folder)


# -- with a token ------------------------------------------------------------------------------------------------------


@with_softhsm
def test_a_key_in_a_token_signs(token: Token) -> None:
    key = open_token_key(parse_uri(token.uri()), module=MODULE, pin=Passphrase(PIN), expected=token.public())
    for message in (b"", b"message", pae("application/x", bytes(1 << 20))):
        assert key.public_key.verifies(key.sign(message), message)
    assert key.public_key == token.public()
    assert PIN.decode() not in repr(key) + str(token.unlock())


@with_softhsm
@pytest.mark.parametrize("uri", ["pkcs11:token=desk;id=%01", "pkcs11:model=SoftHSM%20v2;token=desk;object=licence"])
def test_a_key_is_found_by_what_the_uri_says(token: Token, uri: str) -> None:
    assert read_public(parse_uri(uri), MODULE) == token.public()
    assert read_public(parse_uri(f"{uri}?module-path={MODULE}"), None) == token.public()


@with_softhsm
@pytest.mark.parametrize("pin", [b"000000", b"1", b"\xff\xff\xff\xff", b"1" * 300])
def test_a_wrong_pin_is_said_to_be_one(token: Token, pin: bytes) -> None:
    with pytest.raises(PinWrong) as refused:
        open_token_key(parse_uri(token.uri()), module=MODULE, pin=Passphrase(pin))
    assert (refused.value.code, refused.value.exit_code) == ("pin_wrong", 94)


@with_softhsm
@pytest.mark.parametrize(
    ("uri", "sentence"),
    [
        ("pkcs11:token=gone;object=licence", "No token here"),
        ("pkcs11:token=desk;serial=0000;object=licence", "No token here"),
        ("pkcs11:token=desk;object=gone", "no such key"),
        ("pkcs11:token=desk;object=licence;id=%02", "no such key"),
        ("pkcs11:token=desk;object=other", "not an Ed25519 key"),
    ],
)
def test_what_is_not_there_is_a_refusal(token: Token, uri: str, sentence: str) -> None:
    with pytest.raises(TokenRefused, match=sentence):
        open_token_key(parse_uri(uri), module=token.module, pin=Passphrase(PIN))


@with_softhsm
def test_a_home_signs_with_a_key_that_it_only_refers_to(
    shell: Shell, site: SimulatedSite, token: Token, monkeypatch: pytest.MonkeyPatch
) -> None:
    desk = shell.desk
    pin = desk.file("pin", PIN + b"\n")
    pin.chmod(0o600)
    monkeypatch.setenv("AO_PKCS11_MODULE", str(MODULE))
    reference = desk.home.keys / "licence-hsm.json"
    made = shell.json_plain("key", "refer", token.uri(), "--label", "hsm", "--role", "licence", "--out", reference)
    assert (made["kind"], made["key"]) == ("vendor-token-key", token.public().keyid)
    assert reference.stat().st_mode & 0o777 == 0o600
    shell.json("trust", "rotate", "--add-key", f"licence={reference}", "--retire-key", "licence-1")
    names = [each["label"] for each in shell.json_plain("trust", "show")["roles"]["licence"]["keys"]]
    assert names == ["licence-hsm"]
    shell.words = ["--pin-file", str(pin)]
    shell.issue(site)
    verified = open_licence((desk.folder / "licence.json").read_bytes(), desk.trust)
    assert verified.signers == (token.public().keyid,)


@with_softhsm
def test_a_key_file_and_a_token_sign_together(desk: VendorsDesk, site: SimulatedSite, token: Token) -> None:
    path = token.refer(desk, "licence")
    desk.rotate(add=(("licence", str(path)),), thresholds=(("licence", 2),))
    signers = desk.home.signers(desk.trust, "licence", token.unlock())
    assert [key.label for key in signers] == ["1", "hsm"]
    with pytest.raises(PassphraseMissing, match="PIN"):
        desk.issue(site)


@with_softhsm
def test_a_token_with_another_key_under_the_same_name_is_found_out(desk: VendorsDesk, token: Token) -> None:
    path = token.refer(desk, "licence")
    desk.rotate(add=(("licence", str(path)),), retire=(("licence", "licence-1"),))
    file = read_key_file(path)
    assert isinstance(file, TokenReference)
    exchanged = file.model_copy(update={"uri": token.uri("root")})
    path.write_bytes(exchanged.model_dump_json(by_alias=True, exclude_none=True).encode())
    with pytest.raises(TokenRefused, match="was recorded"):
        desk.home.signers(desk.trust, "licence", token.unlock())


@with_softhsm
def test_a_reference_that_others_can_write_is_not_used(desk: VendorsDesk, token: Token) -> None:
    path = token.refer(desk, "licence")
    desk.rotate(add=(("licence", str(path)),), retire=(("licence", "licence-1"),))
    path.chmod(0o666)
    with pytest.raises(Refusal) as refused:
        desk.home.signers(desk.trust, "licence", token.unlock())
    assert refused.value.code == "secret_exposed"


@with_softhsm
def test_a_proposal_is_not_made_behind_the_back_of_a_token_of_the_home(shell: Shell, token: Token) -> None:
    path = token.refer(shell.desk, "root")
    refused = shell.json("trust", "rotate", "--add-key", f"root={path}", "--new-key", "time", code=94)
    assert "error" in refused
    assert not (shell.desk.home.keys / "time-2.json").exists()


@with_softhsm
def test_a_root_key_in_a_token_completes_a_proposal(shell: Shell, token: Token) -> None:
    desk = shell.desk
    public = desk.folder / "hsm.ref"
    write_private(public, refer(token.uri("root"), label="hsm", role="root", module=MODULE))
    proposed = shell.json("trust", "rotate", "--add-key", f"root={public}", "--threshold", "root=2")
    assert (proposed["adopted"], [each["missing"] for each in proposed["quorums"]]) == (False, [0, 1])
    pin = desk.file("pin", PIN)
    pin.chmod(0o600)
    arguments = ("--key", token.uri("root"), "--pkcs11-module", MODULE, "--pin-file", pin, "--yes")
    signed = shell.json_plain("sign", "add", proposed["file"], *arguments)
    assert signed["complete"] is True
    assert len(parse(Path(proposed["file"]).read_bytes()).signatures) == 2
    assert shell.json_plain("trust", "adopt", proposed["file"])["version"] == 2
    twice = shell.json_plain("sign", "add", desk.home.version_file(2), *arguments, code=93)
    assert twice["error"]["code"] == "vendor_key_unfit"


@with_softhsm
def test_new_keys_beside_a_root_in_a_token_get_the_homes_passphrase(desk: VendorsDesk, token: Token) -> None:
    path = token.refer(desk, "root")
    rotate_with(desk, token.unlock(), add=(("root", str(path)),))
    (desk.home.keys / "root-1.json").unlink()
    slip = Unlock(lambda: Passphrase(b"slip"), lambda: Passphrase(PIN), MODULE)
    with pytest.raises(PassphraseWrong):
        rotate_with(desk, slip, new=(("config", "ed25519"),))
    assert not (desk.home.keys / "config-2.json").exists()
    rotate_with(desk, token.unlock(), new=(("config", "ed25519"),))
    assert (desk.home.keys / "config-2.json").exists()
    assert desk.trust.serial == 3


def rotate_with(desk: VendorsDesk, unlock: Unlock, **asked: Any) -> None:
    rotate_trust(desk.home, Asked(**asked), unlock=unlock, limits=CHEAP, now=desk.now, random=desk.random)


# -- without one -------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "uri",
    [
        "",
        "pkcs11:",
        "pkcs12:token=desk;object=x",
        "pkcs11:token=desk",
        "pkcs11:object=x",
        "pkcs11:token=desk;object=x;slot-id=1",
        "pkcs11:token=desk;object=x;type=cert",
        "pkcs11:token=desk;token=other;object=x",
        "pkcs11:token=desk;object",
        "pkcs11:token=%ff;object=x",
        "pkcs11:token=desk;object=x?module-name=softhsm",
        "pkcs11:token=desk;object=" + "x" * 1024,
    ],
)
def test_a_uri_that_names_no_one_key_is_refused(uri: str) -> None:
    with pytest.raises(TokenRefused) as refused:
        parse_uri(uri)
    assert refused.value.exit_code == 93


@pytest.mark.parametrize("carried", ["?pin-value=271828", "?pin-source=/etc/pin", ";x;pin-value=271828"])
def test_a_pin_in_a_uri_is_refused_and_not_repeated(carried: str) -> None:
    with pytest.raises(TokenRefused) as refused:
        parse_uri(f"pkcs11:token=desk;object=x{carried}")
    assert "271828" not in str(refused.value) + refused.value.remedy
    assert "--pin-file" in refused.value.remedy


def test_without_the_library_that_is_said(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "pkcs11", None)
    with pytest.raises(TokenRefused, match="python-pkcs11 is not installed") as refused:
        read_public(parse_uri("pkcs11:token=desk;object=x"), MODULE)
    assert "ao-vendor[pkcs11]" in refused.value.remedy


@pytest.mark.parametrize(
    ("module", "sentence"),
    [
        (lambda _: None, "No PKCS#11 module was named"),
        (lambda folder: folder / "gone.so", "cannot be used"),
        (lambda folder: folder, "cannot be used"),
    ],
)
def test_a_module_that_is_none_is_a_refusal(
    tmp_path: Path, module: Callable[[Path], Path | None], sentence: str
) -> None:
    with pytest.raises(TokenRefused, match=sentence):
        read_public(parse_uri("pkcs11:token=desk;object=x"), module(tmp_path))
