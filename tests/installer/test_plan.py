"""What is planned follows from the facts, in an order in which each step finds what it needs."""

from __future__ import annotations

import ipaddress
import tomllib
from pathlib import Path, PurePosixPath

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from installer import plan, units
from installer.answers import Answers, read_answers
from installer.errors import AnswerRefused
from installer.host import Programs, look_at_host
from installer.layout import CURRENT, ENABLED, SECRETS, SECRETS_DROP_IN, STATE, Layout
from installer.plan import Host, Release
from installer.steps import CopyRelease, MakeFolder, MakeUser, PointLink, ReloadUnits, StartUnit, WriteFile
from tests.installer import made_up

NETWORKS = st.one_of(
    st.ip_addresses(v=4).map(lambda address: ipaddress.ip_network(f"{address}/32")),
    st.ip_addresses(v=6).map(lambda address: ipaddress.ip_network(f"{address}/128")),
)
ANSWERS = st.builds(
    Answers,
    listen=st.ip_addresses().map(str),
    port=st.integers(1, 65535),
    workers=st.integers(1, 256),
    allow=st.lists(NETWORKS, max_size=4).map(tuple),
    start=st.booleans(),
)
HOSTS = st.builds(
    Host,
    layout=st.just(Layout()),
    systemd=st.sampled_from([0, 241, 243, 245, 247, 252, 257]),
    running=st.booleans(),
    may_serve=st.booleans(),
    secrets=st.lists(st.from_regex(r"\A[A-Z_]{1,12}\Z"), unique=True, max_size=3).map(tuple),
)
RELEASE = Release(PurePosixPath("/media/usb/tree"), "1.2.3")


@given(HOSTS, ANSWERS)
def test_every_step_finds_what_the_ones_before_it_made(host: Host, answers: Answers) -> None:
    steps = plan.install(host, answers, RELEASE)
    assert steps == plan.install(host, answers, RELEASE)
    assert len({each.key for each in steps}) == len(steps), "a key names one step: the record goes by it"
    there = {PurePosixPath("/"), PurePosixPath("/opt/ao"), PurePosixPath("/opt/ao/releases")}
    users = {"root"}
    for step in steps:
        match step:
            case MakeUser():
                users.add(step.name)
            case MakeFolder() | WriteFile():
                assert step.path.parent in there
                assert {step.owner.user, step.owner.group} <= users
                there.add(step.path)
            case PointLink():
                assert step.path.parent in there
                assert step.target in there or step.target.parent.parent in there
                there.add(step.path)
            case CopyRelease():
                assert step.target.parent in there
                there.add(step.target)
            case ReloadUnits() | StartUnit():
                assert host.running, "nothing is asked of a systemd that does not run"
            case _:
                raise AssertionError(step)


@given(HOSTS, ANSWERS)
def test_nothing_starts_but_a_site_that_may_serve_on_a_host_that_runs(host: Host, answers: Answers) -> None:
    starts = any(isinstance(each, StartUnit) for each in plan.install(host, answers, RELEASE))
    assert starts == (host.running and host.may_serve and answers.start)


@given(HOSTS, ANSWERS)
def test_secrets_are_the_gateways_alone_by_whichever_way(host: Host, answers: Answers) -> None:
    steps = plan.install(host, answers, RELEASE)
    (folder,) = [each for each in steps if isinstance(each, MakeFolder) and each.path == SECRETS]
    files = {each.path: each.content.decode() for each in steps if isinstance(each, WriteFile)}
    drop_in = files[SECRETS_DROP_IN]
    if host.systemd >= 247:
        assert (folder.mode, folder.owner.group) == (0o700, "root")
        assert [line for line in drop_in.splitlines() if line.startswith("LoadCredential=")] == [
            f"LoadCredential={name}:{SECRETS}/{name}" for name in host.secrets
        ]
    else:
        assert (folder.mode, folder.owner.group) == (0o750, "ao")
        assert "LoadCredential=" not in drop_in.replace("no LoadCredential=", "")
        assert f"Environment=CREDENTIALS_DIRECTORY={SECRETS}" in drop_in


@given(ANSWERS, st.sampled_from([241, 245, 247, 252]))
def test_the_unit_gives_the_gateway_no_more_than_it_needs(answers: Answers, systemd: int) -> None:
    text = units.service(answers, systemd)
    lines = text.splitlines()
    assert {"NoNewPrivileges=yes", "ProtectSystem=strict", "MemoryDenyWriteExecute=yes"} <= set(lines)
    assert [line for line in lines if line.startswith("ReadWritePaths=")] == [f"ReadWritePaths={STATE}"]
    capabilities = "CAP_NET_BIND_SERVICE" if answers.port < 1024 else ""
    assert f"CapabilityBoundingSet={capabilities}" in lines
    assert ("PrivateUsers=yes" in lines) == (answers.port >= 1024)
    assert ("ProtectProc=invisible" in lines) == (systemd >= 247)
    assert f"ExecStart={CURRENT}/bin/ao serve" in lines


