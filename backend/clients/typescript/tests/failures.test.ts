// Every failure is an ApiError that people can be shown, except an abort, which is the caller's own.

import assert from "node:assert/strict";
import type { RequestListener } from "node:http";
import { test } from "node:test";
import { client, failureOf, listen, network, refuse, rejectionOf, tasksAt, TOKEN, USER_ID } from "./support.js";

const tasks = client().tasksOf(USER_ID);
const hanging: RequestListener = () => {};

test("problems can be shown, and say which member is wrong", async () => {
  const invalid = await failureOf(tasks.create({ title: " " }));
  assert(invalid.problem && "errors" in invalid.problem);
  assert.deepEqual(invalid.problem.errors[0]?.loc, ["body", "title"]);
  assert.match(invalid.message, /^Validation failed – title: \w/);
  assert.equal(invalid.requestId, invalid.problem.request_id);
  const elsewhere = await failureOf(client().tasksOf(`${USER_ID}-other`).list());
  assert.deepEqual([elsewhere.status, elsewhere.message], [403, "User_id mismatch"]);
});

test("an error that a proxy makes has its status, and no problem", async (t) => {
  const page: RequestListener = (_, response) =>
    response.writeHead(502, { "Content-Type": "text/html" }).end("<h1>!</h1>");
  const answered = await failureOf(tasksAt(await listen(t, page)).list());
  assert.deepEqual([answered.status, answered.message, answered.problem], [502, "Bad Gateway", undefined]);
  const empty = await failureOf(tasksAt((await network(t, refuse())).baseUrl).list());
  assert.deepEqual([empty.status, empty.message], [503, "Service Unavailable"]);
  const broken: RequestListener = (_, response) =>
    response.writeHead(500, { "Content-Type": "application/problem+json" }).end('{"type": ');
  const torn = await failureOf(tasksAt(await listen(t, broken)).list());
  assert.deepEqual([torn.status, torn.problem], [500, undefined]);
  const nothing: RequestListener = (_, response) =>
    response.writeHead(500, { "Content-Type": "application/problem+json" }).end("null");
  const none = await failureOf(tasksAt(await listen(t, nothing)).list());
  assert.deepEqual([none.status, none.message, none.problem], [500, "Internal Server Error", undefined]);
});

test("no answer has status 0", async () => {
  const nobody = tasksAt("http://127.0.0.1:9", { retries: 0 });
  for (const call of [() => nobody.list(), () => nobody.create({ title: "x" }), () => nobody.remove(1)]) {
    const unanswered = await failureOf(call());
    assert.deepEqual([unanswered.status, unanswered.message], [0, "The server cannot be reached"]);
    assert(unanswered.cause instanceof TypeError);
  }
});

test("a page with status 200, of a captive portal, is a failure", async (t) => {
  const portal: RequestListener = (_, response) =>
    response.setHeader("Content-Type", "text/html").end("<h1>Wi-Fi</h1>");
  const error = await failureOf(tasksAt(await listen(t, portal)).list());
  assert.deepEqual([error.status, error.message], [200, "Something else than the API has answered"]);
});

test("a success that is cut off is none", async (t) => {
  const cut: RequestListener = (request, response) => {
    response.writeHead(200, { "Content-Type": "application/json", "Content-Length": "100" });
    response.write("[{", () => request.socket.destroy());
  };
  const half: RequestListener = (_, response) => response.setHeader("Content-Type", "application/json").end("[{");
  for (const answer of [cut, half]) {
    const error = await failureOf(tasksAt(await listen(t, answer), { retries: 0 }).list());
    assert.deepEqual([error.status, error.message], [0, "The server cannot be reached"]);
  }
});

