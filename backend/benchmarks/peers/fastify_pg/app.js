// Plugins and routes: the six operations, one statement each, with RETURNING.
import jwt from "@fastify/jwt";
import postgres from "@fastify/postgres";
import Fastify from "fastify";
import { createSchema } from "./db.js";
import * as schemas from "./schemas.js";

const COLUMNS = "id, user_id, title, description, completed, created_at, updated_at";
const ORDER = { created: "created_at, id", title: "lower(title), title, id" };
const COMPLETED = { all: null, pending: false, completed: true };

export async function build() {
  // Fastify's own guide starts with `logger: true`.
  const app = Fastify({ logger: process.env.ACCESS_LOG !== "off", bodyLimit: 65536 });
  app.register(jwt, { secret: process.env.JWT_SECRET, verify: { algorithms: ["HS256"] } });
  app.register(postgres, { connectionString: process.env.DATABASE_URL });
  app.addSchema(schemas.task);
  app.setErrorHandler((error, request, reply) => {
    const status = error.validation ? (error.validationContext === "params" ? 404 : 422) : (error.statusCode ?? 500);
    reply.code(status).send({ detail: error.message });
  });
  app.register(tasks, { prefix: "/api/:userId/tasks" });
  await app.ready();
  // Without a listener the end of an idle connection ends the process; with one, the pool opens another.
  app.pg.pool.on("error", (error) => app.log.error(error.message));
  await createSchema(app.pg);
  return app;
}

async function tasks(app) {
  app.addHook("onRequest", async (request, reply) => {
    await request.jwtVerify();
    if (request.user.sub !== request.params.userId) return reply.code(403).send({ detail: "User_id mismatch" });
  });

  const notFound = (reply) => reply.code(404).send({ detail: "Task not found" });
  const one = ({ rows }, reply) => rows[0] ?? notFound(reply);

  app.get("/", { schema: schemas.list }, async ({ user, query }) => {
    const { rows } = await app.pg.query(
      `SELECT ${COLUMNS} FROM tasks WHERE user_id = $1 AND ($2::boolean IS NULL OR completed = $2) ORDER BY ${ORDER[query.sort]}`,
      [user.sub, COMPLETED[query.status]],
    );
    return rows;
  });

  app.post("/", { schema: schemas.create }, async ({ user, body }, reply) => {
    const { rows } = await app.pg.query(
      `INSERT INTO tasks (user_id, title, description) VALUES ($1, $2, $3) RETURNING ${COLUMNS}`,
      [user.sub, body.title.trim(), body.description ?? null],
    );
    reply.code(201).header("location", `/api/${user.sub}/tasks/${rows[0].id}`);
    return rows[0];
  });

  app.get("/:id", { schema: schemas.read }, async ({ user, params }, reply) =>
    one(await app.pg.query(`SELECT ${COLUMNS} FROM tasks WHERE id = $1 AND user_id = $2`, [params.id, user.sub]), reply),
  );

  app.put("/:id", { schema: schemas.update }, async ({ user, params, body }, reply) => {
    const { title, description } = body;
    const values = [params.id, user.sub, title?.trim() ?? null, description !== undefined, description ?? null];
    return one(
      await app.pg.query(
        `UPDATE tasks SET title = coalesce($3, title), description = CASE WHEN $4 THEN $5 ELSE description END,
         updated_at = now() WHERE id = $1 AND user_id = $2 RETURNING ${COLUMNS}`,
        values,
      ),
      reply,
    );
  });

  app.patch("/:id/complete", { schema: schemas.read }, async ({ user, params }, reply) =>
    one(
      await app.pg.query(
        `UPDATE tasks SET completed = NOT completed, updated_at = now() WHERE id = $1 AND user_id = $2 RETURNING ${COLUMNS}`,
        [params.id, user.sub],
      ),
      reply,
    ),
  );

  app.delete("/:id", { schema: schemas.remove }, async ({ user, params }, reply) => {
    const { rowCount } = await app.pg.query("DELETE FROM tasks WHERE id = $1 AND user_id = $2", [params.id, user.sub]);
    return rowCount ? reply.code(204).send() : notFound(reply);
  });
}
