"""What every sync has in common. Knows no DocType.

A `BatchSync` reads documents in windows, sends them in chunks (`delivery.py`: all or nothing calls, bisected until a
bad document stands alone), and gives up on a server that does not answer (`stages.py`). What was refused is held
(`quarantine.py`), what would be lost is judged (`brake.py`), and what happened is counted (`report.py`).

Add here what a second domain needs too, never what one of them knows of its documents.
"""
