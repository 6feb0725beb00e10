// The client against a running service: every operation, and what it does when a token or an answer fails.
// `npm run e2e` with API_URL, USER_ID, TOKEN and EXPIRED_TOKEN.

import assert from "node:assert/strict";
import { createServer } from "node:http";
import type { AddressInfo } from "node:net";
import { ApiError, createTasksClient, type Problem } from "../src/client.js";

const baseUrl = setting("API_URL");
const user_id = setting("USER_ID");
const [TOKEN, EXPIRED] = [setting("TOKEN"), setting("EXPIRED_TOKEN")];
const { http, tasksOf } = createTasksClient({ baseUrl, fetchToken: async () => TOKEN });
const tasks = tasksOf(user_id);

function setting(name: string): string {
  const value = process.env[name];
  assert(value, `${name} must be set`);
  return value;
}

/** A client whose tokens come one after the other, the last one for good; `fetched` says how many were asked for. */
function clientWith(...tokens: (string | Error)[]) {
  const state = { fetched: 0 };
  const fetchToken = async () => {
    const token = tokens[Math.min(state.fetched++, tokens.length - 1)] ?? "";
    if (token instanceof Error) throw token;
    return token;
  };
  return { state, ...createTasksClient({ baseUrl, fetchToken }) };
}

async function failureOf(action: Promise<unknown>): Promise<ApiError> {
  const error = await action.then(
    () => assert.fail("it should have failed"),
    (reason: unknown) => reason,
  );
  assert(error instanceof ApiError, String(error));
  return error;
}

function given<T>(result: { data?: T; error?: Problem }): T {
  assert(result.data !== undefined, result.error?.detail);
  return result.data;
}

async function sixOperations(): Promise<void> {
  const task = await tasks.create({ title: "Buy milk" });
  assert.deepEqual(await tasks.read(task.id), task);
  const pending = await tasks.list({ status: "pending", sort: "title" });
  assert.deepEqual(pending.filter(({ id }) => id === task.id), [task]);
  const changed = await tasks.update(task.id, { title: "Buy oat milk", description: "2 l" });
  assert.deepEqual([changed.title, changed.description], ["Buy oat milk", "2 l"]);
  assert.equal((await tasks.toggle(task.id)).completed, true);
  assert.equal(await tasks.remove(task.id), undefined);
  assert.equal((await failureOf(tasks.read(task.id))).message, "Task not found");
}

async function sameKeyMakesOneTask(): Promise<void> {
  const key = crypto.randomUUID();
  const { id } = await tasks.create({ title: "Once" }, key);
  assert.equal((await tasks.create({ title: "Once" }, key)).id, id);
  assert.equal((await failureOf(tasks.create({ title: "Twice" }, key))).status, 409);
}

async function headersByOpenapiFetch(): Promise<void> {
  const { id } = await tasks.create({ title: "Read the headers" });
  const path = { user_id, task_id: id };
  const etag = (await http.GET("/api/{user_id}/tasks/{task_id}", { params: { path } })).response.headers.get("ETag");
  assert(etag);
  const params = { path, header: { "If-Match": etag } };
  const complete = () => http.PATCH("/api/{user_id}/tasks/{task_id}/complete", { params, body: { completed: true } });
  assert.equal(given(await complete()).completed, true);
  assert.equal((await complete()).error?.status, 412);
  assert.deepEqual(given(await http.GET("/health")), { status: "ok" });
  assert.deepEqual(given(await http.GET("/health/ready")), { status: "ready" });
}

async function problemsCanBeShown(): Promise<void> {
  const invalid = await failureOf(tasks.create({ title: " " }));
  assert(invalid.problem && "errors" in invalid.problem);
  assert.deepEqual(invalid.problem.errors[0]?.loc, ["body", "title"]);
  assert.match(invalid.message, /^Validation failed – title: \w/);
  const elsewhere = await failureOf(tasksOf(`${user_id}-other`).list());
  assert.deepEqual([elsewhere.status, elsewhere.message], [403, "User_id mismatch"]);
}

async function expiredTokenIsRenewedOnceForAll(): Promise<void> {
  const { state, tasksOf } = clientWith(EXPIRED, TOKEN);
  const titles = ["One", "Two", "Three"];
  const created = await Promise.all(titles.map((title) => tasksOf(user_id).create({ title })));
  assert.deepEqual(created.map(({ title }) => title), titles, "the bodies were sent again");
  assert.equal(state.fetched, 2);
}

async function refusedTwiceIsGivenUp(): Promise<void> {
  const { state, tasksOf } = clientWith(EXPIRED);
  const { status, message } = await failureOf(tasksOf(user_id).list());
  assert.deepEqual([status, message, state.fetched], [401, "Token has expired", 2]);
}

async function failedAndForgottenTokensAreFetchedAnew(): Promise<void> {
  const { state, tasksOf, forgetToken } = clientWith(new ApiError(401, "Please sign in again"), TOKEN);
  assert.equal((await failureOf(tasksOf(user_id).list())).message, "Please sign in again");
  await tasksOf(user_id).list();
  await tasksOf(user_id).list();
  assert.equal(state.fetched, 2);
  forgetToken();
  await tasksOf(user_id).list();
  assert.equal(state.fetched, 3);
}

async function failuresOnTheWay(): Promise<void> {
  const proxy = createServer((_, response) => response.writeHead(502, { "Content-Type": "text/html" }).end("<h1>!</h1>"));
  await new Promise<void>((listening) => proxy.listen(0, "127.0.0.1", listening));
  const { port } = proxy.address() as AddressInfo;
  const behind = createTasksClient({ baseUrl: `http://127.0.0.1:${port}`, fetchToken: async () => TOKEN });
  const answered = await failureOf(behind.tasksOf(user_id).list());
  assert.deepEqual([answered.status, answered.message, answered.problem], [502, "Bad Gateway", undefined]);
  proxy.closeAllConnections();
  await new Promise((closed) => proxy.close(closed));
  const unanswered = await failureOf(behind.tasksOf(user_id).list());
  assert.deepEqual([unanswered.status, unanswered.message], [0, "The server cannot be reached"]);
}

const steps = [
  sixOperations,
  sameKeyMakesOneTask,
  headersByOpenapiFetch,
  problemsCanBeShown,
  expiredTokenIsRenewedOnceForAll,
  refusedTwiceIsGivenUp,
  failedAndForgottenTokensAreFetchedAnew,
  failuresOnTheWay,
];
for (const step of steps) await step();
console.log(`client: ${steps.length} steps passed`);
