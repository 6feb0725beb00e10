// /docs as a visitor meets it: every test is a page of a real browser on a real service. `make browser`.

import assert from "node:assert/strict";
import { readFile } from "node:fs/promises";
import { after, before, describe, test } from "node:test";
import { hostPage, launch, openPage, prefixProxy, screenshot, setting } from "./support.js";

const API = setting("API_URL");
const PREFIX = setting("PREFIX");
const OPERATIONS = [
  ["GET", "/api/{user_id}/tasks"],
  ["POST", "/api/{user_id}/tasks"],
  ["GET", "/api/{user_id}/tasks/{task_id}"],
  ["PUT", "/api/{user_id}/tasks/{task_id}"],
  ["DELETE", "/api/{user_id}/tasks/{task_id}"],
  ["PATCH", "/api/{user_id}/tasks/{task_id}/complete"],
  ["GET", "/health"],
  ["GET", "/health/ready"],
];

let browser;
before(async () => {
  browser = await launch();
});
after(() => browser.close());

/** Open the page, hand it to the test, and fail if anything went wrong in it. */
async function onDocs(visit, { address = `${API}/docs`, origins = [API], prepare, ...options } = {}) {
  const { page, faults } = await openPage(browser, origins, options);
  try {
    await prepare?.(page);
    await page.goto(address);
    await page.locator(".opblock").first().waitFor();
    await visit(page);
    assert.deepEqual(faults, []);
  } finally {
    await page.context().close();
  }
}

const operation = (page, name) => page.locator(`[id$="-${name}"].opblock`);

async function open(page, name) {
  await operation(page, name).locator(".opblock-summary-control").click();
  await operation(page, name).locator("button.execute").waitFor();
}

/** Press Execute and return the status and the body that the page shows. */
async function execute(page, name) {
  const block = operation(page, name);
  await block.locator("button.execute").click();
  const status = block.locator(".live-responses-table tbody .response-col_status").first();
  await status.waitFor();
  const code = Number.parseInt(await status.innerText(), 10);
  if (code === 204) return { status: code, body: null };
  const text = await block.locator(".live-responses-table .highlight-code pre").first().innerText();
  return { status: code, body: JSON.parse(text) };
}

async function run(page, name) {
  await open(page, name);
  return execute(page, name);
}

async function authorize(page, token) {
  await page.locator(".auth-wrapper .authorize").first().click();
  await page.locator(".auth-container input").fill(token);
  await page.locator(".auth-btn-wrapper .authorize").click();
  await page.locator(".auth-btn-wrapper .btn-done").click();
}

const field = (page, name, parameter) => operation(page, name).locator(`[data-param-name="${parameter}"] input`);

async function becomeDemoUser(page) {
  await page.getByRole("button", { name: "Try it with a demo user" }).click();
  const message = page.getByRole("status");
  await message.filter({ hasText: "You are demo-" }).waitFor();
  return (await message.innerText()).match(/demo-[0-9a-f]{24}/)[0];
}

describe("the page", () => {
  test("loads from its own origin only and lists every operation", () =>
    onDocs(async (page) => {
      const summaries = await page.locator(".opblock-summary").all();
      const listed = await Promise.all(
        summaries.map(async (summary) => [
          await summary.locator(".opblock-summary-method").innerText(),
          await summary.locator(".opblock-summary-path").getAttribute("data-path"),
        ]),
      );
      assert.deepEqual(listed.filter(([, path]) => path !== "/demo/token"), OPERATIONS);
      await screenshot(page, "docs-page");
    }));

  test("opens the operation that a deep link names", () =>
    onDocs((page) => operation(page, "updateTask").locator("button.execute").waitFor(), {
      address: `${API}/docs#/tasks/updateTask`,
    }));

  test("creates, lists, toggles and deletes with a given token, and remembers it", () =>
    onDocs(async (page) => {
      await authorize(page, setting("TOKEN"));
      const created = await run(page, "createTask");
      assert.equal(created.status, 201);
      assert.equal(created.body.user_id, setting("USER_ID"));
      assert.match(await operation(page, "createTask").locator(".live-responses-table").innerText(), /Request duration/);
      const list = await run(page, "listTasks");
      assert.equal(list.status, 200);
      assert.deepEqual(list.body, [created.body]);
      await page.reload();
      await open(page, "toggleTask");
      assert.equal(await field(page, "toggleTask", "user_id").inputValue(), setting("USER_ID"));
      await field(page, "toggleTask", "task_id").fill(String(created.body.id));
      assert.equal((await execute(page, "toggleTask")).body.completed, true);
      await open(page, "deleteTask");
      await field(page, "deleteTask", "task_id").fill(String(created.body.id));
      assert.deepEqual(await execute(page, "deleteTask"), { status: 204, body: null });
    }));

  test("drops a remembered token that has expired, and says so", () =>
    onDocs(
      async (page) => {
        await page.getByRole("status").filter({ hasText: "expired" }).waitFor();
        assert.equal(await page.evaluate(() => localStorage.getItem("authorized")), "{}");
      },
      {
        prepare: async (page) => {
          const authorized = { bearerAuth: { name: "bearerAuth", schema: { type: "http" }, value: setting("EXPIRED") } };
          await page.addInitScript((value) => localStorage.setItem("authorized", value), JSON.stringify(authorized));
        },
      },
    ));
});

