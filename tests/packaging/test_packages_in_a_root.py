"""What real dpkg and rpm do with the packages: install, upgrade, go down, fail, be cut off, remove, purge.

In each case the package manager and the installer end up telling the same, or say what differs and what is to be done.
"""

from __future__ import annotations

import os
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

import pytest

from bundle.facts import read_facts
from deb_rpm.build import KINDS, build
from deb_rpm.names import PACKAGE
from tests.packaging.package_root import PackageRoot, need, package_root
from tests.packaging.small_packages import EPOCH, RPM, Manager, host_package, small_tree

pytestmark = [pytest.mark.real, pytest.mark.timeout(300)]

RELEASES: Mapping[str, Mapping[str, int | bool]] = {
    "0.1.0": {},
    "0.2.0": {"schema": 2},
    "0.3.0": {"schema": 2, "fails": True},
    "0.4.0": {"schema": 3, "returns_to": 3},
}
Packages = Mapping[tuple[str, str], Path]


@pytest.fixture(scope="module")
def packages(tmp_path_factory: pytest.TempPathFactory) -> Packages:
    """0.3.0 fails its check; 0.4.0 leaves a state that no older release can read."""
    folder, made = tmp_path_factory.mktemp("packages"), dict[tuple[str, str], Path]()
    for version, how in RELEASES.items():
        tree = small_tree(folder / version, version, **how)  # type: ignore[arg-type]
        for kind in KINDS:
            made[kind, version] = build(kind, tree, read_facts(tree), EPOCH, folder / "out")
    return made


@dataclass(frozen=True)
class Host:
    """A root, its package manager, and the packages for it."""

    root: PackageRoot
    manager: Manager
    packages: Packages

    def file(self, version: str) -> Path:
        return self.packages[self.manager.kind, version]

    def go_to(self, version: str, *, fails: bool = False) -> str:
        return self.manager.install(self.file(version), fails=fails)

    @property
    def in_force(self) -> str:
        link = self.root.folder / "opt/ao/current"
        return link.readlink().name if link.is_symlink() else ""

    @property
    def state(self) -> Path:
        return self.root.folder / "var/lib/ao/ao.db"

    def make_state(self, text: str = "1 a b") -> None:
        owner = self.state.parent.stat()
        self.state.write_text(text)
        os.chown(self.state, owner.st_uid, owner.st_gid)


@pytest.fixture
def host(request: pytest.FixtureRequest, packages: Packages, tmp_path: Path) -> Iterator[Host]:
    kind: str = request.param
    need("dpkg") if kind == "deb" else need("rpm")
    with package_root() as root:
        if kind == "rpm":
            (root.folder / "usr/share/licenses").mkdir(exist_ok=True)  # every distribution of rpm's has it
            root.run(*RPM, "-i", str(host_package(tmp_path)))
        yield Host(root, Manager(kind, root), packages)


def differences(before: Mapping[str, object], after: Mapping[str, object]) -> dict[str, object]:
    """Names alone: what is in a file is too much to be told."""
    names = {name for name in {*before, *after} if before.get(name) != after.get(name)}
    return {name: "gone" if name not in after else "new" if name not in before else "changed" for name in names}


both = pytest.mark.parametrize("host", KINDS, indirect=True)
deb = pytest.mark.parametrize("host", ["deb"], indirect=True)
rpm = pytest.mark.parametrize("host", ["rpm"], indirect=True)


