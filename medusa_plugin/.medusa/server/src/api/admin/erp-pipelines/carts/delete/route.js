const { Modules } = require("@medusajs/framework/utils")
const { readCarts } = require("../../../../../carts")

// Why a cart stays; nothing for one that may go. What the caller saw of it must still be so.
function reasonToKeep(cart, seen) {
  if (!cart) return "not found"
  if (cart.completed_at) return "completed"
  if (cart.has_payment_session) return "payment session"
  if (cart.touched_at !== new Date(seen).toISOString()) return "changed"
}

exports.POST = async (req, res) => {
  const seen = new Map(req.validatedBody.carts.map((one) => [one.id, one.touched_at]))
  const carts = new Map((await readCarts(req, { id: [...seen.keys()] }, seen.size)).map((cart) => [cart.id, cart]))
  const kept = []
  for (const [id, touched] of seen) {
    const reason = reasonToKeep(carts.get(id), touched)
    if (reason) kept.push({ id, reason })
  }
  const staying = new Set(kept.map((one) => one.id))
  const deleted = [...seen.keys()].filter((id) => !staying.has(id))
  if (deleted.length) await req.scope.resolve(Modules.CART).softDeleteCarts(deleted)
  res.json({ deleted, kept })
}
