"""From a sync's report to what Dagster shows: numbers, a table of rejects, a check, or a red partition."""

import threading
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from types import MappingProxyType
from typing import Any
from urllib.parse import quote

import dagster as dg
from pydantic import Field

from erp_medusa_pipelines.assets.leftovers import LEFT_OVER, continues
from erp_medusa_pipelines.assets.links import desk_url
from erp_medusa_pipelines.clients.doctypes import WEBSITE_ITEM
from erp_medusa_pipelines.clients.failures import PermanentError, TransientError
from erp_medusa_pipelines.connections import Shop
from erp_medusa_pipelines.orchestration import rate_limits, state
from erp_medusa_pipelines.orchestration.checks.rejects import ALIKE, CHECK, DOCUMENTS, NUMBER, TABLE, quarantine_key
from erp_medusa_pipelines.orchestration.resources import ShopConnection
from erp_medusa_pipelines.orchestration.runs.failures import PERMANENT, RETRY_AFTER
from erp_medusa_pipelines.orchestration.runs.process import time_limit
from erp_medusa_pipelines.orchestration.runs.work import first_batch_of, only_batch_of
from erp_medusa_pipelines.orchestration.shops import asset_name
from erp_medusa_pipelines.orchestration.tables import table
from erp_medusa_pipelines.plan.changes import Change
from erp_medusa_pipelines.settings import SettingsError
from erp_medusa_pipelines.sync.engine.batch_sync import BatchScope, SyncOptions
from erp_medusa_pipelines.sync.engine.batches import Batch, batch_keys, batch_of_key
from erp_medusa_pipelines.sync.engine.brake import Guard, Limit, MassLossError, Memory
from erp_medusa_pipelines.sync.engine.quarantine import Quarantine
from erp_medusa_pipelines.sync.engine.report import Reject, SyncReport, refused_alike
from erp_medusa_pipelines.sync.shop.families import NONE, Families, read_families

NAMES_KEPT = 5000
"""Names of rejected documents in a check's metadata beyond its table."""

ROWS_SHOWN = 200
"""Rejects shown in a table; all of them are kept and counted."""

SECONDS_BETWEEN_PROGRESS = 1.0


class SyncConfig(dg.Config):
    """Launchpad config for one run."""

    retry_rejected: bool = Field(
        default=False, description="Send documents again that were rejected before and have not changed since"
    )


def check_spec(asset: str) -> dg.AssetCheckSpec:
    """Build the check that fails while documents of any batch are rejected."""
    return dg.AssetCheckSpec(
        CHECK,
        asset=asset,
        description="No document is held back because a server refused it. The table says which, and why.",
    )


@dataclass(frozen=True)
class OverBatches:
    """What the latest runs of all batches found: numbers added up, and the first rows."""

    numbers: Mapping[str, int]
    rows: Sequence[Sequence[Any]]


