"""How runs behave, in Dagster's terms: schedules/, sensors/, checks/, runs/, and what they share. No work on a shop.

`jobs.py` makes a job of each row of tasks.py. `state.py` keeps small values in Dagster's storage, `history.py` what
runs changed; `shops.py` names what belongs to which shop, `tables.py` shows rows. `dagster_internals.py` is all that is
used of Dagster beyond its public API.
"""
