"""Other hosts, from trees of their files; and this one, as it is."""

from __future__ import annotations

import json
import os
import socket
import subprocess
import sys
from datetime import UTC, datetime
from pathlib import Path, PurePosixPath

import pytest
from click.testing import CliRunner, Result

from installer.preflight import Target, Verdict, run_preflight
from installer.preflight.gather import HostFiles, ask_this_host, facts_from_files, gather
from installer.preflight.judge import judge
from tests.installer.commands import main
from tests.installer.preflight.good_host import BUILT, GOOD
from tests.installer.preflight.other_hosts import HOSTS, Host


@pytest.mark.parametrize("host", HOSTS, ids=str)
def test_a_host_is_known_by_its_files(host: Host, tmp_path: Path) -> None:
    files = host.below(tmp_path)
    facts = facts_from_files(files, host.answers, folders=GOOD.folders, listening=GOOD.listening)
    report = judge(facts, built=BUILT)
    assert {each.check for each in report.those(Verdict.WARN)} == host.warns
    assert {each.check for each in report.those(Verdict.FAIL)} == host.fails


def test_a_root_without_any_files_is_told_of_and_not_guessed(tmp_path: Path) -> None:
    facts = facts_from_files(HostFiles(tmp_path), HOSTS[0].answers, folders=(), listening=None)
    found = {each.check: each for each in judge(facts, built=BUILT).findings}
    assert found["systemd"].verdict is Verdict.FAIL
    for check in ("memory", "open_files", "rtc", "removable_media", "cgroups"):
        assert found[check].verdict is Verdict.WARN, check


def test_the_services_limit_is_the_systems_and_not_that_of_roots_shell(tmp_path: Path) -> None:
    files = HOSTS[0].below(tmp_path)
    assert HOSTS[0].answers.file_limit == 1024
    facts = facts_from_files(files, HOSTS[0].answers, folders=(), listening=None)
    assert facts.memory.file_limit == 1_048_576


def test_this_host_is_looked_at_as_it_is(tmp_path: Path) -> None:
    target = Target(releases=tmp_path / "opt" / "ao", state=tmp_path / "state", port=_free_port())
    facts = gather(target, HostFiles(), ask_this_host(datetime.now(UTC), os.environ))
    assert facts.machine.kernel == os.uname().release
    assert facts.machine.libc == "glibc"
    assert facts.memory.total == os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE") or facts.memory.total
    # Files of the kernel's that are read by an ordinary open and have no size.
    assert facts.memory.file_limit is not None
    assert facts.security.entropy is not None
    release, state = facts.folders
    assert (release.found, state.found) == (PurePosixPath(tmp_path),) * 2
    assert state.filesystem == _filesystem(tmp_path)
    assert state.flushing is not None
    assert 0 < state.flushing.median <= state.flushing.worst
    assert release.flushing is None
    assert list(tmp_path.iterdir()) == []


def test_a_flush_that_goes_nowhere_is_told_of_on_this_host(tmp_path: Path) -> None:
    in_memory = Path("/dev/shm")
    if _filesystem(in_memory) != "tmpfs":
        pytest.skip("/dev/shm is no tmpfs here")
    report = run_preflight(
        Target(releases=tmp_path, state=in_memory / "ao-preflight-test", host=None),
        now=datetime.now(UTC),
        environment={},
    )
    found = [each for each in report.findings if each.check == "fsync"]
    assert [each.verdict for each in found] == [Verdict.WARN]
    assert "tmpfs flushes to nowhere" in found[0].seen


def test_a_port_in_use_and_an_address_of_somebody_else_fail(tmp_path: Path) -> None:
    with socket.socket() as other:
        other.bind(("127.0.0.1", 0))
        other.listen()
        port = other.getsockname()[1]
        assert _port(Target(tmp_path, tmp_path, "127.0.0.1", port)) == ("fail", "Another program listens there.")
        assert _port(Target(tmp_path, tmp_path, "127.0.0.1", port, serving=True))[0] == "pass"
        assert _port(Target(tmp_path, tmp_path, "0.0.0.0", port))[0] == "fail"
    assert _port(Target(tmp_path, tmp_path, "192.0.2.7", port)) == ("fail", "This host has no such address.")
    assert _port(Target(tmp_path, tmp_path, "gateway.internal", port))[0] == "fail"
    assert _port(Target(tmp_path, tmp_path, "127.0.0.1", port)) == ("pass", "Free.")


def test_a_folder_that_cannot_be_written_is_told_of(tmp_path: Path) -> None:
    """As an ordinary user: root may write everywhere."""
    (tmp_path / "state").mkdir(mode=0o500)
    code = (
        "import json, os\nfrom datetime import UTC, datetime\nfrom pathlib import Path\n"
        "from installer.preflight import Target, run_preflight\n"
        f"os.setgid(65534); os.setuid(65534)\n"
        f"report = run_preflight(Target(Path('/'), Path({str(tmp_path / 'state')!r}), host=None),"
        " now=datetime.now(UTC), environment={})\nprint(json.dumps(report.as_dict()))\n"
    )
    if os.geteuid() != 0:
        pytest.skip("only root can become somebody else")
    for folder in (tmp_path, *tmp_path.parents):
        if folder.stat().st_uid == os.geteuid() and folder != Path("/"):
            folder.chmod(folder.stat().st_mode | 0o011)
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    found = {each["check"]: each for each in json.loads(done.stdout)["findings"]}
    assert found["privileges"]["verdict"] == "warn"
    assert found["fsync"]["verdict"] == "warn"
    assert "Permission denied" in found["fsync"]["seen"]


def test_the_command_tells_a_person_and_a_program_the_same(tmp_path: Path) -> None:
    arguments = ("--prefix", str(tmp_path), "--state-dir", str(tmp_path / "state"), "--port", str(_free_port()))
    told, data = _ao(*arguments), _ao(*arguments, "--json")
    report = json.loads(data.stdout)
    assert told.exit_code == data.exit_code == (120 if report["verdict"] == "fail" else 0)
    assert [line.split()[1] for line in told.stdout.splitlines() if line[:4] in ("pass", "warn", "fail")] == [
        each["check"] for each in report["findings"]
    ]


def test_the_command_ends_with_120_where_a_check_fails(tmp_path: Path) -> None:
    with socket.socket() as other:
        other.bind(("127.0.0.1", 0))
        other.listen()
        said = _ao("--prefix", str(tmp_path), "--state-dir", str(tmp_path), "--port", str(other.getsockname()[1]))
    assert said.exit_code == 120
    assert "-> See which (ss -ltnp" in said.stdout


def _ao(*arguments: str) -> Result:
    return CliRunner().invoke(main, ["preflight", *arguments])


def _port(target: Target) -> tuple[str, str]:
    report = run_preflight(target, now=datetime.now(UTC), environment={})
    (found,) = (each for each in report.findings if each.check == "port")
    return found.verdict.value, found.seen


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def _filesystem(folder: Path) -> str:
    done = subprocess.run(["stat", "-f", "-c", "%T", folder], capture_output=True, text=True, check=True)
    said = done.stdout.strip()
    return "ext4" if said == "ext2/ext3" else "overlay" if said == "overlayfs" else said
