// Drives the page in the system's Chromium as a person would, and fails at the first thing that is not as it should be.
import assert from "node:assert/strict";
import { mkdir } from "node:fs/promises";

import { chromium } from "playwright-core";

const { CHROMIUM, PAGE_URL, API_URL, TOKEN_PATIENCE = "30000" } = process.env;
const output = new URL("output/", import.meta.url).pathname;

async function drive(page) {
  await mkdir(output, { recursive: true });
  await page.goto(PAGE_URL);
  await signUp(page);
  await create(page, "Write the report", "Two pages, with figures");
  await create(page, "buy milk");
  await create(page, "Call Ada");
  await listInOrder(page);
  await toggle(page);
  await edit(page);
  await page.screenshot({ path: `${output}tasks.png` });
  await phone(page);
  await errors(page);
  await renewToken(page);
  await remove(page);
  await signOut(page);
}

const titles = (page) => page.locator("#tasks [data-part=title]").allTextContents();
const shows = (page, text) => page.getByRole("status").getByText(text).waitFor();
const complains = (page, text) => page.getByRole("alert").getByText(text).waitFor();
const item = (page, title) => page.getByRole("listitem").filter({ hasText: title });

async function signUp(page) {
  await page.getByLabel("Name").fill("Grace");
  await page.getByLabel("E-mail").fill("grace@example.com");
  await page.getByLabel("Password").fill("correct horse battery staple");
  await page.screenshot({ path: `${output}sign-up.png` });
  await page.getByRole("button", { name: "Sign up" }).click();
  await page.getByText("Grace").waitFor();
  await shows(page, "0 tasks");
}

async function create(page, title, description = "") {
  await page.getByLabel("New task").fill(title);
  await page.getByLabel("Description").first().fill(description);
  const answer = page.waitForResponse((response) => response.request().method() === "POST");
  await page.getByRole("button", { name: "Add" }).click();
  const created = await answer;
  assert.equal(created.status(), 201);
  assert.equal(new URL(created.url()).origin, API_URL, "another origin than the page's");
  await item(page, title).waitFor();
}

async function listInOrder(page) {
  await shows(page, "3 tasks");
  assert.deepEqual(await titles(page), ["Write the report", "buy milk", "Call Ada"]);
  await page.getByLabel("Sort by").selectOption("title");
  await page.waitForFunction(() => document.querySelector("[data-part=title]").textContent === "buy milk");
  assert.deepEqual(await titles(page), ["buy milk", "Call Ada", "Write the report"]);
}

async function toggle(page) {
  // By keyboard, where the focus must survive that the list is drawn anew.
  const toggled = page.waitForResponse((response) => response.request().method() === "PATCH");
  await item(page, "buy milk").getByRole("checkbox").focus();
  await page.keyboard.press("Space");
  assert.equal((await (await toggled).json()).completed, true);
  await page.waitForFunction(() => document.querySelectorAll("#tasks :checked:focus").length === 1);
  await page.getByLabel("Show").selectOption("completed");
  await shows(page, "1 task");
  assert.deepEqual(await titles(page), ["buy milk"]);
  await page.getByLabel("Show").selectOption("all");
  await shows(page, "3 tasks");
}

async function edit(page) {
  await page.getByRole("button", { name: "Edit Call Ada" }).click();
  const dialog = page.getByRole("dialog", { name: "Edit task" });
  assert.equal(await dialog.getByLabel("Title").inputValue(), "Call Ada");
  await dialog.getByLabel("Title").fill("Call Ada back");
  await dialog.getByLabel("Description").fill("Before noon");
  await page.screenshot({ path: `${output}edit.png` });
  await dialog.getByRole("button", { name: "Save" }).click();
  await shows(page, "Saved.");
  await item(page, "Call Ada back").getByText("Before noon").waitFor();
}

async function phone(page) {
  await page.setViewportSize({ width: 360, height: 740 });
  await page.emulateMedia({ colorScheme: "dark" });
  const overflow = await page.evaluate(() => document.documentElement.scrollWidth > innerWidth);
  assert.equal(overflow, false, "no scrolling sideways on a phone");
  await page.screenshot({ path: `${output}phone.png` });
  await page.setViewportSize({ width: 900, height: 760 });
  await page.emulateMedia({ colorScheme: "light" });
}

async function errors(page) {
  await page.getByLabel("New task").fill("   ");
  await page.getByRole("button", { name: "Add" }).click();
  await complains(page, "Validation failed");
  await page.screenshot({ path: `${output}error.png` });
  await page.getByLabel("New task").fill("");

  // Somebody deletes a task in another window; this one finds out.
  const other = await page.context().newPage();
  await other.goto(PAGE_URL);
  await other.getByRole("button", { name: "Delete Write the report" }).click();
  await shows(other, "2 tasks");
  await other.close();
  await item(page, "Write the report").getByRole("checkbox").click();
  await complains(page, "Task not found");
}

// The server issues tokens that live for a second. Nobody touches the one that the page holds: when the API has begun
// to refuse it, the page is used again.
async function renewToken(page) {
  const listed = page.waitForResponse((response) => response.url().includes("status=pending") && response.ok());
  await page.getByLabel("Show").selectOption("pending");
  await refused(page, (await listed).request());
  const answers = [];
  page.on("response", (response) => response.request().method() === "PUT" && answers.push(response));
  await page.getByRole("button", { name: "Edit Call Ada back" }).click();
  await page.getByRole("dialog").getByLabel("Description").fill("After noon");
  await page.getByRole("button", { name: "Save" }).click();
  await shows(page, "Saved.");
  assert.deepEqual(answers.map((response) => response.status()), [401, 200], "once more, with a new token");
  assert.equal((await answers[0].json()).detail, "Token has expired");
  assert.equal((await answers[1].json()).description, "After noon");
  assert.equal(await page.getByRole("alert").textContent(), "", "the user noticed nothing");
  await page.getByLabel("Show").selectOption("all");
  await shows(page, "2 tasks");
}

async function refused(page, request) {
  const { authorization } = await request.allHeaders();
  const deadline = Date.now() + Number(TOKEN_PATIENCE);
  const ask = () => page.request.get(request.url(), { headers: { authorization } });
  while ((await ask()).status() !== 401) {
    assert.ok(Date.now() < deadline, "the token did not expire");
    await new Promise((resolve) => setTimeout(resolve, 200)); // between two polls
  }
}

async function remove(page) {
  await page.getByRole("button", { name: "Delete buy milk" }).click();
  await shows(page, "Deleted “buy milk”. 1 task");
  assert.deepEqual(await titles(page), ["Call Ada back"]);
}

async function signOut(page) {
  await page.getByRole("button", { name: "Sign out" }).click();
  await page.getByRole("button", { name: "Sign in" }).waitFor();
  assert.deepEqual(await titles(page), []);
}

const browser = await chromium.launch({
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

try {
  const context = await browser.newContext({ viewport: { width: 900, height: 760 } });
  const page = await context.newPage();
  page.setDefaultTimeout(20_000);
  const broken = [];
  page.on("pageerror", (error) => broken.push(String(error)));
  page.on("console", (message) => {
    // The browser logs each 4xx by itself; those are looked at one by one.
    if (message.type() === "error" && !message.text().includes("responded with a status")) broken.push(message.text());
  });
  await drive(page);
  assert.deepEqual(broken, []);
  console.log("browser: all steps passed");
} finally {
  await browser.close();
}
