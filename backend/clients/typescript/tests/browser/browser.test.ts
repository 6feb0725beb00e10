// The client and its hooks in Chromium, on a page without https as on a phone in the local network.
// `npm run test:browser` with API_URL, USER_ID, TOKEN, CHROMIUM, and PORT, from where the API lets pages call it.

import assert from "node:assert/strict";
import { createServer } from "node:http";
import { after, before, beforeEach, test } from "node:test";
import { build } from "esbuild";
import { type Browser, chromium, type Page, type Route } from "playwright-core";
import { API_URL, client, setting, TOKEN, USER_ID } from "../support.js";

const HOST = "phone.test"; // a name that leads to this machine, and is no secure context as localhost is
const ORIGIN = `http://${HOST}:${setting("PORT")}`;
const ARGUMENTS = ["--no-sandbox", "--disable-background-networking", "--disable-component-update", "--disable-gpu"];
const HTML =
  '<!doctype html><title>Hooks</title><link rel="icon" href="data:,"><script type="module" src="/page.js"></script>';

const tasks = client().tasksOf(USER_ID);
let server: ReturnType<typeof createServer>;
let browser: Browser;
let page: Page;

before(async () => {
  const { outputFiles } = await build({
    entryPoints: ["tests/browser/page.tsx"],
    bundle: true,
    write: false,
    format: "esm",
  });
  server = createServer(({ url }, response) => {
    const script = url === "/page.js";
    response.setHeader("Content-Type", script ? "text/javascript" : "text/html");
    response.end(script ? outputFiles[0]?.contents : HTML);
  });
  await new Promise<void>((listening) => server.listen(Number(setting("PORT")), "127.0.0.1", listening));
  const args = [...ARGUMENTS, `--host-resolver-rules=MAP ${HOST} 127.0.0.1`];
  browser = await chromium.launch({ executablePath: setting("CHROMIUM"), args });
});

after(async () => {
  await browser.close();
  server.close().closeAllConnections();
});

beforeEach(async () => {
  await page?.context().close();
  for (const { id } of (await tasks.list()).items) await tasks.remove(id);
  for (const title of ["First", "Second", "Third"]) await tasks.create({ title });
  page = await browser.newPage();
  page.setDefaultTimeout(10_000);
  const api = `http://${HOST}:${new URL(API_URL).port}`;
  await page.goto(`${ORIGIN}/?${new URLSearchParams({ api, user: USER_ID, token: TOKEN })}`);
  await row("Third").waitFor();
});

const list = (name = "All") => page.getByRole("list", { name });
const row = (title: string) => list().getByRole("listitem").filter({ hasText: title });
const checkbox = (title: string) => row(title).getByRole("checkbox");
const press = (name: string, title?: string) =>
  (title ? row(title) : page).getByRole("button", { name, exact: true }).click();
const alerted = (text: string | RegExp) => page.getByRole("alert").getByText(text).waitFor();
const titles = async (name = "All") =>
  (await list(name).getByRole("listitem").allInnerTexts()).map((text) => text.split(" ")[0]?.trim());
/** Time for whatever the page makes of what it got. */
const settled = () => page.evaluate(() => new Promise((resolve) => setTimeout(resolve, 100)));
const count = (title: string) => list().getByRole("listitem").filter({ hasText: title }).count();

/** Holds the writes of this method until they are let go, to whatever becomes of them. */
async function hold(method: string) {
  const held: Route[] = [];
  let fate: ((route: Route) => Promise<void>) | undefined;
  await page.route("**/api/**", async (route) => {
    if (route.request().method() !== method) return route.continue();
    return fate ? fate(route) : void held.push(route);
  });
  return {
    async letGo(to: (route: Route) => Promise<void>) {
      fate = to;
      await Promise.all(held.splice(0).map(to));
    },
  };
}

const lose = async (route: Route) => {
  await route.fetch({ url: route.request().url().replace(HOST, "127.0.0.1") }); // Node does not know the name
  await route.abort();
};

test("a page without https creates tasks, each with a key", async () => {
  const secure = await page.evaluate(() => [isSecureContext, typeof crypto.randomUUID]);
  assert.deepEqual(secure, [false, "undefined"]);
  const sent = page.waitForRequest((request) => request.method() === "POST");
  await press("Add");
  await row("Added").waitFor();
  assert.match((await (await sent).headerValue("Idempotency-Key")) ?? "", /^[0-9a-f]{32}$/);
  await alerted("done");
  await press("Add");
  await row("Added").nth(1).waitFor();
  assert.equal(await count("Added"), 2, "what was added once can be added again");
  await press("Add without the hook");
  await row("Alone").waitFor();
});

