"""How we talk to ERPNext and Medusa. Knows no task, and computes nothing with tables.

`http.py` sends, and `failures.py` judges what comes back: each error is transient, permanent, or not the server's own
answer (`origin.py`), with words for people. `erpnext.py` and `erpnext_writes.py` speak Frappe's REST API; `medusa.py`
and its neighbours have the routes of Medusa's Admin API, a module per resource. Who belongs to which group and what is
sent is decided in sync/.

Add a route here when a task needs it, and to the table in plan/routes.py when it writes. Act on a text only when it was
recorded (`refusals.py`).
"""
