// The same as wrk.lua, for a machine without wrk: node autocannon.js URL CLIENTS SECONDS REQUESTS.json
import { readFileSync } from "node:fs";
import autocannon from "autocannon";

const [url, clients, seconds, file] = process.argv.slice(2);
const requests = JSON.parse(readFileSync(file, "utf8"));
const SHARE = 20;
let started = 0;

// Each connection has a part of the list for itself, so that they do not all change the same task at once.
function setupClient(client) {
  const first = started++ * SHARE;
  client.setRequests(Array.from({ length: SHARE }, (_, n) => requests[(first + n) % requests.length]));
}

const result = await autocannon({
  url,
  connections: Number(clients),
  duration: Number(seconds),
  timeout: 30,
  requests: requests.slice(0, 1),
  setupClient,
});
const errors = result.errors + result.timeouts + result.non2xx;
const { p50, p99, average: mean } = result.latency;
console.log(`RESULT ${JSON.stringify({ requests: result.requests.total, seconds: result.duration, p50, p99, mean, errors })}`);
