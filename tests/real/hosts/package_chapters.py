"""What happens to an appliance that came as a package, a chapter each: every one asserts what holds when it is over."""

from __future__ import annotations

import os
import signal
import subprocess
from pathlib import Path

from deb_rpm.names import PACKAGE, name_of
from tests.real.hosts import chapters
from tests.real.hosts.booted_host import Ended
from tests.real.hosts.releases import NEWER
from tests.real.hosts.story import Story

FOLDER = "/srv/releases/packages"
RPM = ("rpm", "--force-debian", "--dbpath", "/var/lib/rpm")
ALONE = (*chapters.BY_ITSELF, "var/lib/dpkg", "var/lib/rpm", "usr/share/licenses")


def everything(story: Story) -> chapters.Looked:
    found = chapters.everything(story)
    return {name: each for name, each in found.items() if not name.startswith(ALONE)}


def command(kind: str, version: str) -> tuple[str, ...]:
    """As an operator types it: whichever version is here."""
    file = f"{FOLDER}/{name_of(kind, version, os.uname().machine).file}"
    if kind == "deb":
        return ("dpkg", "-i", "--force-downgrade", file)
    # Debian's rpm knows nothing of what Debian's packages provide; what an rpm needs is tried where it can be.
    return (*RPM, "-U", "--nodeps", "--oldpackage", "--replacepkgs", file)


def go_to(story: Story, kind: str, version: str) -> Ended:
    before, was = len(story.answered()), story.version()
    with story.asking():
        ended = story.host.run(*command(kind, version))
    assert story.version() == version
    story.took[f"gap seen by a client, {was} to {version}"] = story.longest_gap(before)
    as_packed_and_in_force(story, kind, version)
    return ended


def as_packed_and_in_force(story: Story, kind: str, version: str) -> None:
    verify = ("dpkg", "-V", PACKAGE) if kind == "deb" else (*RPM, "-V", "--nodeps", PACKAGE)
    told = story.host.run(*verify, check=False)
    assert (told.exit_code, told.out, told.err) == (0, "", "")
    assert (story.version(), status(story, kind)) == (version, version)


def status(story: Story, kind: str) -> str:
    if kind == "deb":
        words = ("dpkg-query", "-W", "-f", "${Version} ${db:Status-Status}", PACKAGE)
        return story.host.run(*words).out.removesuffix(" installed")
    return story.host.run(*RPM, "-q", "--qf", "%{VERSION}", PACKAGE, check=False).out


def install(story: Story, kind: str) -> None:
    """With answers that lie ready, on a host that is looked at first."""
    (story.host.folder / "etc/ao").mkdir()
    (story.host.folder / "etc/ao/install.toml").write_text(chapters.INSTALL)
    ended = story.host.run(*command(kind, "0.1.0"))
    assert "Next: ao setup" in ended.out
    as_packed_and_in_force(story, kind, "0.1.0")
    assert 'host = "0.0.0.0"' in (story.host.folder / "etc/ao/settings.toml").read_text()


def an_upgrade_that_fails(story: Story, kind: str, version: str) -> None:
    """The old release serves on; the package manager says that its package is not configured, or that it failed."""
    was = story.version()
    with story.asking():
        ended = story.host.run(*command(kind, version), check=False)
    assert f"Release {version} is here and not in force; {was} is." in ended.out + ended.err
    assert story.version() == was
    if kind == "deb":
        assert (ended.exit_code, status(story, kind)) == (1, f"{version} half-configured")
    else:
        told = story.host.run(*RPM, "-V", "--nodeps", PACKAGE, check=False)
        assert f"The package holds release {version}; in force is /opt/ao/releases/{was}." in told.out + told.err
    go_to(story, kind, was)


def the_release_before_can_be_gone_back_to(story: Story, kind: str, older: str) -> None:
    """Although the package manager has long taken its files away."""
    was = story.version()
    assert not (story.host.folder / f"usr/lib/{PACKAGE}/{older}").exists()
    chapters.rollback(story, older)
    assert (status(story, kind), story.version()) == (was, older)
    go_to(story, kind, was)


def killed_while_it_upgrades(story: Story, kind: str, version: str) -> None:
    """Everything of the package manager at once, while the gateway is stopped. Its own way to go on goes on."""
    with story.asking():
        going = story.host.start(*command(kind, version))
        story.wait_for(lambda: story.unit_is() in ("deactivating", "inactive"), "the gateway is stopped", going)
        for each in reversed(family(going.pid)):
            os.kill(each, signal.SIGKILL)
        going.communicate(timeout=30)
        again = ("dpkg", "--configure", "-a") if kind == "deb" else command(kind, version)
        ended = story.host.run(*again)
    assert "was cut off: going back to" in ended.out + ended.err
    as_packed_and_in_force(story, kind, version)


def family(pid: int) -> list[int]:
    """A process and all below it."""
    told = subprocess.run(["ps", "-e", "-o", "pid=,ppid="], capture_output=True, text=True, check=True).stdout
    parents = [tuple(map(int, line.split())) for line in told.splitlines()]
    found = [pid]
    for one in found:
        found += [child for child, parent in parents if parent == one]
    return found


def going_down_is_refused_where_the_state_cannot_go(story: Story, kind: str, older: str) -> None:
    was = story.version()
    with story.asking():
        ended = story.host.run(*command(kind, older), check=False)
        told = ended.out + ended.err
        assert f"the oldest schema that it can return to is {NEWER}" in told
        assert f"{older} is not taken; everything stays as it was." in told
    as_packed_and_in_force(story, kind, was)
    assert (story.schema(), story.unit_is()) == (NEWER, "active")


def remove_and_come_again(story: Story, kind: str, version: str) -> None:
    """The data stays, and whoever installs again goes on with it; the gateway is started at once."""
    story.host.run(*removal(kind))
    assert not (story.host.folder / "opt/ao").exists()
    assert not (story.host.folder / f"usr/lib/{PACKAGE}").exists()
    assert (story.host.folder / "var/lib/ao/ao.db").is_file()
    assert last_usage(story)
    ended = story.host.run(*command(kind, version))
    assert "The gateway runs." in ended.out
    with story.asking():
        pass
    as_packed_and_in_force(story, kind, version)
    assert not (story.host.folder / "etc/ao/remove-data").exists()


def purge(story: Story, kind: str) -> None:
    """What the vendor has not acknowledged is the one thing that is left, and it is good."""
    story.host.run(*removal(kind))
    story.host.run(*(("dpkg", "-P", PACKAGE) if kind == "deb" else ("sh", "/etc/ao/remove-data")))
    files = last_usage(story)
    story.vendor.reconcile(files, story.stick)
    for each in files:
        each.unlink()
    (story.host.folder / "var/backups/ao-appliance").rmdir()


def removal(kind: str) -> tuple[str, ...]:
    return ("dpkg", "-r", PACKAGE) if kind == "deb" else (*RPM, "-e", PACKAGE)


def last_usage(story: Story) -> list[Path]:
    return sorted((story.host.folder / "var/backups/ao-appliance").iterdir())
