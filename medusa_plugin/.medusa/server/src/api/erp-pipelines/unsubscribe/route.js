const { createHmac, timingSafeEqual } = require("crypto")
const { Modules } = require("@medusajs/framework/utils")
const { optionsOf } = require("../../../about")

const page = (title, rest = "") =>
  `<!doctype html><html><head><meta charset="utf-8"><meta name="viewport" content="width=device-width">` +
  `<title>${title}</title></head><body style="font-family:sans-serif;margin:4em auto;max-width:30em;text-align:center">` +
  `<h1 style="font-size:1.3em">${title}</h1>${rest}</body></html>`

// The customer that the link was made for; nothing where it was not made with our secret.
function customerOf(req) {
  const { secret } = optionsOf(req)
  const { c: customer, s: signature } = req.query
  if (!secret || typeof customer !== "string" || typeof signature !== "string") return
  const wanted = createHmac("sha256", secret).update(`unsubscribe:${customer}`).digest("base64url")
  const [given, known] = [Buffer.from(signature), Buffer.from(wanted)]
  return given.length === known.length && timingSafeEqual(given, known) ? customer : undefined
}

const refuse = (res) => res.status(400).send(page("This link is not valid. / هذا الرابط غير صالح."))

// Mail scanners follow links, so asking changes nothing; the button, or a mail program's one click (RFC 8058), does.
exports.GET = async (req, res) => {
  if (!customerOf(req)) return refuse(res)
  const button = `<form method="post"><button style="padding:.6em 2em">Unsubscribe / إلغاء الاشتراك</button></form>`
  res.send(page("No more e-mails from this shop? / إيقاف رسائل المتجر؟", button))
}

exports.POST = async (req, res) => {
  const id = customerOf(req)
  if (!id) return refuse(res)
  const service = req.scope.resolve(Modules.CUSTOMER)
  const [customer] = await service.listCustomers({ id: [id] })
  // A guest and an account may share an address; it is the address that wants no mails.
  const same = customer?.email ? await service.listCustomers({ email: customer.email }) : []
  const now = new Date().toISOString()
  for (const { id: one, metadata } of same)
    await service.updateCustomers(one, { metadata: { ...metadata, mails_unsubscribed: now } })
  res.send(page("You will get no more e-mails. / لن تصلك رسائل بعد الآن."))
}
