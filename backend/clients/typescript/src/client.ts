// A typed client of the Tasks API: `openapi-fetch` on the types that `make client` generates, plus the token.

import createFetchClient, { type Client, type Middleware } from "openapi-fetch";
import type { components, paths } from "./schema.js";

export type Task = components["schemas"]["TaskResponse"];
export type NewTask = components["schemas"]["TaskCreate"];
export type TaskChanges = components["schemas"]["TaskUpdate"];
export type Problem = components["schemas"]["Problem"];
export type TasksClient = Client<paths>;

export interface Options {
  /** Where the API is, for instance `https://api.example.org`. */
  baseUrl: string;
  /** The current token; with Better Auth: `async () => (await authClient.token()).data?.token`. */
  getToken: () => Promise<string | undefined> | string | undefined;
}

/** Returns a client that asks for a token before each request, since tokens live for minutes only. */
export function createTasksClient({ baseUrl, getToken }: Options): TasksClient {
  const client = createFetchClient<paths>({ baseUrl });
  client.use(authorization(getToken));
  return client;
}

function authorization(getToken: Options["getToken"]): Middleware {
  return {
    async onRequest({ request }) {
      const token = await getToken();
      if (token) request.headers.set("Authorization", `Bearer ${token}`);
      return request;
    },
  };
}
