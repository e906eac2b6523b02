"""Customers of the embedded Medusa, their groups, and how they log in to the store.

`/admin/customers`, `/admin/customer-groups`, `/auth/customer` and `/store/customers`. What a customer is asked to pay
is chosen in `calculated_prices.py`.
"""

from __future__ import annotations

import secrets

from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from erp_medusa_sandbox.medusa.errors import METADATA, STRING, TEXT, MedusaError, array, fields, invalid, not_found
from erp_medusa_sandbox.medusa.fields import KINDS, Kind, empty, referring
from erp_medusa_sandbox.medusa.http import Resource, deleted, json_body, merged_metadata, shown
from erp_medusa_sandbox.medusa.lists import ListRoute, Value, page, values_of
from erp_medusa_sandbox.medusa.store import Document, MedusaStore

_DATES = ("created_at", "updated_at", "deleted_at")
_DETAILS = ("company_name", "first_name", "last_name", "phone", "metadata")


def _groups(store: MedusaStore, customer: Document) -> list[Document | None]:
    return [group for group in store.all("customer_group") if customer["id"] in group["customer_ids"]]


def _members(store: MedusaStore, group: Document) -> list[Document | None]:
    return [store.get("customer", identifier) for identifier in group["customer_ids"]]


KINDS["customer"] = Kind(
    star=("id", "email", "has_account", *_DETAILS, "created_by", *_DATES),
    relations={
        "groups": ("customer_group", _groups),
        "addresses": ("address", empty),
        "carts": ("cart", referring("cart", "customer_id")),
        "orders": ("order", referring("order", "customer_id")),
    },
)
KINDS["customer_group"] = Kind(
    star=("id", "name", "metadata", "created_by", *_DATES),
    relations={"customers": ("customer", _members)},
)


def _in_groups(store: MedusaStore, customer: Document, value: Value) -> bool:
    wanted = set(values_of(value))
    return any(group and group["id"] in wanted for group in _groups(store, customer))


def _has_account(_store: MedusaStore, customer: Document, value: Value) -> bool:
    return str(customer["has_account"]).lower() in values_of(value)


def _by_id(_store: MedusaStore, customer: Document, value: Value) -> bool:
    if isinstance(value, dict) and "$gt" in value:
        return customer["id"] > value["$gt"]
    return customer["id"] in values_of(value)


_CUSTOMERS = ListRoute(
    table="customer",
    plural="customers",
    defaults=("*",),
    equals=("email", "first_name", "last_name"),
    search=("email", "first_name", "last_name", "company_name", "phone"),
    filters={"id": _by_id, "groups": _in_groups, "has_account": _has_account},
)
_CUSTOMER_GROUPS = ListRoute(
    table="customer_group", plural="customer_groups", defaults=("*",), equals=("id", "name"), search=("name",)
)
_CUSTOMER_SHAPE = {"email": STRING, **dict.fromkeys(_DETAILS, TEXT), "metadata": METADATA}
_NEW_CUSTOMER = fields(_CUSTOMER_SHAPE, required=("email",))
_CHANGED_CUSTOMER = fields(_CUSTOMER_SHAPE)
_GROUP_SHAPE = {"name": STRING, "metadata": METADATA}
_NEW_GROUP = fields(_GROUP_SHAPE, required=("name",))
_CHANGED_GROUP = fields(_GROUP_SHAPE)
_CHANGED_MEMBERS = fields({"add": array(STRING), "remove": array(STRING)})
_CREDENTIALS = fields({"email": STRING, "password": STRING}, required=("email", "password"))


def customer_of(request: Request, store: MedusaStore) -> Document | None:
    """Return the customer who sent a request to the store; None for somebody who is not logged in."""
    scheme, _, token = request.headers.get("authorization", "").partition(" ")
    session = store.get("session", token) if scheme.lower() == "bearer" else None
    return store.get("customer", session["customer_id"]) if session else None


