// The usual Express service: a cluster of workers, each with express.json, jsonwebtoken and a pg Pool.
import cluster from "node:cluster";
import { app } from "./app.js";
import { createSchema } from "./db.js";

if (cluster.isPrimary) {
  for (let n = 0; n < Number(process.env.WEB_CONCURRENCY ?? 1); n += 1) cluster.fork();
} else {
  await createSchema();
  app.listen(Number(process.env.PORT), "127.0.0.1");
}
