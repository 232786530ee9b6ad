"""`ao-vendor` for tests: its commands in this process, with the desk's own clock and randomness."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from click.testing import CliRunner, Result

from licensing.vendor.cli import main
from licensing.vendor.command import Desk
from tests.licensing.vendor.simulated_site import SimulatedSite
from tests.licensing.vendor.vendors_desk import WORDS, VendorsDesk


class Shell:
    """Runs commands in a folder, with the passphrase in a file there."""

    def __init__(self, desk: VendorsDesk) -> None:
        self.desk = desk
        passphrase = desk.file("passphrase", WORDS + b"\n")
        passphrase.chmod(0o600)
        self.words = ["--passphrase-file", str(passphrase)]

    def run(self, *arguments: str | Path, stdin: str | None = None) -> Result:
        given = Desk(self.desk.home, self.desk.now, self.desk.random)
        return CliRunner().invoke(main, [str(each) for each in arguments], obj=given, input=stdin)

    def json(self, *arguments: str | Path, code: int = 0) -> dict[str, Any]:
        result = self.run(*arguments, *self.words, "--json")
        assert result.exit_code == code, result.output
        printed: dict[str, Any] = json.loads(result.stdout)
        return printed

    def json_plain(self, *arguments: str | Path, code: int = 0) -> dict[str, Any]:
        """A command that needs no passphrase."""
        result = self.run(*arguments, "--json")
        assert result.exit_code == code, result.output
        printed: dict[str, Any] = json.loads(result.stdout)
        return printed

    def issue(self, site: SimulatedSite, *more: str, out: str = "licence.json", code: int = 0) -> dict[str, Any]:
        request = self.desk.file("request", site.request())
        terms = ["--customer", "Example Works", "--edition", "team", "--models", "*"]
        when = [] if "--expires" in more or "--days" in more else ["--days", "365"]
        out_file = self.desk.folder / out
        return self.json("licence", "issue", request, *terms, *when, *more, "--out", out_file, code=code)
