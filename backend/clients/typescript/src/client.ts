// The operations of the API, for a browser or a server: `openapi-fetch` on the types that `make client` generates.

import createFetchClient, { type Client } from "openapi-fetch";
import { ApiError, errorOf, type Problem, unreachable } from "./errors.js";
import { repeated } from "./retries.js";
import type { components, operations, paths } from "./schema.js";
import { type Send, sendJson, sendWithToken, TokenStore } from "./tokens.js";

type Schemas = components["schemas"];
export type Task = Schemas["TaskResponse"];
export type NewTask = Schemas["TaskCreate"];
export type TaskChanges = Schemas["TaskUpdate"];
export type TaskQuery = NonNullable<operations["listTasks"]["parameters"]["query"]>;
export type TasksClient = ReturnType<typeof createTasksClient>;
/** What one user can do; made by `tasksOf`. */
export type Tasks = ReturnType<typeof tasksOf>;

/** What the server sent, and the entity tag of it: `ifMatch: task.etag` writes only if nobody else has meanwhile. */
export type Tagged<T> = T & { readonly etag: string };

/** The tasks asked for; with a `limit`, one page of them, and while there are more, `next` for the query's `cursor`. */
export type TaskPage = Tagged<{ readonly items: Task[]; readonly next?: string }>;

export interface ClientOptions {
  /** Where the API is, for instance `https://api.example.com`. */
  baseUrl: string;
  /** Gets a new token from the auth server, or throws when nobody is signed in. */
  fetchToken: () => Promise<string>;
  /** How often to repeat what is safe to repeat (README.md has the rules); default 2. */
  retries?: number | undefined;
  /** To be used instead of the global `fetch`. */
  fetch?: Send | undefined;
}

export interface CallOptions {
  /** An abort rejects with the signal's reason, as `fetch` does, and not with an `ApiError`. */
  signal?: AbortSignal | undefined;
}

export interface WriteOptions extends CallOptions {
  /** The `etag` that the task must still have; if it has not, the call fails with a `ConflictError`. */
  ifMatch?: string | undefined;
}

export interface CreateOptions extends CallOptions {
  /** The same key and body make one task, however often they are sent; default: a new one for each call. */
  key?: string | undefined;
}

/**
 * Returns a client that gets a token when it needs one, and once more when that is refused. It holds the token of one
 * user: in a browser, one client for the page; on a server, one for each request.
 */
export function createTasksClient({ baseUrl, fetchToken, retries = 2, fetch: given }: ClientOptions) {
  const send: Send = given ?? ((request) => fetch(request)); // looked up at each call: tests and tools replace it
  const tokens = new TokenStore(fetchToken);
  const http = createFetchClient<paths>({ baseUrl, fetch: sendWithToken(send, tokens) });
  const open = { fetch: (request: Request) => sendJson(send, request) };
  return {
    /** The tasks of one user, who must be the one signed in: `tasksOf(session.user.id).list({ status: "pending" })`. */
    tasksOf: (userId: string) => tasksOf(http, userId, retries),
    /** To be called after signing out: the token outlives the session. */
    forgetToken: () => tokens.forget(),
    /** Whether the service is alive, and whether it can serve (status 503 if not); no token is needed. */
    health: async ({ signal }: CallOptions = {}) =>
      (await answer(() => http.GET("/health", { ...open, signal: signal ?? null }), signal)).data,
    readiness: async ({ signal }: CallOptions = {}) =>
      (await answer(() => http.GET("/health/ready", { ...open, signal: signal ?? null }), signal)).data,
    /** `openapi-fetch` itself, for other headers; it repeats nothing, and returns problems instead of throwing. */
    http,
  };
}

