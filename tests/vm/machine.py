"""A virtual machine with this host's files, read-only, and USB sticks that are plugged in and pulled out.

The kernel is Debian's own, unpacked or installed: AO_VM_KERNEL names a folder that holds boot/vmlinuz-… and
lib/modules/…; without it, this host's. Nothing is installed into the machine: its init is a script over the host's
tree, whose `/tmp` and `/media` are its own and whose `/mnt` is a folder shared with the test.
"""

from __future__ import annotations

import json
import os
import shutil
import socket
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager, nullcontext
from pathlib import Path
from typing import Any, Final

import pytest

MODULES: Final = (
    "virtio_pci",
    "9pnet_virtio",
    "9p",
    "xhci_pci",
    "usb_storage",
    "sd_mod",
    "vfat",
    "nls_cp437",
    "nls_ascii",
)
PROGRAMS: Final = ("qemu-system-x86_64", "busybox", "cpio", "modprobe", "depmod", "mkfs.vfat")
PATH: Final = os.environ.get("PATH", "") + ":/usr/sbin:/sbin"
BOOT_SECONDS: Final = 300

INIT: Final = """#!/bin/busybox sh
/bin/busybox --install -s /bin
mount -t proc proc /proc
mount -t sysfs sysfs /sys
mount -t devtmpfs devtmpfs /dev
for module in $(cat /modules); do insmod "$module"; done
mount -t 9p -o trans=virtio,version=9p2000.L,msize=262144,ro,cache=loose host /host || poweroff -f
for each in tmp media run; do mount -t tmpfs none /host/$each; done
mount -t 9p -o trans=virtio,version=9p2000.L,msize=262144 shared /host/mnt
for each in proc sys dev; do mount --bind /$each /host/$each; done
ip link set lo up
chroot /host /bin/bash /mnt/inside.sh
echo "INSIDE ENDED $?"
poweroff -f
"""


class Machine:
    """A running machine: `wait_for` a line of its console, `plug_in` and `pull_out` sticks."""

    def __init__(self, process: subprocess.Popen[bytes], control: socket.socket, console: Path) -> None:
        self._process = process
        self._answers = control.makefile("rb")
        self._control = control
        self._console = console
        self._answers.readline()
        self.command("qmp_capabilities")

    def command(self, name: str, **arguments: Any) -> None:
        """One command of QEMU's machine protocol, answered without an error."""
        self._control.sendall(json.dumps({"execute": name, "arguments": arguments}).encode() + b"\n")
        while True:
            answer = json.loads(self._answers.readline())
            if "event" not in answer:
                assert "return" in answer, answer
                return

    def plug_in(self, name: str, image: Path, *, bytes_per_second: int = 0) -> None:
        throttle = {"throttling.bps-total": str(bytes_per_second)} if bytes_per_second else {}
        options = ",".join(f"{key}={value}" for key, value in throttle.items())
        line = f"drive_add 0 if=none,id=drive-{name},file={image},format=raw" + (f",{options}" if options else "")
        self.command("human-monitor-command", **{"command-line": line})
        self.command("device_add", driver="usb-storage", bus="xhci.0", drive=f"drive-{name}", id=name, removable=True)

    def pull_out(self, name: str) -> None:
        self.command("device_del", id=name)

    def said(self) -> str:
        return self._console.read_text("utf-8", "replace")

    def wait_for(self, words: str, *, seconds: float = BOOT_SECONDS) -> None:
        until = time.monotonic() + seconds
        while words not in self.said():
            assert time.monotonic() < until, f"{words!r} was never said:\n{self.said()[-4000:]}"
            assert self._process.poll() is None or words in self.said(), self.said()[-4000:]
            time.sleep(0.05)

    def wait_for_the_end(self) -> None:
        self._process.wait(BOOT_SECONDS)


