"""What must not come in does not, and says why: a code, an exit code, a sentence; and the state is as it was."""

from __future__ import annotations

import shutil
import socket
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing, contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from licensing.document import parse_time
from tests.real.forgery import config_signed, flipped, licence_for, licence_like, receipt_like, sample_positions
from tests.real.processes import free_port
from tests.real.site_and_vendor import Done, Site, Vendor, config_of, tables_of, upstream_at

pytestmark = pytest.mark.real

NOWHERE = "http://127.0.0.1:9/v1"
DAY = timedelta(days=1)


@dataclass(frozen=True, slots=True)
class Set:
    """A site in good order, and genuine documents for it that have come in (superseded, current) or not yet."""

    site: Site
    vendor: Vendor
    folder: Path
    old_licence: Path
    licence: Path
    next_licence: Path
    config: Path
    next_config: Path
    usage: Path
    receipt: Path

    def path(self, name: str) -> Path:
        return self.folder / name


@pytest.fixture(scope="module")
def good(tmp_path_factory: pytest.TempPathFactory, vendor: Vendor) -> Set:
    folder = tmp_path_factory.mktemp("bad-input")
    site = Site.made(folder, vendor, "plant-9")
    licences = [
        vendor.issue(site.request, folder / f"licence-{number}.json", "--models", "m-*") for number in (1, 2, 3)
    ]
    site.ao("licence", "import", str(licences[1]))
    text = config_of(("m-1", upstream_at(NOWHERE)))
    config = site.put_in_force(vendor, text)
    next_config = vendor.sign_config(text.replace("m-1", "m-2"), site.id, folder / "next.yaml.signed")
    site.ao("usage", "seal", "--now")
    usage = Path(site.ao("usage", "export", "--out", str(folder))["files"][0]["file"])
    receipt = Path(vendor.reconcile([usage], folder)["receipts"][0]["file"])
    return Set(site, vendor, folder, licences[0], licences[1], licences[2], config, next_config, usage, receipt)


@contextmanager
def nothing_changes(site: Site, *, without: tuple[str, ...] = ()) -> Iterator[None]:
    """The state database says the same before and after, the time floor included."""
    before = site.tables(without=without)
    yield
    assert site.tables(without=without) == before


def refusal(site: Site, *arguments: str, prefix: tuple[str, ...] = ()) -> tuple[str, int, str, str]:
    """Code, exit code, sentence and place of what is refused; the same for a person and as JSON."""
    serve = arguments[0] == "serve"
    # The first start after a boot of the host is noted beside the time floor, whatever comes of it.
    with nothing_changes(site, without=("time_floor",) if serve else ()), ThreadPoolExecutor(1 if serve else 2) as two:
        done, spoken = two.map(lambda more: site.run(*arguments, *more, prefix=prefix), [("--json",), ()])
    assert done.exit_code != 0, done
    error = done.error
    place = error.get("where", "")
    sentence = f"{place}: {error['message']}" if place else error["message"]
    assert spoken.err.splitlines()[-2:] == [f"ao: {sentence} [{error['code']}]", f"    {error['remedy']}"]
    assert (spoken.exit_code, spoken.out) == (done.exit_code, "")
    return error["code"], done.exit_code, error["message"], place


# Licences


def test_a_superseded_licence(good: Set) -> None:
    code, exit_code, sentence, _ = refusal(good.site, "licence", "import", str(good.old_licence))
    assert (code, exit_code) == ("serial_refused", 14)
    assert sentence == "The licence has serial 1, and serial 2 has already been accepted (rollback refused)."


def test_the_same_serial_with_other_bytes(good: Set) -> None:
    other = licence_like(good.vendor, good.licence, good.path("other.json"), customer="Somebody Else")
    code, exit_code, sentence, _ = refusal(good.site, "licence", "import", str(other))
    assert (code, exit_code) == ("serial_conflict", 16)
    assert sentence == "Another licence with serial 2 but other content was accepted before."


