// The Tasks API, typed. Knows nothing of the page: copy it into a Next.js project as it is.
import { authClient } from "./auth-client";

const API_URL = process.env.NEXT_PUBLIC_API_URL ?? "http://localhost:8000";

export interface Task {
  id: number;
  user_id: string;
  title: string;
  description: string | null;
  completed: boolean;
  created_at: string;
  updated_at: string;
}

export type TaskDraft = Pick<Task, "title"> & Partial<Pick<Task, "description">>;

export interface TaskQuery {
  status?: "all" | "pending" | "completed";
  sort?: "created" | "title";
}

/** The body of every error (RFC 9457); `errors` comes with a 422. */
export interface Problem {
  status: number;
  detail: string;
  request_id?: string;
  errors?: { loc: (string | number)[]; msg: string; type: string }[];
}

/** An answer that is not a success; `message` can be shown to the user. */
export class ApiError extends Error {
  constructor(readonly problem: Problem) {
    const rules = (problem.errors ?? []).map(({ loc, msg }) => `${loc.at(-1)}: ${msg}`);
    super([problem.detail, ...rules].join(" – "));
  }
}

/** The tasks of one user: `tasksOf(session.user.id).list({ status: "pending" })`. */
export function tasksOf(userId: string) {
  const path = `/api/${encodeURIComponent(userId)}/tasks`;
  return {
    list: (query: TaskQuery = {}) => request<Task[]>("GET", `${path}?${new URLSearchParams({ ...query })}`),
    read: (id: number) => request<Task>("GET", `${path}/${id}`),
    // The key makes it harmless to send the same request again when no answer came.
    create: (task: TaskDraft, key: string = crypto.randomUUID()) =>
      request<Task>("POST", path, task, { "Idempotency-Key": key }),
    update: (id: number, changes: Partial<TaskDraft>) => request<Task>("PUT", `${path}/${id}`, changes),
    toggle: (id: number) => request<Task>("PATCH", `${path}/${id}/complete`),
    remove: (id: number) => request<void>("DELETE", `${path}/${id}`),
  };
}

/** Forget the token, for instance after signing out. */
export function forgetToken(): void {
  token = undefined;
}

// A JWT lives for 15 minutes, the session behind it for days. Requests that start together share one promise.
let token: Promise<string> | undefined;

function currentToken(): Promise<string> {
  return (token ??= fetchToken().catch((error: unknown) => {
    forgetToken();
    throw error;
  }));
}

async function fetchToken(): Promise<string> {
  const { data, error } = await authClient.token();
  if (data) return data.token;
  throw new ApiError({ status: error?.status ?? 0, detail: "Please sign in again" });
}

async function request<T>(method: string, path: string, body?: object, headers?: HeadersInit): Promise<T> {
  const used = currentToken();
  let response = await send(await used, method, path, body, headers);
  if (response.status === 401) {
    // Most likely expired: get a new one (once, if another request has not done so already) and try again.
    if (token === used) forgetToken();
    response = await send(await currentToken(), method, path, body, headers);
  }
  if (!response.ok) throw new ApiError(await problemOf(response));
  return (response.status === 204 ? undefined : await response.json()) as T;
}

async function send(jwt: string, method: string, path: string, body?: object, headers?: HeadersInit) {
  const all = new Headers(headers);
  all.set("Authorization", `Bearer ${jwt}`);
  if (body) all.set("Content-Type", "application/json");
  try {
    return await fetch(API_URL + path, { method, headers: all, body: body && JSON.stringify(body) });
  } catch {
    throw new ApiError({ status: 0, detail: "The server cannot be reached" });
  }
}

async function problemOf(response: Response): Promise<Problem> {
  const ours = response.headers.get("Content-Type")?.startsWith("application/problem+json");
  // A proxy in between may answer with a page of its own.
  return ours ? ((await response.json()) as Problem) : { status: response.status, detail: response.statusText };
}
