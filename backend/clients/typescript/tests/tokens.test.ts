// What the client does when a token is refused, or cannot be had; and the token of a server component.

import assert from "node:assert/strict";
import { test } from "node:test";
import { ApiError, type ClientOptions } from "../src/index.js";
import { createServerTasksClient } from "../src/server.js";
import { API_URL, client, EXPIRED, failureOf, TOKEN, USER_ID } from "./support.js";

/** A client whose tokens come one after the other, the last one for good; `fetched` says how many were asked for. */
function clientWith(...tokens: (string | Error)[]) {
  const state = { fetched: 0 };
  const fetchToken: ClientOptions["fetchToken"] = async () => {
    const token = tokens[Math.min(state.fetched++, tokens.length - 1)] ?? "";
    if (token instanceof Error) throw token;
    return token;
  };
  return { state, ...client({ fetchToken, retries: 0 }) };
}

test("an expired token is renewed once for all requests under way, and each is repeated once", async () => {
  const { state, tasksOf } = clientWith(EXPIRED, TOKEN);
  const titles = ["One", "Two", "Three"];
  const created = await Promise.all(titles.map((title) => tasksOf(USER_ID).create({ title })));
  assert.deepEqual(
    created.map(({ title }) => title),
    titles,
    "the bodies were sent again",
  );
  assert.equal(state.fetched, 2);
});

test("a token that is refused twice is given up", async () => {
  const { state, tasksOf } = clientWith(EXPIRED);
  const { status, message } = await failureOf(tasksOf(USER_ID).list());
  assert.deepEqual([status, message, state.fetched], [401, "Token has expired", 2]);
});

test("a token that failed or was forgotten is fetched anew", async () => {
  const { state, tasksOf, forgetToken } = clientWith(new ApiError(401, "Please sign in again"), TOKEN);
  assert.equal((await failureOf(tasksOf(USER_ID).list())).message, "Please sign in again");
  await tasksOf(USER_ID).list();
  await tasksOf(USER_ID).list();
  assert.equal(state.fetched, 2);
  forgetToken();
  await tasksOf(USER_ID).list();
  assert.equal(state.fetched, 3);
});

test("a failure to get a token is an ApiError too, and names its cause", async () => {
  const cause = new TypeError("Failed to fetch");
  const { tasksOf } = clientWith(cause);
  const error = await failureOf(tasksOf(USER_ID).list());
  assert.deepEqual([error.status, error.message], [0, "The sign-in server cannot be reached"]);
  assert.equal(error.cause, cause);
});

test("a server component's token comes from Better Auth's server API, for the request's cookies", async () => {
  const headers = new Headers({ Cookie: "session=1" });
  const seen: Headers[] = [];
  const getToken = async (context: { headers: Headers }) => {
    seen.push(context.headers);
    return { token: TOKEN };
  };
  const { tasksOf } = createServerTasksClient({
    baseUrl: API_URL,
    auth: { api: { getToken } },
    headers: Promise.resolve(headers), // as `headers()` of Next.js gives them
  });
  const { id } = await tasksOf(USER_ID).create({ title: "From a route handler" });
  assert((await tasksOf(USER_ID).list()).items.some((task) => task.id === id));
  assert.deepEqual(
    seen.map((given) => given.get("Cookie")),
    ["session=1"],
  );
});

test("nobody signed in is 401 for a server component, and a broken auth server is not", async () => {
  const failing = (statusCode: number) => {
    const getToken = async () => Promise.reject(Object.assign(new Error("no"), { statusCode }));
    return createServerTasksClient({
      baseUrl: API_URL,
      auth: { api: { getToken } },
      headers: new Headers(),
      retries: 0,
    });
  };
  const nobody = await failureOf(failing(401).tasksOf(USER_ID).list());
  assert.deepEqual([nobody.status, nobody.message], [401, "Please sign in"]);
  assert.equal((await failureOf(failing(500).tasksOf(USER_ID).list())).status, 0);
});