describe("the demo button", () => {
  test("makes a user whose tasks can be tried without typing anything", () =>
    onDocs(async (page) => {
      const user = await becomeDemoUser(page);
      const created = await run(page, "createTask");
      assert.equal(created.status, 201);
      assert.equal(created.body.user_id, user);
      await operation(page, "createTask").locator(".live-responses-table").scrollIntoViewIfNeeded();
      await screenshot(page, "created");
      const read = await run(page, "getTask");
      assert.deepEqual(read.body, created.body);
      assert.equal((await run(page, "updateTask")).body.title, "Buy oat milk");
    }));

  test("is not there without DEMO_MODE", () =>
    onDocs(async (page) => assert.equal(await page.getByRole("button", { name: "demo user" }).count(), 0), {
      address: `${setting("PLAIN_URL")}/docs`,
      origins: [setting("PLAIN_URL")],
    }));
});

describe("elsewhere", () => {
  test("works in a frame of a site that the policy allows", async (t) => {
    const host = await hostPage(t, `${API}/docs`);
    const { page, faults } = await openPage(browser, [API, host]);
    t.after(() => page.context().close());
    await page.goto(host);
    const frame = page.frameLocator("iframe");
    await becomeDemoUser(frame);
    assert.equal((await run(frame, "createTask")).status, 201);
    await screenshot(page, "framed");
    assert.deepEqual(faults, []);
  });

  test("refuses the frame of any other site", async (t) => {
    const stranger = (await hostPage(t, `${API}/docs`)).replace("localhost", "127.0.0.1");
    const { page } = await openPage(browser, [API, stranger]);
    t.after(() => page.context().close());
    const refusal = page.waitForEvent("console", (message) => message.text().includes("frame-ancestors"));
    await page.goto(stranger);
    await refusal;
    assert.equal(await page.frameLocator("iframe").locator("#start").count(), 0);
  });

  test("works where the browser forbids it to remember anything", () =>
    onDocs(
      async (page) => {
        await authorize(page, setting("TOKEN"));
        assert.equal((await run(page, "listTasks")).status, 200);
      },
      {
        prepare: (page) =>
          page.addInitScript(() =>
            Object.defineProperty(window, "localStorage", {
              get() {
                throw new DOMException("blocked", "SecurityError");
              },
            }),
          ),
      },
    ));

  for (const [title, target] of [
    ["works below a prefix that ROOT_PATH names", setting("PREFIXED_URL")],
    ["works below a prefix that only the proxy knows", API],
  ]) {
    test(title, async (t) => {
      const proxy = await prefixProxy(t, target, PREFIX);
      const visit = async (page) => {
        await authorize(page, setting("TOKEN"));
        assert.equal((await run(page, "createTask")).status, 201);
      };
      await onDocs(visit, { address: `${proxy}${PREFIX}/docs`, origins: [proxy] });
    });
  }

  test("is where a visitor of the prefix itself arrives", async (t) => {
    const proxy = await prefixProxy(t, setting("PREFIXED_URL"), PREFIX);
    const visit = (page) => assert.equal(page.url(), `${proxy}${PREFIX}/docs`);
    await onDocs(visit, { address: `${proxy}${PREFIX}/`, origins: [proxy] });
  });
});

describe("for everybody", () => {
  test("needs no mouse", () =>
    onDocs(async (page) => {
      const tabTo = async (target) => {
        for (let presses = 0; presses < 60; presses += 1) {
          await page.keyboard.press("Tab");
          if (await target.evaluate((element) => element === document.activeElement)) return;
        }
        assert.fail("Tab does not get there");
      };
      await tabTo(page.getByRole("button", { name: "Try it with a demo user" }));
      await screenshot(page, "keyboard");
      await page.keyboard.press("Enter");
      await page.getByRole("status").filter({ hasText: "You are demo-" }).waitFor();
      await tabTo(operation(page, "createTask").locator(".opblock-summary-control"));
      await page.keyboard.press("Enter");
      await tabTo(operation(page, "createTask").locator("button.execute"));
      await page.keyboard.press("Enter");
      await operation(page, "createTask").locator(".live-responses-table").getByText("201").first().waitFor();
    }));

  test("fits a narrow window", () =>
    onDocs(
      async (page) => {
        await authorize(page, setting("TOKEN"));
        assert.equal((await run(page, "createTask")).status, 201);
        const [content, view] = await page.evaluate(() => {
          const { scrollWidth, clientWidth } = document.documentElement;
          return [scrollWidth, clientWidth];
        });
        await screenshot(page, "narrow", { clip: { x: 0, y: 0, width: 400, height: 2800 }, fullPage: true });
        assert.ok(content <= view, `${content} px wide in a window of ${view} px`);
      },
      { viewport: { width: 360, height: 740 } },
    ));

  for (const colorScheme of ["light", "dark"]) {
    test(`is readable in ${colorScheme} mode, and has no serious accessibility fault of ours`, () =>
      onDocs(
        async (page) => {
          await open(page, "createTask");
          await screenshot(page, colorScheme);
          const dark = await page.evaluate(() => document.documentElement.classList.contains("dark-mode"));
          assert.equal(dark, colorScheme === "dark");
          assert.deepEqual(await violations(page), []);
        },
        { colorScheme },
      ));
  }
});

/** What axe-core finds serious, in our own elements and in the page as a whole. */
async function violations(page) {
  await page.evaluate(await readFile(new URL("node_modules/axe-core/axe.min.js", import.meta.url), "utf8"));
  const found = await page.evaluate(async () => {
    const ours = await axe.run("#start");
    const whole = await axe.run(document, {
      runOnly: ["document-title", "html-has-lang", "html-lang-valid", "meta-viewport", "bypass", "landmark-one-main"],
    });
    return [...ours.violations, ...whole.violations].map(({ id, impact }) => ({ id, impact }));
  });
  return found.filter(({ impact }) => ["serious", "critical"].includes(impact));
}
