"""The operator's command `erp-medusa`: one module per command, and what they share.

`frame.py` makes a function a command, with `--json`, `--debug`, exit codes and errors in one sentence; `output.py` has
answers and tables, `shop.py` the connection, `home.py` the installation. What a command finds out or does is in
readiness/, plan/ and orchestration/, so that the UI has it as well; take-over and hand-back are here alone, because
Dagster is one of the two sides that they switch.
"""
