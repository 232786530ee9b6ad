"""What is run to make each part of the runtime: pure, facts in, commands out.

The compiler is `zig cc` behind a wrapper on the path, for a C library of 2.28 whatever this machine has. Everything is
static but the C library itself. OpenSSL is told of a folder that does not exist for its engines and providers, and of
/etc/ssl for the authorities; nothing is taken from the folder that all this is built in. The interpreter is tuned by
what the gateway's load runs of it: counts that another build of it made (clang's User's Manual, "Profiling with
Instrumentation"). They are of its source, so one profile serves both machines.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

GLIBC = "2.28"
BUILD = "x86_64-pc-linux-gnu"
"""The machine that builds: the compiler's wheel is pinned for this one."""
NOWHERE = "/nonexist"
PREFIX = "/opt/ao/runtime"
"""What `configure` is told; the interpreter finds its library beside itself, wherever it lies."""

WRAPPERS: Mapping[str, str] = {"ao-cc": "cc", "ao-cxx": "c++", "ao-ar": "ar", "ao-ranlib": "ranlib"}
TOOLS: Mapping[str, str] = {
    "gcc": "gcc",
    "make": "make",
    "perl": "perl",
    "tar": "tar",
    "xz": "xz-utils",
    "zstd": "zstd",
    "autoreconf": "autoconf",
    "automake": "automake",
    "libtoolize": "libtool",
}
"""What the host must have, and the package that brings it."""

SQLITE = ("-DSQLITE_ENABLE_FTS5", "-DSQLITE_OMIT_LOAD_EXTENSION", "-DSQLITE_THREADSAFE=1")


@dataclass(frozen=True)
class Command:
    """One process to run in `folder`, below the folder of the part."""

    arguments: tuple[str, ...]
    folder: str = "."


@dataclass(frozen=True)
class Tuning:
    """What the interpreter is compiled and linked with, beside what every part is."""

    compiled: tuple[str, ...] = ()
    linked: tuple[str, ...] = ()


def tuned_by(profile: Path) -> Tuning:
    """Compiled for what the profile says is run often. What it does not know of is no fault: it was not run."""
    return Tuning((f"-fprofile-use={profile}", "-Wno-profile-instr-unprofiled", "-Wno-profile-instr-out-of-date"))


def counting(library: Path) -> Tuning:
    """Counts what it runs. `library` writes the counts when a process ends."""
    return Tuning(("-fprofile-instr-generate",), (str(library), "-Wl,-u,__llvm_profile_runtime"))


@dataclass(frozen=True)
class Workshop:
    """Where a build takes place. `native`: a Python of the same version that runs here, for another machine's build."""

    arch: str
    folder: Path
    zig: Path
    jobs: int
    epoch: int
    native: Path | None
    tuning: Tuning = Tuning()

    @property
    def dependencies(self) -> Path:
        return self.folder / "dependencies"

    @property
    def host(self) -> str:
        return f"{self.arch}-linux-gnu"


def wrapper(shop: Workshop, tool: str) -> str:
    """The text of a wrapper that makes one of zig's tools look like a compiler's."""
    target = f" -target {shop.arch}-linux-gnu.{GLIBC} -fno-sanitize=undefined" if tool in {"cc", "c++"} else ""
    return f'#!/bin/sh\nexec {shop.zig} {tool}{target} "$@"\n'


def environment(shop: Workshop, path: str) -> dict[str, str]:
    """All that a command of a recipe sees of its surroundings."""
    of = shop.dependencies
    return {
        "PATH": f"{shop.folder / 'bin'}:{path}",
        "HOME": str(shop.folder),
        "LC_ALL": "C.UTF-8",
        "TZ": "UTC",
        "SOURCE_DATE_EPOCH": str(shop.epoch),
        "ZIG_GLOBAL_CACHE_DIR": str(shop.folder / "zig-cache"),
        "CC": "ao-cc",
        "CXX": "ao-cxx",
        "AR": "ao-ar",
        "RANLIB": "ao-ranlib",
        "CFLAGS": f"-O2 -fPIC -Wno-date-time -Wno-error=date-time -ffile-prefix-map={shop.folder}={NOWHERE}",
        "LDFLAGS": "-s",
        "PKG_CONFIG_PATH": str(of / "lib/pkgconfig"),
        "PKG_CONFIG_LIBDIR": str(of / "lib/pkgconfig"),
        "LIBFFI_CFLAGS": f"-I{of}/include",
        "LIBFFI_LIBS": f"-L{of}/lib -lffi",
        "LIBSQLITE3_CFLAGS": f"-I{of}/include",
        "LIBSQLITE3_LIBS": f"-L{of}/lib -lsqlite3 -lm",
        "ZLIB_CFLAGS": f"-I{of}/include",
        "ZLIB_LIBS": f"-L{of}/lib -lz",
    }


