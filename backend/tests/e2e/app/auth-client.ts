// Better Auth's own client. In Next.js, import createAuthClient from "better-auth/react" instead.
import { createAuthClient } from "better-auth/client";
import { jwtClient } from "better-auth/client/plugins";

export const authClient = createAuthClient({ plugins: [jwtClient()] });
