// What this plugin is, which Medusa it runs in, and whether the two were tested together.
const { MedusaError } = require("@medusajs/framework/utils")
const { name, version, testedMedusa } = require("../../../package.json")

const medusa = require("@medusajs/medusa/package.json").version
const works = testedMedusa.includes(medusa.split(".").slice(0, 2).join("."))

// A middleware: what reads and deletes carts depends on how this Medusa keeps them.
function refuseUntested(_req, _res, next) {
  if (works) return next()
  const message = `${name} ${version} was tested with Medusa ${testedMedusa.join(", ")}, this is ${medusa}: update the plugin`
  next(new MedusaError(MedusaError.Types.NOT_ALLOWED, message))
}

// The options that medusa-config.js gives it.
const optionsOf = (req) => {
  const plugins = req.scope.resolve("configModule").plugins ?? []
  return plugins.find((one) => one.resolve === name || one.resolve?.endsWith(`/${name}`))?.options ?? {}
}

module.exports = { version, medusa, testedMedusa, works, refuseUntested, optionsOf }
