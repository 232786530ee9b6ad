"""The one place that constructs a worker: open state, take the first snapshot, open journal, caps and client, build
the app.

Granian calls `build_app` in each worker process; the settings come as JSON in AO_GATEWAY_SETTINGS from the process that
started it.
"""

from __future__ import annotations

import asyncio
import gc
import os
import secrets
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import UTC, datetime

from litestar import Litestar
from litestar.exceptions import NotFoundException
from litestar.types import ASGIApp

from appliance.access.quota import QUOTA_FILE, Quota
from appliance.config.secrets import host_secrets
from appliance.gateway.endpoints import endpoints, no_such_path, with_v1
from appliance.gateway.farewell import Farewell
from appliance.gateway.metrics import metrics
from appliance.gateway.slots import Slots
from appliance.gateway.upstream import UpstreamClient
from appliance.gateway.worker import Worker
from appliance.host_process import boot_id, die_with_parent, keep_memory_to_oneself
from appliance.ledger.journal import Journal
from appliance.listening import (
    ACCEPTING_VARIABLE,
    DESCRIPTORS_VARIABLE,
    RETIRE,
    RUN_VARIABLE,
    descriptors_in,
    stop_accepting,
)
from appliance.observe.log_lines import log_to_standard_error
from appliance.observe.worker_counts import WorkerCounts
from appliance.settings import SETTINGS_VARIABLE, Settings
from appliance.state.site import open_site

GARBAGE_AFTER = 20_000
"""New objects between two looks for cycles. Calls leave hardly any, and the interpreter's 700 costs them 3 %."""


def build_app() -> ASGIApp:
    """The ASGI app of this worker process."""
    die_with_parent()
    keep_memory_to_oneself()
    log_to_standard_error()
    settings = Settings.model_validate_json(os.environ[SETTINGS_VARIABLE])
    holder: list[Worker] = []
    farewell = Farewell()
    listening = descriptors_in(os.environ.get(DESCRIPTORS_VARIABLE, ""))

    def retire() -> None:
        farewell.said = True
        stop_accepting(listening)
        os.close(int(os.environ[ACCEPTING_VARIABLE]))

    @asynccontextmanager
    async def lifespan(_: Litestar) -> AsyncIterator[None]:
        worker = open_worker(settings)
        holder.append(worker)
        keeping = asyncio.create_task(worker.keep())
        asyncio.get_running_loop().add_signal_handler(RETIRE, retire)
        try:
            gc.collect()
            gc.freeze()  # what is there now stays: no look for cycles need walk it again
            gc.set_threshold(GARBAGE_AFTER, 20, 20)
            yield
        finally:
            keeping.cancel()
            worker.journal.close()

    others = Litestar(
        route_handlers=[
            *endpoints(lambda: holder[0], os.environ.get(RUN_VARIABLE, "")),
            metrics(lambda: holder[0], settings.metrics_from),
        ],
        lifespan=[lifespan],
        openapi_config=None,
        logging_config=None,
        exception_handlers={NotFoundException: lambda _request, _error: no_such_path(holder[0])},
    )
    return with_v1(others, lambda: holder[0], farewell)


def open_worker(settings: Settings) -> Worker:
    """A worker on this host's state. Raises what opening the state refuses."""
    site = open_site(settings.state_dir)
    now = datetime.now(UTC)
    tag = secrets.token_hex(3)
    return Worker(
        site=site,
        secrets=host_secrets(os.environ, settings.secrets_dir),
        journal=Journal(
            site.journal_folder, f"{now.strftime('%Y%m%dT%H%M%S')}-{tag}", keep_free=settings.keep_free_mib * 2**20
        ),
        quota=Quota(settings.state_dir / QUOTA_FILE, boot_id=bytes.fromhex(boot_id().replace("-", ""))),
        client=UpstreamClient(),
        slots=Slots(settings.state_dir / "slots"),
        counts=WorkerCounts(),
        tag=tag,
        clock=lambda: datetime.now(UTC),
        stream_limit=settings.streams_per_worker,
        body_limit=settings.body_memory_mib * 2**20,
    )