def recipe(name: str, shop: Workshop) -> tuple[Command, ...]:
    """The commands that make one part, in order. Raises KeyError for a part that has none."""
    return {"zlib": _zlib, "libffi": _libffi, "sqlite": _sqlite, "openssl": _openssl, "cpython": _cpython}[name](shop)


def _put(shop: Workshop, folder: str, archive: str, *headers: str) -> tuple[Command, ...]:
    of = shop.dependencies
    return (
        Command(("mkdir", "-p", f"{of}/lib", f"{of}/include"), folder),
        Command(("cp", archive, f"{of}/lib/"), folder),
        Command(("cp", *headers, f"{of}/include/"), folder),
    )


def _zlib(shop: Workshop) -> tuple[Command, ...]:
    return (
        Command(("sh", "./configure", "--static", f"--prefix={shop.dependencies}")),
        Command(("make", "-s", f"-j{shop.jobs}", "libz.a")),
        *_put(shop, ".", "libz.a", "zlib.h", "zconf.h"),
    )


def _libffi(shop: Workshop) -> tuple[Command, ...]:
    of = shop.dependencies
    across = (f"--host={shop.host}", f"--build={BUILD}", "--disable-docs", "--disable-multi-os-directory")
    return (
        Command(("rm", "-f", "configure")),
        Command(("autoreconf", "-fi")),
        Command(
            ("./configure", *across, "--disable-shared", "--enable-static", f"--prefix={of}", f"--libdir={of}/lib")
        ),
        Command(("make", "-s", f"-j{shop.jobs}")),
        Command(("make", "-s", "install")),
    )


def _sqlite(shop: Workshop) -> tuple[Command, ...]:
    options = ("--disable-tcl", "--disable-readline", "--disable-load-extension", "--disable-shared")
    configure = ("env", "BCC=gcc", "../configure", f"--host={shop.host}", f"--build={BUILD}", *options)
    return (
        Command(("mkdir", "-p", "built")),
        Command(configure, "built"),
        Command(("make", "-s", "sqlite3.c", "BCC=gcc"), "built"),
        Command(
            ("sh", "-c", f"ao-cc $CFLAGS {' '.join(SQLITE)} -c sqlite3.c && ao-ar rcs libsqlite3.a sqlite3.o"), "built"
        ),
        *_put(shop, "built", "libsqlite3.a", "sqlite3.h", "../src/sqlite3ext.h"),
    )


def _openssl(shop: Workshop) -> tuple[Command, ...]:
    where = (f"--prefix={NOWHERE}", "--libdir=lib")
    options = ("no-shared", "no-tests", "no-docs", "no-module", "no-legacy", "no-apps", "no-engine", *where)
    of = shop.dependencies
    return (
        Command(("perl", "./Configure", f"linux-{shop.arch}", *options, "--openssldir=/etc/ssl")),
        Command(("make", "-s", f"-j{shop.jobs}", "build_libs")),
        Command(("mkdir", "-p", f"{of}/lib", f"{of}/include")),
        Command(("cp", "libssl.a", "libcrypto.a", f"{of}/lib/")),
        Command(("cp", "-r", "include/openssl", f"{of}/include/")),
    )


def _cpython(shop: Workshop) -> tuple[Command, ...]:
    across: tuple[str, ...] = (f"--with-openssl={shop.dependencies}",)
    if shop.native is not None:
        across += (f"--host={shop.host}", f"--build={BUILD}", f"--with-build-python={shop.native}")
    options = ("--disable-test-modules", "--without-ensurepip", "--with-pkg-config=yes", "--enable-ipv6")
    flags = environment(shop, "")
    compiled = " ".join((flags["CFLAGS"], *shop.tuning.compiled))
    linked = " ".join((flags["LDFLAGS"], *shop.tuning.linked))
    configure = ("env", "CONFIG_SITE=config.site", f"CFLAGS={compiled}", f"LDFLAGS={linked}", "./configure")
    return (
        Command(("sh", "-c", "printf 'ac_cv_file__dev_ptmx=yes\\nac_cv_file__dev_ptc=no\\n' > config.site")),
        Command((*configure, *across, *options, f"--prefix={PREFIX}")),
        Command(("make", "-s", f"-j{shop.jobs}")),
        Command(("make", "-s", f"DESTDIR={shop.folder / 'out'}", "install")),
    )