def test_an_expired_licence(good: Set) -> None:
    now = datetime.now(UTC).replace(microsecond=0)
    ended = licence_like(
        good.vendor, good.next_licence, good.path("ended.json"), not_before=now - 9 * DAY, expires_at=now - 5 * DAY
    )
    code, exit_code, sentence, _ = refusal(good.site, "licence", "import", str(ended))
    assert (code, exit_code) == ("licence_expired", 23)
    assert sentence.startswith("The licence expired on ")


def test_a_licence_that_has_not_begun(good: Set) -> None:
    now = datetime.now(UTC).replace(microsecond=0)
    coming = licence_like(good.vendor, good.next_licence, good.path("coming.json"), not_before=now + 5 * DAY)
    code, exit_code, sentence, _ = refusal(good.site, "licence", "import", str(coming))
    assert (code, exit_code) == ("licence_not_yet_valid", 22)
    assert sentence.startswith("The licence begins on ")


@pytest.mark.parametrize("serial", [1, 2, 3], ids=["lower", "the-same", "higher"])
def test_another_sites_licence_is_named_as_such_whatever_its_serial(good: Set, serial: int) -> None:
    """A stick mixed up at the gate is no rollback and no misused key, and must not be reported as one."""
    theirs = licence_for(good.vendor, good.licence, good.path("plant-8.json"), site="plant-8", serial=serial)
    code, exit_code, sentence, _ = refusal(good.site, "licence", "import", str(theirs))
    assert (code, exit_code) == ("licence_wrong_site", 25)
    assert sentence == "The licence is for site 'plant-8'; this is site 'plant-9'."


@pytest.fixture(scope="module")
def stranger(tmp_path_factory: pytest.TempPathFactory) -> Vendor:
    return Vendor.made(tmp_path_factory.mktemp("stranger"), "Another Vendor")


def test_a_licence_that_another_vendor_signed(good: Set, stranger: Vendor) -> None:
    theirs = stranger.issue(good.site.request, good.path("stranger.json"))
    code, exit_code, sentence, _ = refusal(good.site, "licence", "import", str(theirs))
    assert (code, exit_code) == ("signature_refused", 11)
    assert sentence.endswith(".")


def test_a_config_is_no_licence(good: Set) -> None:
    code, exit_code, _, _ = refusal(good.site, "licence", "import", str(good.next_config))
    assert (code, exit_code) == ("document_kind", 12)


# Configs


ENTRY = "models:\n  - alias: m-1\n    provider: {provider}\n"


def forged(good: Set, text: str, **options: object) -> Path:
    return config_signed(good.vendor, text, good.path("forged.yaml"), site=good.site.id, serial=50, **options)  # type: ignore[arg-type]


def config_refusal(good: Set, file: Path) -> tuple[str, int, str, str]:
    return refusal(good.site, "config", "import", str(file), "--yes")


def test_a_config_signed_by_the_wrong_role(good: Set) -> None:
    file = forged(good, config_of(("m-1", upstream_at(NOWHERE))), role="licence")
    code, exit_code, _, _ = config_refusal(good, file)
    assert (code, exit_code) == ("signature_refused", 11)


def test_a_config_for_another_site(good: Set) -> None:
    file = config_signed(good.vendor, "models: []\n", good.path("theirs.yaml"), site="plant-8", serial=1)
    code, exit_code, sentence, place = config_refusal(good, file)
    assert (code, exit_code) == ("document_audience", 13)
    assert sentence == "The config is for site 'plant-8'; this is site 'plant-9'."
    assert "line 5" in place


def test_yaml_that_is_not_yaml(good: Set) -> None:
    code, exit_code, sentence, place = config_refusal(good, forged(good, "models: [\n"))
    assert (code, exit_code) == ("yaml_refused", 54)
    assert sentence.startswith("This is not valid YAML")
    assert ", line 7, " in place


