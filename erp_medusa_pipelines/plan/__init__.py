"""What a run would do, and what it did, as changes of documents.

A plan is the task's own code on other clients: `medusa.py` and `erpnext.py` read the real servers, write down what is
sent to them, and answer later reads as if it had been stored; `mail.py` is the sender that sends nothing.
`recording.py` sends, and writes down the same: that is the history. `routes.py` is the one table of Medusa's routes,
with what a plan answers to each and which documents a request changes. `rows.py` turns changes into document, field,
old and new value; `drift.py` reads the rows as differences between both servers, and since when, `reasons.py`
what a price and a quantity are made of.

Add a route here when a client in `clients/` writes to a new one; a test names those that are missing.
"""