@dataclass
class SyncRun:
    """One asset's run: the open shop, its report, and the documents held back by earlier runs."""

    context: dg.AssetExecutionContext
    shop: Shop
    report: SyncReport
    quarantine: Quarantine
    options: SyncOptions
    doctype: str

    def load_quarantine(self, *, retry_all: bool) -> None:
        """Load the quarantine of earlier runs of this batch."""
        held = state.load(self.context.instance, self._state_key(self._own_batch))
        self.quarantine = Quarantine.from_json(held, retry_all=retry_all)

    @property
    def batch(self) -> Batch:
        """The batch that this run is for. Raises Failure for a run that does not have exactly one."""
        key = self._own_batch
        if key is None:
            raise _not_one_batch(self.context)
        batch = batch_of_key(key, self.shop.settings.export_batches, self.shop.items)
        if self.families is NONE:
            return batch
        named = frozenset(name for name in batch.items if batch.contains(name))
        gathered = self.families.around(named) if batch.items else None
        return replace(batch, home=self.families.home, gathered=gathered)

    @property
    def families(self) -> Families:
        """The templates that are one product with their variants; none with VARIANTS=products."""
        return read_families(self.shop.erp, self.shop.settings.variants)

    @property
    def scope(self) -> BatchScope:
        """Build the scope of a sync of this batch."""
        return BatchScope(self.shop.erp, self.shop.medusa, self.batch, self.quarantine, self.report, self.options)

    def guard(self, limit: Limit, *, allowed: bool) -> Guard:
        """Build the guard of this run's losses. Its memory lasts from run to run."""
        batch = self._own_batch
        memory = Memory(limit.name, batch or "", state.Values(self.context.instance))
        batches = self.shop.settings.export_batches if batch else 1
        return Guard(limit, memory, allowed=allowed, batches=batches, named=bool(self.shop.items))

    def result(
        self,
        *,
        metadata: Mapping[str, Any] = MappingProxyType({}),
        checks: Sequence[dg.AssetCheckResult] = (),
        value: Any = None,
        outage: bool = False,
        stopped: MassLossError | None = None,
    ) -> dg.MaterializeResult:
        """Return the materialization; raises Failure when documents are left for a retry, or a guard `stopped` losses.

        What is held back is kept for the next run in either case. `metadata` and `checks` come on top of what every
        sync reports. `value` is kept by the IO manager for the assets that load it; None keeps nothing. Where the
        asset has the tag CONTINUES, a separate step fails instead, after which the run goes on (leftovers.py), unless
        a server is out or asks for a pause.
        """
        shown = {**self._metadata(), **metadata}
        if self._holds_documents:
            if self.shop.items:
                self.quarantine.keep_unmet()
            state.save(self.context.instance, self._state_key(self._own_batch), self.quarantine.to_json())
            checks = [self._check(), *checks]
        self._log_rejects()
        self.context.log.info("done: %s", ", ".join(f"{key} {number}" for key, number in self._numbers().items()))
        if stopped:
            raise dg.Failure(str(stopped), metadata={**shown, PERMANENT: True}, allow_retries=False) from stopped
        ends = outage or self.report.retry_after or not continues(self.context.assets_def, self.context.asset_key)
        if self.report.leftovers and ends:
            raise self._failure(shown)
        if self.report.leftovers:
            shown[LEFT_OVER] = self._left_over()
        kept = {} if value is None else {"value": value}
        return dg.MaterializeResult(metadata=shown, check_results=list(checks), **kept)

    def over_batches(self, key: str, numbers: Mapping[str, int], rows: Sequence[Sequence[Any]]) -> OverBatches:
        """Keep what this run found of its batch under `key`, and return it together with what the others found last."""
        instance, own = self.context.instance, self._own_batch
        state.save(instance, f"{key}/{own}", {"numbers": dict(numbers), "rows": [*rows[:ROWS_SHOWN]]})
        batches = batch_keys(self.shop.settings.export_batches) if own else [own]
        found = [state.load(instance, f"{key}/{batch}") for batch in batches]
        sums = {name: sum(each.get("numbers", {}).get(name, 0) for each in found) for name in numbers}
        return OverBatches(sums, [row for each in found for row in each.get("rows", ())][:ROWS_SHOWN])

    def item_table(self, columns: Sequence[str], rows: Sequence[Sequence[Any]]) -> dg.TableMetadataValue:
        """Build a table of rows that begin with a Website Item; a link to it follows."""
        address, names = self.shop.erp.http.base_url, (*columns, "link")
        linked = [(*row, document_url(address, WEBSITE_ITEM, row[0])) for row in rows]
        return table([dict(zip(names, row, strict=True)) for row in linked], names)

    def _log_rejects(self) -> None:
        fresh = [reject for reject in self.report.rejects if not reject.held]
        if self.shop.record:
            self.shop.record.add(*map(_refusal, fresh))
        for reject in fresh[:ROWS_SHOWN]:
            self.context.log.warning("rejected: %s %s: %s", reject.doctype, reject.name, reject.reason)
        if len(fresh) > ROWS_SHOWN:
            self.context.log.warning("and %d more rejects", len(fresh) - ROWS_SHOWN)

    def _check(self) -> dg.AssetCheckResult:
        """Return one result for the whole asset: a batch without rejects must not hide another's."""
        rejects = list(self.report.rejects)
        for key in batch_keys(self.shop.settings.export_batches) if self._own_batch else ():
            if key != self._own_batch:
                held = Quarantine.from_json(state.load(self.context.instance, self._state_key(key)))
                rejects += [
                    Reject(self.doctype, name, entry.reason, entry.field, held=True) for name, entry in held.entries()
                ]
        # New ones first: the table shows their reasons, however many are held.
        rejects.sort(key=lambda reject: reject.held)
        names = [f"{reject.doctype} {reject.name}" for reject in rejects[:NAMES_KEPT]]
        beyond = {DOCUMENTS: dg.MetadataValue.json(names)} if len(rejects) > ROWS_SHOWN else {}
        alike = self._refused_alike()
        return dg.AssetCheckResult(
            passed=not rejects,
            check_name=CHECK,
            # A warning: the document waits for somebody, and nothing of the others is lost. Lost work is an error.
            severity=dg.AssetCheckSeverity.ERROR if alike else dg.AssetCheckSeverity.WARN,
            metadata={NUMBER: len(rejects), **({ALIKE: alike} if alike else {}), **self._table(rejects), **beyond},
        )

    def _refused_alike(self) -> str:
        """Return what is refused so often that it is no matter of single documents, over all batches; mostly ""."""
        found = max(self.report.counts["found"], len(self.report.rejects))
        kinds = refused_alike(self.report.rejects, found, self.shop.settings.alike_rejects_percent)
        where = f" in {self._own_batch}" if self._own_batch else ""
        lines = [[f"{number} of {found}{where}: {reason}"] for reason, number in kinds]
        everywhere = self.over_batches(f"alike/{asset_name(self.context.asset_key)}", {}, lines)
        return "\n".join(line for (line,) in everywhere.rows)

    @property
    def _holds_documents(self) -> bool:
        """Return whether the asset quarantines single documents, and so has the check on them."""
        return any(key.name == CHECK for key in self.context.assets_def.check_keys)

    @property
    def _own_batch(self) -> str | None:
        return only_batch_of(self.context.run)

    def _state_key(self, batch: str | None) -> str:
        return quarantine_key(asset_name(self.context.asset_key), batch)

    def _failure(self, metadata: Mapping[str, Any]) -> dg.Failure:
        pause = self.report.retry_after
        text = self._left_over()
        if pause:
            text += f". The server asks for a pause of {pause:.0f} s"
        more = {RETRY_AFTER: pause} if pause else {}
        return dg.Failure(text, metadata={**metadata, **more}, allow_retries=False)

    def _left_over(self) -> str:
        left = self.report.leftovers
        found = self.report.counts["found"]
        # Where reading failed, nothing of it was found.
        number = f"{len(left)} of {found}" if found >= len(left) else f"{len(left)}"
        text = f"{number} documents failed temporarily and are left for a"
        return text + f" retry; the first: {left[0].doctype} {left[0].name}: {left[0].reason}"

    def _numbers(self) -> dict[str, int | float]:
        report = self.report
        seconds = report.seconds
        finished = sum(report.counts[key] for key in ("written", "adopted", "updated", "unchanged", "sent"))
        return {
            # Always there, also as zero: the UI plots a number over the runs that report it.
            **{key: report.counts[key] for key in ("found", "written", "adopted", "updated", "unchanged", "waiting")},
            **{key: value for key, value in sorted(report.counts.items()) if value},
            NUMBER: len(report.rejects),
            "left": len(report.leftovers),
            "requests": self.shop.requests_sent,
            **self._rate_limits(),
            "seconds": round(seconds, 3),
            "items_per_second": round(finished / seconds, 1) if seconds else 0.0,
        }

    def _rate_limits(self) -> dict[str, int | float]:
        """Return what is left of the servers' rate limits, and what the run did for them; empty without any."""
        shown: dict[str, int | float] = {}
        for http in (self.shop.erp.http, self.shop.medusa.http):
            if http.rate_limit:
                name = http.service.lower()
                shown[f"{name}_rate_limit_left_percent"] = round(100 * http.rate_limit.share, 1)
                shown[f"{name}_slowed_seconds"] = round(http.seconds_slowed, 1)
            if http.counts["too_many"]:
                shown[f"{http.service.lower()}_refused_too_many"] = http.counts["too_many"]
        return shown

    def _metadata(self) -> dict[str, Any]:
        report = self.report
        return {**self._numbers(), **report.facts, "target": self.shop.target, **self._table(report.rejects)}

    def _table(self, rejects: list[Reject]) -> dict[str, Any]:
        if not rejects:
            return {}
        rows = [
            {
                "document": f"{reject.doctype} {reject.name}",
                "field": reject.field,
                "reason": reject.reason,
                "held": "since an earlier run" if reject.held else "",
                "link": self._link(reject),
            }
            for reject in rejects[:ROWS_SHOWN]
        ]
        return {TABLE: table(rows, rows[0].keys())}

    def _link(self, reject: Reject) -> str:
        """Return where to correct it: in ERPNext's desk, or in Medusa's admin, which has no page for carts."""
        if page := ADMIN_PAGES.get(reject.name.partition("_")[0]):
            return f"{self.shop.medusa.http.base_url}/app/{page}/{reject.name}"
        if reject.name.startswith("cart_"):
            return ""
        return document_url(self.shop.erp.http.base_url, reject.doctype, reject.name)