test("a success without a body is none, except for a deletion", async (t) => {
  const json = { "Content-Type": "application/json" };
  const empty: RequestListener = (_, response) => response.writeHead(200, { ...json, "Content-Length": "0" }).end();
  const chunked: RequestListener = (_, response) => response.writeHead(200, json).write("", () => response.end());
  for (const answer of [empty, chunked]) {
    const at = tasksAt(await listen(t, answer), { retries: 0 });
    for (const call of [() => at.list(), () => at.read(1), () => at.create({ title: "x" }), () => at.remove(1)]) {
      const error = await failureOf(call());
      assert.deepEqual([error.status, error.message], [0, "The server cannot be reached"]);
    }
  }
  const gone: RequestListener = (_, response) => response.writeHead(204).end();
  assert.equal(await tasksAt(await listen(t, gone)).remove(1), undefined);
});

test("an abort is no ApiError but the signal's reason, for every call", async (t) => {
  const { baseUrl, arrivals } = await network(t, ...new Array<RequestListener>(20).fill(hanging));
  const { health, http, readiness, tasksOf } = client({ baseUrl });
  const at = tasksOf(USER_ID);
  const calls = [
    (signal: AbortSignal) => at.list({}, { signal }),
    (signal: AbortSignal) => at.pages({}, { signal }).next(),
    (signal: AbortSignal) => at.read(1, { signal }),
    (signal: AbortSignal) => at.create({ title: "x" }, { signal }),
    (signal: AbortSignal) => at.update(1, {}, { signal }),
    (signal: AbortSignal) => at.complete(1, true, { signal }),
    (signal: AbortSignal) => at.toggle(1, { signal }),
    (signal: AbortSignal) => at.remove(1, { signal }),
    (signal: AbortSignal) => health({ signal }),
    (signal: AbortSignal) => readiness({ signal }),
    (signal: AbortSignal) => http.GET("/health", { signal }),
  ];
  for (const [index, call] of calls.entries()) {
    const controller = new AbortController();
    const rejected = rejectionOf(call(controller.signal));
    while (arrivals.length <= index) await new Promise((resolve) => setTimeout(resolve, 5)); // until it is under way
    controller.abort();
    assert.equal(await rejected, controller.signal.reason);
    assert.equal((controller.signal.reason as DOMException).name, "AbortError");
  }
  assert.equal(arrivals.length, calls.length, "nothing was repeated");
  const late = (await rejectionOf(at.list({}, { signal: AbortSignal.timeout(20) }))) as DOMException;
  assert.equal(late.name, "TimeoutError");
});

test("an abort while the answer is read is no ApiError either", async (t) => {
  const controller = new AbortController();
  const endless: RequestListener = (_, response) => {
    response.writeHead(200, { "Content-Type": "application/json" });
    response.write("[", () => setImmediate(() => controller.abort()));
  };
  const call = tasksAt(await listen(t, endless)).list({}, { signal: controller.signal });
  assert.equal(await rejectionOf(call), controller.signal.reason);
});

test("an abort ends the wait before a repetition", { timeout: 30_000 }, async (t) => {
  const controller = new AbortController();
  const { setTimeout: later } = globalThis;
  const { baseUrl, arrivals } = await network(t, (request, response) => {
    response.on("finish", () => later(() => controller.abort("enough"), 50));
    refuse("9")(request, response);
  });
  t.mock.timers.enable({ apis: ["setTimeout"] }); // the wait has no other end
  assert.equal(await rejectionOf(tasksAt(baseUrl).list({}, { signal: controller.signal })), "enough");
  assert.equal(arrivals.length, 1);
});

test("an abort ends the wait for a token, and takes it from nobody else", async () => {
  let give = (_token: string) => {};
  const fetchToken = () => new Promise<string>((resolve) => (give = resolve));
  const waiting = client({ fetchToken }).tasksOf(USER_ID);
  const controller = new AbortController();
  const aborted = rejectionOf(waiting.list({}, { signal: controller.signal }));
  const patient = waiting.list();
  controller.abort("enough");
  assert.equal(await aborted, "enough");
  give(TOKEN);
  assert((await patient).etag);
});
