// One pool per worker, with pg's defaults (10 connections), and the table.
import pg from "pg";

export const pool = new pg.Pool({ connectionString: process.env.DATABASE_URL });
// Without a listener the end of an idle connection ends the process; with one, the pool opens another.
pool.on("error", (error) => console.error(error.message));

export const createSchema = () =>
  pool.query(`
    SELECT pg_advisory_lock(1);
    CREATE TABLE IF NOT EXISTS tasks (
      id serial PRIMARY KEY,
      user_id text NOT NULL,
      title varchar(200) NOT NULL,
      description varchar(1000),
      completed boolean NOT NULL DEFAULT false,
      created_at timestamptz NOT NULL DEFAULT now(),
      updated_at timestamptz NOT NULL DEFAULT now()
    );
    CREATE INDEX IF NOT EXISTS tasks_by_created ON tasks (user_id, created_at, id);
    SELECT pg_advisory_unlock(1);
  `);