def _not_one_batch(context: dg.AssetExecutionContext) -> dg.Failure:
    """Say how to start it. Of a range the retry sensor starts each batch; without any there is nothing to try again."""
    of_range = first_batch_of(context.run) is not None
    asset = asset_name(context.asset_key)
    text = f"{asset} works on one batch at a time, and this run has {'several' if of_range else 'none'}"
    advice = "name one: `--partition batch_0` on the command line, or Materialize on the asset's page"
    return dg.Failure(f"{text}; {advice}", metadata={PERMANENT: not of_range}, allow_retries=False)


def _refusal(reject: Reject) -> Change:
    return Change("ERPNext", "refuse", reject.doctype, reject.name, {reject.field: reject.reason}, reject.name)


@contextmanager
def sync_run(
    context: dg.AssetExecutionContext, connection: ShopConnection, config: SyncConfig, doctype: str
) -> Iterator[SyncRun]:
    """Open the shop for one run of an asset that works on documents of `doctype`.

    An error that concerns the whole run ends it as a Failure which says whether a retry can help.
    """
    with time_limit(context), _failures_for_the_retry_sensor(), connection.open() as shop:
        settings = shop.settings
        run = SyncRun(
            context=context,
            shop=shop,
            doctype=doctype,
            report=SyncReport(progress=_progress_log(context)),
            quarantine=Quarantine(),
            options=SyncOptions(
                window=settings.erpnext_read_chunk,
                chunk=settings.medusa_chunk,
                chunk_bytes=settings.medusa_chunk_bytes,
                parallel=settings.medusa_parallel_calls,
            ),
        )
        run.load_quarantine(retry_all=config.retry_rejected)
        (context.log.warning if settings.uses_sandbox else context.log.info)("start: %s", shop.target)
        try:
            yield run
        finally:
            for http in (shop.erp.http, shop.medusa.http):
                rate_limits.note(context.instance, http)


