"""`ao serve`: checks that this site may serve, starts the gateway's processes, and keeps the site's books while they
run.

Promise: nothing listens before licence, config and secrets have been found good. While running, this process takes the
journal into the ledger, raises the time floor as uptime allows, records steps of the clock, judges the licence every
minute, and seals each day when it is over. A database found damaged ends it: what is in the journal stays there for
`ao ledger rebuild`. When it dies the kernel ends the gateway's processes with it.
"""

from __future__ import annotations

import logging
import os
import signal
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from types import FrameType

from appliance.access.authorise import Permission, Principal, authorise, unrestricted
from appliance.admin_process import AdminProcess
from appliance.announcing import Announcer
from appliance.config.in_force import open_config_in_force
from appliance.config.secrets import host_secrets
from appliance.errors import StateDamaged
from appliance.gateway.snapshot import take_snapshot
from appliance.gateway_process import check_port
from appliance.host_process import boot_id, keep_memory_to_oneself, reap_orphans
from appliance.ledger.entry import Entry
from appliance.ledger.store import prune, take_in
from appliance.observe.books import Books, Seen
from appliance.observe.exposition import Exposition
from appliance.observe.tally import Tally
from appliance.observe.worker_counts import empty_folder, remove_folder
from appliance.operations.usage import CLOCK_LEAD, STEADY_LEAD, drop_old, seal_due
from appliance.probing import Prober, Target, targets_in
from appliance.reloading import Reloading
from appliance.serve_socket import ServeSocket
from appliance.settings import Settings
from appliance.state.database import DatabaseFault, is_damage, transaction
from appliance.state.health import HealthFolder
from appliance.state.inspection import Inspection
from appliance.state.serving import ServingLock
from appliance.state.site import DATABASE, Site, open_site
from appliance.state.standing import judge_site, reported_until
from appliance.succession import Succession
from appliance.tls.material import Material, read_material
from appliance.waiting import wait_until
from appliance.watching import Watch
from licensing.clock import Look, observe, step_between, witness
from licensing.document import Verified, format_time
from licensing.errors import Refusal
from licensing.standing import Standing
from licensing.version import BUILD_TIME

log = logging.getLogger("ao.serve")

TAKE_IN_SECONDS = 0.25
JUDGE_SECONDS = 60.0
STEADY_SECONDS = 6 * 3600.0
"""After running so long without a step, this host's clock is believed also where it is far ahead of the floor."""

KEEP_JOURNAL = timedelta(days=2)
"""How long after the vendor has acknowledged its entries a journal segment is still kept."""

INSPECT_FIRST_BYTES = 32 * 1024 * 1024
"""A database up to this size is inspected before anything listens, a larger one while the gateway serves already."""


@dataclass(slots=True)
class _Stop:
    """Set by SIGTERM and SIGINT."""

    asked: bool = False

    def listen(self) -> None:
        signal.signal(signal.SIGTERM, self.ask)
        signal.signal(signal.SIGINT, self.ask)

    def ask(self, _signal: int, _frame: FrameType | None) -> None:
        self.asked = True


