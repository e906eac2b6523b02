"""What Dagster shows: thin assets that call one function of sync/ and report its result.

A module per task or per part of the export. It shows its assets as `ASSETS`, or as `build_assets(batches)` where they
work on batches; `discovery.py` finds it. `reporting.py` opens the shop for an asset and turns a sync's report into
numbers, tables, checks and failures; `links.py` says what an asset writes, `leftovers.py` fails a run at its end.

Add an asset here when a task is added to tasks.py; what it does goes into sync/.
"""
