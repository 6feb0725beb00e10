"use client";

import { useState } from "react";
import { ApiError } from "tasks-api-client";
import { type TaskFilter, useTasks } from "tasks-api-client/react";
import { tasksOf } from "@/lib/tasks";
import { Choice } from "./choice";
import { Header } from "./header";
import { NewTask } from "./new-task";
import { TaskEditor } from "./task-editor";
import { TaskItem } from "./task-item";

/** Tells the user what became of something, and the caller whether it succeeded. */
export type Report = (action: Promise<unknown>, words?: string) => Promise<boolean>;

export function TaskList({ userId, name }: { userId: string; name: string }) {
  const tasks = tasksOf(userId);
  const [filter, setFilter] = useState<TaskFilter>({});
  const [edited, setEdited] = useState<number>();
  const [done, setDone] = useState("");
  const [problem, setProblem] = useState("");
  const list = useTasks(tasks, filter);

  const report: Report = async (action, words = "") => {
    setDone("");
    setProblem("");
    try {
      await action;
      setDone(words);
      return true;
    } catch (error) {
      if (!(error instanceof ApiError)) throw error;
      setProblem(error.message);
      return false;
    }
  };

  function edit(id?: number, words = "") {
    setDone(words);
    setProblem("");
    setEdited(id);
  }

  return (
    <main>
      <Header name={name} report={report} />
      <NewTask tasks={tasks} report={report} />
      <p role="alert">{problem || list.error?.message}</p>
      <div className="row filters">
        <Choice
          label="Show"
          value={filter.status}
          among={{ all: "all", pending: "pending", completed: "completed" }}
          choose={(status) => setFilter({ ...filter, status })}
        />
        <Choice
          label="Sort by"
          value={filter.sort}
          among={{ created: "creation", title: "title" }}
          choose={(sort) => setFilter({ ...filter, sort })}
        />
        <p role="status">{`${done} ${list.data ? counted(list.data.length) : ""}`.trim()}</p>
        {list.isError && (
          <button className="quiet" onClick={() => void list.refetch()}>
            Try again
          </button>
        )}
      </div>
      <ul id="tasks" aria-label="Your tasks" aria-busy={list.isPending || list.isPlaceholderData}>
        {list.data?.map((task) => (
          <TaskItem key={task.id} tasks={tasks} task={task} report={report} edit={edit} />
        ))}
      </ul>
      {list.data?.length === 0 && <p className="empty">Nothing here.</p>}
      {edited && <TaskEditor tasks={tasks} id={edited} close={(words) => edit(undefined, words)} />}
    </main>
  );
}

const counted = (count: number) => (count === 1 ? "1 task" : `${count} tasks`);