@pytest.mark.parametrize(
    ("text", "sentence", "place"),
    [
        (
            ENTRY.format(provider="{name: nowhere-ai}"),
            "There is no provider 'nowhere-ai'; those that exist are: "
            "demo, openai-compatible, and 131 of the catalogue.",
            ("line 8", "models[0].provider.name"),
        ),
        (
            ENTRY.format(provider="{name: openai-compatible}"),
            "Provider 'openai-compatible' needs an api_base.",
            ("line 8", "models[0].provider"),
        ),
        (
            ENTRY.format(provider=upstream_at(NOWHERE)) + "    temperature: 1\n",
            "There is no such setting here: 'temperature'.",
            ("line 9", "models[0].temperature"),
        ),
    ],
    ids=["unknown-provider", "no-api-base", "unknown-setting"],
)
def test_a_config_that_does_not_hold_together(good: Set, text: str, sentence: str, place: tuple[str, ...]) -> None:
    code, exit_code, said, where = config_refusal(good, forged(good, text))
    assert (code, exit_code, said) == ("config_refused", 60, sentence)
    for part in place:
        assert part in where


def test_a_model_that_the_licence_does_not_cover(good: Set) -> None:
    file = forged(good, config_of(("gpt-1", upstream_at(NOWHERE))))
    code, exit_code, sentence, place = config_refusal(good, file)
    assert (code, exit_code) == ("config_refused", 60)
    assert sentence == "The licence does not cover the model 'gpt-1'; it covers: m-*."
    assert "line 7" in place
    assert "models[0].alias" in place


def test_the_demo_provider_without_its_add_on(good: Set) -> None:
    code, exit_code, sentence, place = config_refusal(good, forged(good, config_of(("m-1", "{name: demo}"))))
    assert (code, exit_code) == ("config_refused", 60)
    assert "add-on 'demo'" in sentence
    assert "line 8" in place
    assert "models[0].provider.name" in place


def test_a_secret_that_the_host_does_not_have(good: Set) -> None:
    provider = f"{{name: openai-compatible, api_base: '{NOWHERE}', api_key: '${{PLANT_KEY}}'}}"
    code, exit_code, sentence, _ = config_refusal(good, forged(good, config_of(("m-1", provider))))
    assert (code, exit_code) == ("secret_missing", 62)
    assert sentence == "The config asks for ${PLANT_KEY}, which this host does not provide."


# Changed bytes


@pytest.mark.parametrize(
    ("kind", "command"),
    [
        ("licence", ("licence", "import")),
        ("config", ("config", "import", "--yes")),
        ("receipt", ("receipt", "import")),
    ],
)
def test_one_changed_byte(good: Set, kind: str, command: tuple[str, ...]) -> None:
    genuine = {"licence": good.next_licence, "config": good.next_config, "receipt": good.receipt}[kind]
    with nothing_changes(good.site), ThreadPoolExecutor(2) as two:
        ended = list(two.map(lambda file: good.site.run(*command, str(file), "--json"), changed_copies(genuine)))
    assert len(ended) == 7
    for done in ended:
        assert (done.error["code"], done.exit_code) in {
            ("document_malformed", 10),
            ("signature_refused", 11),
            ("document_kind", 12),
        }
        assert done.error["message"].endswith(".")


def test_one_changed_byte_of_usage(good: Set) -> None:
    before = tables_of(good.vendor.home / "vendor.db")
    changed = list(changed_copies(good.usage))
    findings = good.vendor.reconcile(changed, good.folder, expect=91)["files"]
    assert len(findings) == len(changed) == 7
    for found in findings:
        assert found["verdict"] in {"malformed", "edited"}
        assert found["evidence"].endswith(".")
    assert tables_of(good.vendor.home / "vendor.db") == before


def changed_copies(genuine: Path) -> Iterator[Path]:
    """The same document a few times over, each with one byte changed at another place."""
    data = genuine.read_bytes()
    for position in sample_positions(data):
        file = genuine.with_name(f"changed-at-{position}-{genuine.name}")
        file.write_bytes(flipped(data, position))
        yield file


