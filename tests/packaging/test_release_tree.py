"""The release itself: it runs by itself wherever it lies, whatever surrounds it, and holds what it says it holds."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest
from cyclonedx.schema import SchemaVersion
from cyclonedx.validation.json import JsonStrictValidator

from appliance.state.database import newest_schema
from bundle.manifest import ordered
from bundle.prune import NOT_TAKEN
from licensing.version import BUILD_TIME, __version__
from tests.packaging.made import Made

pytestmark = pytest.mark.real


def python(made: Made, code: str, **environment: str) -> str:
    """What the release's own Python prints for this."""
    done = subprocess.run(
        [str(made.tree / "runtime/bin/python3"), "-I", "-B", "-c", code],
        env=environment,
        cwd="/",
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return done.stdout.strip()


def ao(program: Path | str, *arguments: str, cwd: Path, env: dict[str, str] | None = None) -> str:
    done = subprocess.run(
        [str(program), *arguments], cwd=cwd, env=env or {}, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


def test_the_command_runs_through_links_in_an_empty_environment(made_release: Made, tmp_path: Path) -> None:
    (tmp_path / "current").symlink_to(made_release.tree)
    (tmp_path / "ao").symlink_to("current/bin/ao")
    for program in (made_release.tree / "bin/ao", tmp_path / "current/bin/ao", tmp_path / "ao", "./ao"):
        assert ao(program, "--version", cwd=tmp_path) == f"ao, version {__version__}\n"


def test_nothing_around_it_changes_what_runs(made_release: Made, tmp_path: Path) -> None:
    """A module of ours in the working folder, in PYTHONPATH, in the home; a wrong PYTHONHOME; a start-up file."""
    for place in (tmp_path, tmp_path / ".local/lib/python3.13/site-packages"):
        (place / "appliance").mkdir(parents=True)
        (place / "appliance/__init__.py").write_text("raise SystemExit(99)\n")
        (place / "json.py").write_text("raise SystemExit(98)\n")
    hostile = {
        "PYTHONPATH": str(tmp_path),
        "PYTHONHOME": "/nowhere",
        "PYTHONSTARTUP": str(tmp_path / "json.py"),
        "PYTHONPLATLIBDIR": "nowhere",
        "HOME": str(tmp_path),
        "PATH": "/usr/bin:/bin",
    }
    assert ao(made_release.tree / "bin/ao", "--version", cwd=tmp_path, env=hostile) == f"ao, version {__version__}\n"


def test_what_it_starts_itself_sees_none_of_it_either(made_release: Made, tmp_path: Path) -> None:
    """The gateway is started as `sys.executable -m …`, with the environment that the launcher leaves."""
    seen = tmp_path / "seen.py"
    copied = tmp_path / "release/bin"
    copied.mkdir(parents=True)
    (copied / "ao").write_bytes((made_release.tree / "bin/ao").read_bytes())
    (copied / "ao").chmod(0o755)
    seen.write_text("")
    fake = tmp_path / "release/runtime/bin/python3"
    fake.parent.mkdir(parents=True)
    fake.write_text("#!/bin/sh\nenv\n")
    fake.chmod(0o755)
    surroundings = {"PYTHONPATH": "/x", "PYTHONHOME": "/y", "SSL_CERT_FILE": "/z", "SSL_CERT_DIR": "/z", "AO_PORT": "1"}
    said = dict(line.split("=", 1) for line in ao(copied / "ao", cwd=tmp_path, env=surroundings).splitlines())
    assert {name: value for name, value in said.items() if name.startswith(("PYTHON", "SSL", "AO_"))} == {
        "PYTHONSAFEPATH": "1",
        "PYTHONNOUSERSITE": "1",
        "PYTHONDONTWRITEBYTECODE": "1",
        "AO_PORT": "1",
    }


def test_running_it_writes_nothing_into_it(made_release: Made) -> None:
    before = {path: path.stat().st_mtime_ns for path in ordered(made_release.tree)}
    ao(made_release.tree / "bin/ao", "providers", "list", cwd=Path("/"))
    assert {path: path.stat().st_mtime_ns for path in ordered(made_release.tree)} == before


def test_its_modules_are_its_own_and_read_from_bytecode(made_release: Made) -> None:
    code = (
        "import sys, json, appliance.boot, appliance.gateway.server, appliance.cli.main as m, sqlite3, ssl\n"
        "files = [getattr(x, '__file__', None) or '' for x in sys.modules.values()]\n"
        "print(json.dumps([m.__cached__, sys.version_info[:2], ssl.OPENSSL_VERSION, sqlite3.sqlite_version,\n"
        "  [f for f in files if f and not f.startswith(sys.prefix.rpartition('/')[0])], sorted(sys.modules)]))"
    )
    cached, version, openssl, sqlite, strangers, modules = json.loads(python(made_release, code))
    assert Path(cached).is_file()
    assert (version, strangers) == ([3, 13], [])
    assert openssl.startswith("OpenSSL 3.5.")
    assert tuple(map(int, sqlite.split("."))) >= (3, 46)
    left_out = {name.replace("-", "_") for name in NOT_TAKEN} | {"markdown_it"}
    assert not left_out & {name.partition(".")[0] for name in modules}


def test_bedrock_is_signed_for_and_answered_without_the_models_of_other_services(made_release: Made) -> None:
    """The signature is the one that the same code makes in a checkout with the whole of botocore."""
    code = (
        "from datetime import datetime, UTC\n"
        "from botocore.credentials import Credentials\n"
        "from botocore.auth import SigV4Auth\n"
        "from botocore.awsrequest import AWSRequest\n"
        "from botocore.eventstream import EventStreamBuffer\n"
        "import appliance.providers.bedrock.wires, appliance.providers.bedrock.answer\n"
        "from appliance.providers.bedrock import sign\n"
        "r = AWSRequest('POST', 'https://bedrock-runtime.eu-central-1.amazonaws.com/model/m/converse', data=b'{}')\n"
        "r.context['timestamp'] = '20260301T080000Z'\n"
        "a = SigV4Auth(Credentials('AKID', 'secret'), 'bedrock', 'eu-central-1')\n"
        "print(a.signature(a.string_to_sign(r, a.canonical_request(r)), r), EventStreamBuffer is not None)"
    )
    here = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout.strip()
    there = python(made_release, code)
    assert there == here
    assert re.fullmatch(r"[0-9a-f]{64} True", there)
    assert not (made_release.tree / "lib/botocore/data").exists()


def test_openapi_is_described_without_what_was_left_out(made_release: Made) -> None:
    code = (
        "from litestar import Litestar, get\n"
        "from pydantic import BaseModel\n"
        "class Answer(BaseModel):\n    value: int\n"
        "@get('/x', sync_to_thread=False)\n"
        "def x() -> Answer: return Answer(value=1)\n"
        "print(list(Litestar([x]).openapi_schema.to_schema()['components']['schemas']))"
    )
    assert python(made_release, code) == "['Answer']"


def test_facts_say_what_is_there(made_release: Made) -> None:
    facts = made_release.facts
    assert (facts.version, facts.arch, facts.built_at) == (__version__, os.uname().machine, f"{BUILD_TIME:%FT%TZ}")
    assert facts.schemas.state == newest_schema()
    assert facts.python == python(made_release, "import platform; print(platform.python_version())")


def test_its_bill_of_materials_holds_to_the_schema_and_names_what_is_linked_in(made_release: Made) -> None:
    text = (made_release.tree / "sbom.cdx.json").read_text()
    assert JsonStrictValidator(SchemaVersion.V1_6).validate_str(text) is None
    components = {each["name"]: each for each in json.loads(text)["components"]}
    assert {"cpython", "openssl", "sqlite", "libffi", "zlib", "granian", "cryptography"} <= set(components)
    assert all(each.get("hashes") for each in components.values())
    assert "openssl" in {each["name"] for each in components["cryptography"]["components"]}
    assert len(components["granian"]["components"]) > 100
    broken = text.replace('"bomFormat": "CycloneDX"', '"bomFormat": "Cyclone"')
    assert JsonStrictValidator(SchemaVersion.V1_6).validate_str(broken) is not None


def test_every_page_is_there_and_links_to_pages_that_are(made_release: Made) -> None:
    docs = made_release.tree / "docs"
    pages = sorted(docs.rglob("*.md"))
    assert {"README.md", "appliance/OPERATING.md", "licensing/FORMATS.md"} <= {str(p.relative_to(docs)) for p in pages}
    assert not list(docs.rglob("*vendor*"))
    links = 0
    for page in pages:
        for target in re.findall(r"\]\(([^)#:]+\.md)", page.read_text("utf-8")):
            if "vendor" not in target and not target.startswith("tests/"):
                links += 1
                assert (page.parent / target).is_file(), f"{page.relative_to(docs)} links to {target}"
    assert links > 5


def test_the_file_that_is_carried_in_is_below_60_mb(made_release: Made) -> None:
    assert made_release.run_file.stat().st_size < 60_000_000


def test_from_the_file_to_an_answer_of_the_command(made_release: Made, tmp_path: Path) -> None:
    out = tmp_path / "out"
    subprocess.run(["busybox", "sh", str(made_release.run_file), "--extract", str(out)], check=True)
    assert ao(out / "bin/ao", "--version", cwd=tmp_path) == f"ao, version {__version__}\n"
    assert (out / "MANIFEST").read_bytes() == (made_release.tree / "MANIFEST").read_bytes()
