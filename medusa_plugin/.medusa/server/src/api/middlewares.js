// Input is validated as stock routes do it, so that a refusal has Medusa's own words. /admin is authenticated by itself.
const { defineMiddlewares, validateAndTransformBody } = require("@medusajs/framework/http")
const { MedusaError } = require("@medusajs/framework/utils")
const { z } = require("@medusajs/framework/zod")
const { refuseUntested } = require("../about")

const flag = z.enum(["true", "false"]).optional()
const ListCarts = z.strictObject({
  after: z.string().max(100).optional(),
  limit: z.coerce.number().int().min(1).max(1000).default(500),
  untouched_since: z.string().datetime().optional(),
  completed: flag,
  has_customer: flag,
})
// Deleting takes four times as long for twice as many, and Medusa answers nobody meanwhile.
const DeleteCarts = z.strictObject({
  carts: z.array(z.strictObject({ id: z.string().max(100), touched_at: z.string().datetime() })).min(1).max(100),
})

function validateQuery(req, _res, next) {
  const read = ListCarts.safeParse(req.query)
  if (!read.success) {
    const said = read.error.issues.map((one) => `${one.path.join(", ")}: ${one.message}`).join("; ")
    return next(new MedusaError(MedusaError.Types.INVALID_DATA, `Invalid request: ${said}`))
  }
  req.validatedQuery = read.data
  next()
}

exports.default = defineMiddlewares({
  routes: [
    { matcher: "/admin/erp-pipelines/carts*", middlewares: [refuseUntested] },
    { matcher: "/admin/erp-pipelines/carts", methods: ["GET"], middlewares: [validateQuery] },
    {
      matcher: "/admin/erp-pipelines/carts/delete",
      methods: ["POST"],
      middlewares: [validateAndTransformBody(DeleteCarts)],
    },
  ],
})
