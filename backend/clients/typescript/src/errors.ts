// What can go wrong, for people (`message`) and for programs (the rest).

import type { components } from "./schema.js";

type Schemas = components["schemas"];
export type Problem = Schemas["Problem"] | Schemas["ValidationProblem"];

interface Details extends ErrorOptions {
  problem?: Problem | undefined;
  requestId?: string | undefined;
  retryAfter?: number | undefined;
}

/** An answer that is not a success, or none (`status` 0); `message` can be shown to the user. */
export class ApiError extends Error {
  override readonly name: string = "ApiError";
  readonly status: number;
  /** What the API says of it; absent when something between here and there failed. */
  readonly problem: Problem | undefined;
  /** The id that the server's log has, for a report. */
  readonly requestId: string | undefined;
  /** Seconds that the server asks to wait before the request is repeated. */
  readonly retryAfter: number | undefined;

  constructor(status: number, message: string, { problem, requestId, retryAfter, ...options }: Details = {}) {
    super(message, options);
    this.status = status;
    this.problem = problem;
    this.requestId = requestId;
    this.retryAfter = retryAfter;
  }
}

/** The task is no longer what `ifMatch` says (412), and nothing was changed: read it again, and decide. */
export class ConflictError extends ApiError {
  override readonly name = "ConflictError";
}

export const unreachable = (cause: unknown) => new ApiError(0, "The server cannot be reached", { cause });

/** Tells what an answer without success says; `body` is what it holds, parsed where it is JSON. */
export function errorOf(response: Response, body: unknown): ApiError {
  const { status, statusText, headers } = response;
  // A proxy in between may answer with a page of its own.
  const ours = headers.get("Content-Type")?.startsWith("application/problem+json") && body instanceof Object;
  const problem = ours ? (body as Problem) : undefined;
  const message = problem ? messageOf(problem) : statusText || `Status ${status}`;
  const requestId = headers.get("X-Request-ID") ?? undefined;
  const details = { problem, requestId, retryAfter: secondsOf(headers.get("Retry-After")) };
  return new (status === 412 ? ConflictError : ApiError)(status, message, details);
}

function messageOf(problem: Problem): string {
  const rules = "errors" in problem ? problem.errors.map(({ loc, msg }) => `${loc.at(-1)}: ${msg}`) : [];
  return [problem.detail, ...rules].join(" – ");
}

/** A proxy may give a date instead of seconds (RFC 9110, 10.2.3). */
function secondsOf(retryAfter: string | null): number | undefined {
  if (!retryAfter) return undefined;
  const seconds = /^\d+$/.test(retryAfter) ? Number(retryAfter) : (Date.parse(retryAfter) - Date.now()) / 1000;
  return Number.isNaN(seconds) ? undefined : Math.max(0, seconds);
}
