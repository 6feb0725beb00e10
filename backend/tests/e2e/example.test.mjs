// Drives the example in the system's Chromium as a person would, and fails at the first thing that is not as it should
// be. The steps follow each other, as a person's do.
import assert from "node:assert/strict";
import { mkdir } from "node:fs/promises";
import { createRequire } from "node:module";
import { after, before, test } from "node:test";

import { chromium } from "playwright-core";

import { Network } from "./network.mjs";

const { CHROMIUM, PAGE_URL, API_URL, API_TARGET, EXAMPLE, AUTH_DATABASE_URL, TOKEN_PATIENCE = "30000" } = process.env;
const output = new URL("output/", import.meta.url).pathname;
const network = new Network(Number(new URL(API_URL).port), API_TARGET);
const { Client } = createRequire(`${EXAMPLE}/`)("pg");

let browser;
let page;
const broken = [];

before(async () => {
  await mkdir(output, { recursive: true });
  await network.up();
  browser = await chromium.launch({
    executablePath: CHROMIUM,
    args: [
      "--no-sandbox", // as root, Chromium refuses to start with one
      "--disable-background-networking",
      "--disable-component-update",
      "--disable-sync",
      "--no-first-run",
      "--disable-gpu",
      "--disable-quic",
    ],
  });
  const context = await browser.newContext({ viewport: { width: 1280, height: 900 } });
  page = await context.newPage();
  watch(page);
});

after(async () => {
  await browser.close();
  await network.down();
});

function watch(page) {
  page.setDefaultTimeout(20_000);
  page.on("pageerror", (error) => broken.push(String(error)));
  page.on("console", (message) => {
    // The browser logs each 4xx and each lost connection by itself; those are looked at one by one.
    const known = ["responded with a status", "net::ERR_"];
    if (message.type() === "error" && !known.some((text) => message.text().includes(text))) broken.push(message.text());
  });
}

const titles = (where = page) => where.locator("#tasks [data-part=title]").allTextContents();
const shows = (text, where = page) => where.getByRole("status").getByText(text).waitFor();
const complaint = (where = page) => where.locator("main > [role=alert]");
const complains = (text) => complaint().getByText(text).waitFor();
const item = (title, where = page) => where.locator("#tasks").getByRole("listitem").filter({ hasText: title });
const press = (name, where = page) => where.getByRole("button", { name, exact: true }).click();
// Tokens live for a second here, so that any answer may be a 401, and the next one what counts.
const answerTo = (method) =>
  page.waitForResponse((response) => response.request().method() === method && response.status() !== 401);

async function screenshot(name) {
  await page.screenshot({ path: `${output}${name}.png`, animations: "disabled" });
}

async function create(title, description = "") {
  await page.getByLabel("New task").fill(title);
  await page.getByLabel("Description").first().fill(description);
  const answer = answerTo("POST");
  await press("Add");
  const created = await answer;
  assert.equal(created.status(), 201);
  assert.equal(new URL(created.url()).origin, API_URL, "another origin than the page's");
  await item(title).waitFor();
}

async function edit(title, fields) {
  await press(`Edit ${title}`);
  const dialog = page.getByRole("dialog", { name: "Edit task" });
  for (const [label, text] of Object.entries(fields)) await dialog.getByLabel(label).fill(text);
  return dialog;
}

test("a visitor signs up", async () => {
  await page.goto(PAGE_URL);
  await page.getByLabel("Name").fill("Grace");
  await page.getByLabel("E-mail").fill("grace@example.com");
  await page.getByLabel("Password").fill("correct horse battery staple");
  await screenshot("sign-up");
  await press("Sign up");
  await page.getByText("Grace").waitFor();
  await shows("0 tasks");
});

test("they add tasks, and sort them", async () => {
  await create("Write the report", "Two pages, with figures");
  await create("buy milk");
  await create("Call Ada");
  await shows("3 tasks");
  assert.deepEqual(await titles(), ["Write the report", "buy milk", "Call Ada"]);
  await page.getByLabel("Sort by").selectOption("title");
  await page.waitForFunction(() => document.querySelector("[data-part=title]").textContent === "buy milk");
  assert.deepEqual(await titles(), ["buy milk", "Call Ada", "Write the report"]);
});

