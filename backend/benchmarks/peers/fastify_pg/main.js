// The usual Fastify service: a cluster of workers, each with @fastify/jwt, @fastify/postgres and JSON schemas.
import cluster from "node:cluster";
import { build } from "./app.js";

if (cluster.isPrimary) {
  for (let n = 0; n < Number(process.env.WEB_CONCURRENCY ?? 1); n += 1) cluster.fork();
} else {
  const app = await build();
  await app.listen({ port: Number(process.env.PORT), host: "127.0.0.1" });
}
