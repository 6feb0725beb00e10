// What is safe to repeat is repeated, in the time that the server asks for; nothing else is sent twice.

import assert from "node:assert/strict";
import { describe, test } from "node:test";
import { client, type Fate, failureOf, network, refuse, tasksAt, USER_ID } from "./support.js";
import type { Tasks } from "../src/index.js";

const tasks = client().tasksOf(USER_ID);

const SAFE: Record<string, (at: Tasks, id: number) => Promise<unknown>> = {
  list: (at) => at.list(),
  pages: (at) => at.pages().next(),
  read: (at, id) => at.read(id),
  create: (at) => at.create({ title: "Repeat me" }),
  complete: (at, id) => at.complete(id, true),
};
const UNSAFE: typeof SAFE = {
  update: (at, id) => at.update(id, { title: "Changed" }),
  toggle: (at, id) => at.toggle(id),
  "complete with a tag": async (at, id) => at.complete(id, true, { ifMatch: (await tasks.read(id)).etag }),
  remove: (at, id) => at.remove(id),
};
const PASSING: Record<string, Fate> = {
  "503 with Retry-After": refuse("0"),
  "no answer": "cut",
  "a lost answer": "lose",
};

describe("each call", { concurrency: true }, () => {
  for (const [trouble, fate] of Object.entries(PASSING)) {
    for (const [name, call] of Object.entries(SAFE)) {
      test(`${name} survives ${trouble}`, async (t) => {
        const { id } = await tasks.create({ title: "Survive" });
        const { baseUrl, arrivals } = await network(t, fate, fate);
        await call(tasksAt(baseUrl), id);
        assert.equal(arrivals.length, 3);
      });
    }

    for (const [name, call] of Object.entries(UNSAFE)) {
      test(`${name} is not repeated after ${trouble}`, async (t) => {
        const { id } = await tasks.create({ title: "Once" });
        const { baseUrl, arrivals } = await network(t, fate);
        const { status } = await failureOf(call(tasksAt(baseUrl), id));
        assert.equal(status, typeof fate === "string" ? 0 : 503);
        assert.equal(arrivals.length, 1);
      });
    }
  }
});

test("a create whose answer is lost makes one task", async (t) => {
  const { baseUrl, arrivals } = await network(t, "lose", "lose");
  const title = `Only one ${performance.now()}`;
  const { id } = await tasksAt(baseUrl).create({ title });
  const { items } = await tasks.list();
  assert.deepEqual(
    items.filter((task) => task.title === title).map((task) => task.id),
    [id],
  );
  assert.equal(new Set(arrivals.map(({ key }) => key)).size, 1);
});

test("the client waits as long as Retry-After says, and each time a random while longer", async (t) => {
  t.mock.method(Math, "random", () => 1); // the longest while
  const { baseUrl, arrivals } = await network(t, refuse("1"), "cut");
  await tasksAt(baseUrl).list();
  const [first = 0, second = 0, third = 0] = arrivals.map(({ at }) => at);
  assert(second - first >= 1000 + 450, "Retry-After is a second");
  assert(third - second >= 900, "twice the first while");
});

test("it gives up after two repetitions, or as many as it was told", async (t) => {
  for (const [options, requests] of [
    [{}, 3],
    [{ retries: 1 }, 2],
    [{ retries: 0 }, 1],
  ] as const) {
    const { baseUrl, arrivals } = await network(t, "cut", "cut", refuse("0"), "cut");
    assert.equal((await failureOf(tasksAt(baseUrl, options).list())).status, requests === 3 ? 503 : 0);
    assert.equal(arrivals.length, requests);
  }
});

test("it repeats nothing that a wait does not help", async (t) => {
  const later = new Date(Date.now() + 3_600_000).toUTCString();
  for (const [retryAfter, seconds] of [
    [undefined, undefined],
    ["soon", undefined],
    ["60", 60],
    [later, 3600],
  ] as const) {
    const { baseUrl, arrivals } = await network(t, refuse(retryAfter));
    const error = await failureOf(tasksAt(baseUrl).list());
    assert.equal(error.status, 503);
    assert.equal(error.retryAfter && Math.round(error.retryAfter / 60), seconds && Math.round(seconds / 60));
    assert.equal(arrivals.length, 1);
  }
  const { baseUrl, arrivals } = await network(t);
  await failureOf(tasksAt(baseUrl).read(999_999_999_999));
  assert.equal(arrivals.length, 1);
});
