"""The one place that constructs a worker: open state, take the first snapshot, open journal, caps and client, build
the app.

Granian calls `build_app` in each worker process; the settings come as JSON in AO_GATEWAY_SETTINGS from the process that
started it.
"""

from __future__ import annotations

import asyncio
import logging
import os
import secrets
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import UTC, datetime

from litestar import Litestar
from litestar.exceptions import NotFoundException

from appliance.access.window import RateWindow
from appliance.config.secrets import host_secrets
from appliance.gateway.endpoints import endpoints, no_such_path
from appliance.gateway.slots import Slots
from appliance.gateway.upstream import Clients
from appliance.gateway.worker import Worker
from appliance.host_process import boot_id, die_with_parent
from appliance.ledger.journal import Journal
from appliance.settings import SETTINGS_VARIABLE, Settings
from appliance.state.site import open_site


def build_app() -> Litestar:
    """The ASGI app of this worker process."""
    die_with_parent()
    logging.basicConfig(level=logging.WARNING, format="%(asctime)s %(levelname)s %(name)s %(message)s")
    settings = Settings.model_validate_json(os.environ[SETTINGS_VARIABLE])
    holder: list[Worker] = []

    @asynccontextmanager
    async def lifespan(_: Litestar) -> AsyncIterator[None]:
        worker = open_worker(settings)
        holder.append(worker)
        keeping = asyncio.create_task(worker.keep())
        try:
            yield
        finally:
            keeping.cancel()
            worker.journal.close()

    return Litestar(
        route_handlers=endpoints(lambda: holder[0]),
        lifespan=[lifespan],
        openapi_config=None,
        logging_config=None,
        exception_handlers={NotFoundException: lambda _request, _error: no_such_path(holder[0])},
    )


def open_worker(settings: Settings) -> Worker:
    """A worker on this host's state. Raises what opening the state refuses."""
    site = open_site(settings.state_dir)
    now = datetime.now(UTC)
    tag = secrets.token_hex(3)
    return Worker(
        site=site,
        secrets=host_secrets(os.environ, settings.secrets_dir),
        journal=Journal(site.journal_folder, f"{now.strftime('%Y%m%dT%H%M%S')}-{tag}"),
        window=RateWindow(
            settings.state_dir / "rate-window", rpm=None, boot_id=bytes.fromhex(boot_id().replace("-", ""))
        ),
        clients=Clients(),
        slots=Slots(settings.state_dir / "slots"),
        tag=tag,
        clock=lambda: datetime.now(UTC),
    )
