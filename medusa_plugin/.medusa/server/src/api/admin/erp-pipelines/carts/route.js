const { readCarts } = require("../../../../carts")

// By keyset: the next page begins after the last id of this one, however many carts come and go meanwhile.
exports.GET = async (req, res) => {
  const { after, limit, untouched_since: since, completed, has_customer: owned } = req.validatedQuery
  const filters = {
    ...(after ? { id: { $gt: after } } : {}),
    ...(since ? { updated_at: { $lt: new Date(since) } } : {}),
    ...(completed === undefined ? {} : { completed_at: completed === "true" ? { $ne: null } : null }),
    ...(owned === undefined ? {} : { customer_id: owned === "true" ? { $ne: null } : null }),
  }
  const carts = await readCarts(req, filters, limit)
  const next = carts.length === limit ? carts[carts.length - 1].id : null
  res.json({ carts: since ? carts.filter((cart) => cart.touched_at < new Date(since).toISOString()) : carts, next })
}
