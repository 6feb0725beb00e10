import { ApiError, createTasksClient } from "tasks-api-client";
import { authClient } from "@/lib/auth-client";

export const { tasksOf, forgetToken } = createTasksClient({
  baseUrl: process.env.NEXT_PUBLIC_API_URL ?? "http://localhost:8000",
  async fetchToken() {
    const { data, error } = await authClient.token();
    if (data) return data.token;
    throw new ApiError(error.status, error.status === 401 ? "Please sign in again" : "Signing in does not work now");
  },
});