@both
def test_up_and_down_and_off_and_nothing_is_left_but_the_data(host: Host) -> None:
    before = host.root.changed()
    (host.root.folder / "etc/ao").mkdir()
    (host.root.folder / "etc/ao/install.toml").write_text("[install]\nport = 8443\n")
    told = host.go_to("0.1.0")
    assert (host.manager.status(), host.in_force, host.manager.verify()) == ("0.1.0", "0.1.0", "")
    assert "systemd does not run here" in told
    assert "Left to do" in told
    settings = host.root.folder / "etc/ao/settings.toml"
    assert "port = 8443" in settings.read_text()
    settings.write_text("# the operator's\nport = 9000\n")
    host.make_state()

    host.go_to("0.2.0")
    assert (host.manager.status(), host.in_force, host.manager.verify()) == ("0.2.0", "0.2.0", "")
    assert not (host.root.folder / "usr/lib/ao-appliance/0.1.0").exists(), "the package manager takes its files"
    assert (host.root.folder / "opt/ao/releases/0.1.0/bin/ao").is_file(), "and the way back stays"
    assert host.state.read_text().split() == ["2", "a", "b"]
    assert settings.read_text().startswith("# the operator's")

    host.root.run("/usr/local/bin/ao", "rollback")
    assert (host.manager.status(), host.in_force) == ("0.2.0", "0.1.0")
    differs = "ao-appliance: The package holds release 0.2.0; in force is /opt/ao/releases/0.1.0."
    assert host.manager.verify().startswith(differs if host.manager.kind == "rpm" else "")
    host.go_to("0.2.0")
    assert (host.manager.status(), host.in_force, host.manager.verify()) == ("0.2.0", "0.2.0", "")

    told = host.go_to("0.1.0")
    assert "hand over to the release that is in force" in told
    assert (host.manager.status(), host.in_force, host.manager.verify()) == ("0.1.0", "0.1.0", "")
    assert host.state.read_text().split() == ["1", "a", "b"], "everything that was recorded is taken along"

    told = host.manager.remove()
    assert "Its data is kept" in told
    assert (host.manager.status(), host.in_force) == ("0.1.0 config-files" if host.manager.kind == "deb" else "", "")
    kept = set(differences(before, host.root.changed()))
    assert {"var/lib/ao/ao.db", "etc/ao/settings.toml", "etc/ao/remove-data", "etc/passwd"} <= kept
    user = {"etc/passwd", "etc/group", "etc/shadow", "etc/gshadow"}
    assert {each for each in kept - user if not each.startswith(("etc/ao", "var/lib/ao"))} == set(), (
        "the user stays too"
    )

    if host.manager.kind == "deb":
        host.root.run("dpkg", "-P", PACKAGE)
    else:
        host.root.run("sh", "/etc/ao/remove-data")
    assert differences(before, host.root.changed()) == {}
    assert host.manager.status() == ""
    assert "no such user" in host.root.run("id", "ao", code=1)


@both
def test_going_down_past_a_change_of_the_state_is_refused_before_anything_is_unpacked(host: Host) -> None:
    host.go_to("0.1.0")
    host.make_state()
    host.go_to("0.4.0")
    before = host.root.changed()
    told = host.go_to("0.2.0", fails=True)
    assert "what has changed since schema 2 cannot be told to release 0.2.0" in told
    assert "0.2.0 is not taken; everything stays as it was." in told
    assert differences(before, host.root.changed()) == {}
    assert (host.manager.status(), host.in_force, host.manager.verify()) == ("0.4.0", "0.4.0", "")

    host.manager.remove()
    told = host.go_to("0.2.0", fails=True)
    assert "The state has schema 3; release 0.2.0 knows no more than 2" in told, "nor over data that was kept"
    assert (host.in_force, host.state.read_text().split()) == ("", ["3", "a", "b"])


@both
def test_a_release_that_fails_its_check_is_here_and_not_in_force_and_both_say_so(host: Host) -> None:
    host.go_to("0.1.0")
    host.make_state()
    told = host.go_to("0.3.0", fails=True)
    assert "Release 0.3.0 is here and not in force; 0.1.0 is." in told
    assert host.in_force == "0.1.0"
    assert host.state.read_text().split() == ["1", "a", "b"]
    again = re.search(r"After mending it: (.+)", told)
    assert again
    assert "Release 0.1.0 is in force again" in host.root.run(*again[1].split(), code=None), "it is tried once more"
    if host.manager.kind == "deb":
        assert host.manager.status() == "0.3.0 half-configured"
    else:
        assert "%post(ao-appliance-0.3.0-1.x86_64) scriptlet failed" in told
        assert "The package holds release 0.3.0; in force is" in host.manager.verify()
    host.go_to("0.1.0")
    assert (host.manager.status(), host.in_force, host.manager.verify()) == ("0.1.0", "0.1.0", "")


