// Sends requests with a token, and gets a new one when it is refused.

import { unlessAborted } from "./aborting.js";
import { ApiError, unreachable } from "./errors.js";

export type Send = (request: Request) => Promise<Response>;

/** One token for all requests until one is refused; requests that start together share the fetching of it. */
export class TokenStore {
  readonly #fetch: () => Promise<string>;
  #token: Promise<string> | undefined;

  constructor(fetch: () => Promise<string>) {
    this.#fetch = fetch;
  }

  current(): Promise<string> {
    if (!this.#token) {
      const token = this.#renewed();
      token.catch(() => this.forget(token)); // the next request may have more luck
      this.#token = token;
    }
    return this.#token;
  }

  /** Does nothing when the given token is not the current one: another request has renewed it already. */
  forget(token = this.#token): void {
    if (token === this.#token) this.#token = undefined;
  }

  async #renewed(): Promise<string> {
    try {
      return await this.#fetch();
    } catch (cause) {
      throw cause instanceof ApiError ? cause : new ApiError(0, "The sign-in server cannot be reached", { cause });
    }
  }
}

export function sendWithToken(send: Send, tokens: TokenStore): Send {
  return async (request) => {
    const token = tokens.current();
    const response = await sendWith(token, request.clone());
    if (response.status !== 401) return response;
    // Most likely expired, for a token lives for minutes only. Refused means not done: repeating is harmless.
    tokens.forget(token);
    return sendWith(tokens.current(), request);
  };

  async function sendWith(token: Promise<string>, request: Request): Promise<Response> {
    request.headers.set("Authorization", `Bearer ${await unlessAborted(token, request.signal)}`);
    return sendJson(send, request);
  }
}

/** A success that is not JSON is none: the sign-in page of a hotel's network answers everything with 200. */
export async function sendJson(send: Send, request: Request): Promise<Response> {
  const response = await send(request).catch((error: unknown) => {
    request.signal.throwIfAborted();
    throw unreachable(error);
  });
  const { ok, status, headers } = response;
  if (ok && status !== 204 && !headers.get("Content-Type")?.startsWith("application/json")) {
    throw new ApiError(status, "Something else than the API has answered");
  }
  return response;
}
