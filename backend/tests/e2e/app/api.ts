// The Tasks API for whoever is signed in. A Next.js project can take this file as it is: `@/tasks-api` is a copy of
// backend/clients/typescript/src there; here tsconfig.json leads to the folder itself.
import { ApiError, createTasksClient } from "@/tasks-api/client";
import { authClient } from "./auth-client";

export const { tasksOf, forgetToken } = createTasksClient({
  baseUrl: process.env.NEXT_PUBLIC_API_URL ?? "http://localhost:8000",
  async fetchToken() {
    const { data, error } = await authClient.token();
    if (data) return data.token;
    throw new ApiError(error?.status ?? 0, "Please sign in again");
  },
});