@contextmanager
def machine(folder: Path, inside: str, *, tpm: bool = False) -> Iterator[Machine]:
    """Boots it, with `inside` a script that it runs over this host's tree; `folder` is its /mnt. `tpm`: it has one, of
    version 2.0, in software."""
    for program in (*PROGRAMS, *(["swtpm"] if tpm else [])):
        if shutil.which(program, path=PATH) is None:
            pytest.skip(f"{program} is not installed (apt: qemu-system-x86 busybox-static cpio kmod dosfstools swtpm)")
    kernel, modules = _kernel()
    (folder / "inside.sh").write_text(inside)
    initial = _initial_files(folder.with_name("initial"), modules)
    control, console = folder.with_name("qmp"), folder.with_name("console")
    # Emulated in software: on hosts that are machines themselves, their KVM may be there and not work.
    words = ["qemu-system-x86_64", "-accel", "tcg", "-cpu", "max"]
    words += ["-m", "1024", "-smp", "1", "-nodefaults", "-display", "none", "-no-reboot", "-nic", "none"]
    words += ["-kernel", str(kernel), "-initrd", str(initial), "-append", "console=ttyS0 panic=1"]
    words += ["-serial", f"file:{console}", "-qmp", f"unix:{control},server=on,wait=off"]
    words += ["-virtfs", "local,path=/,mount_tag=host,security_model=none,readonly=on,multidevs=remap"]
    words += ["-virtfs", f"local,path={folder},mount_tag=shared,security_model=none"]
    words += ["-device", "qemu-xhci,id=xhci"]
    console.touch()
    with (
        _tpm(folder.with_name("tpm")) if tpm else nullcontext[list[str]]([]) as more,
        _started([*words, *more]) as process,
    ):
        try:
            with _connected(control, process) as connection:
                yield Machine(process, connection, console)
        finally:
            process.kill()


@contextmanager
def _started(words: list[str]) -> Iterator[subprocess.Popen[bytes]]:
    with subprocess.Popen(words, stdin=subprocess.DEVNULL) as process:
        try:
            yield process
        finally:
            process.kill()


@contextmanager
def _tpm(folder: Path) -> Iterator[list[str]]:
    """A TPM of its own process, and how the machine is told of it."""
    folder.mkdir()
    door = folder / "door"
    words = ["swtpm", "socket", "--tpm2", "--tpmstate", f"dir={folder}", "--ctrl", f"type=unixio,path={door}"]
    with _started([*words, "--terminate"]):
        for _ in range(200):
            if door.exists():
                break
            time.sleep(0.05)
        yield [
            *("-chardev", f"socket,id=door,path={door}"),
            *("-tpmdev", "emulator,id=tpm0,chardev=door"),
            *("-device", "tpm-tis,tpmdev=tpm0"),
        ]


def _kernel() -> tuple[Path, Path]:
    top = Path(os.environ.get("AO_VM_KERNEL", "/"))
    for modules in sorted((top / "lib" / "modules").glob("*"), reverse=True):
        kernel = top / "boot" / f"vmlinuz-{modules.name}"
        if kernel.is_file():
            return kernel, modules
    pytest.skip("no kernel with modules is here (apt: linux-image-amd64; or unpack one and set AO_VM_KERNEL)")


def _initial_files(folder: Path, modules: Path) -> Path:
    """An initial file system: busybox, the modules in the order in which they are to be loaded, the init."""
    for each in ("bin", "proc", "sys", "dev", "host", "ko"):
        (folder / each).mkdir(parents=True)
    shutil.copy(shutil.which("busybox", path=PATH) or "", folder / "bin" / "busybox")
    top, version = modules.parents[2], modules.name
    if not (modules / "modules.dep").exists():
        _run("depmod", "-b", str(top), version)
    order: dict[str, None] = {}
    for name in MODULES:
        for line in _run("modprobe", "-d", str(top), "-S", version, "--show-depends", name).splitlines():
            verb, *rest = line.split()
            if verb == "insmod":
                order[rest[0]] = None
    for file in order:
        shutil.copy(file, folder / "ko")
    (folder / "modules").write_text("".join(f"/ko/{Path(file).name}\n" for file in order))
    (folder / "init").write_text(INIT)
    (folder / "init").chmod(0o755)
    names = "\n".join(str(each.relative_to(folder)) for each in sorted(folder.rglob("*")))
    packed = folder.with_suffix(".cpio")
    with packed.open("wb") as out:
        subprocess.run(
            ["cpio", "-o", "-H", "newc", "--quiet"], input=names.encode(), stdout=out, cwd=folder, check=True
        )
    return packed


def _run(*words: str) -> str:
    done = subprocess.run(words, capture_output=True, text=True, check=False, env={**os.environ, "PATH": PATH})
    assert done.returncode == 0, f"{words}: {done.stderr}"
    return done.stdout


@contextmanager
def _connected(control: Path, process: subprocess.Popen[bytes]) -> Iterator[socket.socket]:
    with socket.socket(socket.AF_UNIX) as connection:
        for _ in range(200):
            assert process.poll() is None, "the machine did not start"
            try:
                connection.connect(os.fspath(control))
                break
            except OSError:
                time.sleep(0.05)
        connection.settimeout(60)
        yield connection