test("a double click adds one task", async () => {
  const posts = await hold("POST");
  await page.getByRole("button", { name: "Add", exact: true }).dblclick();
  await posts.letGo((route) => route.continue());
  await alerted("done done");
  await row("Added").waitFor();
  assert.equal(await count("Added"), 1);
});

test("the tasks before stay while those of another filter are fetched, but not those of another user", async () => {
  const lists = await hold("GET");
  await press("Sort");
  await settled();
  assert.deepEqual(await titles(), ["First", "Second", "Third"]);
  await press("Change user");
  await settled();
  assert.deepEqual(await titles(), []);
  await lists.letGo((route) => route.abort());
});

test("what the browser believes of the network keeps nothing back", async () => {
  await page.evaluate(() => window.dispatchEvent(new Event("offline")));
  await press("Add");
  await row("Added").waitFor();
  await tasks.create({ title: "Elsewhere" });
  await page.evaluate(() => window.dispatchEvent(new Event("online")));
  await row("Elsewhere").waitFor();
  await page.evaluate(() => window.dispatchEvent(new Event("offline")));
  await page.route("**/api/**", (route) => route.abort());
  await press("Add");
  await alerted("ApiError: The server cannot be reached");
});

test("a toggle shows at once in every list, and stays", async () => {
  const patches = await hold("PATCH");
  await checkbox("Second").click();
  await page.waitForFunction(() => document.querySelectorAll(":checked").length === 1);
  assert(await checkbox("Second").isChecked(), "before any answer");
  const listed = page.waitForResponse((response) => response.url().includes("status=pending"));
  await patches.letGo((route) => route.continue());
  await listed;
  await page.waitForFunction(() => document.querySelectorAll("[aria-label=Pending] li").length === 2);
  assert.deepEqual(await titles("Pending"), ["First", "Third"], "the lists are fetched anew");
  assert(await checkbox("Second").isChecked());
});

test("a list that was under way when a task was toggled does not undo it", async () => {
  const lists = await hold("GET");
  const asked = page.waitForRequest((request) => request.method() === "GET");
  await press("Refetch");
  const request = await asked;
  const over = Promise.race([
    page.waitForEvent("requestfinished", (other) => other === request),
    page.waitForEvent("requestfailed", (other) => other === request),
  ]);
  const patches = await hold("PATCH");
  await checkbox("First").click();
  await page.waitForFunction(() => document.querySelectorAll(":checked").length === 1);
  await lists.letGo((route) => route.continue().catch(() => {})); // given up by the page, as it should be
  await over;
  await settled();
  assert(await checkbox("First").isChecked());
  await patches.letGo((route) => route.continue());
});

test("of several changes at once, the lists are fetched after the last", async () => {
  const requests: string[] = [];
  const patches = await hold("PATCH");
  await checkbox("First").click();
  await checkbox("Third").click();
  await page.waitForFunction(() => document.querySelectorAll(":checked").length === 2);
  page.on("request", (request) => requests.push(request.method()));
  await patches.letGo((route) => route.continue());
  await page.waitForFunction(() => document.querySelectorAll("[aria-label=Pending] li").length === 1);
  assert.deepEqual(
    requests.filter((method) => method === "GET"),
    ["GET", "GET"],
    "once for each of the two lists",
  );
});

test("a toggle that fails is rolled back, and no other with it", async () => {
  const patches = await hold("PATCH");
  await checkbox("First").click();
  await checkbox("Third").click();
  await page.waitForFunction(() => document.querySelectorAll(":checked").length === 2);
  const later: Route[] = [];
  let refused = 0;
  await patches.letGo(async (route) => (refused++ < 3 ? route.abort() : void later.push(route))); // all three of First
  await alerted("ApiError: The server cannot be reached");
  assert(!(await checkbox("First").isChecked()));
  assert(await checkbox("Third").isChecked(), "before any answer");
  while (!later.length) await new Promise((resolve) => setTimeout(resolve, 10)); // until Third is on its way
  await later[0]?.continue();
  await page.waitForFunction(() => document.querySelectorAll("[aria-label=Pending] li").length === 2);
  assert.deepEqual(await titles("Pending"), ["First", "Second"]);
  assert(!(await checkbox("First").isChecked()));
  assert(await checkbox("Third").isChecked());
});

