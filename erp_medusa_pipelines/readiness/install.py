"""Create on an ERPNext site what needs.py lists, with an administrator's key.

One step per thing, each of which looks before it creates, so that a second run creates nothing and a killed run is
continued. Nothing that exists is changed.

Rights are given through ERPNext's own permission manager. It copies the standard rules of a DocType first; a Custom
DocPerm of one's own, inserted alone, would take the DocType from everybody else.
"""

from collections.abc import Callable, Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

from erp_medusa_pipelines.clients.erpnext import ErpNextClient
from erp_medusa_pipelines.clients.failures import AccessError, ApiError, PermanentError
from erp_medusa_pipelines.clients.refusals import FIELD_EXISTS
from erp_medusa_pipelines.clients.several_lists import LISTS_METHOD, lists_script_text
from erp_medusa_pipelines.clients.writable import SERVER_SCRIPT_METHOD, server_script_text
from erp_medusa_pipelines.readiness import needs
from erp_medusa_pipelines.readiness.fields import missing_fields

PERMISSIONS = "frappe.core.page.permission_manager.permission_manager"
PERMLEVEL = 0


class State(StrEnum):
    """The outcome of a step. MISSING: would be made (dry run). LEFT: exists in another form; see `found`."""

    THERE = "there"
    MISSING = "missing"
    MADE = "made"
    LEFT = "left"
    FAILED = "failed"


@dataclass(frozen=True)
class Outcome:
    """One step: its subject, its outcome, and the reason if there is one."""

    area: str
    name: str
    state: State
    found: str = ""


@dataclass(frozen=True)
class Step:
    """One thing to create: `look` returns what is missing ("" for nothing), `make` creates it.

    `left` returns why an existing form of it is not touched, or "".
    """

    area: str
    name: str
    look: Callable[[], str]
    make: Callable[[], None]
    left: Callable[[], str] = lambda: ""


def carry_out(steps: Iterable[Step], *, dry_run: bool) -> Iterator[Outcome]:
    """Look, create what is missing, look again. A failed step stops no other."""
    for step in steps:
        try:
            yield _carry_out(step, dry_run=dry_run)
        except ApiError as error:
            yield Outcome(step.area, step.name, State.FAILED, str(error))


def _carry_out(step: Step, *, dry_run: bool) -> Outcome:
    left = step.left()
    if left:
        return Outcome(step.area, step.name, State.LEFT, left)
    missing = step.look()
    if not missing:
        return Outcome(step.area, step.name, State.THERE)
    if dry_run:
        return Outcome(step.area, step.name, State.MISSING, missing)
    step.make()
    still = step.look()
    if still:
        return Outcome(step.area, step.name, State.FAILED, f"was made, but is still missing: {still}")
    return Outcome(step.area, step.name, State.MADE, missing)


def steps_of_site(erp: ErpNextClient, *, update_script: bool, on: Collection[str] = ()) -> Iterator[Step]:
    """Return every step but the user, each after those that it needs. `on` are the settings that ask for rights."""
    for doctype, body in needs.DOCTYPES.items():
        yield _doctype(erp, doctype, body)
    yield _homepage(erp)
    for doctype in needs.CUSTOM_FIELDS:
        yield _custom_fields(erp, doctype)
    yield _role(erp)
    for doctype, letters in needs.rights_of_role(on).items():
        if doctype not in needs.GIVEN_TO_ALL:
            yield _rights(erp, doctype, letters)
    for method, text in ((SERVER_SCRIPT_METHOD, server_script_text()), (LISTS_METHOD, lists_script_text())):
        yield _server_script(erp, method, text, update=update_script)


# --- DocTypes, documents and fields -------------------------------------------------------------------------------


def _exists(erp: ErpNextClient, doctype: str, name: str) -> bool:
    return erp.exists(doctype, filters=[["name", "=", name]])


def _doctype(erp: ErpNextClient, name: str, body: Mapping[str, Any]) -> Step:
    def make() -> None:
        fields = [{"label": field["fieldname"].replace("_", " ").title(), **field} for field in body["fields"]]
        who = {"role": "System Manager", "read": 1, "write": 1, "create": 1, "delete": 1}
        rules = {} if body.get("istable") else {"permissions": [who]}
        erp.insert("DocType", {"name": name, "module": "Custom", "custom": 1, **body, **rules, "fields": fields})

    return Step("DocType", name, lambda: "" if _exists(erp, "DocType", name) else "the DocType", make)


def _homepage(erp: ErpNextClient) -> Step:
    doctype, name = needs.HOMEPAGE

    def make() -> None:
        made = erp.insert(doctype, {"name": name, "__newname": name})["name"]
        if made != name:
            # The app's DocType names its documents by hash.
            erp.call("frappe.client.rename_doc", {"doctype": doctype, "old_name": made, "new_name": name})

    return Step("document", name, lambda: "" if _exists(erp, doctype, name) else f"the {doctype}", make)


def _custom_fields(erp: ErpNextClient, doctype: str) -> Step:
    refused: set[str] = set()
    """Return the names of fields that ERPNext has."""

    def missing() -> list[str]:
        rows = erp.get_list("Custom Field", ["fieldname"], filters=[["dt", "=", doctype]])
        known = refused | {row["fieldname"] for row in rows}
        wanted = [name for name in needs.CUSTOM_FIELDS[doctype] if name not in known]
        if not wanted:
            return []
        try:
            # It may be a field of the DocType itself.
            return [name for name in missing_fields(erp, doctype) if name in wanted]
        except AccessError:
            return wanted  # A System Manager may create fields on DocTypes without the right to read their documents.

    def make() -> None:
        for fieldname in missing():
            values = {"dt": doctype, "fieldname": fieldname, **needs.CUSTOM_FIELDS[doctype][fieldname]}
            try:
                erp.insert("Custom Field", values)
            except PermanentError as error:
                if not FIELD_EXISTS.search(error.reason):
                    raise
                refused.add(fieldname)

    return Step("fields", doctype, lambda: ", ".join(missing()), make)


