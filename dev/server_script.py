"""The project's Server Script on an embedded ERPNext.

What an administrator does by hand in the desk. The script's text comes from the package.
"""

from erp_medusa_pipelines.clients.writable import SERVER_SCRIPT_METHOD, server_script_text
from erp_medusa_sandbox.erpnext.store import ErpStore


def install_server_script(store: ErpStore) -> None:
    """Insert the Server Script as a document."""
    store.insert(
        "Server Script",
        name=SERVER_SCRIPT_METHOD,
        script_type="API",
        api_method=SERVER_SCRIPT_METHOD,
        script=server_script_text(),
    )
