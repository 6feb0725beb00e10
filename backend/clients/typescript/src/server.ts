// For server components and route handlers: the token comes from Better Auth's server API, without a request.

import { type ClientOptions, createTasksClient, type TasksClient } from "./client.js";
import { ApiError } from "./errors.js";

/** What is needed of `betterAuth({ plugins: [jwt()] })`. */
export interface AuthWithTokens {
  api: { getToken(context: { headers: Headers }): Promise<{ token: string }> };
}

export interface ServerClientOptions extends Omit<ClientOptions, "fetchToken"> {
  auth: AuthWithTokens;
  /** Those of the request that is being answered, for its session cookie; in Next.js, `headers()`. */
  headers: Headers | Promise<Headers>;
}

/** Returns a client for whoever sent the request; it must not outlive it. */
export function createServerTasksClient({ auth, headers, ...options }: ServerClientOptions): TasksClient {
  return createTasksClient({
    ...options,
    async fetchToken() {
      try {
        return (await auth.api.getToken({ headers: await headers })).token;
      } catch (cause) {
        const { statusCode } = cause as { statusCode?: number };
        if (statusCode !== 401) throw cause;
        throw new ApiError(statusCode, "Please sign in", { cause });
      }
    },
  });
}