# --- role, rights and user ----------------------------------------------------------------------------------------


def _role(erp: ErpNextClient) -> Step:
    def make() -> None:
        erp.insert("Role", {"role_name": needs.ROLE, "desk_access": 1, "is_custom": 1})

    return Step("role", needs.ROLE, lambda: "" if _exists(erp, "Role", needs.ROLE) else "the role", make)


def _rights(erp: ErpNextClient, doctype: str, letters: str) -> Step:
    wanted = [needs.KINDS[letter] for letter in letters]

    def rule() -> Mapping[str, Any] | None:
        filters = [["parent", "=", doctype], ["role", "=", needs.ROLE], ["permlevel", "=", PERMLEVEL]]
        rows = erp.get_list("Custom DocPerm", ["name", *needs.KINDS.values()], filters=[*filters, ["if_owner", "=", 0]])
        return rows[0] if rows else None

    def missing() -> list[str]:
        found = rule()
        return [kind for kind in wanted if not (found or {}).get(kind)]

    def look() -> str:
        if doctype in needs.OPTIONAL and not _exists(erp, "DocType", doctype):
            return ""
        return ", ".join(missing())

    def make() -> None:
        if rule() is None:
            added = {"parent": doctype, "role": needs.ROLE, "permlevel": PERMLEVEL}
            erp.call(f"{PERMISSIONS}.add", added, repeatable=True)
        for kind in missing():
            change = {"doctype": doctype, "role": needs.ROLE, "permlevel": PERMLEVEL, "ptype": kind, "value": 1}
            erp.call(f"{PERMISSIONS}.update", change, repeatable=True)

    return Step("rights", doctype, look, make)


def _roles(erp: ErpNextClient, email: str) -> list[dict[str, Any]]:
    return erp.get("User", email).get("roles") or []


def role_of_user(erp: ErpNextClient, email: str) -> Step:
    """Add the role to an existing user."""

    def look() -> str:
        return "" if any(row["role"] == needs.ROLE for row in _roles(erp, email)) else f"the role {needs.ROLE}"

    def make() -> None:
        erp.update("User", email, {"roles": [*_roles(erp, email), {"role": needs.ROLE}]})

    return Step("user", email, look, make)


def new_user(erp: ErpNextClient, email: str) -> Step:
    """Return the step that creates a user with only this role. An existing user without the role is not changed."""

    def left() -> str:
        if not _exists(erp, "User", email):
            return ""
        if any(row["role"] == needs.ROLE for row in _roles(erp, email)):
            return ""
        return f"is somebody's user already, without the role {needs.ROLE}: name another one, or give it the role"

    def make() -> None:
        values = {"email": email, "first_name": needs.ROLE, "enabled": 1, "user_type": "System User"}
        erp.insert("User", {**values, "send_welcome_email": 0, "roles": [{"role": needs.ROLE}]})

    return Step("user", email, lambda: "" if _exists(erp, "User", email) else "the user", make, left)


@dataclass(frozen=True, repr=False)
class UserKey:
    """A user's key pair. ERPNext shows the secret only once, when it is created."""

    api_key: str
    api_secret: str


def has_key(erp: ErpNextClient, user: str) -> bool:
    """Return whether the user has a key, whose secret cannot be read any more."""
    rows = erp.get_list("User", ["name", "api_key"], filters=[["name", "=", user]])
    return bool(rows and rows[0].get("api_key"))


def make_key(erp: ErpNextClient, user: str) -> UserKey:
    """Create a key pair for the user. An older secret stops working."""
    made = erp.call("frappe.core.doctype.user.user.generate_keys", {"user": user})
    rows = erp.get_list("User", ["name", "api_key"], filters=[["name", "=", user]])
    if not (isinstance(made, Mapping) and made.get("api_secret") and rows and rows[0].get("api_key")):
        raise PermanentError(erp.http.service, "POST generate_keys", "did not answer with a key")
    return UserKey(rows[0]["api_key"], made["api_secret"])


# --- the Server Script --------------------------------------------------------------------------------------------


def _server_script(erp: ErpNextClient, method: str, text: str, *, update: bool) -> Step:
    doctype = "Server Script"

    def stored() -> Mapping[str, Any] | None:
        fields = ["name", "script", "disabled"]
        rows = erp.get_list(doctype, fields, filters=[["api_method", "=", method]])
        return rows[0] if rows else None

    def differs(found: Mapping[str, Any]) -> str:
        if found.get("disabled"):
            return "it is disabled"
        return "" if (found.get("script") or "").strip() == text.strip() else "its text is different"

    def left() -> str:
        found = stored()
        why = differs(found) if found and not update else ""
        return f"{why}; --update-script installs this version's text" if why else ""

    def look() -> str:
        found = stored()
        return differs(found) if found else "the script"

    def make() -> None:
        found = stored()
        if found:
            erp.update(doctype, found["name"], {"script": text, "disabled": 0})
            return
        values = {"name": method, "script_type": "API", "api_method": method}
        erp.insert(doctype, {**values, "__newname": method, "allow_guest": 0, "script": text})

    return Step(doctype, method, look, make, left)


def server_scripts_run(erp: ErpNextClient) -> bool:
    """Return whether the bench lets Server Scripts run; they can be installed in either case."""
    return bool(erp.call("frappe.core.doctype.server_script.server_script.enabled", method="GET"))
