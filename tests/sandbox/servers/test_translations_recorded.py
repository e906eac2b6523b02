"""The embedded Medusa's Translation module answers as a real Medusa 2.21.2 did that had it on.

`contract/medusa_translations.json` is one conversation with an empty shop. It is held again, with the ids that the
embedded Medusa gives in place of those that the real one gave.
"""

import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import requests

from tests.support.servers import MedusaServer, embedded_medusa

PAIRS = json.loads((Path(__file__).parent / "contract" / "medusa_translations.json").read_text(encoding="utf-8"))
ID = re.compile(r"\b(?:trans|prod|pcat|pcol|opt|optval|variant|trset)_[0-9A-Z]{26}\b")


class Conversation:
    """Asks what was asked, and knows which id stands for which."""

    def __init__(self, medusa: MedusaServer) -> None:
        self.medusa = medusa
        self.ids: dict[str, str] = {}

    def answer(self, request: dict[str, Any]) -> tuple[int, Any]:
        asked = json.loads(self.live(json.dumps(request)))
        path = asked["path"]
        key = {"x-publishable-api-key": self.medusa.publishable_key} if path.startswith("/store") else {}
        found = requests.request(
            asked["method"],
            self.medusa.url + path,
            headers={**asked["headers"], **key},
            auth=None if key else (self.medusa.api_key, ""),
            json=asked["body"],
            timeout=30,
        )
        return found.status_code, found.json()

    def live(self, text: str) -> str:
        return ID.sub(lambda match: self.ids.get(match[0], match[0]), text)

    def learn(self, recorded: Any, live: Any) -> None:
        if isinstance(recorded, dict) and isinstance(live, dict):
            for key in recorded.keys() & live.keys():
                self.learn(recorded[key], live[key])
        elif isinstance(recorded, list) and isinstance(live, list):
            for one, other in zip(recorded, live, strict=False):
                self.learn(one, other)
        elif isinstance(recorded, str) and isinstance(live, str) and ID.fullmatch(recorded):
            self.ids.setdefault(recorded, live)


@pytest.fixture
def conversation() -> Iterator[Conversation]:
    with embedded_medusa(translations=True) as medusa:
        yield Conversation(medusa)


def test_the_same_is_answered(conversation: Conversation) -> None:
    for pair in PAIRS:
        status, body = conversation.answer(pair["request"])
        assert status == pair["response"]["status"], pair["name"]
        conversation.learn(pair["response"]["body"], body)
        wanted = json.loads(conversation.live(json.dumps(pair["response"]["body"])))
        assert body == wanted, pair["name"]
