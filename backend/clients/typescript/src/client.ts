// The Tasks API for a frontend: `openapi-fetch` on the types that `make client` generates, plus the token and errors.
// Knows no page and no framework: copy this folder into a project as it is, then `npm install openapi-fetch`.

import createFetchClient, { type Client } from "openapi-fetch";
import type { components, operations, paths } from "./schema.js";

type Schemas = components["schemas"];
export type Task = Schemas["TaskResponse"];
export type NewTask = Schemas["TaskCreate"];
export type TaskChanges = Schemas["TaskUpdate"];
export type TaskQuery = NonNullable<operations["listTasks"]["parameters"]["query"]>;
export type Problem = Schemas["Problem"] | Schemas["ValidationProblem"];
export type Tasks = ReturnType<typeof tasksOf>;

export interface Options {
  /** Where the API is, for instance `https://api.example.org`. */
  baseUrl: string;
  /** Gets a new token from the auth server, or throws when nobody is signed in. */
  fetchToken: () => Promise<string>;
}

/** An answer that is not a success, or none (`status` 0); `message` can be shown to the user. */
export class ApiError extends Error {
  override readonly name = "ApiError";
  readonly status: number;
  /** What the API says of it; absent when something between here and there failed. */
  readonly problem: Problem | undefined;

  constructor(status: number, message: string, problem?: Problem) {
    super(message);
    this.status = status;
    this.problem = problem;
  }
}

/**
 * Returns a client that gets a token when it needs one, and once more when that is refused. It holds the token of one
 * user: in a browser, one client for the page; on a server, one for each request.
 */
export function createTasksClient({ baseUrl, fetchToken }: Options) {
  const tokens = new TokenStore(fetchToken);
  const http = createFetchClient<paths>({ baseUrl, fetch: (request) => sendWithToken(request, tokens) });
  return {
    /** The tasks of one user, who must be the one signed in: `tasksOf(session.user.id).list({ status: "pending" })`. */
    tasksOf: (userId: string) => tasksOf(http, userId),
    /** To be called after signing out: the token outlives the session. */
    forgetToken: () => tokens.forget(),
    /** `openapi-fetch` itself, for pages, entity tags and other headers; it returns problems instead of throwing. */
    http,
  };
}

function tasksOf(http: Client<paths>, user_id: string) {
  const path = { user_id };
  const one = (task_id: number) => ({ params: { path: { user_id, task_id } } });
  return {
    list: (query: TaskQuery = {}) => given(http.GET("/api/{user_id}/tasks", { params: { path, query } })),
    read: (id: number) => given(http.GET("/api/{user_id}/tasks/{task_id}", one(id))),
    /** The key makes it harmless to call this again when no answer came: the same key makes one task. */
    create: (body: NewTask, key: string = crypto.randomUUID()) =>
      given(http.POST("/api/{user_id}/tasks", { params: { path, header: { "Idempotency-Key": key } }, body })),
    update: (id: number, body: TaskChanges) => given(http.PUT("/api/{user_id}/tasks/{task_id}", { ...one(id), body })),
    toggle: (id: number) => given(http.PATCH("/api/{user_id}/tasks/{task_id}/complete", one(id))),
    remove: (id: number) => given(http.DELETE("/api/{user_id}/tasks/{task_id}", one(id))),
  };
}

async function given<T>(answer: Promise<{ data?: T; error?: Problem; response: Response }>): Promise<T> {
  const { data, error, response } = await answer;
  if (response.ok) return data as T; // a 204 has none, and T says so
  // A proxy in between may answer with a page of its own.
  const ours = response.headers.get("Content-Type")?.startsWith("application/problem+json");
  if (!error || !ours) throw new ApiError(response.status, response.statusText || `Status ${response.status}`);
  throw new ApiError(error.status, messageOf(error), error);
}

function messageOf(problem: Problem): string {
  const rules = "errors" in problem ? problem.errors.map(({ loc, msg }) => `${loc.at(-1)}: ${msg}`) : [];
  return [problem.detail, ...rules].join(" – ");
}

/** One token for all requests until one is refused; requests that start together share the fetching of it. */
class TokenStore {
  readonly #fetch: () => Promise<string>;
  #token: Promise<string> | undefined;

  constructor(fetch: () => Promise<string>) {
    this.#fetch = fetch;
  }

  current(): Promise<string> {
    if (!this.#token) {
      const token = this.#fetch();
      token.catch(() => this.forget(token)); // the next request may have more luck
      this.#token = token;
    }
    return this.#token;
  }

  /** Does nothing when the given token is not the current one: another request has renewed it already. */
  forget(token = this.#token): void {
    if (token === this.#token) this.#token = undefined;
  }
}

async function sendWithToken(request: Request, tokens: TokenStore): Promise<Response> {
  const token = tokens.current();
  const response = await send(request.clone(), await token);
  if (response.status !== 401) return response;
  // Most likely expired, for a token lives for minutes only. Refused means not done: repeating is harmless.
  tokens.forget(token);
  return send(request, await tokens.current());
}

async function send(request: Request, token: string): Promise<Response> {
  request.headers.set("Authorization", `Bearer ${token}`);
  try {
    return await fetch(request);
  } catch (error) {
    // What `fetch` throws when no answer came; anything else, say an abort, is the caller's own.
    throw error instanceof TypeError ? new ApiError(0, "The server cannot be reached") : error;
  }
}