def groups_of(store: MedusaStore, customer_id: str | None) -> list[str]:
    """Return the ids of a customer's groups."""
    return [
        group["id"] for group in store.all("customer_group") if customer_id and customer_id in group["customer_ids"]
    ]


def new_customer(store: MedusaStore, given: Document, *, has_account: bool) -> Document:
    """Create a customer. An address may belong to one with an account, and to one without."""
    if same := customer_with(store, given["email"], has_account=has_account):
        account = str(has_account).lower()
        raise invalid(f"Customer with email: {same['email']}, has_account: {account}, already exists.")
    details = {name: given.get(name) for name in _DETAILS}
    return store.put(
        "customer",
        store.stamped("cus", email=given["email"], **details, has_account=has_account, created_by=None),
    )


def customer_with(store: MedusaStore, email: str, *, has_account: bool) -> Document | None:
    """Return the customer of an address, with an account or the one without."""
    found = store.find("customer", "email", [email])
    return next((one for one in found if one["has_account"] == has_account), None)


class Customers(Resource):
    """Handlers of customers and their groups."""

    def routes(self) -> list[Route]:
        """List the routes with their handlers."""
        customers, groups = "/admin/customers", "/admin/customer-groups"
        return [
            Route(customers, self._list_customers, methods=["GET"]),
            Route(customers, self._create_customer, methods=["POST"]),
            Route(f"{customers}/{{id}}", self._get_customer, methods=["GET"]),
            Route(f"{customers}/{{id}}", self._update_customer, methods=["POST"]),
            Route(f"{customers}/{{id}}", self._delete_customer, methods=["DELETE"]),
            Route(groups, self._list_groups, methods=["GET"]),
            Route(groups, self._create_group, methods=["POST"]),
            Route(f"{groups}/{{id}}", self._update_group, methods=["POST"]),
            Route(f"{groups}/{{id}}", self._delete_group, methods=["DELETE"]),
            Route(f"{groups}/{{id}}/customers", self._change_members, methods=["POST"]),
            Route("/auth/customer/emailpass/register", self._register, methods=["POST"]),
            Route("/auth/customer/emailpass", self._log_in, methods=["POST"]),
            Route("/store/customers", self._create_own, methods=["POST"]),
        ]

    async def _list_customers(self, request: Request) -> Response:
        return page(request, _CUSTOMERS, self.store)

    async def _create_customer(self, request: Request) -> Response:
        given = await json_body(request, _NEW_CUSTOMER)
        with self.store.transaction():
            customer = new_customer(self.store, given, has_account=False)
        return self._answer(request, customer)

    async def _get_customer(self, request: Request) -> Response:
        return self._answer(request, self._known_customer(request))

    async def _update_customer(self, request: Request) -> Response:
        given = await json_body(request, _CHANGED_CUSTOMER)
        customer = self._known_customer(request)
        changed = {**customer, **given, "updated_at": self.store.now()}
        if "metadata" in given:
            changed["metadata"] = merged_metadata(customer["metadata"], given["metadata"])
        with self.store.transaction():
            self.store.put("customer", changed)
        return self._answer(request, changed)

    async def _delete_customer(self, request: Request) -> Response:
        """Carts keep the id of a customer who is gone."""
        identifier = request.path_params["id"]
        with self.store.transaction():
            self.store.remove("customer", identifier)
        return deleted(identifier, "customer")

    def _known_customer(self, request: Request) -> Document:
        identifier = request.path_params["id"]
        customer = self.store.get("customer", identifier)
        if customer is None:
            raise not_found(f"Customer with id: {identifier} was not found")
        return customer

    def _answer(self, request: Request, customer: Document) -> Response:
        return JSONResponse({"customer": shown(request, self.store, "customer", customer, ("*",))})

    # -- groups -------------------------------------------------------------------------------------------------

    async def _list_groups(self, request: Request) -> Response:
        return page(request, _CUSTOMER_GROUPS, self.store)

    async def _create_group(self, request: Request) -> Response:
        given = await json_body(request, _NEW_GROUP)
        self._refuse_name(given["name"])
        with self.store.transaction():
            group = self.store.put(
                "customer_group",
                self.store.stamped(
                    "cusgroup", name=given["name"], metadata=given.get("metadata"), created_by=None, customer_ids=[]
                ),
            )
        return self._answer_group(request, group)

    async def _update_group(self, request: Request) -> Response:
        given = await json_body(request, _CHANGED_GROUP)
        group = self._known_group(request)
        changed = {**group, **given, "updated_at": self.store.now()}
        if changed["name"] != group["name"]:
            self._refuse_name(changed["name"])
        if "metadata" in given:
            changed["metadata"] = merged_metadata(group["metadata"], given["metadata"])
        with self.store.transaction():
            self.store.put("customer_group", changed)
        return self._answer_group(request, changed)

    async def _delete_group(self, request: Request) -> Response:
        identifier = request.path_params["id"]
        with self.store.transaction():
            self.store.remove("customer_group", identifier)
        return deleted(identifier, "customer_group")

    async def _change_members(self, request: Request) -> Response:
        given = await json_body(request, _CHANGED_MEMBERS)
        group = self._known_group(request)
        for identifier in given.get("add", []):
            if self.store.get("customer", identifier) is None:
                raise not_found(
                    f"You tried to set relationship customer_id: {identifier}, but such entity does not exist"
                )
        gone = set(given.get("remove", []))
        kept = [one for one in [*group["customer_ids"], *given.get("add", [])] if one not in gone]
        changed = {**group, "customer_ids": list(dict.fromkeys(kept))}
        with self.store.transaction():
            self.store.put("customer_group", changed)
        return self._answer_group(request, changed)

    def _refuse_name(self, name: str) -> None:
        if any(group["name"] == name for group in self.store.all("customer_group")):
            raise invalid(f"Customer group with name: {name}, already exists.")

    def _known_group(self, request: Request) -> Document:
        identifier = request.path_params["id"]
        group = self.store.get("customer_group", identifier)
        if group is None:
            raise not_found(f"Customer group with id: {identifier} was not found")
        return group

    def _answer_group(self, request: Request, group: Document) -> Response:
        return JSONResponse({"customer_group": shown(request, self.store, "customer_group", group, ("*",))})

    # -- the customers themselves -------------------------------------------------------------------------------

    async def _register(self, request: Request) -> Response:
        given = await json_body(request, _CREDENTIALS)
        if any(known["email"] == given["email"] for known in self.store.all("identity")):
            raise MedusaError(401, "unauthorized", "Identity with email already exists")
        with self.store.transaction():
            identity = self.store.put("identity", {**self.store.stamped("authid"), **given})
            token = self._session(identity["email"], None)
        return JSONResponse({"token": token})

    async def _log_in(self, request: Request) -> Response:
        given = await json_body(request, _CREDENTIALS)
        known = any(
            (one["email"], one["password"]) == (given["email"], given["password"]) for one in self.store.all("identity")
        )
        if not known:
            raise MedusaError(401, "unauthorized", "Invalid email or password")
        customer = customer_with(self.store, given["email"], has_account=True)
        with self.store.transaction():
            token = self._session(given["email"], customer["id"] if customer else None)
        return JSONResponse({"token": token})

    async def _create_own(self, request: Request) -> Response:
        given = await json_body(request, _NEW_CUSTOMER)
        if self.store.get("session", request.headers.get("authorization", "").partition(" ")[2]) is None:
            raise MedusaError(401, "unauthorized", "Unauthorized")
        with self.store.transaction():
            customer = new_customer(self.store, given, has_account=True)
        return self._answer(request, customer)

    def _session(self, email: str, customer_id: str | None) -> str:
        token = f"eyJ{secrets.token_urlsafe(48)}"
        self.store.put("session", {"id": token, "email": email, "customer_id": customer_id})
        return token
