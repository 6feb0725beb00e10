// The same as wrk.lua, for a machine without wrk: node autocannon.js URL CLIENTS SECONDS REQUESTS.json
import { readFileSync } from "node:fs";
import autocannon from "autocannon";

const [url, clients, seconds, file] = process.argv.slice(2);
const result = await autocannon({
  url,
  connections: Number(clients),
  duration: Number(seconds),
  timeout: 30,
  requests: JSON.parse(readFileSync(file, "utf8")),
});
const errors = result.errors + result.timeouts + result.non2xx;
const { p50, p99 } = result.latency;
console.log(`RESULT ${JSON.stringify({ requests: result.requests.total, seconds: result.duration, p50, p99, errors })}`);