SINCE = {
    "ProtectHostname": 242,
    "RestrictSUIDSGID": 242,
    "ProtectKernelLogs": 244,
    "ProtectClock": 245,
    "LoadCredential": 247,
    "ProtectProc": 247,
}
"""By systemd's own manual. All others in the unit are older than 241, the oldest that Kylin and UOS ship."""
OLDER = {
    *("Description", "Documentation", "Wants", "After", "StartLimitIntervalSec", "StartLimitBurst", "WantedBy"),
    *("Type", "ExecStart", "User", "Group", "WorkingDirectory", "Restart", "RestartSec", "RestartPreventExitStatus"),
    *("KillMode", "TimeoutStopSec", "CPUSchedulingPolicy", "TasksMax", "CapabilityBoundingSet", "AmbientCapabilities"),
    "NoNewPrivileges",
    *("PrivateDevices", "PrivateTmp", "PrivateUsers", "ProtectControlGroups", "ProtectHome", "ProtectKernelModules"),
    *("ProtectKernelTunables", "ProtectSystem", "ReadWritePaths", "RemoveIPC", "RestrictAddressFamilies"),
    *("RestrictNamespaces", "RestrictRealtime", "LockPersonality", "MemoryDenyWriteExecute"),
    *("SystemCallArchitectures", "SystemCallFilter", "SystemCallErrorNumber", "UMask", "LimitCORE", "LimitNOFILE"),
    *("IPAddressDeny", "IPAddressAllow", "Environment", "ExecReload"),
}
ONLY_HARDENS = {"ProtectHostname", "RestrictSUIDSGID", "ProtectKernelLogs", "ProtectClock"}
"""What a systemd that does not know it passes over with a line in its log, and nothing else comes of it."""


@given(ANSWERS, st.sampled_from(range(241, 247)))
def test_an_older_systemd_knows_every_line_that_something_rests_on(answers: Answers, systemd: int) -> None:
    """Tried on 247 and 252 (tests/real/hosts) for want of an older one: what can be held is which words are used."""
    files = plan.unit_files(Host(Layout(), systemd, True, True, ("KEY",)), answers)
    used = {
        line.partition("=")[0]
        for file in files
        for line in file.content.decode().splitlines()
        if line and not line.startswith(("#", "["))
    }
    assert used <= OLDER | SINCE.keys(), "a directive whose age nobody has looked up"
    assert {each for each in used if SINCE.get(each, 0) > systemd} <= ONLY_HARDENS


@given(ANSWERS)
def test_packets_go_to_the_networks_that_were_answered_and_to_no_other(answers: Answers) -> None:
    lines = [line for line in units.network(answers.allow).splitlines() if not line.startswith("#")]
    allowed = [f"IPAddressAllow={each}" for each in answers.allow]
    assert lines == ["[Service]", "IPAddressDeny=any", "IPAddressAllow=localhost", *allowed]


@given(ANSWERS)
@settings(max_examples=30)
def test_settings_are_what_was_answered(answers: Answers) -> None:
    told = tomllib.loads(units.settings(answers))
    assert (told["host"], told["port"], told["workers"]) == (answers.listen, answers.port, answers.workers)


def test_the_link_comes_after_the_release_and_the_unit_is_enabled_last() -> None:
    steps = plan.install(Host(Layout(), 252, True, True), Answers(), RELEASE)
    kinds = [type(each).__name__ for each in steps]
    links = [each.path for each in steps if isinstance(each, PointLink)]
    assert kinds.index("CopyRelease") < kinds.index("PointLink")
    assert links[-1] == ENABLED
    assert kinds[-2:] == ["ReloadUnits", "StartUnit"]


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("[install", "not TOML"),
        ("install = 3", "not a table"),
        ('[install]\nlisten = "gateway.internal"', "listen"),
        ("[install]\nport = 0", "port"),
        ('[install]\nallow = ["everywhere"]', "allow"),
        ("[install]\nlisten_on = 1", "listen_on"),
    ],
)
def test_an_answer_that_cannot_be_is_refused_by_its_name(text: str, said: str) -> None:
    with pytest.raises(AnswerRefused, match=said) as refused:
        read_answers(text, where="answers.toml")
    assert refused.value.where == "answers.toml"


def test_answers_of_others_are_theirs() -> None:
    assert read_answers('[site]\nid = "plant-7"\n', where="x") == Answers()


@pytest.mark.parametrize("systemd", [0, 241, 252])
def test_a_host_is_looked_at_without_being_asked(systemd: int, tmp_path: Path) -> None:
    root = made_up.root(tmp_path, systemd)
    (root / "etc/ao/secrets").mkdir(parents=True)
    for name in ("ACME_KEY", ".hidden", "with space"):
        (root / "etc/ao/secrets" / name).write_text("x")
    host = look_at_host(Layout(PurePosixPath(root)), Programs())
    assert (host.systemd, host.running, host.may_serve, host.secrets) == (systemd, False, False, ("ACME_KEY",))
