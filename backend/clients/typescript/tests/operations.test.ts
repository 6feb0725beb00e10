// Every operation against the running service, and what the document has beyond them: tags, keys, pages.

import assert from "node:assert/strict";
import { readFile } from "node:fs/promises";
import { test } from "node:test";
import { ConflictError, newKey } from "../src/index.js";
import { client, failureOf, USER_ID } from "./support.js";

const called = new Set<string>();
const { http, health, readiness, tasksOf } = client({
  fetch(request) {
    const path = new URL(request.url).pathname.replace(`/${USER_ID}/`, "/{user_id}/").replace(/\d+/, "{task_id}");
    called.add(`${request.method} ${path}`);
    return fetch(request);
  },
});
const tasks = tasksOf(USER_ID);

test("all six operations work", async () => {
  const task = await tasks.create({ title: "Buy milk" });
  assert.deepEqual(await tasks.read(task.id), task);
  const { etag, ...untagged } = task;
  assert(etag);
  const { items: pending } = await tasks.list({ status: "pending", sort: "title" });
  assert.deepEqual(
    pending.filter(({ id }) => id === task.id),
    [untagged],
  );
  const changed = await tasks.update(task.id, { title: "Buy oat milk", description: "2 l" });
  assert.deepEqual([changed.title, changed.description], ["Buy oat milk", "2 l"]);
  assert.equal((await tasks.toggle(task.id)).completed, true);
  assert.equal((await tasks.toggle(task.id)).completed, false);
  assert.equal(await tasks.remove(task.id), undefined);
  assert.equal((await failureOf(tasks.read(task.id))).message, "Task not found");
});

test("completing sets, however often", async () => {
  const { id } = await tasks.create({ title: "Complete me" });
  for (const completed of [true, true, false, false]) {
    assert.equal((await tasks.complete(id, completed)).completed, completed);
  }
});

test("the same key makes one task, and not of another body", async () => {
  const key = newKey();
  const { id } = await tasks.create({ title: "Once" }, { key });
  assert.equal((await tasks.create({ title: "Once" }, { key })).id, id);
  const other = await failureOf(tasks.create({ title: "Twice" }, { key }));
  assert.equal(other.status, 409);
  assert(!(other instanceof ConflictError), "nobody has changed anything");
  assert.notEqual(
    (await tasks.create({ title: "Once" })).id,
    id,
    "without a key of the caller's, each call has its own",
  );
});

test("a task carries its entity tag", async () => {
  const created = await tasks.create({ title: "Tag me" });
  const path = { user_id: USER_ID, task_id: created.id };
  const { response } = await http.GET("/api/{user_id}/tasks/{task_id}", { params: { path } });
  assert.equal(created.etag, response.headers.get("ETag"));
  assert.equal((await tasks.read(created.id)).etag, created.etag);
  const changed = await tasks.update(created.id, { title: "Tagged" });
  assert.equal((await tasks.read(created.id)).etag, changed.etag);
  assert.notEqual(changed.etag, created.etag);
  const { etag } = await tasks.list();
  assert.match(etag, /^"\w+"$/);
});

test("a write with a tag succeeds once, and is a conflict where the task has changed since", async () => {
  const seen = await tasks.create({ title: "Mine" });
  const ifMatch = seen.etag;
  const mine = await tasks.update(seen.id, { description: "first" }, { ifMatch });
  const late = [
    () => tasks.update(seen.id, { title: "Theirs" }, { ifMatch }),
    () => tasks.complete(seen.id, true, { ifMatch }),
    () => tasks.toggle(seen.id, { ifMatch }),
    () => tasks.remove(seen.id, { ifMatch }),
    () => tasks.remove(seen.id, { ifMatch: "" }),
  ];
  for (const write of late) {
    const error = await failureOf(write());
    assert(error instanceof ConflictError);
    assert.deepEqual([error.name, error.status], ["ConflictError", 412]);
    assert.equal(error.message, error.problem?.detail);
  }
  assert.deepEqual(await tasks.read(seen.id), mine, "nothing was changed");
  const done = await tasks.complete(seen.id, true, { ifMatch: mine.etag });
  assert.equal((await tasks.toggle(seen.id, { ifMatch: done.etag })).completed, false);
  const { etag } = await tasks.read(seen.id);
  await tasks.remove(seen.id, { ifMatch: etag });
});

test("a tag that a proxy has made weak is sent as the API has it", async () => {
  const throughProxy = client({
    async fetch(request) {
      const response = await fetch(request);
      const headers = new Headers(response.headers);
      if (headers.has("ETag")) headers.set("ETag", `W/${headers.get("ETag")}`);
      return new Response(response.body, { status: response.status, headers });
    },
  }).tasksOf(USER_ID);
  const { id, etag } = await throughProxy.create({ title: "Compress me" });
  const changed = await throughProxy.update(id, { title: "Compressed" }, { ifMatch: etag });
  assert.equal(changed.title, "Compressed");
  assert.equal((await throughProxy.list()).etag, (await tasks.list()).etag);
});

test("pages hold every task once, in order", async () => {
  for (const title of ["a", "b", "c", "d", "e"]) await tasks.create({ title });
  const { items: all } = await tasks.list({ sort: "title", status: "pending" });
  const found = [];
  const sizes = [];
  for await (const { items, etag } of tasks.pages({ sort: "title", status: "pending", limit: 2 })) {
    assert.match(etag, /^"\w+"$/);
    found.push(...items);
    sizes.push(items.length);
  }
  assert.deepEqual(found, all);
  assert.deepEqual(sizes.slice(0, -1), sizes.slice(0, -1).fill(2));
  assert(sizes.length >= 3);
  const first = await tasks.list({ limit: 1 });
  assert(first.next);
  const second = await tasks.list({ limit: 1, cursor: first.next });
  assert.deepEqual([...first.items, ...second.items], (await tasks.list({ limit: 2 })).items);
  assert.equal((await tasks.list()).next, undefined);
});

test("health and readiness need no token", async () => {
  const signedOut = client({ fetchToken: () => assert.fail("no token is needed") });
  assert.deepEqual(await signedOut.health(), { status: "ok" });
  assert.deepEqual(await signedOut.readiness(), { status: "ready" });
  assert.deepEqual([await health(), await readiness()], [{ status: "ok" }, { status: "ready" }]);
});

test("openapi-fetch is there for other headers", async () => {
  const { id, etag } = await tasks.create({ title: "Read the headers" });
  const params = { path: { user_id: USER_ID, task_id: id }, header: { "If-Match": etag } };
  const complete = () => http.PATCH("/api/{user_id}/tasks/{task_id}/complete", { params, body: { completed: true } });
  assert.equal((await complete()).data?.completed, true);
  assert.equal((await complete()).error?.status, 412);
  const cached = { path: params.path, header: { "If-None-Match": (await tasks.read(id)).etag } };
  const { response } = await http.GET("/api/{user_id}/tasks/{task_id}", { params: cached });
  assert.equal(response.status, 304);
});

test("every operation of the document was called above", async () => {
  const { paths } = JSON.parse(await readFile("../../docs/openapi.json", "utf8")) as { paths: Record<string, object> };
  const methods = (path: object) => Object.keys(path).filter((key) => /^(get|put|post|delete|patch)$/.test(key));
  const documented = Object.entries(paths).flatMap(([name, path]) =>
    methods(path).map((method) => `${method.toUpperCase()} ${name}`),
  );
  assert.deepEqual([...called].sort(), documented.sort());
});
