// The network between the browser and the API, which a test can take down: nobody listens, connections are cut.
import net from "node:net";

export class Network {
  #connections = new Set();
  #server;

  constructor(port, target) {
    this.port = port;
    this.target = Number(new URL(target).port);
  }

  async up() {
    this.#server = net.createServer((near) => {
      const far = net.connect(this.target, "127.0.0.1");
      near.pipe(far).pipe(near);
      for (const [one, other] of [
        [near, far],
        [far, near],
      ]) {
        this.#connections.add(one);
        one.on("error", () => other.destroy()).on("close", () => this.#connections.delete(one));
      }
    });
    await new Promise((listening) => this.#server.listen(this.port, "127.0.0.1", listening));
  }

  async down() {
    const closed = new Promise((resolve) => this.#server.close(resolve));
    for (const connection of this.#connections) connection.destroy();
    await closed;
  }
}
