/** The step of the image's build that uses the network, with real BuildKit: a proxy with a password, a private certificate authority. */
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { createServer as createHttpServer } from "node:http";
import { createServer } from "node:https";
import { type AddressInfo, connect } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { execa } from "execa";
import { afterAll, beforeAll, expect, test } from "vitest";
import { baseImage } from "../support/base-image.ts";
import { docker, dockerIfPossible } from "../support/docker.ts";
import { paths } from "../support/paths.ts";
import { makeCertificate } from "../support/registry/certificate.ts";

const PASSWORD = "hush-4711";
const IMAGE = "imagegen-test-build-network";
const ASK = "import ssl, sys, urllib.request; print(urllib.request.urlopen(sys.argv[1]).read().decode())";
const mounts = /(?:^ {4}--mount=\S*(?:network|proxies).*\\\n)+/m.exec(
  readFileSync(join(paths.imageGen, "Dockerfile"), "utf8"),
)?.[0];

const folder = mkdtempSync(join(tmpdir(), "imagegen-build-network-"));
const file = (name: string) => join(folder, name);
const seen: (string | undefined)[] = [];
let authority = "";
let port = 0;
let proxyPort = 0;

/** Asks for `user:password` before it makes a tunnel. */
const proxy = createHttpServer().on("connect", (request, client) => {
  const authorization = request.headers["proxy-authorization"];
  seen.push(authorization);
  client.on("error", () => client.destroy());
  if (authorization !== `Basic ${Buffer.from(`anna:${PASSWORD}`).toString("base64")}`) {
    client.end("HTTP/1.1 407 Proxy Authentication Required\r\nContent-Length: 0\r\n\r\n");
    return;
  }
  const upstream = connect(port, "127.0.0.1", () => {
    client.write("HTTP/1.1 200 Connection established\r\n\r\n");
    upstream.pipe(client).pipe(upstream);
  });
  upstream.on("error", () => client.destroy());
});
let server: ReturnType<typeof createServer> | undefined;

beforeAll(async () => {
  const made = await makeCertificate(folder);
  authority = made.authority;
  const tls = { cert: readFileSync(made.certificate), key: readFileSync(made.key) };
  server = createServer(tls, (_, response) => response.end("the index"));
  port = await listen(server);
  proxyPort = await listen(proxy);
  const lines = [
    `FROM ${(await baseImage()).reference}`,
    "ENV SSL_CERT_FILE= PIP_CERT= REQUESTS_CA_BUNDLE=",
    "ARG ADDRESS",
    // The mounts are the Dockerfile's own.
    `RUN ${mounts?.trimStart()}    . /run/build/network \\\n    && python3 -c '${ASK}' "$ADDRESS" && env`,
  ];
  writeFileSync(file("Dockerfile"), lines.join("\n"));
  writeFileSync(file("network_variables"), `HTTPS_PROXY='http://anna:${PASSWORD}@127.0.0.1:${proxyPort}'\n`);
});

afterAll(async () => {
  server?.close();
  proxy.close();
  await dockerIfPossible("rmi", "--force", IMAGE);
  rmSync(folder, { recursive: true });
});

test("without the authority the step fails for that reason", async () => {
  const { exitCode, all } = await build("https://127.0.0.1", []);
  expect(exitCode).not.toBe(0);
  expect(all).toContain("CERTIFICATE_VERIFY_FAILED");
});

test("with the secret `ca_file` it trusts the authority, and still those of the base image", async () => {
  const { exitCode, all } = await build("https://127.0.0.1", ["ca_file"]);
  expect(all).toContain("the index");
  expect(exitCode).toBe(0);
  const known = await docker("run", "--rm", "--network=none", IMAGE, "ls", "-A", "/run/build-network");
  expect(known).toBe("");
});

test("with the secret `network_variables` it goes through a proxy with a password, of which the image knows nothing", async () => {
  seen.length = 0;
  const { exitCode, all } = await build("https://127.0.0.1", ["ca_file", "network_variables"]);
  expect(all).toContain("the index");
  expect(exitCode).toBe(0);
  expect(seen.length).toBeGreaterThan(0);
  const history = await docker("history", "--no-trunc", "--format", "{{.CreatedBy}}", IMAGE);
  expect(history).not.toContain(PASSWORD);
  await docker("save", "--output", file("image.tar"), IMAGE);
  expect((await execa("grep", ["-c", PASSWORD, file("image.tar")], { reject: false })).stdout).toBe("0");
});

async function build(address: string, secrets: readonly string[]) {
  const sources = { ca_file: authority, network_variables: file("network_variables") } as const;
  const given = secrets.flatMap((id) => ["--secret", `id=${id},src=${sources[id as keyof typeof sources]}`]);
  const all = ["build", "--network=host", "--no-cache", "--progress=plain", "--tag", IMAGE, ...given];
  const context = ["--build-arg", `ADDRESS=${address}:${port}`, "--file", file("Dockerfile"), paths.imageGen];
  const env = { DOCKER_BUILDKIT: "1" };
  return execa("docker", [...all, ...context], { reject: false, all: true, env });
}

async function listen(listener: { listen(port: number, host: string, done: () => void): unknown; address(): unknown }) {
  await new Promise<void>((done) => void listener.listen(0, "127.0.0.1", done));
  return (listener.address() as AddressInfo).port;
}
