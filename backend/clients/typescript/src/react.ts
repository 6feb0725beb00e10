// Hooks on TanStack Query 5. Nothing here is retried by TanStack: the client has done so already, where it is safe.

import {
  keepPreviousData,
  type QueryClient,
  queryOptions,
  useMutation,
  useQuery,
  useQueryClient,
} from "@tanstack/react-query";
import { useRef } from "react";
import {
  type NewTask,
  newKey,
  type Tagged,
  type Task,
  type TaskChanges,
  type TaskQuery,
  type Tasks,
} from "./client.js";
import type { ApiError } from "./errors.js";

export type TaskFilter = Omit<TaskQuery, "limit" | "cursor">;

/** The key of everything that is known of a user's tasks, for `invalidateQueries` and the like. */
export const tasksKey = (userId: string) => ["tasks", userId] as const;

/** The options of `useTasks`, for `prefetchQuery` in a server component. */
export function tasksQuery(tasks: Tasks, filter: TaskFilter = {}) {
  return queryOptions<Task[], ApiError>({
    queryKey: [...tasksKey(tasks.userId), filter],
    queryFn: async ({ signal }) => (await tasks.list(filter, { signal })).items,
    retry: false,
  });
}

/** The user's tasks; while those of another filter are fetched, the ones before (`isPlaceholderData`). */
export function useTasks(tasks: Tasks, filter: TaskFilter = {}) {
  return useQuery({ ...tasksQuery(tasks, filter), placeholderData: keepPreviousData });
}

/** Adds a task. The same task again after a failure has the same key: if it was added after all, it stays one. */
export function useCreateTask(tasks: Tasks) {
  const lists = useLists(tasks);
  const last = useRef({ draft: "", key: "" });
  return useMutation<Tagged<Task>, ApiError, NewTask>({
    ...lists.common,
    mutationFn(task) {
      const draft = JSON.stringify(task);
      if (last.current.draft !== draft) last.current = { draft, key: newKey() };
      return tasks.create(task, { key: last.current.key });
    },
    onSuccess: () => {
      last.current = { draft: "", key: "" };
    },
  });
}

export type Update = { id: number; changes: TaskChanges; ifMatch?: string | undefined };

/** Changes title or description; with `ifMatch`, the error may be a `ConflictError`. */
export function useUpdateTask(tasks: Tasks) {
  return useMutation<Tagged<Task>, ApiError, Update>({
    ...useLists(tasks).common,
    mutationFn: ({ id, changes, ifMatch }) => tasks.update(id, changes, { ifMatch }),
  });
}

/** Sets `completed` to what it is not in the given task: at once in every list, and back again if that fails. */
export function useToggleTask(tasks: Tasks) {
  const lists = useLists(tasks);
  return useMutation<Tagged<Task>, ApiError, Task, Undo>({
    ...lists.common,
    mutationFn: ({ id, completed }) => tasks.complete(id, !completed),
    onMutate: ({ id, completed }) =>
      lists.change(id, (items) => items.map((t) => (t.id === id ? { ...t, completed: !completed } : t))),
    onError: (_error, _task, undo) => undo?.(),
  });
}

/** Deletes a task: at once in every list, and it comes back if that fails. */
export function useDeleteTask(tasks: Tasks) {
  const lists = useLists(tasks);
  return useMutation<void, ApiError, Pick<Task, "id">, Undo>({
    ...lists.common,
    mutationFn: ({ id }) => tasks.remove(id),
    onMutate: ({ id }) => lists.change(id, (items) => items.filter((t) => t.id !== id)),
    onError: (_error, _task, undo) => undo?.(),
  });
}

type Undo = () => void;

/** What the mutations share: they go out in the order in which they were made, then the lists are fetched anew. */
function useLists(tasks: Tasks) {
  const client = useQueryClient();
  const queryKey = tasksKey(tasks.userId);
  return {
    common: {
      mutationKey: queryKey,
      scope: { id: queryKey.join() },
      retry: false,
      onSettled: () => {
        if (client.isMutating({ mutationKey: queryKey }) === 1) void client.invalidateQueries({ queryKey });
      },
    },
    /** Changes every list that is known; what it returns puts this one task back as it was, and touches no other. */
    async change(id: number, edit: (items: Task[]) => Task[]): Promise<Undo> {
      await client.cancelQueries({ queryKey }); // an answer under way would show what was before
      const before = client.getQueriesData<Task[]>({ queryKey });
      client.setQueriesData<Task[]>({ queryKey }, (items) => items && edit(items));
      return () => before.forEach(([key, items]) => putBack(client, key, items, id));
    },
  };
}

function putBack(client: QueryClient, key: readonly unknown[], before: Task[] | undefined, id: number): void {
  const index = before?.findIndex((task) => task.id === id) ?? -1;
  const task = before?.[index];
  if (!task) return;
  client.setQueryData<Task[]>(key, (items) => {
    const others = (items ?? []).filter((other) => other.id !== id);
    return [...others.slice(0, index), task, ...others.slice(index)];
  });
}
