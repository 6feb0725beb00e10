// A browser, a proxy and a foreign page: what the tests of /docs stand on.

import { createServer, request as httpRequest } from "node:http";
import { mkdir } from "node:fs/promises";
import { chromium } from "playwright-core";

const OUTPUT = new URL("./output/", import.meta.url);
const ARGUMENTS = [
  "--no-sandbox",
  "--disable-background-networking",
  "--disable-component-update",
  "--disable-sync",
  "--no-first-run",
  "--disable-gpu",
  "--disable-quic",
];

export function setting(name) {
  const value = process.env[name];
  if (!value) throw new Error(`${name} must be set; run this by \`make browser\``);
  return value;
}

export function launch() {
  return chromium.launch({ executablePath: setting("CHROMIUM"), args: ARGUMENTS });
}

let visitors = 0;

/** A page that may reach these origins only, and that remembers what went wrong in it. */
export async function openPage(browser, origins, options = {}) {
  visitors += 1; // each of an address of its own, since an address gets few demo users a minute
  const extraHTTPHeaders = { "X-Forwarded-For": `203.0.113.${visitors}` };
  const context = await browser.newContext({ viewport: { width: 1280, height: 900 }, extraHTTPHeaders, ...options });
  const page = await context.newPage();
  const faults = [];
  await context.route("**/*", (route) => {
    const url = new URL(route.request().url());
    if (["data:", "blob:"].includes(url.protocol) || origins.includes(url.origin)) return route.continue();
    faults.push(`request to ${url.origin}`);
    return route.abort();
  });
  page.on("console", (message) => {
    if (["error", "warning"].includes(message.type())) faults.push(`console: ${message.text()}`);
  });
  page.on("pageerror", (error) => faults.push(`uncaught: ${error.message}`));
  return { page, faults };
}

export async function screenshot(page, name, options = {}) {
  await mkdir(OUTPUT, { recursive: true });
  await page.screenshot({ path: new URL(`${name}.png`, OUTPUT).pathname, animations: "disabled", ...options });
}

/** Start a server on a free port until the test ends; returns its origin. */
async function listen(t, handler) {
  const server = createServer(handler);
  t.after(() => server.close().closeAllConnections());
  await new Promise((resolve) => server.listen(0, "127.0.0.1", resolve));
  return `http://localhost:${server.address().port}`;
}

/** A page of another site, with /docs in a frame. */
export function hostPage(t, address) {
  const html = `<!doctype html><html lang="en"><title>Host</title><link rel="icon" href="data:,"><h1>Host</h1>
    <iframe title="Documentation" src="${address}" width="1100" height="750"></iframe>`;
  return listen(t, (_, response) => response.setHeader("Content-Type", "text/html").end(html));
}

/** A proxy that serves the API below a prefix, which it strips. */
export function prefixProxy(t, target, prefix) {
  return listen(t, (incoming, response) => {
    if (!incoming.url.startsWith(`${prefix}/`)) return response.writeHead(404).end();
    const { hostname, port } = new URL(target);
    const { method, headers } = incoming;
    const path = incoming.url.slice(prefix.length);
    const outgoing = httpRequest({ hostname, port, path, method, headers }, (answer) => {
      response.writeHead(answer.statusCode, answer.headers);
      answer.pipe(response);
    });
    return incoming.pipe(outgoing);
  });
}
