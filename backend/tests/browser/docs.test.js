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
// In an order in which each has what it needs: a task that the one before it has made.
const NAMES = [
  ...["createTask", "listTasks", "getTask", "updateTask", "toggleTask", "deleteTask"],
  ...["getHealth", "getReadiness", "createDemoToken"],
];
const THREE_SCREENS = 2700; // px, of 900 each

const NARROW = { width: 390, height: 844 };

let browser;
before(async () => {
  browser = await launch();
});
after(() => browser.close());

/** Open the page, hand it to the test, and fail if anything went wrong in it. */
async function onDocs(visit, { address = `${API}/docs`, origins = [API], prepare, expected, ...options } = {}) {
  const { page, faults } = await openPage(browser, origins, options);
  try {
    await prepare?.(page);
    await page.goto(address);
    await page.locator(".opblock").first().waitFor();
    await visit(page);
    assert.deepEqual(faults.filter((fault) => !expected?.test(fault)), []);
  } finally {
    await page.context().close();
  }
}

const operation = (page, name) => page.locator(`[id$="-${name}"].opblock`);

const toggle = (page, name) => operation(page, name).locator(".opblock-summary-control").click();

async function open(page, name) {
  await toggle(page, name);
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

const demoButton = (page) => page.getByRole("button", { name: "Try it with a demo user" });

/** Wait until the page says something, and return all that it says. */
async function said(page, text) {
  const message = page.getByRole("status").filter({ hasText: text });
  await message.waitFor();
  return message.innerText();
}

async function demoUser(page) {
  return (await said(page, "You are demo-")).match(/demo-[0-9a-f]{24}/)[0];
}

async function becomeDemoUser(page) {
  await demoButton(page).click();
  return demoUser(page);
}

/** The page once more, in the same browser. */
async function anotherTab(page) {
  const other = await page.context().newPage();
  await other.goto(page.url());
  await other.locator(".opblock").first().waitFor();
  return other;
}

const isFocused = (target) => target.evaluate((element) => element === document.activeElement);

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

  test("takes a token that is pasted with its scheme", () =>
    onDocs(async (page) => {
      await authorize(page, ` bEARER  ${setting("TOKEN")}`);
      await said(page, `You are ${setting("USER_ID")} until`);
      assert.equal((await run(page, "listTasks")).status, 200);
      const authorized = await page.evaluate(() => JSON.parse(localStorage.getItem("authorized")));
      assert.equal(authorized.bearerAuth.value, setting("TOKEN"));
    }));

  for (const [title, answer, text] of [
    ["says why it has no document", { json: { detail: "The service is busy." } }, "The service is busy."],
    ["says with which status it got no document", { body: "<h1>Busy</h1>" }, "The service answers with status 503."],
  ]) {
    test(title, async (t) => {
      const { page } = await openPage(browser, [API]);
      t.after(() => page.context().close());
      await page.route("**/openapi.json", (route) => route.fulfill({ status: 503, ...answer }));
      await page.goto(`${API}/docs`);
      assert.equal(await said(page, "could not be built"), `The page could not be built: ${text}`);
    });
  }

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

  test("is mentioned in the introduction", () =>
    onDocs(async (page) => assert.match(await page.locator(".info").innerText(), /Try it with a demo user/)));

  test("brings three tasks, and the last of a list is the one to go on with", () =>
    onDocs(async (page) => {
      await becomeDemoUser(page);
      const { status, body } = await run(page, "listTasks");
      assert.equal(status, 200);
      assert.deepEqual(body.map((task) => task.completed), [true, false, false]);
      assert.deepEqual((await run(page, "getTask")).body, body.at(-1));
      await field(page, "getTask", "task_id").fill(String(body[0].id));
      await execute(page, "listTasks");
      assert.equal(await field(page, "getTask", "task_id").inputValue(), String(body[0].id), "written by hand");
    }));

  test("says at a second click that it makes another user, and keeps the present one", () =>
    onDocs(async (page) => {
      const user = await becomeDemoUser(page);
      await demoButton(page).click();
      assert.match(await said(page, "another user"), new RegExp(`forgets ${user}`));
      await screenshot(page, "another");
      assert.ok(await isFocused(page.getByRole("button", { name: "Keep this one" })));
      await page.keyboard.press("Enter");
      assert.equal(await demoUser(page), user);
      assert.ok(await isFocused(demoButton(page)));
      assert.equal((await run(page, "listTasks")).body[0].user_id, user);
    }));

  test("makes another user when that is what one wants, and shows nothing of the former", () =>
    onDocs(async (page) => {
      const former = await becomeDemoUser(page);
      assert.equal((await run(page, "createTask")).status, 201);
      await open(page, "getTask");
      await demoButton(page).click();
      await page.getByRole("button", { name: "Make another" }).click();
      await page.waitForFunction((name) => !document.getElementById("message").textContent.includes(name), former);
      const user = await demoUser(page);
      assert.notEqual(user, former);
      assert.equal(await page.locator(".live-responses-table").count(), 0);
      assert.equal(await field(page, "getTask", "task_id").inputValue(), "");
      assert.equal(await field(page, "getTask", "user_id").inputValue(), user);
      assert.equal((await run(page, "listTasks")).body.length, 3);
    }));

  test("is remembered: a reload still says who one is, until that is to be forgotten", () =>
    onDocs(async (page) => {
      const user = await becomeDemoUser(page);
      await page.reload();
      assert.match(await said(page, `You are ${user} until`), /This browser remembers you/);
      assert.equal((await run(page, "listTasks")).status, 200);
      const token = await page.evaluate(() => JSON.parse(localStorage.getItem("authorized")).bearerAuth.value);
      assert.ok(!page.url().includes(token.slice(0, 20)));
      await page.getByRole("button", { name: "Forget me" }).click();
      await said(page, "Forgotten");
      assert.equal(await page.evaluate(() => localStorage.getItem("authorized")), "{}");
      assert.equal(await field(page, "listTasks", "user_id").inputValue(), "");
      await page.reload();
      await page.getByText("A new user of your own").waitFor();
      assert.equal(await page.locator("#message").innerText(), "");
    }));

  test("is forgotten in every tab", () =>
    onDocs(async (page) => {
      const user = await becomeDemoUser(page);
      const other = await anotherTab(page);
      await said(other, `You are ${user}`);
      await page.getByRole("button", { name: "Forget me" }).click();
      assert.equal(await said(other, "Forgotten"), await said(page, "Forgotten"));
      assert.equal(await other.getByRole("button", { name: "Forget me" }).isVisible(), false);
      await open(other, "listTasks");
      await operation(other, "listTasks").getByText("This operation needs a token.").waitFor();
      assert.equal(await field(other, "listTasks", "user_id").inputValue(), "");
    }));

  test("stays forgotten in one tab when another takes a new one at once, which stays", () =>
    onDocs(async (page) => {
      await becomeDemoUser(page);
      const other = await anotherTab(page);
      await demoUser(other);
      await page.evaluate(() => {
        const authorized = localStorage.getItem("authorized");
        localStorage.setItem("authorized", "{}");
        localStorage.setItem("authorized", authorized);
      });
      await said(other, "Forgotten");
      assert.notEqual(await page.evaluate(() => localStorage.getItem("authorized")), "{}");
    }));

  test("leaves another tab its own token when the hour is over", () =>
    onDocs(
      async (page) => {
        const other = await anotherTab(page);
        await becomeDemoUser(page);
        await authorize(other, setting("TOKEN"));
        await said(other, `You are ${setting("USER_ID")}`);
        await page.clock.fastForward(61 * 60_000);
        await said(page, "has expired");
        await other.reload();
        await said(other, `You are ${setting("USER_ID")}`);
      },
      { prepare: (page) => page.clock.install() },
    ));

  test("says that the hour is over when it is", () =>
    onDocs(
      async (page) => {
        await becomeDemoUser(page);
        await page.clock.fastForward(59 * 60_000);
        await demoUser(page);
        await page.clock.fastForward(90_000);
        await said(page, "has expired. Take another demo user");
        assert.equal(await page.evaluate(() => localStorage.getItem("authorized")), "{}");
        await becomeDemoUser(page);
      },
      { prepare: (page) => page.clock.install() },
    ));

  test("works where the visitor's clock is wrong", () =>
    onDocs(
      async (page) => {
        const user = await becomeDemoUser(page);
        await page.reload();
        await said(page, `You are ${user}`);
      },
      { prepare: (page) => page.clock.install({ time: Date.now() + 3 * 3_600_000 }) },
    ));

  test("says what the service says when it makes no more users", () =>
    onDocs(
      async (page) => {
        const user = await becomeDemoUser(page);
        for (let again = 0; again < 5; again += 1) {
          await demoButton(page).click();
          await page.getByRole("button", { name: "Make another" }).click();
          if (again < 4) await page.getByRole("button", { name: "Forget me" }).waitFor();
        }
        await said(page, "Too many demo users");
        await page.getByRole("button", { name: "Forget me" }).click();
        await open(page, "listTasks");
        await operation(page, "listTasks").getByRole("button", { name: "Become a demo user" }).click();
        await operation(page, "listTasks").getByText("Too many demo users").waitFor();
        assert.notEqual(user, "");
      },
      { expected: /status of 429/ },
    ));

  test("is not there without DEMO_MODE", () =>
    onDocs(
      async (page) => {
        assert.equal(await page.getByRole("button", { name: "demo user" }).count(), 0);
        assert.doesNotMatch(await page.locator(".info").innerText(), /demo/);
        await open(page, "listTasks");
        assert.equal(await page.getByRole("button", { name: "demo user" }).count(), 0);
      },
      { address: `${setting("PLAIN_URL")}/docs`, origins: [setting("PLAIN_URL")] },
    ));
});