def test_the_genuine_documents_are_accepted(good: Set, vendor: Vendor, tmp_path: Path) -> None:
    """The control of the tests above: with every byte in place, the same files come in (on a copy of the state)."""
    copy = Site(good.site.id, tmp_path / "state", tmp_path)
    done = _copied(good.site, copy)
    for command, file in (
        (("licence", "import"), good.next_licence),
        (("config", "import", "--yes"), good.next_config),
        (("receipt", "import"), good.receipt),
    ):
        done = copy.run(*command, str(file), "--json")
        assert done.exit_code == 0, done
    assert [each["verdict"] for each in vendor.reconcile([good.usage], tmp_path)["files"]] == ["already_accepted"]


def _copied(site: Site, copy: Site) -> Done:
    shutil.copytree(site.state, copy.state)
    return copy.run("status")


# Receipts


def test_a_receipt_for_a_file_that_was_never_sealed(good: Set) -> None:
    file = receipt_like(good.vendor, good.receipt, good.path("unknown-receipt.json"), seq=99)
    code, exit_code, sentence, _ = refusal(good.site, "receipt", "import", str(file))
    assert (code, exit_code) == ("usage_unknown", 81)
    assert sentence == "The receipt acknowledges usage file 99, which this site has never sealed."


def test_a_receipt_for_another_file_of_that_number(good: Set) -> None:
    file = receipt_like(good.vendor, good.receipt, good.path("other-receipt.json"), head="sha256:" + "0" * 64)
    code, exit_code, sentence, _ = refusal(good.site, "receipt", "import", str(file))
    assert (code, exit_code) == ("usage_unknown", 81)
    assert sentence == "The receipt acknowledges another usage file 1 than the one this site sealed."


# The host


def test_not_initialised(tmp_path: Path) -> None:
    done = Site("nobody", tmp_path / "empty", tmp_path).run("status", "--json")
    assert (done.error["code"], done.exit_code) == ("not_initialised", 40)
    assert not (tmp_path / "empty").exists()


def test_a_site_is_not_made_over_another(good: Set) -> None:
    trust = str(good.vendor.trust_file)
    code, exit_code, _, _ = refusal(good.site, "init", "--site", "plant-9", "--name", "Again", "--trust", trust)
    assert (code, exit_code) == ("already_initialised", 41)


def test_a_file_in_the_place_of_the_state_folder(vendor: Vendor, tmp_path: Path) -> None:
    (tmp_path / "state").write_text("I was here first.\n")
    site = Site("plant-9", tmp_path / "state", tmp_path)
    done = site.run("init", "--site", "plant-9", "--name", "Plant", "--trust", str(vendor.trust_file), "--json")
    assert (done.error["code"], done.exit_code) == ("state_not_writable", 42)
    assert (tmp_path / "state").read_text() == "I was here first.\n"


@pytest.mark.parametrize(
    "command",
    [("status",), ("serve",), ("usage", "seal", "--now"), ("keys", "create", "--name", "late"), ("licence", "show")],
    ids=lambda command: command[0],
)
def test_a_state_folder_that_is_mounted_read_only(good: Set, command: tuple[str, ...]) -> None:
    """Status needs to write as well: it takes the journal in."""
    state = good.site.state
    script = f'mount --bind "{state}" "{state}" && mount -o remount,ro,bind "{state}" && exec "$@"'
    prefix = ("unshare", "--mount", "sh", "-c", script, "sh")
    port = ("--port", str(free_port())) if command == ("serve",) else ()
    code, exit_code, sentence, place = refusal(good.site, *command, *port, prefix=prefix)
    assert (code, exit_code) == ("state_not_writable", 42)
    assert sentence.endswith(".")
    assert str(state) in place


def test_a_port_that_is_taken(good: Set) -> None:
    with closing(socket.socket()) as other:
        other.bind(("127.0.0.1", 0))
        other.listen()
        port = other.getsockname()[1]
        code, exit_code, sentence, _ = refusal(good.site, "serve", "--port", str(port))
    assert (code, exit_code) == ("port_taken", 44)
    assert f"127.0.0.1:{port}" in sentence


