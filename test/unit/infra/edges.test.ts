import { existsSync, mkdtempSync, readdirSync, readFileSync, rmSync, statSync, writeFileSync } from "node:fs";
import { createServer } from "node:http";
import type { AddressInfo } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import * as pulumi from "@pulumi/pulumi";
import { afterAll, describe, expect, test } from "vitest";
import { UserError } from "../../../infra/errors.ts";
import { buildSecretFiles, lastLogLines } from "../../../infra/io/build-files.ts";
import { systemDeps } from "../../../infra/io/docker-probe.ts";
import { detectGpu } from "../../../infra/io/local-gpu.ts";
import { readManifest } from "../../../infra/io/manifests.ts";
import { read } from "../../support/outputs.ts";

const work = mkdtempSync(join(tmpdir(), "imagegen-edges-"));
afterAll(() => rmSync(work, { recursive: true }));

test("a UserError is what Pulumi prints without a stack", () => {
  const error = new UserError(["one", "two"]);
  expect(pulumi.RunError.isInstance(error)).toBe(true);
  expect(error.message).toBe("one\ntwo");
});

test.each([
  ["/proc/driver/nvidia/version", true],
  ["/dev/dxg", true],
  ["/dev/null", false],
])("with %s alone, the machine has a GPU: %s", (path, hasGpu) => {
  expect(detectGpu((asked) => asked === path)).toEqual({ hasGpu });
});

describe("secrets of the build", () => {
  const proxy = "http://anna:o'neill@proxy:3128";
  const secrets = {
    hfToken: pulumi.secret("hf_x"),
    httpsProxy: pulumi.secret(proxy),
    hubEndpoint: pulumi.secret("http://a:b@hub"),
  };
  const wanted = ["hf_token", "network_variables", "ca_file"] as const;

  test("are files that only this user reads, until the program ends; a preview writes none", async () => {
    const before = process.cwd();
    process.chdir(work);
    try {
      const image = { secrets: wanted, caFile: "/etc/ca.pem", proxies: { NO_PROXY: ".example" } };
      const preview = buildSecretFiles(image, secrets, true);
      expect(preview.map(({ src }) => src)).toEqual([
        ".imagegen/build-secrets/hf_token",
        ".imagegen/build-secrets/network_variables",
        "/etc/ca.pem",
      ]);
      expect(existsSync(join(work, ".imagegen"))).toBe(false);
      const files = buildSecretFiles(image, secrets, false);
      const sources = await Promise.all(files.map(({ src }) => pulumi.output(src)).map(read));
      expect(sources.map(({ secret }) => secret)).toEqual([false, false, false]);
      expect(sources.map(({ value }) => value)).toEqual(preview.map(({ src }) => src));
      const text = (name: string) => readFileSync(join(work, ".imagegen/build-secrets", name), "utf8");
      expect(text("hf_token")).toBe("hf_x");
      expect(text("network_variables")).toBe(
        "NO_PROXY='.example'\nHTTPS_PROXY='http://anna:o%27neill@proxy:3128'\nHF_ENDPOINT='http://a:b@hub'\n",
      );
      expect(statSync(join(work, ".imagegen/build-secrets/network_variables")).mode & 0o777).toBe(0o600);
    } finally {
      process.chdir(before);
    }
  });

  test("that the plan does not ask for are not written", () => {
    expect(buildSecretFiles({ secrets: [], caFile: null, proxies: {} }, secrets, true)).toEqual([]);
  });
});

describe("manifests", () => {
  test("every manifest of the checkout is found by its id", () => {
    const files = readdirSync("image-gen/models").filter((file) => file.endsWith(".json"));
    expect(files.length).toBeGreaterThan(0);
    for (const file of files) {
      const id = file.replace(".json", "").replace("--", "/");
      expect(readManifest(id)?.id).toBe(id);
    }
  });

  test("the model's old name leads to where it lives now", () => {
    expect(readManifest("runwayml/stable-diffusion-v1-5")?.id).toBe("stable-diffusion-v1-5/stable-diffusion-v1-5");
  });

  test("SDXL's download is the guide's 6 to 8 GB", () => {
    const files = readManifest("stabilityai/stable-diffusion-xl-base-1.0")?.files ?? [];
    const bytes = files.reduce((sum, file) => sum + file.bytes, 0);
    expect(bytes).toBeGreaterThan(6e9);
    expect(bytes).toBeLessThan(8e9);
  });

  test("a model without one has none", () => {
    expect(readManifest("org/other")).toBeNull();
    expect(readManifest("org/other", join(work, "missing"))).toBeNull();
  });

  test.each([
    ["not JSON", "{"],
    ["another schema", JSON.stringify({ schema: 2, id: "a/b", aliases: [], revision: "x", files: [] })],
    [
      "files without bytes",
      JSON.stringify({ schema: 1, id: "a/b", aliases: [], revision: "x", files: [{ path: "p" }] }),
    ],
  ])("a manifest that is %s is one clear line", (_, text) => {
    writeFileSync(join(work, "a--b.json"), text);
    expect(() => readManifest("a/b", work)).toThrow(UserError);
    expect(() => readManifest("a/b", work)).toThrow(/^\S+a--b\.json: expected .+ Fix: git checkout -- \S+$/);
  });
});

describe("one request", () => {
  const { probe } = systemDeps(() => {});

  test("an answer has its status and its JSON", async () => {
    const server = createServer((request, response) => {
      response.writeHead(request.url === "/readyz" ? 503 : 200);
      response.end(request.url === "/readyz" ? '{"phase":"starting","error":null,"model":null}' : "<html>");
    }).listen(0, "127.0.0.1");
    await new Promise((resolve) => server.once("listening", resolve));
    const url = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
    expect(await probe(`${url}/readyz`)).toMatchObject({ status: 503, state: { phase: "starting", model: null } });
    expect(await probe(url)).toEqual({ kind: "response", status: 200, state: null });
    server.close();
    server.closeAllConnections();
  });

  test("no answer has a reason", async () => {
    const server = createServer().listen(0, "127.0.0.1");
    await new Promise((resolve) => server.once("listening", resolve));
    const url = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
    await new Promise((resolve) => server.close(resolve));
    expect(await probe(url)).toEqual({ kind: "no-response", reason: "ECONNREFUSED" });
  });
});

test("a build's log is shown by its end", () => {
  const log = join(work, "build.log");
  writeFileSync(log, "one\n\ntwo\nthree\n");
  expect(lastLogLines(log, 2)).toBe("two\nthree");
  expect(lastLogLines(join(work, "none"))).toBe("(there is none)");
});
