"""Names and descriptions of Item Groups in further languages, for their collections and categories."""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

from erp_medusa_pipelines.clients.medusa_translations import MedusaTranslations
from erp_medusa_pipelines.sync.catalogue.fields import Row
from erp_medusa_pipelines.sync.catalogue.languages import Translator
from erp_medusa_pipelines.sync.catalogue.translations import KEY, DocumentTexts, Texts, places_of, texts_of, write_texts
from erp_medusa_pipelines.sync.engine.report import SyncReport

DOCTYPE = "Item Group"


@dataclass(frozen=True)
class GroupTexts:
    """The texts of one kind of document: `names` are its fields, first that of the name."""

    kind: str
    names: tuple[str, ...]
    translator: Translator | None = None
    module: MedusaTranslations | None = None

    def metadata(self, group: Row) -> dict[str, Any]:
        """Return the part of the metadata that has the texts, or the note of them. "" removes it."""
        if self.translator is None:
            return {}
        wanted = self.translator.of_group(group, self.names)
        return {KEY: self._of(self.module, wanted, {}).note if self.module else wanted or ""}

    def write(self, report: SyncReport, documents: Iterable[tuple[Row, Row]]) -> None:
        """Write the texts of these Item Groups' documents to Medusa's translations, if they are kept there.

        Of documents that exist before their metadata is: what is noted there says which texts are ours.
        """
        if self.translator is not None and self.module is not None:
            found = [
                (group["name"], self._of(self.module, self.translator.of_group(group, self.names), document))
                for group, document in documents
            ]
            write_texts(self.module, report, DOCTYPE, found)

    def _of(self, module: MedusaTranslations, wanted: Texts, document: Row) -> DocumentTexts:
        places = places_of(self.kind, {"id": "", **document}, self.names)
        return texts_of(module, document, places, wanted)