describe("an operation", () => {
  test("says without a token what it lacks, and sends nothing", () =>
    onDocs(async (page) => {
      const sent = [];
      page.on("request", (request) => sent.push(new URL(request.url()).pathname));
      await open(page, "listTasks");
      const block = operation(page, "listTasks");
      await block.getByText("This operation needs a token.").waitFor();
      await block.locator("button.execute").click();
      await block.getByText("Nothing was sent: this operation needs a token.").waitFor();
      await screenshot(page, "without-token");
      assert.deepEqual(sent.filter((path) => path.startsWith("/api")), []);
      await block.getByRole("button", { name: "Become a demo user" }).click();
      const user = await demoUser(page);
      await block.getByText("needs a token").waitFor({ state: "detached" });
      assert.ok(await isFocused(block.locator("button.execute")));
      await page.keyboard.press("Enter");
      await block.locator(".live-responses-table").getByText("200").first().waitFor();
      assert.ok(sent.includes(`/api/${user}/tasks`));
    }));

  test("leads from what it lacks to the token that one has", () =>
    onDocs(
      async (page) => {
        await open(page, "getTask");
        await operation(page, "getTask").getByRole("button", { name: "Authorize" }).click();
        await page.locator(".auth-container input").fill(setting("TOKEN"));
        await page.locator(".auth-btn-wrapper .authorize").click();
        await page.locator(".auth-btn-wrapper .btn-done").click();
        await said(page, `You are ${setting("USER_ID")} until`);
        assert.equal(await operation(page, "getTask").getByText("needs a token").count(), 0);
      },
      { address: `${setting("PLAIN_URL")}/docs`, origins: [setting("PLAIN_URL")] },
    ));

  test("needs no token where it says so", () =>
    onDocs(async (page) => {
      assert.equal((await run(page, "getHealth")).status, 200);
      assert.equal(await page.getByText("needs a token").count(), 0);
    }));

  for (const authorized of [false, true]) {
    test(`has its Execute in view when it is opened, each of them, ${authorized ? "with" : "without"} a token`, () =>
      onDocs(async (page) => {
        if (authorized) await authorize(page, setting("TOKEN"));
        for (const name of NAMES) {
          await open(page, name);
          await inView(page, operation(page, name).locator("button.execute"));
          assert.ok((await operation(page, name).boundingBox()).y >= 0, `${name}: its head is out of view`);
          await screenshot(page, `opened-${name}${authorized ? "" : "-without-token"}`);
          await toggle(page, name);
        }
      }));
  }

  test("has its Execute in view when it is opened by a link", () =>
    onDocs((page) => inView(page, operation(page, "deleteTask").locator("button.execute")), {
      address: `${API}/docs#/tasks/deleteTask`,
    }));

  test("shows its answer, and the page stays under three screens, each of them", () =>
    onDocs(async (page) => {
      await becomeDemoUser(page);
      const heights = {};
      for (const name of NAMES) {
        const { status } = await run(page, name);
        assert.ok(status < 300, `${name}: ${status}`);
        await inView(page, operation(page, name).locator(".live-responses-table .response-col_status").last());
        await screenshot(page, `answered-${name}`);
        heights[name] = await page.evaluate(() => document.documentElement.scrollHeight);
        await toggle(page, name);
      }
      console.log("px after one execution:", JSON.stringify(heights));
      assert.deepEqual(Object.entries(heights).filter(([, height]) => height >= THREE_SCREENS), []);
    }));

  test("has its documented answers folded until they are asked for, by keyboard too", () =>
    onDocs(async (page) => {
      await open(page, "createTask");
      const documented = operation(page, "createTask").locator(".documented");
      const statuses = "201, 400, 401, 403, 409, 413, 415, 422, 500, 503";
      assert.equal(await documented.locator("summary").first().innerText(), `What it can answer: ${statuses}`);
      assert.equal(await documented.getByText("Signing keys are temporarily").isVisible(), false);
      assert.equal(await documented.locator("table.responses-table").isVisible(), false);
      await documented.locator("summary").first().focus();
      await page.keyboard.press("Enter");
      await documented.locator("table.responses-table").first().waitFor();
      assert.equal(await documented.locator("tr.response").count(), 10);
      await screenshot(page, "documented");
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
        await said(page, "you are forgotten when it is loaded again");
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

  test("has nothing that covers text, however narrow", () =>
    onDocs(
      async (page) => {
        await becomeDemoUser(page);
        await demoButton(page).click();
        assert.deepEqual(await covered(page), [], "the choice");
        await page.getByRole("button", { name: "Keep this one" }).click();
        for (const name of NAMES) {
          await run(page, name);
          await operation(page, name).locator(".as-curl summary").click();
          await screenshot(page, `narrow-${name}`, { fullPage: true });
          assert.deepEqual(await covered(page), [], name);
          await operation(page, name).locator(".documented summary").first().click();
          assert.deepEqual(await covered(page), [], `${name}, with all that it can answer`);
          assert.deepEqual(await tooWide(page), [], name);
          await toggle(page, name);
        }
      },
      { viewport: NARROW },
    ));

  test("has nothing that covers text where a token is missing in a narrow window", () =>
    onDocs(
      async (page) => {
        await open(page, "updateTask");
        await operation(page, "updateTask").locator("button.execute").click();
        await screenshot(page, "narrow-without-token", { fullPage: true });
        assert.deepEqual(await covered(page), []);
      },
      { viewport: NARROW },
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

/** Wait until an element is wholly in the window; the page may be scrolling there. */
async function inView(page, target) {
  await page.waitForFunction((element) => {
    const { top, bottom } = element.getBoundingClientRect();
    return top >= 0 && bottom <= window.innerHeight;
  }, await target.elementHandle());
}

/** What reaches beyond the window, and is in no box that scrolls by itself. */
function tooWide(page) {
  return page.evaluate(() => {
    const scrolls = (box) =>
      box !== document.body && (getComputedStyle(box).overflowX !== "visible" || scrolls(box.parentElement));
    const reaches = (box) => box.getBoundingClientRect().right > window.innerWidth && !scrolls(box.parentElement);
    return [...document.querySelectorAll("#swagger-ui *")].filter(reaches).map((box) => box.outerHTML.slice(0, 120));
  });
}

/** Texts that something else stands on, in a window as high as the page. */
async function covered(page) {
  const { width, height } = page.viewportSize();
  await page.setViewportSize({ width, height: await page.evaluate(() => document.documentElement.scrollHeight) });
  const found = await page.evaluate(() => {
    const clipped = (element, x, y) => {
      for (let box = element; box !== document.body; box = box.parentElement) {
        const { left, right, top, bottom } = box.getBoundingClientRect();
        const outside = x < left || x > right || y < top || y > bottom;
        if (outside && getComputedStyle(box).overflow !== "visible") return true;
      }
      return false;
    };
    const coverOf = (holder, { left, width, top, height }) => {
      const y = top + height / 2;
      const inset = Math.min(3, width / 3); // pixels are whole, where a text ends is not
      const above = [left + inset, left + width / 2, left + width - inset]
        .filter((x) => !clipped(holder, x, y))
        .map((x) => document.elementFromPoint(x, y));
      return above.find((element) => element && !holder.contains(element) && !element.contains(holder));
    };
    const texts = document.createTreeWalker(document.body, NodeFilter.SHOW_TEXT);
    const problems = [];
    let seen = 0;
    while (texts.nextNode()) {
      const node = texts.currentNode;
      if (!node.data.trim() || !node.parentElement.checkVisibility({ visibilityProperty: true })) continue;
      seen += 1;
      const range = document.createRange();
      range.selectNodeContents(node);
      const rects = [...range.getClientRects()].filter((rect) => rect.width > 2 && rect.height > 2);
      const cover = rects.map((rect) => coverOf(node.parentElement, rect)).find(Boolean);
      if (cover) problems.push(`${node.data.trim()} is below ${cover.outerHTML.slice(0, 200)}`);
    }
    return seen > 50 ? problems : ["there is no text"];
  });
  await page.setViewportSize({ width, height });
  return found;
}

/** What axe-core finds serious, in our own elements and in the page as a whole. */
async function violations(page) {
  await page.evaluate(await readFile(new URL("node_modules/axe-core/axe.min.js", import.meta.url), "utf8"));
  const found = await page.evaluate(async () => {
    const ours = await axe.run({ include: [["#start"], [".execute-place"], [".documented > summary"]] });
    const whole = await axe.run(document, {
      runOnly: ["document-title", "html-has-lang", "html-lang-valid", "meta-viewport", "bypass", "landmark-one-main"],
    });
    return [...ours.violations, ...whole.violations].map(({ id, impact }) => ({ id, impact }));
  });
  return found.filter(({ impact }) => ["serious", "critical"].includes(impact));
}
