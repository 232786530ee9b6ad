"""The first run, step by step: what is done stays, what is not is asked for and done, and what comes next is told.

What is done is seen from the host itself, never from notes of an earlier run: the setup may be left anywhere and begun
again. Nothing is overwritten; a step that fails leaves what was there before.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Final, Literal

from installer.first_run.administrator import AdministratorStep
from installer.first_run.certificate import CertificateStep
from installer.first_run.conversation import Conversation
from installer.first_run.listen import LOOPBACK, ListenStep
from installer.first_run.request import RequestStep
from installer.first_run.settings_file import read_settings
from installer.first_run.site import SiteStep
from installer.first_run.step import Here, Step
from licensing.errors import Refusal

STEPS: Final[tuple[Step, ...]] = (
    SiteStep(),
    ListenStep(),
    CertificateStep(),
    AdministratorStep(),
    RequestStep(),
)
ANSWERS: Final = tuple(name for step in STEPS for name in step.asks)

State = Literal["was done", "done", "planned", "nothing to do"]


@dataclass(frozen=True, slots=True)
class Taken:
    """What became of a step; `said` is what it said, or what it would do."""

    step: str
    state: State
    said: Sequence[str] = ()

    def as_dict(self) -> dict[str, Any]:
        return {"step": self.step, "state": self.state, "said": list(self.said)}


@dataclass(frozen=True, slots=True)
class Taking:
    """All steps, and the host as it is after them."""

    steps: Sequence[Taken]
    here: Here


def set_up(here: Here, talk: Conversation, *, dry_run: bool) -> Taking:
    """Goes through all steps in order. Raises what a step refuses; the steps before it stay done."""
    taken: list[Taken] = []
    for number, step in enumerate(STEPS, 1):
        talk.say("", f"[{number}/{len(STEPS)}] {step.title}", "")
        try:
            each = _take(step, here, talk, dry_run=dry_run)
        except Refusal:
            talk.say("", f"Stopped at step {number} of {len(STEPS)}. Run it again, and it goes on from here: ao setup")
            raise
        talk.say(*(f"  {line}" for line in each.said))
        taken.append(each)
        here = here.again() if each.state == "done" and step.changes_status else here
    return Taking(taken, here)


def _take(step: Step, here: Here, talk: Conversation, *, dry_run: bool) -> Taken:
    if there := step.done(here):
        return Taken(step.name, "was done", (there,))
    act = step.ask(here, talk)
    if act is None:
        return Taken(step.name, "nothing to do")
    if dry_run:
        return Taken(step.name, "planned", tuple(f"would do: {line}" for line in act.plan))
    return Taken(step.name, "done", tuple(act.run()))


def what_is_done(here: Here) -> list[tuple[Step, str | None]]:
    """Each step with what says that it is done."""
    return [(step, step.done(here)) for step in STEPS]


def next_steps(here: Here) -> list[str]:
    """What a person does next, in order: what is done already is left out."""
    status = here.status
    if status is None:
        return ["ao setup"]
    steps = []
    if not status["licence"]["serves"]:
        steps.append("Carry the request to the vendor, and bring back licence and config:")
        steps.append("  ao licence import /media/usb/licence.json")
    if status["config"] is None:
        steps.append("  ao config import /media/usb/config.yaml.signed")
    if not status["keys_active"]:
        steps.append("Make an API key for the first app. It is shown once:")
        steps.append("  ao keys create --name first-app --team NAME")
    settings = read_settings(here.settings)
    if "tls_certificate" not in settings and settings.get("host", LOOPBACK) != LOOPBACK:
        steps.append("The gateway speaks plain HTTP: give it a certificate, or put a proxy that has one before it.")
        steps += ["  ao tls --help"] if here.has_certificates else []
    if not status["running_since"]:
        steps.append("Start the gateway, now and at each boot:")
        steps.append("  systemctl enable --now ao")
    steps.append("See that it answers, from a host that will use it:")
    believe = "--cacert ca.pem " if "tls_certificate" in settings else ""
    steps.append(f"  curl -s {believe}{_address(settings)}/v1/models -H 'Authorization: Bearer ao-...'")
    steps.append("See the whole site on one screen, today and any day:")
    steps.append("  ao status")
    return steps


def _address(settings: Any) -> str:
    host = str(settings.get("host", "127.0.0.1"))
    host = "HOST" if host in ("0.0.0.0", "::") else f"[{host}]" if ":" in host else host  # noqa: S104 - only compared
    scheme = "https" if "tls_certificate" in settings else "http"
    return f"{scheme}://{host}:{settings.get('port', 8080)}"