test("they complete one by keyboard, where the focus must survive that the list is drawn anew", async () => {
  const toggled = answerTo("PATCH");
  await item("buy milk").getByRole("checkbox").focus();
  await page.keyboard.press("Space");
  assert.equal((await (await toggled).json()).completed, true);
  await page.waitForFunction(() => document.querySelectorAll("#tasks :checked:focus").length === 1);
  await page.getByLabel("Show").selectOption("completed");
  await shows("1 task");
  assert.deepEqual(await titles(), ["buy milk"]);
  await page.getByLabel("Show").selectOption("all");
  await shows("3 tasks");
});

test("they edit one", async () => {
  await press("Edit Call Ada");
  const dialog = page.getByRole("dialog", { name: "Edit task" });
  assert.equal(await dialog.getByLabel("Title").inputValue(), "Call Ada");
  await dialog.getByLabel("Title").fill("Call Ada back");
  await dialog.getByLabel("Description").fill("Before noon");
  await screenshot("edit");
  await press("Save", dialog);
  await shows("Saved.");
  await item("Call Ada back").getByText("Before noon").waitFor();
  await screenshot("tasks");
});

const focused = (label) => page.waitForFunction((name) => document.activeElement.ariaLabel === name, label);

test("the focus is where a person at the keyboard expects it", async () => {
  await press("Edit Call Ada back");
  const dialog = page.getByRole("dialog");
  await page.waitForFunction(() => document.activeElement.closest("label")?.textContent.includes("Title"));
  await press("Cancel", dialog);
  await focused("Edit Call Ada back");
  await press("Edit Call Ada back");
  await page.waitForFunction(() => document.activeElement.closest("label"));
  await press("Save", dialog);
  await shows("Saved.");
  await focused("Edit Call Ada back");
});

/** Holds back the answers to a method until the returned function is called. */
async function held(method) {
  let release;
  const released = new Promise((resolve) => (release = resolve));
  const hold = async (route) => {
    if (route.request().method() === method) await released;
    await route.continue();
  };
  await page.route(`${API_URL}/**`, hold);
  return async () => {
    release();
    await page.unrouteAll({ behavior: "wait" });
  };
}

test("what is written while something is saved stays, and pressing twice saves once", async () => {
  const sent = [];
  const listen = (request) => request.method() === "POST" && request.url().startsWith(API_URL) && sent.push(request);
  page.on("request", listen);
  let release = await held("POST");
  await page.getByLabel("New task").fill("Shop");
  await page.getByLabel("Description").first().fill("milk\nbread");
  await page.getByRole("button", { name: "Add", exact: true }).dblclick();
  await page.getByLabel("New task").fill("Something else");
  await release();
  await shows("Added. 4 tasks");
  assert.equal(await page.getByLabel("New task").inputValue(), "Something else");
  assert.equal(new Set(sent.map((request) => request.headers()["idempotency-key"])).size, 1);
  page.off("request", listen);
  await page.getByLabel("New task").fill("");
  await page.getByLabel("Description").first().fill("");

  release = await held("PUT");
  await press("Save", await edit("Shop", { Title: "Shop today" }));
  await page.keyboard.press("Escape"); // a dialog that is left takes no other with it
  const dialog = await edit("Call Ada back", { Title: "Call Ada twice" });
  const saved = answerTo("PUT");
  await release();
  assert.equal((await (await saved).json()).description, "milk\nbread", "nobody has touched the line break");
  await item("Shop today").waitFor();
  assert.equal(await dialog.getByLabel("Title").inputValue(), "Call Ada twice");
  await press("Cancel", dialog);
  await press("Delete Shop today");
  await shows("3 tasks");
});

test("the server renders the list, for a browser without scripts too", async () => {
  const html = await (await page.request.get(PAGE_URL)).text();
  for (const title of ["Write the report", "buy milk", "Call Ada back"]) assert(html.includes(`>${title}</strong>`));
  await page.reload();
  await shows("3 tasks");
  assert.deepEqual(await titles(), ["Write the report", "buy milk", "Call Ada back"]);
});

test("it fits on a phone, also at night", async () => {
  for (const width of [390, 360]) {
    await page.setViewportSize({ width, height: 844 });
    const overflow = await page.evaluate(() => document.documentElement.scrollWidth > innerWidth);
    assert.equal(overflow, false, "no scrolling sideways on a phone");
    await screenshot(`phone-${width}`);
    await page.emulateMedia({ colorScheme: "dark" });
  }
  await screenshot("phone-dark");
  await page.setViewportSize({ width: 1280, height: 900 });
  await page.emulateMedia({ colorScheme: "light" });
});

