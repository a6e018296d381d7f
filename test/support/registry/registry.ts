import { mkdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { freePort } from "../engine.ts";
import { eventually } from "../wait.ts";
import { type Certificate, makeCertificate } from "./certificate.ts";
import { CountingProxy } from "./counting-proxy.ts";
import { Daemon } from "./daemon.ts";
import { RegistryReader } from "./registry-reader.ts";

/** The one account, and its line for the registry: `htpasswd -nbB imagegen-test of-this-test`. */
const USERNAME = "imagegen-test";
const PASSWORD = "of-this-test";
const ACCOUNT = "imagegen-test:$2y$05$UpSXznf6CNrCOaQ/ZLgX4.ftRd/iXm4vpepLvsQXezzOjPemlf1yO";

/** Debian's `docker-registry` with TLS, a log-in and a log of every request. */
export class LoopbackRegistry {
  readonly username = USERNAME;
  readonly password = PASSWORD;
  readonly #directory: string;
  #daemon: Daemon | undefined;
  #proxy: CountingProxy | undefined;
  #certificate: Certificate | undefined;
  #address = "";

  constructor(directory: string) {
    this.#directory = directory;
  }

  /** What image references start with. */
  get address(): string {
    return this.#address;
  }

  get authority(): string {
    if (!this.#certificate) throw new Error("the registry has not started");
    return this.#certificate.authority;
  }

  /** Every request, in the form of a web server's log. */
  get log(): string {
    return this.#daemon?.log ?? "";
  }

  get proxy(): CountingProxy {
    if (!this.#proxy) throw new Error("the registry has not started");
    return this.#proxy;
  }

  get reader(): RegistryReader {
    return new RegistryReader(this.#address, this.authority, `${USERNAME}:${PASSWORD}`);
  }

  async start(): Promise<void> {
    const file = (name: string) => join(this.#directory, name);
    const [data, accounts, config] = [file("data"), file("accounts"), file("registry.yml")];
    mkdirSync(data, { recursive: true });
    this.#certificate = await makeCertificate(this.#directory);
    const port = await freePort();
    writeFileSync(accounts, `${ACCOUNT}\n`);
    writeFileSync(
      config,
      JSON.stringify({
        version: 0.1,
        log: { level: "warn" },
        storage: { filesystem: { rootdirectory: data }, delete: { enabled: true } },
        auth: { htpasswd: { realm: "tests", path: accounts } },
        http: {
          addr: `127.0.0.1:${port}`,
          tls: { certificate: this.#certificate.certificate, key: this.#certificate.key },
        },
      }),
    );
    this.#daemon = new Daemon("docker-registry", ["serve", config], join(this.#directory, "log"));
    this.#proxy = new CountingProxy(port);
    this.#address = `127.0.0.1:${await this.#proxy.listen()}`;
    await eventually("the registry", async () => this.reader.answers(), 30);
  }

  async stop(): Promise<void> {
    this.#proxy?.stop();
    await this.#daemon?.stop();
  }
}
