// Every operation through the typed client, against a running service. `npm run e2e` with API_URL, USER_ID, TOKEN.

import assert from "node:assert/strict";
import { createTasksClient, type Problem, type Task } from "../src/client.js";

const user_id = setting("USER_ID");
const api = createTasksClient({ baseUrl: setting("API_URL"), getToken: () => setting("TOKEN") });

function setting(name: string): string {
  const value = process.env[name];
  assert(value, `${name} must be set`);
  return value;
}

function given<T>(result: { data?: T; error?: Problem; response: Response }): T {
  assert(result.data !== undefined, `${result.response.status} ${result.error?.detail ?? ""}`);
  return result.data;
}

async function createsReadsAndLists(): Promise<Task> {
  const path = { user_id };
  const created = await api.POST("/api/{user_id}/tasks", { params: { path }, body: { title: "Buy milk" } });
  const task = given(created);
  assert.equal(created.response.status, 201);
  const again = await api.GET("/api/{user_id}/tasks/{task_id}", { params: { path: { user_id, task_id: task.id } } });
  assert.deepEqual(given(again), task);
  const query = { status: "pending", sort: "title" } as const;
  const list = given(await api.GET("/api/{user_id}/tasks", { params: { path, query } }));
  assert.deepEqual(list.filter(({ id }) => id === task.id), [task]);
  return task;
}

async function changesAndToggles(task: Task): Promise<void> {
  const path = { user_id, task_id: task.id };
  const body = { title: "Buy oat milk", description: null };
  assert.equal(given(await api.PUT("/api/{user_id}/tasks/{task_id}", { params: { path }, body })).title, body.title);
  const toggle = (completed?: boolean) =>
    api.PATCH("/api/{user_id}/tasks/{task_id}/complete", {
      params: { path },
      ...(completed === undefined ? {} : { body: { completed } }),
    });
  assert.equal(given(await toggle()).completed, true);
  assert.equal(given(await toggle(true)).completed, true);
  assert.equal(given(await toggle()).completed, false);
}

async function deletesAndReportsProblems(task: Task): Promise<void> {
  const path = { user_id, task_id: task.id };
  const gone = await api.DELETE("/api/{user_id}/tasks/{task_id}", { params: { path } });
  assert.equal(gone.response.status, 204);
  const { error } = await api.GET("/api/{user_id}/tasks/{task_id}", { params: { path } });
  assert.equal(error?.detail, "Task not found");
  const elsewhere = await api.GET("/api/{user_id}/tasks", { params: { path: { user_id: `${user_id}-other` } } });
  assert.equal(elsewhere.error?.status, 403);
  const invalid = await api.POST("/api/{user_id}/tasks", { params: { path: { user_id } }, body: { title: " " } });
  assert(invalid.error && "errors" in invalid.error);
  assert.deepEqual(invalid.error.errors[0]?.loc, ["body", "title"]);
}

async function answersTheMonitor(): Promise<void> {
  assert.deepEqual(given(await api.GET("/health")), { status: "ok" });
  assert.deepEqual(given(await api.GET("/health/ready")), { status: "ready" });
}

const task = await createsReadsAndLists();
await changesAndToggles(task);
await deletesAndReportsProblems(task);
await answersTheMonitor();
console.log("Every operation works through the typed client.");
