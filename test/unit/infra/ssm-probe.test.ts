import { createServer, type Server } from "node:http";
import type { AddressInfo } from "node:net";
import { afterEach, beforeEach, expect, test, vi } from "vitest";
import { ssmDeps } from "../../../infra/io/ssm-probe.ts";

/** A parameter store on loopback that always answers the same. */
let server: Server;
let answer: { status: number; body: object };
let asked: unknown;

beforeEach(async () => {
  server = createServer((request, response) => {
    let text = "";
    request.on("data", (chunk: Buffer) => {
      text += chunk.toString();
    });
    request.on("end", () => {
      asked = { target: request.headers["x-amz-target"], body: JSON.parse(text) as unknown };
      response.writeHead(answer.status, { "content-type": "application/x-amz-json-1.1" });
      response.end(JSON.stringify(answer.body));
    });
  }).listen(0, "127.0.0.1");
  await new Promise((resolve) => server.once("listening", resolve));
  const { port } = server.address() as AddressInfo;
  vi.stubEnv("AWS_ENDPOINT_URL_SSM", `http://127.0.0.1:${port}`);
  vi.stubEnv("AWS_ACCESS_KEY_ID", "test");
  vi.stubEnv("AWS_SECRET_ACCESS_KEY", "test");
});

afterEach(() => {
  vi.unstubAllEnvs();
  server.close();
  server.closeAllConnections();
});

const read = async () => ssmDeps({ region: "us-east-1" }, () => {}).readParameter("/imagegen/prod/ready");

test("a parameter is read by its name", async () => {
  answer = { status: 200, body: { Parameter: { Name: "n", Value: "{}" } } };
  expect(await read()).toEqual({ kind: "value", text: "{}" });
  expect(asked).toEqual({ target: "AmazonSSM.GetParameter", body: { Name: "/imagegen/prod/ready" } });
});

test.each([
  ["ParameterNotFound", 400, "none", "the host has not written its status yet"],
  ["AccessDeniedException", 400, "denied", "/imagegen/prod/ready can't be read: no"],
  ["ExpiredTokenException", 400, "denied", "/imagegen/prod/ready can't be read: no"],
  ["InternalServerError", 400, "none", "/imagegen/prod/ready can't be read: no"],
])("%s is %s", async (name, status, kind, reason) => {
  answer = { status, body: { __type: name, message: "no" } };
  expect(await read()).toEqual({ kind, reason });
});

test("a store that does not respond may respond later", async () => {
  vi.stubEnv("AWS_ENDPOINT_URL_SSM", "http://127.0.0.1:9");
  vi.stubEnv("AWS_MAX_ATTEMPTS", "1");
  expect(await read()).toMatchObject({ kind: "none" });
});
