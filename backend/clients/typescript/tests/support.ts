// The running service (API_URL, USER_ID, TOKEN, EXPIRED_TOKEN), and a network in front of it that misbehaves as told.

import assert from "node:assert/strict";
import { createServer, type IncomingMessage, request, type RequestListener, type ServerResponse } from "node:http";
import type { AddressInfo } from "node:net";
import type { TestContext } from "node:test";
import { ApiError, type ClientOptions, createTasksClient } from "../src/index.js";

export const API_URL = setting("API_URL");
export const USER_ID = setting("USER_ID");
export const TOKEN = setting("TOKEN");
export const EXPIRED = setting("EXPIRED_TOKEN");

export function setting(name: string): string {
  const value = process.env[name];
  assert(value, `${name} must be set`);
  return value;
}

export function client(options: Partial<ClientOptions> = {}) {
  return createTasksClient({ baseUrl: API_URL, fetchToken: async () => TOKEN, ...options });
}

export const tasksAt = (baseUrl: string, options: Partial<ClientOptions> = {}) =>
  client({ baseUrl, ...options }).tasksOf(USER_ID);

export async function rejectionOf(action: Promise<unknown>): Promise<unknown> {
  return action.then(
    () => assert.fail("it should have failed"),
    (reason: unknown) => reason,
  );
}

export async function failureOf(action: Promise<unknown>): Promise<ApiError> {
  const error = await rejectionOf(action);
  assert(error instanceof ApiError, String(error));
  return error;
}

/** Starts a server until the test ends. */
export async function listen(t: TestContext, handler: RequestListener): Promise<string> {
  const server = createServer(handler);
  t.after(() => server.close().closeAllConnections());
  await new Promise<void>((listening) => server.listen(0, "127.0.0.1", listening));
  return `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
}

/** What becomes of one request. `lose` lets the service do its work, and cuts the connection instead of answering. */
export type Fate = "pass" | "cut" | "lose" | RequestListener;

export const refuse =
  (retryAfter?: string): RequestListener =>
  (_, response) =>
    response.writeHead(503, retryAfter === undefined ? {} : { "Retry-After": retryAfter }).end();

/** A network in front of the service: each request meets the next fate, and those after the last one pass. */
export async function network(t: TestContext, ...fates: Fate[]) {
  const arrivals: { method: string; key: string | undefined; at: number }[] = [];
  const baseUrl = await listen(t, (incoming, response) => {
    const { method = "", headers } = incoming;
    arrivals.push({ method, key: headers["idempotency-key"] as string | undefined, at: performance.now() });
    const fate = fates.shift() ?? "pass";
    if (fate === "cut") return void incoming.socket.destroy();
    if (typeof fate === "function") return void fate(incoming, response);
    return forward(incoming, response, fate);
  });
  return { baseUrl, arrivals };
}

function forward(incoming: IncomingMessage, response: ServerResponse, fate: "pass" | "lose"): void {
  const { method, headers, url } = incoming;
  const outgoing = request(new URL(url ?? "", API_URL), { method, headers }, (answer) => {
    if (fate === "lose") {
      answer.resume().on("end", () => incoming.socket.destroy());
      return;
    }
    response.writeHead(answer.statusCode ?? 0, answer.headers);
    answer.pipe(response);
  });
  incoming.pipe(outgoing);
}