def serve(
    settings: Settings, *, on_ready: Callable[[Site, Standing], None], by: Principal, patiently: bool = False
) -> None:
    """Serves until SIGTERM or SIGINT. `on_ready` is called once, when calls are being answered.

    Raises the reason where the site may not serve (`patiently`: waits until it may, where an import mends that),
    PortTaken, AlreadyServing, GatewayFailed.
    """
    authorise(by, Permission.HOST_WRITE)
    keep_memory_to_oneself()
    stop = _Stop()
    if patiently:
        # The first process of a container does not end of a signal that it has not asked for.
        stop.listen()
        if not wait_until(lambda: _look_once(settings, by), stopped=lambda: stop.asked, pause=time.sleep):
            return
    site = open_site(settings.state_dir, by=unrestricted(by))
    lock = ServingLock(settings.state_dir)
    metrics = empty_folder(settings.state_dir)
    gateway = Succession(settings, metrics)
    admin = AdminProcess(settings)
    reloading = Reloading(settings, gateway, lambda refusal: _note_reload(site, gateway, refusal))
    try:
        standing = check_may_serve(site, settings)
        material = read_material(settings, _now())
        check_port(settings)
        stop.listen()
        if not os.isatty(0):  # at a terminal it is that the terminal is gone, and ends this as ever
            signal.signal(signal.SIGHUP, reloading.ask_by_signal)
        run = _record_start(site)
        HealthFolder(site.folder).clear()
        gateway.first_serves(material)
        try:
            gateway.wait_until_ready(lambda: stop.asked)
            with _asked_at_host(site, gateway, reloading):
                if not stop.asked:
                    on_ready(site, standing)
                with _showing(site, standing, metrics, gateway.material) as shown:
                    _keep_books(site, settings, gateway, reloading, admin, standing, stop, *shown)
        finally:
            admin.stop()
            gateway.stop()
            _close_books(site, run)
    finally:
        gateway.stop()
        remove_folder(metrics)
        lock.release()
        site.close()


@contextmanager
def _asked_at_host(site: Site, gateway: Succession, reloading: Reloading) -> Iterator[None]:
    """The socket by which this host asks, for as long as calls are answered."""
    asked: ServeSocket | None = None
    try:
        asked = ServeSocket(site.folder, gateway.readiness, reloading.ask)
    except OSError as exc:
        log.error("this host cannot ask the running gateway (no ao tls reload; SIGHUP does it): %s", exc)
    try:
        yield
    finally:
        if asked is not None:
            asked.close()


def _note_reload(site: Site, gateway: Succession, refusal: Refusal | None) -> None:
    """A reload that came by SIGHUP has no command that could note it."""
    if refusal is None and gateway.material is not None:
        with transaction(site.database):
            site.record("tls.reload", str(gateway.material), _now())


def check_may_serve(site: Site, settings: Settings) -> Standing:
    """Where the site stands, if it may serve at all. Raises the refusal that callers would meet."""
    if (site.folder / DATABASE).stat().st_size <= INSPECT_FIRST_BYTES:
        Inspection(site.folder / DATABASE).finish()
    site.raise_time_floor(lambda floor: witness(floor, BUILD_TIME, "this release's build"))
    site.observe_boot(boot_id(), _now(), _tolerance(site))
    snapshot = take_snapshot(site, host_secrets(os.environ, settings.secrets_dir), _now())
    if snapshot.refusal is not None:
        raise snapshot.refusal
    return snapshot.standing


def _look_once(settings: Settings, by: Principal) -> None:
    """Whether the site may serve at this moment. Raises what `check_may_serve` raises, and what opening it does."""
    site = open_site(settings.state_dir, by=unrestricted(by))
    try:
        check_may_serve(site, settings)
    finally:
        site.close()


def _tolerance(site: Site) -> timedelta:
    licence = site.licence(site.trust())
    return timedelta(seconds=licence.claims.clock_tolerance_seconds if isinstance(licence, Verified) else 0)


@contextmanager
def _showing(site: Site, standing: Standing, metrics: Path, material: Material | None) -> Iterator[tuple[Tally, Books]]:
    """What /metrics tells, for as long as the books are kept."""
    tally = Tally()
    seen = Seen(site.id, standing, site.time_floor(), reported_until(site), time.monotonic())
    books = Books(seen, clock=_now, monotonic=time.monotonic)
    books.presents(material.ends if material else None)
    exposition = Exposition(site.folder, metrics, tally, books)
    try:
        yield tally, books
    finally:
        exposition.close()


