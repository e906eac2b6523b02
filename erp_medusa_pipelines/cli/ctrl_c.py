"""Ctrl-C ends a command within seconds, also while a server takes its time.

What happens beside the main thread, which waits for its workers and they for their answers. What is said at the end is
in frame.py. Dagster sets a signal handler of its own while a run works, so that none of ours would be called; Python
tells a file descriptor of every signal whoever handles it.
"""

import signal
import socket
import threading
import time

from erp_medusa_pipelines.clients.http import stop_all

SECONDS_TO_END = 5.0
"""For requests under way: most end well in that time, and their ids are kept."""


def listen_for_ctrl_c() -> None:
    """Start the thread that closes all connections some seconds after Ctrl-C."""
    heard, told = socket.socketpair()
    told.setblocking(False)
    signal.set_wakeup_fd(told.fileno(), warn_on_full_buffer=False)
    threading.Thread(target=_end_after_ctrl_c, args=(heard, told), name="ctrl-c", daemon=True).start()


def _end_after_ctrl_c(heard: socket.socket, _told: socket.socket) -> None:
    while signal.SIGINT not in heard.recv(64):
        pass
    time.sleep(SECONDS_TO_END)
    stop_all()
