// Carts as the pipelines see them. Reading only; deleting is in the route, by Medusa's own cart module.
const { ContainerRegistrationKeys } = require("@medusajs/framework/utils")

const FIELDS = [
  "id", "email", "customer_id", "currency_code", "locale", "created_at", "updated_at", "completed_at", "metadata",
  "items.id", "items.title", "items.quantity", "items.unit_price", "items.updated_at",
  "payment_collection.id", "payment_collection.payment_sessions.id",
]

// cart.updated_at does not move when a line is added: the newest of both is when somebody touched it.
const touchedAt = (cart) =>
  new Date(Math.max(...[cart, ...(cart.items ?? [])].map((one) => new Date(one.updated_at).getTime()))).toISOString()

const shown = ({ payment_collection: payment, ...cart }) => ({
  ...cart,
  touched_at: touchedAt(cart),
  has_payment_session: Boolean(payment?.payment_sessions?.length),
})

async function readCarts(req, filters, take) {
  const query = req.scope.resolve(ContainerRegistrationKeys.QUERY)
  const pagination = { take, order: { id: "ASC" } }
  const { data } = await query.graph({ entity: "cart", fields: FIELDS, filters, pagination })
  return data.map(shown)
}

module.exports = { readCarts }