def test_two_gateways_on_one_state(good: Set) -> None:
    with good.site.serving() as gateway:
        # The gateway that does serve records its own start, and what webhooks would be told of.
        without = ("runs", "outgoing", "outgoing_mark")
        before = good.site.tables(without=without)
        second = good.site.run("serve", "--port", str(free_port()), "--json")
        assert (second.error["code"], second.exit_code) == ("already_serving", 48)
        assert second.error["message"] == "Another gateway is serving from this state folder."
        assert good.site.tables(without=without) == before
        assert gateway.stop() == 0


def test_no_config_and_no_licence(vendor: Vendor, tmp_path: Path) -> None:
    site = Site.made(tmp_path, vendor, "plant-bare")
    bare = site.run("serve", "--port", str(free_port()), "--json")
    assert (bare.error["code"], bare.exit_code) == ("licence_missing", 20)
    site.ao("licence", "import", str(vendor.issue(site.request, tmp_path / "licence.json")))
    bare = site.run("serve", "--port", str(free_port()), "--json")
    assert (bare.error["code"], bare.exit_code) == ("config_missing", 61)


# The clock


@pytest.fixture
def true_clock(good: Set) -> Iterator[Callable[[], None]]:
    """Says whether the site believes the true clock; asked before and after each test."""

    def holds() -> None:
        status = good.site.ao("status")
        assert status["licence"]["rung"] == "valid"
        floor = parse_time(status["time_floor"]["at"])
        # What a boot may add, and no more, lies above the true time.
        assert floor <= datetime.now(UTC) + timedelta(minutes=5)

    holds()
    yield holds
    holds()


def at(shift: str) -> tuple[str, ...]:
    return ("faketime", "-f", shift)


def test_a_clock_a_year_back_is_not_believed(good: Set, true_clock: Callable[[], None]) -> None:
    with nothing_changes(good.site):
        done = good.site.run("status", "--json", prefix=at("-1y"))
    assert done.exit_code == 27
    assert done.data["licence"]["code"] == "clock_untrusted"
    assert "This host's clock says " in done.data["licence"]["sentence"]
    # A clock that stands still, so that the sentence is the same however often it is asked for.
    stopped = at("2025-01-31 12:00:00")
    code, exit_code, sentence, _ = refusal(good.site, "serve", "--port", str(free_port()), prefix=stopped)
    assert (code, exit_code) == ("clock_untrusted", 27)
    assert "earlier than a time already seen" in sentence
    true_clock()


def test_a_clock_a_year_ahead_ends_the_licence_but_does_not_poison_the_floor(
    good: Set, true_clock: Callable[[], None]
) -> None:
    done = good.site.run("status", "--json", prefix=at("+1y"))
    assert (done.exit_code, done.data["licence"]["code"]) == (23, "licence_expired")
    # As often as a service manager might try it.
    for _ in range(4):
        done = good.site.run("serve", "--port", str(free_port()), "--json", prefix=at("+1y"))
        assert (done.exit_code, done.error["code"]) == (23, "licence_expired")
    true_clock()
    with good.site.serving() as gateway:
        assert gateway.facts["rung"] == "valid"
        assert gateway.stop() == 0


def test_a_clock_a_year_ahead_lets_no_command_poison_the_floor(
    good: Set, true_clock: Callable[[], None], tmp_path: Path
) -> None:
    copy = Site(good.site.id, tmp_path / "state", tmp_path)
    _copied(good.site, copy)
    for command in (
        ("usage", "show"),
        ("keys", "create", "--name", "ahead"),
        ("site", "request", "--out", str(tmp_path / "request.json")),
    ):
        assert copy.run(*command, prefix=at("+1y")).exit_code == 0
    assert copy.ao("status")["licence"]["rung"] == "valid"
    assert copy.key("true")
    true_clock()