def _keep_books(
    site: Site,
    settings: Settings,
    gateway: Succession,
    reloading: Reloading,
    admin: AdminProcess,
    standing: Standing,
    stop: _Stop,
    tally: Tally,
    books: Books,
) -> None:
    before = steady_since = _look()
    judged = time.monotonic()
    inspection = Inspection(site.folder / DATABASE)
    prober, generation = Prober(HealthFolder(site.folder)), -1
    watch, announcer = Watch(site), Announcer(site, host_secrets(os.environ, settings.secrets_dir))
    announcer.presents(gateway.material, _now())

    def taken(entries: Sequence[Entry]) -> None:
        tally.add(entries)
        watch.took(entries)

    while not stop.asked:
        time.sleep(TAKE_IN_SECONDS)
        reloading.look(_now(), time.monotonic())
        gateway.keep_up(time.monotonic())
        admin.keep_up(time.monotonic())
        reap_orphans({*gateway.pids, admin.pid})
        try:
            take_in(site.database, site.journal_folder, _now(), taken=taken)
            books.took_in()
            watch.look(_now(), time.monotonic())
            if site.board.generation != generation:
                generation = site.board.generation
                prober.watch(_to_probe(site))
                announcer.follow()
            announcer.look(_now())
            books.presents(gateway.material.ends if gateway.material else None)
            if time.monotonic() - judged >= JUDGE_SECONDS:
                judged = time.monotonic()
                stepped, before = _observe_clock(site, before)
                steady_since = before if stepped else steady_since
                former, standing = standing, _judge(site, standing)
                announcer.stands(former, standing, _now())
                announcer.presents(gateway.material, _now())
                books.saw(standing, site.time_floor(), reported_until(site), stepped=stepped)
                steady = before.monotonic - steady_since.monotonic >= STEADY_SECONDS
                seal_due(site, _now(), lead=STEADY_LEAD if steady else CLOCK_LEAD)
                drop_old(site)
                prune(site.database, site.journal_folder, reported_until(site) - KEEP_JOURNAL)
            inspection.raise_if_damaged()
        except StateDamaged:
            raise
        except Exception as exc:
            if isinstance(exc, DatabaseFault) and is_damage(exc):
                raise StateDamaged(f"The state database is damaged: {exc}.", where=str(site.folder)) from exc
            # Whatever it is: the journal keeps every entry until it can be taken in; serving and trying go on.
            log.exception("the books could not be kept; trying again")
    prober.stop()
    announcer.stop()
    watch.close(_now())


def _to_probe(site: Site) -> tuple[Target, ...]:
    """Nothing, where there is no config that may be believed."""
    try:
        return targets_in(open_config_in_force(site, site.trust()).verified.claims.deployments)
    except Refusal:
        return ()


def _observe_clock(site: Site, before: Look) -> tuple[bool, Look]:
    now = _look()
    step = step_between(before, now)
    if step is not None:
        site.record_step(step)
        site.board.raise_generation()
        log.warning("the clock was set by %d s", step.seconds)
    site.raise_time_floor(lambda floor: observe(floor, before, now))
    return step is not None, now


def _judge(site: Site, before: Standing) -> Standing:
    standing = judge_site(site, site.trust(), _now())
    if standing.rung is not before.rung:
        site.board.raise_generation()
        log.warning("%s: %s %s", standing.code, standing.sentence, standing.terms.remedy)
    for warning in set(standing.warnings) - set(before.warnings):
        log.warning("%s", warning)
    return standing


def _close_books(site: Site, run: int) -> None:
    try:
        take_in(site.database, site.journal_folder, _now())
        _record_stop(site, run)
    except DatabaseFault:
        # The journal has it all, and the next start takes it in, or says what is wrong.
        log.exception("the books could not be closed")


def _record_start(site: Site) -> int:
    with transaction(site.database) as db:
        cursor = db.execute("INSERT INTO runs (started) VALUES (?)", (format_time(_now()),))
    return int(cursor.lastrowid or 0)


def _record_stop(site: Site, run: int) -> None:
    with transaction(site.database) as db:
        db.execute("UPDATE runs SET stopped = ? WHERE id = ?", (format_time(_now()), run))


def _look() -> Look:
    return Look(_now(), time.clock_gettime(time.CLOCK_BOOTTIME))


def _now() -> datetime:
    return datetime.now(UTC)
