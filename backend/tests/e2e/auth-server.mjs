// A stock Better Auth server, with whatever a test varies taken from the environment.
import http from "node:http";

import { betterAuth } from "better-auth";
import { memoryAdapter } from "better-auth/adapters/memory";
import { toNodeHandler } from "better-auth/node";
import { jwt } from "better-auth/plugins";

const { PORT, JWT_ALGORITHM, KEY_LIFETIME, USER_IDS } = process.env;

const auth = betterAuth({
  baseURL: `http://localhost:${PORT}`,
  database: memoryAdapter({ user: [], session: [], account: [], verification: [], jwks: [] }),
  emailAndPassword: { enabled: true },
  plugins: [
    jwt({
      jwks: {
        ...(JWT_ALGORITHM && { keyPairConfig: { alg: JWT_ALGORITHM } }),
        ...(KEY_LIFETIME && { rotationInterval: Number(KEY_LIFETIME) }),
      },
    }),
  ],
  ...(USER_IDS && { advanced: { database: { generateId: USER_IDS } } }),
  telemetry: { enabled: false },
});

const server = http.createServer(toNodeHandler(auth)).listen(Number(PORT), "127.0.0.1", () => console.log("ready"));
process.on("SIGTERM", () => {
  server.close();
  server.closeAllConnections();
});
