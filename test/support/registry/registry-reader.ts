import { readFileSync } from "node:fs";
import type { IncomingMessage } from "node:http";
import { request } from "node:https";
import { createZstdDecompress } from "node:zlib";

/** A blob that a manifest names. */
export interface Descriptor {
  readonly mediaType: string;
  readonly digest: string;
  readonly size: number;
  readonly platform?: { readonly architecture: string; readonly os: string };
  readonly annotations?: Readonly<Record<string, string>>;
}

export interface Manifest {
  readonly mediaType: string;
  /** Of an index. */
  readonly manifests?: readonly Descriptor[];
  readonly config?: Descriptor;
  readonly layers?: readonly Descriptor[];
}

const KINDS = [
  "application/vnd.oci.image.index.v1+json",
  "application/vnd.oci.image.manifest.v1+json",
  "application/vnd.docker.distribution.manifest.v2+json",
].join(", ");

/** Reads a registry by its HTTP interface, past every tool that also writes to it. */
export class RegistryReader {
  readonly #address: string;
  readonly #authority: Buffer;
  readonly #account: string;

  constructor(address: string, authority: string, account: string) {
    this.#address = address;
    this.#authority = readFileSync(authority);
    this.#account = account;
  }

  async answers(): Promise<boolean> {
    return this.#get("/v2/").then(
      (answer) => answer.resume().statusCode === 200,
      () => false,
    );
  }

  async tags(repository: string): Promise<string[]> {
    const { tags } = JSON.parse(await this.#text(`/v2/${repository}/tags/list`)) as { tags: string[] | null };
    return (tags ?? []).sort();
  }

  async manifest(repository: string, reference: string): Promise<Manifest> {
    return JSON.parse(await this.#text(`/v2/${repository}/manifests/${reference}`)) as Manifest;
  }

  /** What a tag points to. */
  async digest(repository: string, tag: string): Promise<string> {
    const answer = await this.#get(`/v2/${repository}/manifests/${tag}`);
    answer.resume();
    return String(answer.headers["docker-content-digest"]);
  }

  async blob(repository: string, digest: string): Promise<string> {
    return this.#text(`/v2/${repository}/blobs/${digest}`);
  }

  /** The first bytes of a blob. */
  async start(repository: string, digest: string): Promise<Buffer> {
    for await (const chunk of await this.#get(`/v2/${repository}/blobs/${digest}`)) return chunk as Buffer;
    return Buffer.alloc(0);
  }

  /** Whether a layer, unpacked, has the text anywhere. */
  async layerHas(repository: string, digest: string, text: string): Promise<boolean> {
    const layer = (await this.#get(`/v2/${repository}/blobs/${digest}`)).pipe(createZstdDecompress());
    const wanted = Buffer.from(text);
    let last = Buffer.alloc(0);
    let found = false;
    for await (const chunk of layer) {
      const joined = Buffer.concat([last, chunk as Buffer]);
      found ||= joined.includes(wanted);
      last = joined.subarray(Math.max(0, joined.length - wanted.length));
    }
    return found;
  }

  async #text(path: string): Promise<string> {
    const answer = await this.#get(path);
    let text = "";
    for await (const chunk of answer) text += String(chunk);
    if (answer.statusCode !== 200) throw new Error(`${path}: ${answer.statusCode} ${text}`);
    return text;
  }

  async #get(path: string): Promise<IncomingMessage> {
    const [host, port] = this.#address.split(":");
    return new Promise((resolve, reject) => {
      const options = { host, port, path, ca: this.#authority, auth: this.#account, headers: { accept: KINDS } };
      request(options, resolve).on("error", reject).end();
    });
  }
}
