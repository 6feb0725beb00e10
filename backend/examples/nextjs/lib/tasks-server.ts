import { headers } from "next/headers";
import { createServerTasksClient } from "tasks-api-client/server";
import { auth } from "@/lib/auth";

/** The tasks of whoever sent the request that is being answered. */
export function serverTasksOf(userId: string) {
  const client = createServerTasksClient({
    baseUrl: process.env.NEXT_PUBLIC_API_URL ?? "http://localhost:8000",
    auth,
    headers: headers(),
    retries: 0, // the browser asks again; the page need not wait
  });
  return client.tasksOf(userId);
}
