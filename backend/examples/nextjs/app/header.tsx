"use client";

import { useQueryClient } from "@tanstack/react-query";
import { useRouter } from "next/navigation";
import { ApiError } from "tasks-api-client";
import { authClient } from "@/lib/auth-client";
import { complaintOf } from "@/lib/complaint";
import { forgetToken } from "@/lib/tasks";
import type { Report } from "./task-list";

export function Header({ name, report }: { name: string; report: Report }) {
  const router = useRouter();
  const queryClient = useQueryClient();

  async function signOut() {
    const complaint = await complaintOf(authClient.signOut());
    if (complaint) throw new ApiError(0, `You are still signed in. ${complaint}`);
    forgetToken(); // a token outlives its session
    queryClient.clear();
    router.refresh();
  }

  return (
    <header>
      <h1>Tasks</h1>
      <p>
        {name}{" "}
        <button className="quiet" onClick={() => void report(signOut())}>
          Sign out
        </button>
      </p>
    </header>
  );
}
