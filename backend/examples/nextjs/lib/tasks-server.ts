import { headers } from "next/headers";
import { createServerTasksClient } from "tasks-api-client/server";
import { auth } from "@/lib/auth";

/** The tasks of whoever sent the request that is being answered. */
export function serverTasksOf(userId: string) {
  const client = createServerTasksClient({
    baseUrl: process.env.NEXT_PUBLIC_API_URL ?? "http://localhost:8000",
    auth,
    headers: headers(),
    // The browser asks again: the page waits neither for a repetition nor for long.
    retries: 0,
    fetch: (request) => fetch(request, { signal: AbortSignal.any([request.signal, AbortSignal.timeout(3_000)]) }),
  });
  return client.tasksOf(userId);
}