test("mistakes are explained", async () => {
  await page.getByLabel("New task").fill("   ");
  await press("Add");
  await complains("Validation failed");
  await screenshot("error");
  await page.getByLabel("New task").fill("");
});

/** Opens a second tab. It is closed with the test, for whatever the page does is slow while another tab is in front. */
async function anotherTab(t) {
  const other = await page.context().newPage();
  t.after(() => other.close());
  watch(other);
  return other;
}

test("what another window has deleted is found out", async (t) => {
  const other = await anotherTab(t);
  await other.goto(PAGE_URL);
  await press("Delete Write the report", other);
  await shows("Deleted “Write the report”. 2 tasks", other);
  await other.close();
  await item("Write the report").getByRole("checkbox").click();
  await complains("Task not found");
  await shows("2 tasks");
});

test("what another tab has changed is not overwritten unseen", async (t) => {
  const dialog = await edit("Call Ada back", { Description: "At noon" });
  await page.waitForFunction(() => !document.querySelector("dialog button").disabled);
  const other = await anotherTab(t);
  await other.goto(PAGE_URL);
  await press("Edit Call Ada back", other);
  await other.getByRole("dialog").getByLabel("Title").fill("Call Ada now");
  await press("Save", other);
  await shows("Saved.", other);

  const conflict = answerTo("PUT");
  await press("Save", dialog);
  assert.equal((await conflict).status(), 412);
  await dialog.getByRole("alert").getByText("“Call Ada now – Before noon”").waitFor();
  await screenshot("conflict");
  assert.equal(await dialog.getByLabel("Description").inputValue(), "At noon", "the draft is still there");
  assert.deepEqual((await titles(other)).at(-1), "Call Ada now", "nothing is lost yet");

  assert.equal(await dialog.getByLabel("Title").inputValue(), "Call Ada now", "which they have not touched");

  await dialog.getByLabel("Title").fill("Call Ada back");
  await press("Save", dialog); // they have seen it now, and insist
  await shows("Saved.");
  await item("Call Ada back").getByText("At noon").waitFor();
  await other.reload();
  await item("Call Ada back", other).getByText("At noon").waitFor();
});

// The server issues tokens that live for a second. Nobody touches the one that the page holds: when the API has begun
// to refuse it, the page is used again.
async function untilRefused(request) {
  const { authorization } = await request.allHeaders();
  const deadline = Date.now() + Number(TOKEN_PATIENCE);
  const ask = () => page.request.get(request.url(), { headers: { authorization } });
  while ((await ask()).status() !== 401) {
    assert.ok(Date.now() < deadline, "the token did not expire");
    await new Promise((resolve) => setTimeout(resolve, 200)); // between two polls
  }
  return authorization;
}

const keyOf = (authorization) => JSON.parse(Buffer.from(authorization.split(/[ .]/)[1], "base64url").toString()).kid;

/** Saves a change with a token that the API refuses, and returns both answers and both tokens. */
async function saveWithRefusedToken(description, meanwhile = async () => {}) {
  const read = answerTo("GET");
  const dialog = await edit("Call Ada back", { Description: description });
  const first = await untilRefused((await read).request());
  await meanwhile();
  const answers = [];
  const listen = (response) => response.request().method() === "PUT" && answers.push(response);
  page.on("response", listen);
  await press("Save", dialog);
  await shows("Saved.");
  page.off("response", listen);
  assert.deepEqual(
    answers.map((response) => response.status()),
    [401, 200],
    "once more, with a new token",
  );
  assert.equal((await answers[0].json()).detail, "Token has expired");
  assert.equal((await answers[1].json()).description, description);
  assert.equal(await complaint().textContent(), "", "the user noticed nothing");
  return [first, (await answers[1].request().allHeaders()).authorization].map(keyOf);
}

test("an expired token is renewed unnoticed", async () => {
  const [before, after] = await saveWithRefusedToken("After noon");
  assert.equal(before, after, "by the same key");
  await shows("2 tasks");
});

