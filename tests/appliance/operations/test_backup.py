"""A backup taken while the gateway runs, put back on an empty host: what comes back, and what the vendor is told."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import closing
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from click.testing import CliRunner
from nacl.pwhash import argon2id

from appliance.access.keys import list_keys
from appliance.cli.main import main
from appliance.config.secrets import host_secrets
from appliance.errors import BackupRefused
from appliance.ledger.journal import Journal
from appliance.ledger.seal import sealed_files
from appliance.ledger.store import take_in
from appliance.operations.administrators import list_administrators, list_sessions
from appliance.operations.backup import BackedUp, back_up, restore
from appliance.operations.backup_outside import lacking_secrets, outside_of, wanted_secrets
from appliance.operations.keys import create_key
from appliance.operations.licence import standing
from appliance.operations.usage import export_usage, import_receipt, seal_now
from appliance.settings import Settings
from appliance.state.database import transaction
from appliance.state.site import Site, open_site
from licensing.document import format_time
from licensing.keyfile import KdfLimits
from licensing.site_request import open_site_request
from licensing.standing import Rung
from licensing.usage import Usage, faults_between, faults_within, open_usage
from media.errors import AlreadyThere
from media.passphrase import AskPassphrase, Passphrase
from tests.appliance.access.administered import let_in, make
from tests.appliance.entries import begun, entry, outcomes, record
from tests.appliance.papers import NOW, entropy, licence_bytes, receipt_bytes
from tests.appliance.sites import CONSOLE, make_site, on_stick, put_config, put_licence

SECRET = b"correct horse"
CHEAP = KdfLimits(argon2id.OPSLIMIT_MIN, argon2id.MEMLIMIT_MIN)
LATER = NOW + timedelta(hours=3)


def typed(secret: bytes) -> AskPassphrase:
    return lambda: Passphrase(secret)


def ms(hours: float) -> int:
    return int((NOW + timedelta(hours=hours)).timestamp() * 1000)


@pytest.fixture
def site(tmp_path: Path) -> Iterator[Site]:
    """Two sealed files, the first acknowledged; then three exchanges in the ledger, one in the journal, one open."""
    site = make_site(tmp_path / "state")
    put_licence(site)
    put_config(site)
    create_key(site, name="k", org="hospital", team="w", expires_at=None, now=NOW, entropy=entropy("k", 32))
    for number in (1, 2):
        record(site, entry(f"sealed-{number}", ended_at=ms(number - 0.5)), name=f"w{number}")
        [*_, sealed] = seal_now(site, NOW + timedelta(hours=number))
        if number == 1:
            receipt = receipt_bytes(
                epoch=site.epoch, seq=1, head=sealed.digest, accepted_until=format_time(sealed.period.end)
            )
            import_receipt(site, on_stick(site, "r.json", receipt), NOW)
    record(site, *(entry(f"taken-{n}", ended_at=ms(2.1)) for n in range(3)), name="taken")
    take_in(site.database, site.journal_folder, LATER)
    yield site
    site.close()


def backed_up(site: Site, tmp_path: Path) -> BackedUp:
    """While a worker is in the middle of it."""
    journal = Journal(site.journal_folder, "live")
    journal.begin(begun("in-journal"))
    journal.end(entry("in-journal", ended_at=ms(2.2)))
    journal.begin(begun("running", started_at=ms(2.3)))
    done = back_up(site, tmp_path / "b.backup", SECRET, LATER, limits=CHEAP)
    journal.end(entry("running", ended_at=ms(2.4)))
    journal.close()
    return done


def usages(site: Site) -> list[Usage]:
    return [open_usage(each.data, site.key.public_key).claims for each in sealed_files(site.database)]


def test_everything_comes_back_and_each_exchange_once(site: Site, tmp_path: Path) -> None:
    done = backed_up(site, tmp_path)
    back = restore(done.file, tmp_path / "new", typed(SECRET), LATER + timedelta(hours=1), by=CONSOLE)
    with closing(open_site(tmp_path / "new")) as new:
        assert new.key.public_key == site.key.public_key
        assert [key.name for key in list_keys(new.database)] == ["k"]
        assert outcomes(new) == {
            "sealed-1": "complete",
            "sealed-2": "complete",
            "taken-0": "complete",
            "taken-1": "complete",
            "taken-2": "complete",
            "in-journal": "complete",
            "running": "interrupted",
        }
    assert (back.epoch, back.predecessor, back.carried) == (site.epoch + 40_000, site.epoch, 5)
    assert not (site.folder / "backup.tmp").exists()


def test_the_new_epoch_names_the_head_it_continues_and_counts_what_was_open(site: Site, tmp_path: Path) -> None:
    old = usages(site)
    restore(backed_up(site, tmp_path).file, tmp_path / "new", typed(SECRET), LATER + timedelta(hours=1), by=CONSOLE)
    with closing(open_site(tmp_path / "new")) as new:
        seal_now(new, LATER + timedelta(hours=2))
        first, *rest = usages(new)
        assert first.predecessor is not None
        assert (first.predecessor.epoch, first.predecessor.seq) == (site.epoch, 2)
        assert first.predecessor.head == sealed_files(site.database)[-1].digest
        assert first.predecessor.registers == old[-1].registers
        assert first.period.start == old[-1].period.end
        assert first.deltas["chat"].requests == 5
        assert "restored" in {each.code for each in first.anomalies}
        assert [*faults_within(first), *faults_between(None, first)] == []
        assert all(each.deltas == {} for each in rest)


def test_no_call_is_answered_until_the_new_epoch_is_licensed(site: Site, tmp_path: Path) -> None:
    back = restore(backed_up(site, tmp_path).file, tmp_path / "new", typed(SECRET), LATER, by=CONSOLE)
    with closing(open_site(tmp_path / "new")) as new:
        assert standing(new, LATER).rung is Rung.WRONG_EPOCH
        request = open_site_request(back.request.read_bytes()).claims
        assert (request.epoch, request.site) == (new.epoch, site.id)
        assert request.challenge != site.challenge
        licence = licence_bytes(key=new.key.public_key.keyid, epoch=new.epoch, serial=2)
        (tmp_path / "licence").write_bytes(licence)
        assert CliRunner().invoke(main, ["licence", "import", str(tmp_path / "licence")], env=at(new)).exit_code == 0
        assert standing(new, LATER).rung is Rung.VALID


def at(site: Site) -> dict[str, str]:
    return {"AO_STATE_DIR": str(site.folder)}


def test_files_the_vendor_may_not_have_go_out_with_the_new_ones(site: Site, tmp_path: Path) -> None:
    restore(backed_up(site, tmp_path).file, tmp_path / "new", typed(SECRET), LATER + timedelta(hours=1), by=CONSOLE)
    (tmp_path / "out").mkdir()
    with closing(open_site(tmp_path / "new")) as new:
        written = export_usage(new, tmp_path / "out")
        claims = [open_usage(each.path.read_bytes(), new.key.public_key).claims for each in written]
        assert [(each.epoch, each.seq) for each in claims] == [(site.epoch, 2), (new.epoch, 1)]
        last = sealed_files(new.database)[-1]
        receipt = receipt_bytes(
            epoch=new.epoch, serial=2, seq=1, head=last.digest, accepted_until=format_time(last.period.end)
        )
        import_receipt(new, on_stick(new, "r.json", receipt), LATER)
        assert len(export_usage(new, tmp_path / "out", everything=True)) == 3


def test_restoring_gives_no_time_to_report(site: Site, tmp_path: Path) -> None:
    put_licence(site, serial=2, usage={"report_every_days": 30, "when_overdue": "block"})
    restore(backed_up(site, tmp_path).file, tmp_path / "new", typed(SECRET), NOW + timedelta(days=25), by=CONSOLE)
    with closing(open_site(tmp_path / "new")) as new:
        put_licence(new, serial=3, usage={"report_every_days": 30, "when_overdue": "block"})
        assert standing(new, NOW + timedelta(days=29)).terms.serves
        assert standing(new, NOW + timedelta(days=32)).rung is Rung.USAGE_OVERDUE


def test_a_restored_site_can_be_backed_up_and_restored_again(site: Site, tmp_path: Path) -> None:
    restore(backed_up(site, tmp_path).file, tmp_path / "new", typed(SECRET), LATER, by=CONSOLE)
    with closing(open_site(tmp_path / "new")) as new:
        again = back_up(new, tmp_path / "again", SECRET, LATER, limits=CHEAP)
        epoch, head = new.epoch, sealed_files(new.database)[-1].digest
    restore(again.file, tmp_path / "third", typed(SECRET), LATER + timedelta(hours=2), by=CONSOLE)
    with closing(open_site(tmp_path / "third")) as third:
        [first] = usages(third)
        assert first.predecessor is not None
        assert (first.predecessor.epoch, first.predecessor.head) == (epoch, head)
        assert len(outcomes(third)) == 7


def test_a_backup_shows_nothing_to_whoever_finds_it(site: Site, tmp_path: Path) -> None:
    done = backed_up(site, tmp_path)
    data = done.file.read_bytes()
    key = json.loads((site.folder / "site.key").read_bytes())
    for secret in (b"hospital\x00", b"ward-3", b"taken-1", b"SQLite", key["signing_seed"].encode()):
        assert secret not in data
    assert done.file.stat().st_mode & 0o777 == 0o600
    with pytest.raises(BackupRefused, match="passphrase"):
        restore(done.file, tmp_path / "new", typed(b"wrong"), LATER, by=CONSOLE)
    assert not list((tmp_path / "new").iterdir())


def test_no_changed_byte_and_no_cut_comes_through(site: Site, tmp_path: Path) -> None:
    whole = backed_up(site, tmp_path).file.read_bytes()
    bad = tmp_path / "bad"
    places = [*range(0, 700, 7), len(whole) // 2, len(whole) - 20, len(whole) - 1]
    for place in places:
        changed = bytearray(whole)
        changed[place] ^= 1
        bad.write_bytes(changed)
        with pytest.raises(BackupRefused):
            restore(bad, tmp_path / "new", typed(SECRET), LATER, by=CONSOLE)
    for cut in (0, 5, 11, 12, 100, len(whole) // 2, len(whole) - 1):
        bad.write_bytes(whole[:cut])
        with pytest.raises(BackupRefused):
            restore(bad, tmp_path / "new", typed(SECRET), LATER, by=CONSOLE)
    bad.write_bytes(whole + b"x")
    with pytest.raises(BackupRefused):
        restore(bad, tmp_path / "new", typed(SECRET), LATER, by=CONSOLE)
    assert not list((tmp_path / "new").iterdir())


def test_nothing_is_written_over(site: Site, tmp_path: Path) -> None:
    done = backed_up(site, tmp_path)
    with pytest.raises(AlreadyThere):
        back_up(site, done.file, SECRET, LATER, limits=CHEAP)
    with pytest.raises(BackupRefused, match="not empty"):
        restore(done.file, site.folder, typed(SECRET), LATER, by=CONSOLE)
    assert len(outcomes(site)) == 5


def test_the_commands_ask_for_the_passphrase_and_say_what_comes_next(site: Site, tmp_path: Path) -> None:
    file, secret = tmp_path / "c.backup", tmp_path / "secret"
    secret.write_bytes(SECRET)
    secret.chmod(0o600)
    made = CliRunner().invoke(main, ["backup", str(file)], env=at(site), input="four short words\nfour short words\n")
    assert made.exit_code == 0, made.output
    file.unlink()
    options = ["--passphrase-file", str(secret), "--json"]
    assert CliRunner().invoke(main, ["backup", str(file), *options], env=at(site)).exit_code == 0
    new = {"AO_STATE_DIR": str(tmp_path / "new")}
    back = CliRunner().invoke(main, ["restore", str(file), *options], env=new)
    assert back.exit_code == 0, back.output
    told = json.loads(back.output)
    assert (told["predecessor"], Path(told["request"]).is_file()) == (site.epoch, True)
    assert CliRunner().invoke(main, ["status"], env=new).exit_code == 26


def test_all_that_came_with_the_backup_is_in_the_first_file_also_after_days(site: Site, tmp_path: Path) -> None:
    record(site, entry("next-day", ended_at=ms(20)), name="after-midnight")
    done = back_up(site, tmp_path / "b.backup", SECRET, NOW + timedelta(hours=21), limits=CHEAP)
    restore(done.file, tmp_path / "new", typed(SECRET), NOW + timedelta(days=4), by=CONSOLE)
    with closing(open_site(tmp_path / "new")) as new:
        record(new, entry("fresh", ended_at=ms(4 * 24 + 1)), name="fresh")
        seal_now(new, NOW + timedelta(days=4, hours=2), lead=None)
        first, *rest = usages(new)
        assert first.tree.size == 4
        assert "late_entries" not in {each.code for each in first.anomalies}
        assert [each.tree.size for each in rest if each.tree.size] == [1]


def test_nobody_is_signed_in_to_a_site_that_was_put_back(site: Site, tmp_path: Path) -> None:
    now = datetime.now(UTC).replace(microsecond=0)
    let_in(site, make(site), now)
    restore(backed_up(site, tmp_path).file, tmp_path / "new", typed(SECRET), LATER, by=CONSOLE)
    with closing(open_site(tmp_path / "new")) as back:
        assert [each.name for each in list_administrators(back)] == ["anna"]
        assert list_sessions(back, now) == []
    assert len(list_sessions(site, now)) == 1


def wants_secrets(tmp_path: Path) -> Site:
    site = make_site(tmp_path / "state")
    put_licence(site)
    provider = "{name: openai-compatible, api_base: 'http://10.0.0.1/v1', api_key: '${%s}'}"
    rows = [
        f"  - alias: {name.lower()}\n    provider: {provider % name}\n" for name in ("IN_FILE", "IN_WORDS", "NOWHERE")
    ]
    put_config(site, f"models:\n{''.join(rows)}")
    return site


def test_what_is_not_in_a_backup_is_named_with_its_place_and_not_with_what_it_holds(tmp_path: Path) -> None:
    folder = tmp_path / "secrets"
    folder.mkdir()
    (folder / "IN_FILE").write_text("sk-one")
    environment = {"IN_WORDS": "sk-two"}
    with closing(wants_secrets(tmp_path)) as site:
        names = wanted_secrets(site)
        settings = Settings(secrets_dir=folder, tls_certificate=tmp_path / "c.pem", tls_key=tmp_path / "k.pem")
        found = outside_of(settings, tmp_path / "settings.toml", names, environment)
        assert found.as_dict() == {
            "settings": str(tmp_path / "settings.toml"),
            "files": [str(tmp_path / "c.pem"), str(tmp_path / "k.pem")],
            "secrets": [
                {"name": "IN_FILE", "where": str(folder / "IN_FILE")},
                {"name": "IN_WORDS", "where": "environment"},
                {"name": "NOWHERE", "where": None},
            ],
        }
        assert "sk-" not in "".join(found.lines())
        (folder / "IN_FILE").write_text("")
        assert lacking_secrets(site, host_secrets(environment, folder)) == ("IN_FILE", "NOWHERE")


def test_where_the_config_is_not_believed_nobody_says_that_it_wants_no_secrets(tmp_path: Path) -> None:
    with closing(make_site(tmp_path / "state")) as site:
        assert wanted_secrets(site) == (), "there is no config"
    with closing(wants_secrets(tmp_path / "other")) as site, transaction(site.database) as db:
        db.execute(
            "UPDATE documents SET bytes = X'00' WHERE digest = (SELECT digest FROM in_force WHERE slot = 'config')"
        )
        assert wanted_secrets(site) is None
        assert outside_of(Settings(), None, wanted_secrets(site), {}).as_dict()["secrets"] is None