@both
def test_what_was_killed_in_the_middle_goes_on_when_the_package_manager_is_run_again(host: Host) -> None:
    dies = {"AO_TEST_DIES_BEFORE": "12"}
    host.manager.install(host.file("0.1.0"), fails=True, env=dies)
    assert host.in_force == ""
    host.go_to("0.2.0")
    assert (host.manager.status(), host.in_force, host.manager.verify()) == ("0.2.0", "0.2.0", "")
    host.make_state("2 a")
    host.manager.remove(code=None, env={"AO_TEST_DIES_BEFORE": "9"})
    assert host.manager.status() != ""
    host.go_to("0.2.0")
    assert (host.manager.status(), host.in_force, host.manager.verify()) == ("0.2.0", "0.2.0", "")
    assert host.state.read_text() == "2 a"


@deb
def test_a_purge_takes_the_data_only_where_its_usage_is_safe(host: Host) -> None:
    host.go_to("0.1.0")
    host.make_state()
    host.manager.remove()
    host.make_state("1 a b c")
    told = host.root.run("dpkg", "-P", PACKAGE, code=1)
    assert "holds usage that nobody has carried out" in told
    assert host.state.read_text() == "1 a b c"
    assert host.manager.status() == "0.1.0 config-files"
    (host.root.folder / "etc/ao/remove-data").unlink()
    assert "the package did not see how it was left" in host.root.run("dpkg", "-P", PACKAGE, code=1)
    assert host.state.read_text() == "1 a b c"
    host.go_to("0.1.0")
    host.manager.remove()
    host.root.run("dpkg", "-P", PACKAGE)
    assert not host.state.parent.exists()


@deb
def test_every_word_that_dpkg_may_call_a_script_with_is_known_and_undoing_changes_nothing(host: Host) -> None:
    host.go_to("0.2.0")
    before = host.root.changed()
    for script, words in (
        *(("preinst", each) for each in ("upgrade 0.2.0 0.2.0", "abort-upgrade 0.2.0")),
        *(("postinst", each) for each in ("abort-upgrade 0.4.0", "abort-deconfigure in-favour x 1")),
        *(("prerm", each) for each in ("upgrade 0.4.0", "failed-upgrade 0.1.0", "deconfigure in-favour x 1")),
        *(
            ("postrm", each)
            for each in ("upgrade 0.4.0", "failed-upgrade 0.1.0", "abort-install", "abort-upgrade 0.1.0")
        ),
        *(("postrm", each) for each in ("disappear x 1", "remove", "abort-install 0.1.0 0.2.0")),
    ):
        host.root.run("sh", f"/var/lib/dpkg/info/{PACKAGE}.{script}", *words.split())
        assert differences(before, host.root.changed()) == {}, (script, words)
    for script in ("preinst", "postinst", "prerm", "postrm"):
        assert f"{script} does not know" in host.root.run(
            "sh", f"/var/lib/dpkg/info/{PACKAGE}.{script}", "invented", code=2
        )
    host.root.run("sh", f"/var/lib/dpkg/info/{PACKAGE}.prerm", "remove")
    assert host.in_force == ""
    host.root.run("sh", f"/var/lib/dpkg/info/{PACKAGE}.postinst", "abort-remove")
    assert host.in_force == "0.2.0", "a removal that dpkg gave up is taken back"


@rpm
def test_an_rpm_names_what_a_host_must_have_and_lives_through_its_own_order(host: Host) -> None:
    """New %post, then old %preun with 1: the appliance is taken off by the last erasure alone."""
    host.go_to("0.1.0")
    script = host.root.run(*RPM, "-q", "--qf", "%{PREUN}", PACKAGE)
    (host.root.folder / "root/preun").write_text(script)
    host.root.run("sh", "/root/preun", "1")
    assert host.in_force == "0.1.0"
    told = host.root.run(*RPM, "-e", "host", code=1)
    for needed in ("/usr/sbin/useradd", "libc.so.6(GLIBC_2.28)(64bit)", "libgcc_s.so.1()(64bit)", "systemd >= 232"):
        assert f"{needed} is needed by (installed) ao-appliance-0.1.0-1.x86_64" in told
    host.root.run("sh", "/root/preun", "0")
    assert host.in_force == ""