test("a key rotation goes unnoticed, in the browser and on the server", async () => {
  const [before, after] = await saveWithRefusedToken("In the evening", rotate);
  assert.notEqual(before, after);
  const html = await (await page.request.get(PAGE_URL)).text();
  assert(html.includes("In the evening"));
});

/** As Better Auth does it by itself with `rotationInterval`: the key has expired, the next token makes another. */
async function rotate() {
  const client = new Client({ connectionString: AUTH_DATABASE_URL });
  await client.connect();
  const { rowCount } = await client.query(`UPDATE jwks SET "expiresAt" = now() - interval '1 second'`);
  await client.end();
  assert(rowCount >= 1);
}

test("an outage is told, loses nothing, and ends by itself or at the press of a button", async () => {
  await network.down();
  const checkbox = item("Call Ada back").getByRole("checkbox");
  await checkbox.click();
  await page.waitForFunction(() => document.querySelectorAll("#tasks :checked").length === 2); // at once
  await complains("The server cannot be reached");
  await page.waitForFunction(() => document.querySelectorAll("#tasks :checked").length === 1); // as it was
  await screenshot("outage");

  await page.getByLabel("New task").fill("Written in the dark");
  const lost = givenUp("POST");
  await press("Add");
  await lost;
  await complains("The server cannot be reached");
  assert.equal(await page.getByLabel("New task").inputValue(), "Written in the dark", "it need not be typed again");

  await checkbox.click(); // the client repeats this until the API is back
  await page.waitForFunction(() => document.querySelectorAll("#tasks :checked").length === 2);
  const completed = answerTo("PATCH");
  await network.up();
  assert.equal((await completed).status(), 200);
  await press("Add");
  await item("Written in the dark").waitFor();
  assert.equal(await complaint().textContent(), "");
  assert.equal((await titles()).filter((title) => title === "Written in the dark").length, 1);
});

test("a browser that takes itself for offline says so, and takes back what it could not save", async () => {
  const checkbox = item("Call Ada back").getByRole("checkbox");
  const before = await checkbox.isChecked();
  await page.context().setOffline(true);
  await checkbox.click();
  await complains("The server cannot be reached");
  await page.waitForFunction((checked) => document.querySelectorAll("#tasks :checked").length === checked, 2);
  assert.equal(await checkbox.isChecked(), before);
  await page.context().setOffline(false);
});

/** Resolves when a request and its two repetitions have failed. */
function givenUp(method) {
  let left = 3;
  return page.waitForEvent("requestfailed", (request) => request.method() === method && --left === 0);
}

test("a page that is opened during an outage comes, and gets its list afterwards", async () => {
  await network.down();
  await page.reload();
  await complains("The server cannot be reached");
  await page.getByText("Grace").waitFor();
  await network.up();
  await press("Try again");
  await shows("3 tasks");
  assert.equal(await complaint().textContent(), "");
});

test("they delete one", async () => {
  await press("Delete buy milk");
  await shows("Deleted “buy milk”. 2 tasks");
  await press("Delete Written in the dark");
  await shows("Deleted “Written in the dark”. 1 task");
  assert.deepEqual(await titles(), ["Call Ada back"]);
});

test("who cannot sign out is told that they are still signed in", async () => {
  await page.route("**/api/auth/**", (route) => route.abort());
  await press("Sign out");
  await complains("You are still signed in. The server cannot be reached");
  await page.unroute("**/api/auth/**");
  assert.deepEqual(await titles(), ["Call Ada back"]);
});

test("they sign out, and nothing of theirs is left; they come back, and all of it is", async () => {
  await press("Sign out");
  await page.getByRole("button", { name: "Sign in" }).waitFor();
  assert.deepEqual(await titles(), []);
  await page.getByLabel("E-mail").fill("grace@example.com");
  await page.getByLabel("Password").fill("wrong horse battery staple");
  await page.route("**/api/auth/**", (route) => route.abort());
  await press("Sign in");
  await page.locator("form [role=alert]").getByText("The server cannot be reached").waitFor();
  await page.unroute("**/api/auth/**");
  await press("Sign in");
  await page.locator("form [role=alert]").getByText("Invalid").waitFor();
  await page.getByLabel("Password").fill("correct horse battery staple");
  await press("Sign in");
  await shows("1 task");
  assert.deepEqual(await titles(), ["Call Ada back"]);
});

test("nothing went wrong that nobody saw", () => {
  assert.deepEqual(broken, []);
});