test("a toggle that fails is rolled back also when the lists cannot be fetched", async () => {
  const patches = await hold("PATCH");
  await checkbox("First").click();
  await page.waitForFunction(() => document.querySelectorAll(":checked").length === 1);
  await page.route("**/api/**", (route) => route.abort());
  await patches.letGo((route) => route.abort());
  await alerted("ApiError: The server cannot be reached");
  assert(!(await checkbox("First").isChecked()));
});

/** On and off again, each shown before any answer. */
async function toggleTwice(title: string) {
  for (const checked of [1, 0]) {
    await checkbox(title).click();
    await page.waitForFunction((number) => document.querySelectorAll(":checked").length === number, checked);
  }
}

test("two toggles of one task that both fail leave it as it was", async () => {
  const patches = await hold("PATCH");
  await toggleTwice("First");
  await page.route("**/api/**", (route) => route.abort());
  await patches.letGo((route) => route.abort());
  await alerted(/(ApiError.*){2}/);
  assert(!(await checkbox("First").isChecked()));
});

test("a toggle that fails after one that succeeded leaves what that has made of the task", async () => {
  const patches = await hold("PATCH");
  await toggleTwice("First");
  await page.route(/tasks(\?|$)/, (route) => route.abort());
  let sent = 0;
  await patches.letGo((route) => (sent++ ? route.abort() : route.continue()));
  await alerted("done ApiError: The server cannot be reached");
  assert(await checkbox("First").isChecked());
});

test("a change that fails after the cache was cleared makes no list of one task", async () => {
  const deletes = await hold("DELETE");
  await press("Delete", "Second");
  await row("Second").waitFor({ state: "detached" });
  await page.route("**/api/**", (route) => route.abort());
  await press("Clear");
  await deletes.letGo((route) => route.abort());
  await alerted("ApiError: The server cannot be reached");
  await press("Sort"); // draws the page anew
  assert.notDeepEqual(await titles("Pending"), ["Second"]);
});

test("a delete that fails puts the task back where it was", async () => {
  const deletes = await hold("DELETE");
  await press("Delete", "Second");
  await row("Second").waitFor({ state: "detached" });
  assert.deepEqual(await titles("Pending"), ["First", "Third"]);
  await page.route("**/api/**", (route) => route.abort());
  await deletes.letGo((route) => route.abort());
  await row("Second").waitFor();
  assert.deepEqual(await titles(), ["First", "Second", "Third"]);
  assert.deepEqual(await titles("Pending"), ["First", "Second", "Third"]);
});

test("a delete and an update show in every list", async () => {
  await press("Delete", "Second");
  await press("Rename", "Third");
  await list("Pending").getByText("Renamed").waitFor();
  assert.deepEqual(await titles("Pending"), ["First", "Renamed"]);
  assert.deepEqual(
    (await tasks.list()).items.map(({ title }) => title),
    ["First", "Renamed"],
  );
});

test("an update of what somebody else has changed is a conflict, and their change is shown", async () => {
  await press("Update late", "First");
  await alerted("ConflictError: ");
  await row("theirs").waitFor();
  assert.equal((await tasks.list()).items[0]?.description, "theirs");
});

test("a task whose answers were all lost is not made twice by pressing the button again", async () => {
  await page.route("**/api/**", (route) => (route.request().method() === "POST" ? lose(route) : route.continue()));
  await press("Add");
  await alerted("ApiError: The server cannot be reached");
  await row("Added").waitFor();
  await page.unrouteAll();
  await press("Add");
  await alerted("done");
  assert.deepEqual(
    (await tasks.list()).items.map(({ title }) => title),
    ["First", "Second", "Third", "Added"],
  );
});

test("a task whose answers were all lost can be added again once it is deleted", async () => {
  await page.route("**/api/**", (route) => (route.request().method() === "POST" ? lose(route) : route.continue()));
  await press("Add");
  await alerted("ApiError: The server cannot be reached");
  await press("Delete", "Added");
  await row("Added").waitFor({ state: "detached" });
  await alerted("done");
  await page.unrouteAll();
  await press("Add");
  await row("Added").waitFor();
  assert.deepEqual(
    (await tasks.list()).items.map(({ title }) => title),
    ["First", "Second", "Third", "Added"],
  );
});
