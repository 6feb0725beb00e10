import { dehydrate, HydrationBoundary, QueryClient } from "@tanstack/react-query";
import { headers } from "next/headers";
import { tasksQuery } from "tasks-api-client/react";
import { auth } from "@/lib/auth";
import { serverTasksOf } from "@/lib/tasks-server";
import { SignIn } from "./sign-in";
import { TaskList } from "./task-list";

export default async function Page() {
  const session = await auth.api.getSession({ headers: await headers() });
  if (!session) return <SignIn />;
  const queryClient = new QueryClient();
  await queryClient.prefetchQuery(tasksQuery(serverTasksOf(session.user.id)));
  return (
    <HydrationBoundary state={dehydrate(queryClient)}>
      <TaskList userId={session.user.id} name={session.user.name} />
    </HydrationBoundary>
  );
}
