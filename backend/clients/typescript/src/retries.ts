// Requests that may be sent again are, when the server says that it is busy or does not answer.

import { pause } from "./aborting.js";
import { ApiError } from "./errors.js";

const FIRST_PAUSE = 300; // milliseconds; twice as long each time
const LONGEST_WAIT = 10; // seconds; who is asked to wait longer is told so instead

/** Sends once, and again after each failure that may pass, `retries` times at most; only for what is safe to repeat. */
export async function repeated<T>(
  send: () => Promise<T>,
  retries: number,
  signal: AbortSignal | undefined,
): Promise<T> {
  for (let attempt = 0; ; attempt++) {
    try {
      return await send();
    } catch (error) {
      const seconds = attempt < retries ? secondsBeforeNext(error) : undefined;
      if (seconds === undefined) throw error;
      await pause(seconds * 1000 + jitter(attempt), signal);
    }
  }
}

/** Returns undefined where waiting does not help. */
function secondsBeforeNext(error: unknown): number | undefined {
  if (!(error instanceof ApiError)) return undefined;
  if (error.status === 0) return 0;
  const { status, retryAfter } = error;
  return status === 503 && retryAfter !== undefined && retryAfter <= LONGEST_WAIT ? retryAfter : undefined;
}

/** Those who were refused together must not come back together. */
const jitter = (attempt: number) => FIRST_PAUSE * 2 ** attempt * (0.5 + Math.random());
