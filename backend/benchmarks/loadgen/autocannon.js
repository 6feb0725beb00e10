// The same as wrk.lua, for a machine without wrk: node autocannon.js URL CLIENTS SECONDS REQUESTS.json
import { readFileSync } from "node:fs";
import autocannon from "autocannon";

const [url, clients, seconds, file] = process.argv.slice(2);
const requests = JSON.parse(readFileSync(file, "utf8"));
let started = 0;

// Each connection begins elsewhere in the list, so that they do not all change the same task at once.
function setupClient(client) {
  const shift = (started++ * 37) % requests.length;
  client.setRequests([...requests.slice(shift), ...requests.slice(0, shift)]);
}

const result = await autocannon({
  url,
  connections: Number(clients),
  duration: Number(seconds),
  timeout: 30,
  requests,
  setupClient,
});
const errors = result.errors + result.timeouts + result.non2xx;
const { p50, p99 } = result.latency;
console.log(`RESULT ${JSON.stringify({ requests: result.requests.total, seconds: result.duration, p50, p99, errors })}`);
