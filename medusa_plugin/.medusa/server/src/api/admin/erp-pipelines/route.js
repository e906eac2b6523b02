const about = require("../../../about")

exports.GET = async (_req, res) => {
  const { version, medusa, testedMedusa, works } = about
  res.json({ plugin: { version, medusa, tested_medusa: testedMedusa, works } })
}
