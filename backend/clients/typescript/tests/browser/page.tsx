// The hooks on a page as small as can be. The address says which API, user and token.

import { MutationCache, QueryClient, QueryClientProvider } from "@tanstack/react-query";
import { StrictMode, useEffect, useState } from "react";
import { createRoot } from "react-dom/client";
import { createTasksClient, type Task } from "../../src/index.js";
import {
  type TaskFilter,
  useCreateTask,
  useDeleteTask,
  useTasks,
  useToggleTask,
  useUpdateTask,
} from "../../src/react.js";

const setting = new URLSearchParams(location.search);
const { tasksOf } = createTasksClient({
  baseUrl: setting.get("api") ?? "",
  fetchToken: async () => setting.get("token") ?? "",
});
// Of several mutations of one hook, TanStack reports to the hook's own callbacks only what becomes of the last.
let report = (_message: string) => {};
const mutationCache = new MutationCache({
  onError: ({ name, message }) => report(`${name}: ${message}`),
  onSuccess: () => report("done"),
});
const queryClient = new QueryClient({ mutationCache });

function Page() {
  const [message, setMessage] = useState("");
  useEffect(() => void (report = (text) => setMessage((before) => `${before} ${text}`)), []);
  const [user, setUser] = useState(setting.get("user") ?? "");
  const [filter, setFilter] = useState<TaskFilter>({});
  const tasks = tasksOf(user);
  const all = useTasks(tasks, filter);
  const pending = useTasks(tasks, { status: "pending", sort: "title" });
  const create = useCreateTask(tasks);
  const update = useUpdateTask(tasks);
  const toggle = useToggleTask(tasks);
  const remove = useDeleteTask(tasks);

  /** Changes a task with the tag of a moment before somebody else changed it. */
  async function updateLate({ id }: Task) {
    const { etag: ifMatch } = await tasks.read(id);
    await tasks.update(id, { description: "theirs" });
    update.mutate({ id, changes: { description: "mine" }, ifMatch });
  }

  return (
    <main>
      <p role="alert">{message}</p>
      <button onClick={() => create.mutate({ title: "Added" })}>Add</button>
      <button onClick={() => void all.refetch()}>Refetch</button>
      <button onClick={() => setFilter({ sort: "title" })}>Sort</button>
      <button onClick={() => setUser("somebody-else")}>Change user</button>
      <button onClick={() => queryClient.clear()}>Clear</button>
      <button onClick={() => void tasks.create({ title: "Alone" }).then(() => all.refetch())}>
        Add without the hook
      </button>
      <ul aria-label="All">
        {all.data?.map((task) => (
          <li key={task.id}>
            <label>
              <input type="checkbox" checked={task.completed} onChange={() => toggle.mutate(task)} />
              {task.title} {task.description}
            </label>
            <button onClick={() => update.mutate({ id: task.id, changes: { title: "Renamed" } })}>Rename</button>
            <button onClick={() => void updateLate(task)}>Update late</button>
            <button onClick={() => remove.mutate(task)}>Delete</button>
          </li>
        ))}
      </ul>
      <ul aria-label="Pending">
        {pending.data?.map((task) => (
          <li key={task.id}>{task.title}</li>
        ))}
      </ul>
    </main>
  );
}

createRoot(document.body).render(
  <StrictMode>
    <QueryClientProvider client={queryClient}>
      <Page />
    </QueryClientProvider>
  </StrictMode>,
);
