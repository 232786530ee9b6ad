"""SELinux, AppArmor, other security modules, FIPS mode, randomness and the TPM (pure)."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

from installer.preflight.facts import Security
from installer.preflight.findings import Finding, failed, passed, warned

KNOWN_MODULES: Final = frozenset(
    {
        *("capability", "lockdown", "yama", "landlock", "loadpin", "safesetid", "integrity", "ima", "evm", "bpf"),
        *("selinux", "apparmor", "smack", "tomoyo", "ipe"),
    }
)
ENOUGH_ENTROPY: Final = 128
"""Bits: what the largest key here needs at the least; kernels from 5.18 on say 256 always."""


def judge_modules(security: Security) -> Iterator[Finding]:
    if security.selinux == "enforcing":
        yield warned(
            "selinux",
            "SELinux is enforcing.",
            "After installing: restorecon -RF /opt/ao /etc/ao /var/lib/ao. If the service is denied something, "
            "`ausearch -m avc -c ao` says what.",
        )
    else:
        yield passed("selinux", "Permissive." if security.selinux else "Not in force.")
    if security.apparmor_profiles:
        yield warned(
            "apparmor",
            f"A profile is loaded for the appliance's own path: {', '.join(security.apparmor_profiles)}.",
            "See that it allows /opt/ao, /etc/ao, /var/lib/ao and the listen address; `aa-complain` shows what it "
            "would deny.",
        )
    else:
        in_force = "apparmor" in security.modules
        yield passed("apparmor", "In force, with no profile for the appliance." if in_force else "Not in force.")
    others = [each for each in security.modules if each not in KNOWN_MODULES]
    if others:
        yield warned(
            "security_module",
            f"This host has security modules of its own: {', '.join(others)}.",
            "If programs must be approved before they run (KYSEC on Kylin: `getstatus`), have its administrator "
            "approve what is in /opt/ao.",
        )
    else:
        yield passed("security_module", "None but those of the kernel.")
    if security.fips:
        yield warned(
            "fips",
            "The kernel is in FIPS mode. The release brings its own cryptography, which is not a validated module.",
            "The appliance works. If a validated module is demanded, ask who demands it whether that covers this host.",
        )
    else:
        yield passed("fips", "FIPS mode is off.")


def judge_randomness(security: Security) -> Iterator[Finding]:
    if not security.random_ready:
        yield failed(
            "entropy",
            "The kernel's source of randomness is not ready: a key made now could be guessed.",
            "Wait a minute and ask again; on a virtual machine add virtio-rng, or install rng-tools or haveged.",
        )
    elif security.entropy is not None and security.entropy < ENOUGH_ENTROPY:
        yield warned(
            "entropy",
            f"The kernel's pool holds {security.entropy} bits.",
            "Add a source (virtio-rng, rng-tools, haveged) before keys are made on this host.",
        )
    else:
        yield passed("entropy", "The kernel's source of randomness is ready.")
    match security.tpm:
        case None:
            yield passed("tpm", "None. Nothing here needs one.")
        case "2.0":
            yield passed("tpm", "TPM 2.0. Nothing here needs it.")
        case other:
            yield warned(
                "tpm",
                f"A TPM of version {other}.",
                "Nothing here needs it. Where site policy asks for a TPM 2.0, switch its firmware over.",
            )
