"""Send the requests of a subject to an ERPNext, and record its answers.

    python -m tests.contract.erpnext.record rights

Only the REST API is used, with the address and the key of the environment (ERPNEXT_URL, ERPNEXT_API_KEY,
ERPNEXT_API_SECRET: a user with System Manager and every role that the subject's first questions need). What a subject
makes on the site it deletes again at its end. README.md beside this file says how a subject is written.
"""

import json
import os
import re
import sys
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import requests

HERE = Path(__file__).parent
SECRET_KEYS = frozenset({"api_secret"})
# Differ with every call, whatever is asked.
VOLATILE = frozenset({"exc", "_debug_messages", "creation", "modified", "modified_by", "owner", "idx", "docstatus"})
TIME = re.compile(r"\d{4}-\d\d-\d\d \d\d:\d\d:\d\d(\.\d+)?")
Json = Any
Pair = dict[str, Any]


def subjects() -> list[str]:
    """The names of all subjects."""
    return sorted(path.stem for path in HERE.glob("*.json"))


def pairs(subject: str) -> list[Pair]:
    """The questions of a subject with their recorded answers."""
    return json.loads((HERE / f"{subject}.json").read_text(encoding="utf-8"))


@dataclass
class Recorder:
    """Asks one server; remembers what later questions refer to as `$name`."""

    url: str
    keys: dict[str, tuple[str, str]]
    kept: dict[str, str] = field(default_factory=dict)

    def ask(self, pair: Pair) -> Pair:
        """Ask one question and return the answer as it is kept."""
        request = self.filled(pair["request"])
        headers = {"Accept": "application/json"}
        user = pair.get("user", "admin")
        if user != "guest":
            key, secret = self.keys.get(user) or (self.kept[f"{user}_key"], self.kept[f"{user}_secret"])
            headers["Authorization"] = f"token {key}:{secret}"
        query = {key: _text(value) for key, value in request.get("query", {}).items()}
        answer = requests.request(
            request["method"],
            self.url + request["path"],
            params=query,
            json=request.get("body"),
            headers=headers,
            timeout=120,
        )
        body = answer.json()
        for name, path in pair.get("keep", {}).items():
            self.kept[name] = str(_at(body, path))
        return {"status": answer.status_code, "body": self._readable(body, pair.get("show"))}

    def filled(self, value: Json) -> Json:
        """Replace `$name` with the remembered value."""
        if isinstance(value, dict):
            return {key: self.filled(item) for key, item in value.items()}
        if isinstance(value, list):
            return [self.filled(item) for item in value]
        if isinstance(value, str):
            return re.sub(r"\$(\w+)", lambda found: self.kept.get(found[1], found[0]), value)
        return value

    def _readable(self, body: Json, show: list[str] | None) -> Json:
        """Remove what differs from call to call, and of long answers all but what the question asks for."""
        if show is not None and "exc_type" not in body:
            body = {path: _at(body, path) for path in show}
        if "_server_messages" in body:
            output = [json.loads(message) for message in json.loads(body["_server_messages"])]
            body = {**body, "_server_messages": [message["message"] for message in output]}
        return self._plain(body)

    def _plain(self, value: Json) -> Json:
        if isinstance(value, dict):
            return {
                key: "..." if key in SECRET_KEYS else self._plain(item)
                for key, item in value.items()
                if key not in VOLATILE
            }
        if isinstance(value, list):
            return [self._plain(item) for item in value]
        if not isinstance(value, str):
            return value
        for name, kept in self.kept.items():
            if len(kept) > 5:
                value = value.replace(kept, f"${name}")
        return TIME.sub("<time>", value)


def _text(value: Json) -> str:
    return value if isinstance(value, str) else json.dumps(value)


def _at(body: Json, path: str) -> Json:
    for part in path.split("."):
        body = body[int(part)] if isinstance(body, list) else body.get(part) if body is not None else None
    return body


def main() -> None:
    """Record the subjects named on the command line."""
    keys = {"admin": (os.environ["ERPNEXT_API_KEY"], os.environ["ERPNEXT_API_SECRET"])}
    for subject in sys.argv[1:]:
        recorder = Recorder(os.environ["ERPNEXT_URL"], keys)
        recorded = [{**pair, "response": recorder.ask(pair)} for pair in pairs(subject)]
        lines = ",\n".join(json.dumps(pair, ensure_ascii=False) for pair in recorded)
        (HERE / f"{subject}.json").write_text(f"[\n{lines}\n]\n", encoding="utf-8")
        print(f"{subject}: {len(recorded)} answers")


if __name__ == "__main__":
    main()
