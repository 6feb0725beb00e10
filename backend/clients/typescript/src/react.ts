// Hooks on TanStack Query 5. Nothing here is retried by TanStack: the client has done so already, where it is safe.

import {
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

/** Sent even if the browser believes that it is offline: what waits for a network neither succeeds nor fails. */
const sending = { retry: false, networkMode: "always" } as const;

/** The options of `useTasks`, for `prefetchQuery` in a server component. */
export function tasksQuery(tasks: Tasks, filter: TaskFilter = {}) {
  return queryOptions<Task[], ApiError>({
    queryKey: [...tasksKey(tasks.userId), filter],
    queryFn: async ({ signal }) => (await tasks.list(filter, { signal })).items,
    ...sending,
    refetchOnReconnect: true, // which TanStack leaves out where the network mode is "always"
  });
}

/** The user's tasks; while those of another filter are fetched, this user's before (`isPlaceholderData`). */
export function useTasks(tasks: Tasks, filter: TaskFilter = {}) {
  return useQuery({
    ...tasksQuery(tasks, filter),
    placeholderData: (before, query) => (query?.queryKey[1] === tasks.userId ? before : undefined),
  });
}

/** A draft that is not known to be added: `key` may stand for a task that is gone after more than `deletions`. */
interface Attempt {
  draft: string;
  key: string;
  deletions: number;
}

/** How many deletions were sent, by any component. */
const deletions = new WeakMap<QueryClient, number>();

/**
 * Adds a task. The same task again, while it is under way or after a failure, has the same key: if it was added after
 * all, it stays one. A deletion ends that, for it may have been of this task.
 */
export function useCreateTask(tasks: Tasks) {
  const client = useQueryClient();
  const last = useRef<Attempt | undefined>(undefined);
  const attempts = useRef(new WeakMap<NewTask, Attempt>()); // by call, since the last may be of a later one
  return useMutation<Tagged<Task>, ApiError, NewTask>({
    ...useLists(tasks).common,
    onMutate(task) {
      const draft = JSON.stringify(task);
      if (last.current?.draft !== draft) last.current = { draft, key: newKey(), deletions: deletions.get(client) ?? 0 };
      attempts.current.set(task, last.current);
    },
    mutationFn: (task) => tasks.create(task, { key: keyOf(attempts.current.get(task), deletions.get(client) ?? 0) }),
    onSuccess(_added, task) {
      if (last.current === attempts.current.get(task)) last.current = undefined;
    },
  });
}

/** To be called when the request is sent, not before: a deletion may be waiting to go out first. */
function keyOf(attempt: Attempt | undefined, deleted: number): string | undefined {
  if (attempt && attempt.deletions !== deleted) Object.assign(attempt, { key: newKey(), deletions: deleted });
  return attempt?.key;
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
  return useMutation<Tagged<Task>, ApiError, Task, Before>({
    ...lists.common,
    ...lists.shown((items, { id, completed }: Task) =>
      items.map((t) => (t.id === id ? { ...t, completed: !completed } : t)),
    ),
    mutationFn: ({ id, completed }) => tasks.complete(id, !completed),
  });
}

/** Deletes a task: at once in every list, and it comes back if that fails. */
export function useDeleteTask(tasks: Tasks) {
  const lists = useLists(tasks);
  const client = useQueryClient();
  return useMutation<void, ApiError, Pick<Task, "id">, Before>({
    ...lists.common,
    ...lists.shown((items, { id }: Pick<Task, "id">) => items.filter((t) => t.id !== id)),
    mutationFn({ id }) {
      deletions.set(client, (deletions.get(client) ?? 0) + 1);
      return tasks.remove(id);
    },
  });
}

/** The lists before the first of the changes of one task that are under way, with what has succeeded of them. */
interface Before {
  lists: [key: readonly unknown[], items: Task[] | undefined][];
}

/** What the mutations share: they go out in the order in which they were made, then the lists are fetched anew. */
function useLists(tasks: Tasks) {
  const client = useQueryClient();
  const queryKey = tasksKey(tasks.userId);
  const underWay = (id: number) => changesOf(client, queryKey, id);
  return {
    common: {
      ...sending,
      mutationKey: queryKey,
      scope: { id: queryKey.join() },
      onSettled: () => {
        if (client.isMutating({ mutationKey: queryKey }) === 1) void client.invalidateQueries({ queryKey });
      },
    },
    /** Shows a change in every known list; a failure puts this one task back as it was, and touches no other. */
    shown: <V extends { id: number }>(edit: (items: Task[], variables: V) => Task[]) => ({
      async onMutate(variables: V): Promise<Before> {
        const before = underWay(variables.id)[0] ?? { lists: client.getQueriesData<Task[]>({ queryKey }) };
        await client.cancelQueries({ queryKey }); // an answer under way would show what was before
        client.setQueriesData<Task[]>({ queryKey }, (items) => items && edit(items, variables));
        return before;
      },
      onSuccess(_data: unknown, variables: V) {
        for (const before of underWay(variables.id)) {
          before.lists = before.lists.map(([key, items]) => [key, items && edit(items, variables)]);
        }
      },
      onError(_error: unknown, { id }: V, before: Before | undefined) {
        if (underWay(id).length > 1) return; // a later change shows, and what it hides is put back if it fails too
        before?.lists.forEach(([key, items]) => putBack(client, key, items, id));
      },
    }),
  };
}

/** What each change of this task that is under way, and shown, would go back to. */
function changesOf(client: QueryClient, mutationKey: readonly unknown[], id: number): Before[] {
  const pending = client.getMutationCache().findAll({ mutationKey, status: "pending" });
  const shown = pending.filter(({ state }) => state.context && (state.variables as Partial<Task>).id === id);
  return shown.map(({ state }) => state.context as Before);
}

function putBack(client: QueryClient, key: readonly unknown[], before: Task[] | undefined, id: number): void {
  const index = before?.findIndex((task) => task.id === id) ?? -1;
  const task = before?.[index];
  if (!task) return;
  client.setQueryData<Task[]>(key, (items) => {
    const others = items?.filter((other) => other.id !== id); // no list is known any more after a sign-out
    return others && [...others.slice(0, index), task, ...others.slice(index)];
  });
}
