"""Single pictures, of Item Groups and of variants, whose address is noted beside a hash of where they came from.

Medusa's categories have no place for one but their metadata, where a storefront reads it; variants have a thumbnail.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from erp_medusa_pipelines.clients.erpnext import ErpNextClient
from erp_medusa_pipelines.clients.failures import PermanentError
from erp_medusa_pipelines.clients.medusa import MedusaClient
from erp_medusa_pipelines.sync.catalogue.fields import short_hash
from erp_medusa_pipelines.sync.catalogue.image_files import (
    BrokenImageError,
    check_address,
    check_type,
    encoded,
    is_remote,
    named_type,
    upload_name,
)
from erp_medusa_pipelines.sync.engine.report import Reject, SyncReport

PICTURE_KEY = "image"
"""Key in a category's metadata, and in what is noted: the address of the picture."""
SENT_KEY = "erp_image"
"""Key in the metadata: hash of the path in ERPNext that this address was made of."""


@dataclass(frozen=True)
class NotedPictures:
    """Brings pictures to Medusa, each path once. The path may be private, so only its hash is noted."""

    erp: ErpNextClient
    medusa: MedusaClient
    report: SyncReport
    most_bytes: int

    def metadata(self, group: Mapping[str, Any], stored: Mapping[str, Any]) -> dict[str, str]:
        """Return what to note of an Item Group's picture."""
        return self.note("Item Group", group["name"], str(group["image"] or ""), stored)

    def note(self, doctype: str, name: str, path: str, stored: Mapping[str, Any]) -> dict[str, str]:
        """Return what to note of a document's picture; nothing where it is noted already, or cannot be shown.

        Raises TransientError.
        """
        sent = short_hash(path) if path else ""
        if stored.get(SENT_KEY, "") == sent:
            return {}
        if not path:
            return {PICTURE_KEY: "", SENT_KEY: ""}
        try:
            return {PICTURE_KEY: self._address(path), SENT_KEY: sent}
        except (BrokenImageError, PermanentError) as error:
            reason = error.reason if isinstance(error, PermanentError) else str(error)
            self.report.reject(Reject(doctype, name, f"{reason}; it is shown without it", "image"))
            return {}

    def _address(self, path: str) -> str:
        if is_remote(path):
            check_type(named_type(path))
            return encoded(path)
        check_address(path)
        content = self.erp.download(path, limit=self.most_bytes)
        name, kind = upload_name(content, named_type(path))
        return self.medusa.upload([(name, content, kind)])[0]["url"]
