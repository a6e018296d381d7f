import { once } from "node:events";
import { createServer } from "node:http";
import type { AddressInfo } from "node:net";
import type { Wheel } from "./wheel.ts";

/** A package index on loopback (PEP 503): a page for each package, with the sha256 of each of its wheels. */
export class PackageIndex {
  /** The paths that were asked for. */
  readonly requests: string[] = [];
  readonly #wheels: Wheel[];
  readonly #server = createServer((request, response) => {
    const path = decodeURIComponent(request.url ?? "");
    this.requests.push(path);
    const wheel = this.#wheels.find(({ file }) => path === `/files/${file}`);
    if (wheel) {
      response.end(wheel.content);
      return;
    }
    const links = this.#wheels.filter(({ name }) => path === `/simple/${name}/`).map((each) => this.#link(each));
    response.writeHead(links.length === 0 ? 404 : 200, { "content-type": "text/html" }).end(links.join("\n"));
  });

  constructor(...wheels: Wheel[]) {
    this.#wheels = wheels;
  }

  async start(): Promise<string> {
    this.#server.listen(0, "127.0.0.1");
    await once(this.#server, "listening");
    return `http://127.0.0.1:${(this.#server.address() as AddressInfo).port}/simple`;
  }

  async stop(): Promise<void> {
    this.#server.closeAllConnections();
    this.#server.close();
    await once(this.#server, "close");
  }

  #link({ file, sha256 }: Wheel): string {
    return `<a href="/files/${encodeURIComponent(file)}#sha256=${sha256}">${file}</a>`;
  }
}
