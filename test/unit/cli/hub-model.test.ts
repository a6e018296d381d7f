import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { createServer, type IncomingMessage, type Server } from "node:http";
import type { AddressInfo } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, describe, expect, test } from "vitest";
import { formatDetail } from "../../../cli/core/exit.ts";
import { findModelProblem } from "../../../cli/service/hub-model.ts";
import { httpRequest } from "../../../infra/io/http-request.ts";

let servers: Server[] = [];
afterEach(() => {
  for (const server of servers) server.close();
  servers = [];
});

interface Response {
  status: number;
  headers?: Record<string, string>;
  body?: unknown;
}

async function serve({ status, headers = {}, body = {} }: Response) {
  const requests: IncomingMessage[] = [];
  const server = createServer((request, response) => {
    requests.push(request);
    response.writeHead(status, headers).end(JSON.stringify(body));
  }).listen(0, "127.0.0.1");
  servers.push(server);
  await new Promise((done) => server.once("listening", done));
  return { endpoint: `http://127.0.0.1:${(server.address() as AddressInfo).port}`, requests };
}

const NO_TOKEN = { HF_HOME: "/no/such/home" };
const ask = async (answer: Response, env: NodeJS.ProcessEnv = NO_TOKEN, changes: object = {}) => {
  const { endpoint, requests } = await serve(answer);
  const asked = {
    stack: "local",
    modelId: "acme/nope",
    modelRevision: null,
    hubEndpoint: endpoint,
    hasSecretToken: false,
    usesLogin: true,
  };
  const { signal } = new AbortController();
  const problem = await findModelProblem({ ...asked, signal, ...changes }, env);
  return { text: problem && formatDetail(problem).replaceAll(endpoint, "HUB"), requests };
};
const coded = (status: number, code: string) => ({ status, headers: { "x-error-code": code } });

describe("a model that is asked for before anything is stopped", () => {
  test("and that the hub does not have", async () => {
    expect((await ask(coded(401, "RepoNotFound"))).text).toBe(
      "HUB has no model acme/nope, or it is private and needs HF_TOKEN (MODEL_NOT_FOUND). Fix: imagegen up --model <organisation>/<name>",
    );
    expect((await ask(coded(404, "RepoNotFound"), { HF_TOKEN: "t" })).text).toContain(
      "the account of HF_TOKEN can't see it",
    );
  });

  test("with a revision that it does not have", async () => {
    const { text, requests } = await ask(coded(404, "RevisionNotFound"), NO_TOKEN, { modelRevision: "a/b" });
    expect(text).toMatch(/no revision "a\/b".*Fix: imagegen up --config modelRevision=/);
    expect(requests[0]?.url).toBe("/api/models/acme/nope/revision/a%2Fb");
  });

  test("and whose checkpoint the repository does not have", async () => {
    const changes = { modelId: "acme/files/own.safetensors" };
    const body = (...names: string[]) => ({
      status: 200,
      body: { siblings: names.map((rfilename) => ({ rfilename })) },
    });
    const { text, requests } = await ask(body("a.safetensors", "README.md"), NO_TOKEN, changes);
    expect(text).toBe(
      "acme/files has no file own.safetensors: it has a.safetensors (MODEL_NOT_FOUND). Fix: imagegen up --model acme/files/<file>",
    );
    expect(requests[0]?.url).toBe("/api/models/acme/files/revision/main");
    for (const fine of [body("own.safetensors"), { status: 200 }])
      expect((await ask(fine, NO_TOKEN, changes)).text).toBeUndefined();
  });

  test("and that is gated, without a token", async () => {
    const gated = { status: 200, body: { gated: "auto" } };
    expect((await ask(gated)).text).toMatch(/is gated.*GATED_MODEL.*Fix: .*HF_TOKEN=<token> imagegen up/);
    const { text, requests } = await ask(gated, { HF_TOKEN: "t" });
    expect(text).toBeUndefined();
    expect(requests[0]?.headers.authorization).toBe("Bearer t");
    expect((await ask(gated, NO_TOKEN, { hasSecretToken: true })).text).toBeUndefined();
  });

  test.each([
    ["is there", { status: 200, body: { gated: false } }],
    ["was renamed", { status: 307, headers: { location: "/api/models/acme/new" } }],
    ["is on a mirror without this part of the API", { status: 404 }],
    ["is on a hub that is out of order", { status: 503 }],
  ])("and that %s is no problem", async (_what, answer) => {
    expect((await ask(answer)).text).toBeUndefined();
  });

  test("on a hub that does not answer is the service's to find out", async () => {
    const { endpoint } = await serve({ status: 200 });
    for (const server of servers) server.close();
    const asked = {
      stack: "local",
      modelId: "a/b",
      modelRevision: null,
      hubEndpoint: endpoint,
      hasSecretToken: false,
      usesLogin: true,
    };
    expect(await findModelProblem({ ...asked, signal: new AbortController().signal }, NO_TOKEN)).toBeUndefined();
  });

  test.each([
    ["demo", NO_TOKEN],
    ["a/b", { ...NO_TOKEN, IMAGE_GEN_MIRROR: "file:///m" }],
  ])("%s asks nobody", async (modelId, env) => {
    expect((await ask({ status: 404 }, env, { modelId })).requests).toHaveLength(0);
  });
});

test("the token of `hf auth login` is that of HF_HOME, and a container's hub is asked without it", async () => {
  const HF_HOME = mkdtempSync(join(tmpdir(), "imagegen-hf-home-"));
  writeFileSync(join(HF_HOME, "token"), "hf_login\n");
  const process = await ask({ status: 200 }, { HF_HOME });
  const container = await ask({ status: 200 }, { HF_HOME }, { usesLogin: false });
  rmSync(HF_HOME, { recursive: true });
  expect(process.requests[0]?.headers.authorization).toBe("Bearer hf_login");
  expect(container.requests[0]?.headers.authorization).toBeUndefined();
});

describe("a hub's address with a user and a password", () => {
  test("is asked with them in place of the token, and no message shows them", async () => {
    const gated = { status: 200, body: { gated: "auto" } };
    const { endpoint } = await serve(gated);
    const hubEndpoint = endpoint.replace("//", "//anna:ge%23heim@");
    const { text } = await ask(gated, NO_TOKEN, { hubEndpoint });
    expect(text).toContain(`${endpoint}/acme/nope has terms`);
    expect(text).not.toMatch(/anna|heim/);
    const other = await serve({ status: 200 });
    const address = other.endpoint.replace("//", "//anna:ge%23heim@");
    await ask(gated, { HF_TOKEN: "t", HF_ENDPOINT: address }, { hubEndpoint: null });
    expect(other.requests[0]?.headers.authorization).toBe(`Basic ${Buffer.from("anna:ge#heim").toString("base64")}`);
  });
});

describe("a request", () => {
  test("to the service uses no proxy; one to a hub does", async () => {
    const [service, proxy] = [await serve({ status: 200 }), await serve({ status: 502 })];
    const { signal } = new AbortController();
    const proxyEnv = { HTTP_PROXY: proxy.endpoint };
    expect((await httpRequest(service.endpoint, { signal })).status).toBe(200);
    expect((await httpRequest("http://hub.invalid/x", { signal, proxyEnv })).status).toBe(502);
    expect(proxy.requests.map(({ url }) => url)).toEqual(["http://hub.invalid/x"]);
  });
});
