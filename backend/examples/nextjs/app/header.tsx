"use client";

import { useQueryClient } from "@tanstack/react-query";
import { useRouter } from "next/navigation";
import { authClient } from "@/lib/auth-client";
import { forgetToken } from "@/lib/tasks";

export function Header({ name }: { name: string }) {
  const router = useRouter();
  const queryClient = useQueryClient();

  async function signOut() {
    await authClient.signOut();
    forgetToken(); // a token outlives its session
    queryClient.clear();
    router.refresh();
  }

  return (
    <header>
      <h1>Tasks</h1>
      <p>
        {name}{" "}
        <button className="quiet" onClick={() => void signOut()}>
          Sign out
        </button>
      </p>
    </header>
  );
}
