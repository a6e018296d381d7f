import { connect, createServer, type Server, type Socket } from "node:net";

/** Passes connections on as they are, encrypted, and counts what clients send: no client can leave anything out. */
export class CountingProxy {
  readonly #server: Server;
  readonly #sockets = new Set<Socket>();
  #sent = 0;

  constructor(upstreamPort: number) {
    this.#server = createServer((client) => {
      const upstream = connect(upstreamPort, "127.0.0.1");
      for (const socket of [client, upstream]) {
        this.#sockets.add(socket);
        socket.on("close", () => this.#sockets.delete(socket));
        socket.on("error", () => client.destroy(upstream.destroy().errored ?? undefined));
      }
      client.on("data", (chunk) => {
        this.#sent += chunk.length;
      });
      client.pipe(upstream).pipe(client);
    });
  }

  /** Bytes that clients have sent since the last `forget`. */
  get sent(): number {
    return this.#sent;
  }

  forget(): void {
    this.#sent = 0;
  }

  async listen(): Promise<number> {
    return new Promise((resolve) => {
      this.#server.listen(0, "127.0.0.1", () => {
        const address = this.#server.address();
        resolve(typeof address === "object" && address ? address.port : 0);
      });
    });
  }

  stop(): void {
    for (const socket of this.#sockets) socket.destroy();
    this.#server.close();
  }
}
