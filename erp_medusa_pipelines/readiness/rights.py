"""May the user of the key do what the tasks do?

Lists are read with a limit of 1, other rights asked of `has_permission`; `get_count` checks nothing on ERPNext 15.
"""

from collections import defaultdict
from collections.abc import Iterable, Iterator

from erp_medusa_pipelines.clients.erpnext import ErpNextClient
from erp_medusa_pipelines.clients.failures import AccessError, PermanentError
from erp_medusa_pipelines.clients.rights import role_for
from erp_medusa_pipelines.connections import Shop
from erp_medusa_pipelines.readiness import needs
from erp_medusa_pipelines.readiness.findings import Finding, Level

AREA = "rights"


def user_may_do_the_work(shop: Shop) -> Iterator[Finding]:
    """Yield one finding per DocType: the rights that the tasks need, and those that are missing."""
    by_doctype: dict[str, list[needs.Right]] = defaultdict(list)
    for right in needs.rights(needs.asked_for(shop.settings)):
        by_doctype[right.doctype].append(right)
    for doctype, rights in by_doctype.items():
        yield _of_doctype(shop.erp, doctype, rights)


def _of_doctype(erp: ErpNextClient, doctype: str, rights: list[needs.Right]) -> Finding:
    try:
        missing = [right for right in rights if not _has(erp, right)]
    except _NoSuchDocTypeError:
        return _absent(doctype, rights)
    if not missing:
        return Finding(AREA, doctype, Level.OK, ", ".join(right.kind for right in rights))
    kinds = " and ".join(right.kind for right in missing)
    return Finding(
        AREA,
        doctype,
        Level.FAIL,
        f"no right to {kinds}",
        f"these tasks fail: {_tasks(missing)}",
        f"give the user the role {needs.ROLE}, or: {role_for(doctype) or f'a role that may {kinds} it'}",
        fixable=True,
    )


def _absent(doctype: str, rights: list[needs.Right]) -> Finding:
    if doctype in needs.OPTIONAL:
        return Finding(AREA, doctype, Level.OK, "this site does not have it, so nothing needs to be read")
    own = doctype in needs.DOCTYPES
    fix = "create it" if own else "install the app that it belongs to (Website Item: webshop)"
    means = f"these tasks fail: {_tasks(rights)}"
    return Finding(AREA, doctype, Level.FAIL, "the site has no such DocType", means, fix, fixable=own)


def _tasks(rights: Iterable[needs.Right]) -> str:
    return ", ".join(sorted({task for right in rights for task in right.tasks}))


class _NoSuchDocTypeError(Exception):
    pass


def _has(erp: ErpNextClient, right: needs.Right) -> bool:
    try:
        if right.kind == "read":
            _read(erp, right.doctype)
            return True
        question = {"doctype": right.doctype, "docname": "", "perm_type": right.kind}
        answer = erp.call("frappe.client.has_permission", question, method="GET")
        return bool((answer or {}).get("has_permission"))
    except AccessError:
        return False
    except PermanentError as error:
        if error.status == 404:
            raise _NoSuchDocTypeError from error
        raise


def _read(erp: ErpNextClient, doctype: str) -> None:
    if doctype in needs.SINGLES:
        erp.get_single(doctype)
        return
    erp.get_list(doctype, ["name"], limit=1)
    child = needs.CHILDREN.get(doctype)
    if child:
        erp.get_list(child, ["name"], limit=1, parent=doctype)