function tasksOf(http: Client<paths>, user_id: string, retries: number) {
  const write = (task_id: number, { ifMatch, signal }: WriteOptions) => ({
    params: { path: { user_id, task_id }, header: ifMatch === undefined ? {} : { "If-Match": ifMatch } },
    signal: signal ?? null,
  });

  async function list(query: TaskQuery = {}, { signal }: CallOptions = {}): Promise<TaskPage> {
    const init = { params: { path: { user_id }, query }, signal: signal ?? null };
    const send = () => answer(() => http.GET("/api/{user_id}/tasks", init), signal);
    const { data: items, response } = await repeated(send, retries, signal);
    const next = cursorIn(response.headers.get("Link"));
    return { items, etag: tagOf(response), ...(next && { next }) };
  }

  return {
    userId: user_id,
    /** All of them, unless the query has a `limit`. */
    list,
    /** One page after the other: `for await (const { items } of tasks.pages({ limit: 50 }))`. */
    async *pages(query: Omit<TaskQuery, "cursor"> = {}, options: CallOptions = {}): AsyncGenerator<TaskPage, void> {
      let page = await list({ limit: 100, ...query }, options);
      yield page;
      while (page.next) yield (page = await list({ limit: 100, ...query, cursor: page.next }, options));
    },
    async read(id: number, { signal }: CallOptions = {}): Promise<Tagged<Task>> {
      const init = { params: { path: { user_id, task_id: id } }, signal: signal ?? null };
      const send = () => answer(() => http.GET("/api/{user_id}/tasks/{task_id}", init), signal);
      return tagged(await repeated(send, retries, signal));
    },
    async create(body: NewTask, { key = newKey(), signal }: CreateOptions = {}): Promise<Tagged<Task>> {
      const params = { path: { user_id }, header: { "Idempotency-Key": key } };
      const init = { params, body, signal: signal ?? null };
      const send = () => answer(() => http.POST("/api/{user_id}/tasks", init), signal);
      return tagged(await repeated(send, retries, signal));
    },
    async update(id: number, body: TaskChanges, options: WriteOptions = {}): Promise<Tagged<Task>> {
      const init = { ...write(id, options), body };
      return tagged(await answer(() => http.PUT("/api/{user_id}/tasks/{task_id}", init), options.signal));
    },
    /** Sets `completed`, so that a repetition is harmless; what `toggle` does depends on who did what before. */
    async complete(id: number, completed: boolean, options: WriteOptions = {}): Promise<Tagged<Task>> {
      const init = { ...write(id, options), body: { completed } };
      const send = () => answer(() => http.PATCH("/api/{user_id}/tasks/{task_id}/complete", init), options.signal);
      // With a condition, a repetition would take its own first success for somebody else's change.
      return tagged(await repeated(send, options.ifMatch === undefined ? retries : 0, options.signal));
    },
    async toggle(id: number, options: WriteOptions = {}): Promise<Tagged<Task>> {
      const init = write(id, options);
      return tagged(await answer(() => http.PATCH("/api/{user_id}/tasks/{task_id}/complete", init), options.signal));
    },
    async remove(id: number, options: WriteOptions = {}): Promise<void> {
      await answer(() => http.DELETE("/api/{user_id}/tasks/{task_id}", write(id, options)), options.signal);
    },
  };
}

interface Answer<T> {
  data: T;
  response: Response;
}

/** Gives a success and throws everything else: the reason of an abort as it is, any other failure as an `ApiError`. */
async function answer<T>(
  send: () => Promise<{ data?: T; error?: Problem; response: Response }>,
  signal: AbortSignal | undefined,
): Promise<Answer<T>> {
  const result = await send().catch((error: unknown) => {
    signal?.throwIfAborted();
    // Anything but our own errors comes from reading the body: it was cut off on its way.
    throw error instanceof ApiError ? error : unreachable(error);
  });
  const { data, error, response } = result;
  if (!response.ok) throw errorOf(response, error);
  if (data === undefined && response.status !== 204) throw unreachable(new TypeError("The answer is empty"));
  return { data: data as T, response }; // a 204 has none, and T says so
}

/**
 * Without the header (a proxy dropped it), the tag is one that no task has: a write with it fails, as it should.
 * A proxy that compresses puts W/ before the tag, and then it never matches; what the API has is the same.
 */
const tagOf = (response: Response) => response.headers.get("ETag")?.replace(/^W\//, "") ?? "";

const tagged = ({ data, response }: Answer<Task>): Tagged<Task> => ({ ...data, etag: tagOf(response) });

function cursorIn(link: string | null): string | undefined {
  const [, next] = /<([^>]*)>;\s*rel="?next/.exec(link ?? "") ?? [];
  return (next && new URL(next, "http://api").searchParams.get("cursor")) || undefined;
}

/** Makes a key for `create`. A page without https, say on a phone in the local network, has no `crypto.randomUUID`. */
export function newKey(): string {
  return Array.from(crypto.getRandomValues(new Uint8Array(16)), (byte) => byte.toString(16).padStart(2, "0")).join("");
}
