"""What both servers must have for the tasks: the doctor checks it, the setup creates it.

A check is a function of the open shop that yields findings: what was found, what that means, how to fix it. `doctor.py`
lists the checks in the order in which an operator fixes things; `needs.py` has the tables that both work from. A check
whose right is missing yields nothing, because the check of rights says so; whatever else a server refuses is a finding.
"""
