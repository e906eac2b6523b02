// The Medusa that tests and development run against: stock modules, no admin pages, and everything that differs from
// start to start (database, address, secrets) from the environment that dev/medusa.py sets.
const { defineConfig } = require("@medusajs/framework/utils")

const { DATABASE_URL, MEDUSA_URL, JWT_SECRET, COOKIE_SECRET, MEDUSA_PLUGIN_SECRET } = process.env

// Medusa's own translations, off in a Medusa by default; MEDUSA_FF_TRANSLATION=false starts one without.
const translation = process.env.MEDUSA_FF_TRANSLATION !== "false"

module.exports = defineConfig({
  featureFlags: { translation },
  admin: { disable: true },
  projectConfig: {
    databaseUrl: DATABASE_URL,
    // The server is on this machine's loopback and speaks no TLS.
    databaseDriverOptions: { ssl: false },
    http: {
      storeCors: MEDUSA_URL,
      adminCors: MEDUSA_URL,
      authCors: MEDUSA_URL,
      jwtSecret: JWT_SECRET,
      cookieSecret: COOKIE_SECRET,
    },
  },
  plugins: [{ resolve: "medusa-plugin-erp-pipelines", options: { secret: MEDUSA_PLUGIN_SECRET } }],
  modules: [
    ...(translation ? [{ resolve: "@medusajs/medusa/translation" }] : []),
    {
      resolve: "@medusajs/medusa/file",
      options: {
        providers: [
          {
            resolve: "@medusajs/medusa/file-local",
            id: "local",
            // Without it the addresses of uploads name localhost:9000, whatever port Medusa listens on.
            options: { backend_url: `${MEDUSA_URL}/static` },
          },
        ],
      },
    },
  ],
})
