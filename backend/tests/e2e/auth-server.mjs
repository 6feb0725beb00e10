// A stock Better Auth server, and beside it the page in app/: what a Next.js project would be, in one process.
// Everything that a test varies comes from the environment.
import { readFile } from "node:fs/promises";
import http from "node:http";

import { betterAuth } from "better-auth";
import { memoryAdapter } from "better-auth/adapters/memory";
import { toNodeHandler } from "better-auth/node";
import { jwt } from "better-auth/plugins";
import { build } from "esbuild";

const { PORT, API_URL = "http://localhost:8000", JWT_ALGORITHM, JWT_LIFETIME, KEY_LIFETIME, USER_IDS } = process.env;

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
      jwt: JWT_LIFETIME ? { expirationTime: JWT_LIFETIME } : {},
    }),
  ],
  ...(USER_IDS && { advanced: { database: { generateId: USER_IDS } } }),
  telemetry: { enabled: false },
});

const app = new URL("app/", import.meta.url);
const files = {
  "/": ["text/html", () => readFile(new URL("index.html", app))],
  "/style.css": ["text/css", () => readFile(new URL("style.css", app))],
  "/main.js": ["text/javascript", bundle],
};

async function bundle() {
  const { outputFiles } = await build({
    entryPoints: [new URL("main.ts", app).pathname],
    bundle: true,
    write: false,
    format: "esm",
    // Next.js does the same with variables of this prefix.
    define: { "process.env.NEXT_PUBLIC_API_URL": JSON.stringify(API_URL) },
  });
  return outputFiles[0].contents;
}

const authenticate = toNodeHandler(auth);

async function serve(request, response) {
  const file = files[new URL(request.url, "http://localhost").pathname];
  if (!file) return authenticate(request, response);
  const [type, content] = file;
  response.setHeader("Content-Type", `${type}; charset=utf-8`).end(await content());
}

const server = http.createServer(serve).listen(Number(PORT), "127.0.0.1", () => console.log("ready"));
process.on("SIGTERM", () => {
  server.close();
  server.closeAllConnections();
});