@contextmanager
def _failures_for_the_retry_sensor() -> Iterator[None]:
    try:
        yield
    except (SettingsError, PermanentError, MassLossError) as error:
        raise dg.Failure(str(error), metadata={PERMANENT: True}, allow_retries=False) from error
    except TransientError as error:
        pause = {RETRY_AFTER: error.retry_after} if error.retry_after else {}
        raise dg.Failure(str(error), metadata=pause, allow_retries=False) from error


ADMIN_PAGES = {"cus": "customers", "prod": "products"}
"""Pages of Medusa's admin by the beginning of an id."""


def document_url(base_url: str, doctype: str, name: str) -> str:
    """Return the address of a document in ERPNext's desk."""
    return f"{desk_url(base_url, doctype)}/{quote(name, safe='')}"


def _progress_log(context: dg.AssetExecutionContext) -> Any:
    """Build a listener that logs progress, no more often than an operator can read.

    Threads report in any order: a number below the last one is old.
    """
    lock = threading.Lock()
    last, most = time.monotonic(), 0

    def listener(done: int, total: int) -> None:
        nonlocal last, most
        with lock:
            now = time.monotonic()
            if done > most and now - last >= SECONDS_BETWEEN_PROGRESS:
                last, most = now, done
                context.log.info("%d of %d", done, total)

    return listener
