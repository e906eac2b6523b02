"""Errors of the embedded Medusa, with the shapes and texts of the real one.

Error classes, their JSON, and the checks of request bodies with their messages. Which fields a route takes belongs to
the module of that route.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

from starlette.responses import HTMLResponse, JSONResponse, Response

Path = tuple[str | int, ...]
Check = Callable[[Any, Path, list[str]], None]


class MedusaError(Exception):
    """Ends a request with a status and a body `{type, message[, code]}`."""

    def __init__(self, status: int, kind: str | None, message: str, code: str | None = None) -> None:
        """Keep the status and the body that is answered; `kind` is the body's `type`."""
        super().__init__(message)
        self.status = status
        self.body = {"code": code, "type": kind, "message": message}

    def response(self) -> Response:
        """Return the answer."""
        return JSONResponse({k: v for k, v in self.body.items() if v is not None}, status_code=self.status)


def invalid(message: str) -> MedusaError:
    """Return the 400 for data that is refused."""
    return MedusaError(400, "invalid_data", message)


def not_found(message: str) -> MedusaError:
    """Return the 404 for what does not exist."""
    return MedusaError(404, "not_found", message)


def no_such_relation(field: str, identifier: str) -> MedusaError:
    """Return the 404 for an id in a body that points at nothing."""
    return not_found(f"You tried to set relationship {field}: {identifier}, but such entity does not exist")


def unknown_error() -> MedusaError:
    """Return Medusa's 500, for its own errors and some of the caller's."""
    return MedusaError(500, "unknown_error", "An unknown error occurred.", "unknown_error")


def no_route(method: str, path: str) -> Response:
    """Return Express's page for an unknown path or method."""
    return HTMLResponse(
        '<!DOCTYPE html>\n<html lang="en">\n<head>\n<meta charset="utf-8">\n<title>Error</title>\n</head>\n<body>\n'
        f"<pre>Cannot {method} {path}</pre>\n</body>\n</html>\n",
        status_code=404,
    )


# -- checks of request bodies -----------------------------------------------------------------------------------


def validate(body: Any, check: Check) -> dict[str, Any]:
    """Return the body itself if it passes; otherwise raise every complaint at once."""
    issues: list[str] = []
    check(body, (), issues)
    if issues:
        raise invalid(f"Invalid request: {'; '.join(issues)}")
    return body


def unrecognized(names: list[str]) -> str:
    """Return the complaint about unknown fields."""
    return f"Unrecognized fields: '{', '.join(names)}'"


def expected_type(kind: str, path: Path, value: Any) -> str:
    """Return the complaint about a value of the wrong type."""
    return f"Expected type: '{kind}' for field '{_at(path)}', got: '{_shown(value)}'"


def _at(path: Path) -> str:
    return ", ".join(str(part) for part in path)


def _shown(value: Any) -> str:
    return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)


def _typed(kind: str, accepts: Callable[[Any], bool], nullable: bool) -> Check:
    def check(value: Any, path: Path, issues: list[str]) -> None:
        if not accepts(value) and not (nullable and value is None):
            issues.append(expected_type(kind, path, value))

    return check


def _is_number(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)


STRING = _typed("string", lambda value: isinstance(value, str), nullable=False)
TEXT = _typed("string", lambda value: isinstance(value, str), nullable=True)
BOOLEAN = _typed("boolean", lambda value: isinstance(value, bool), nullable=False)
NUMBER = _typed("number", _is_number, nullable=True)
METADATA = _typed("object", lambda value: isinstance(value, dict), nullable=True)


def amount(value: Any, path: Path, issues: list[str]) -> None:
    """Check money. A string is refused with the text for a missing field."""
    if not _is_number(value):
        issues.append(f"Field '{_at(path)}' is required")


def quantity(value: Any, path: Path, issues: list[str]) -> None:
    """Check a number that is not below zero."""
    if not _is_number(value):
        issues.append(expected_type("number", path, value))
    elif value < 0:
        issues.append(f"Value for field '{_at(path)}' too small, expected at least: '0'")


def one_of(*values: str) -> Check:
    """Return the check for one of several texts."""

    def check(value: Any, path: Path, issues: list[str]) -> None:
        if value not in values:
            issues.append(f"Expected: '{', '.join(values)}' for field '{_at(path)}', but got: '{_shown(value)}'")

    return check


def array(item: Check) -> Check:
    """Return the check for a list whose elements pass `item`."""

    def check(value: Any, path: Path, issues: list[str]) -> None:
        if not isinstance(value, list):
            issues.append(expected_type("array", path, value))
            return
        for index, element in enumerate(value):
            item(element, (*path, index), issues)

    return check


def fields(shape: dict[str, Check], *, required: tuple[str, ...] = (), strict: bool = True) -> Check:
    """Return the check for an object. Complaints come in the order of the shape, unknown fields last."""

    def check(value: Any, path: Path, issues: list[str]) -> None:
        if not isinstance(value, dict):
            issues.append(f"Field '{_at(path)}' is required" if not path else expected_type("object", path, value))
            return
        for name, inner in shape.items():
            if name in value:
                inner(value[name], (*path, name), issues)
            elif name in required:
                issues.append(f"Field '{_at((*path, name))}' is required")
        unknown = [name for name in value if name not in shape]
        if strict and unknown:
            issues.append(unrecognized(unknown))

    return check


def removed(message: str) -> Check:
    """Return the check that refuses a field of older versions with its own text."""

    def check(_value: Any, _path: Path, issues: list[str]) -> None:
        issues.append(message)

    return check
