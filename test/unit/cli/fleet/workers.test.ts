import { createServer, type Server } from "node:http";
import type { AddressInfo } from "node:net";
import { afterEach, beforeEach, expect, test, vi } from "vitest";
import { openJobObjects, readWorkers } from "../../../../cli/targets/fleet/job-objects.ts";

const HOUR = 3_600_000;
/** Of the store: this machine's clock is the hour's difference. */
let storeTime = 0;
let records: Readonly<Record<string, object>> = {};
let read: string[] = [];
let server: Server;

beforeEach(async () => {
  read = [];
  server = createServer((request, response) => {
    const { pathname, searchParams } = new URL(request.url ?? "", "http://store");
    response.setHeader("Date", new Date(storeTime).toUTCString());
    if (searchParams.has("list-type")) {
      const keys = Object.keys(records).map((id) => {
        const written = id === "killed" ? storeTime - HOUR : storeTime;
        return `<Contents><Key>jobs/workers/${id}.json</Key><LastModified>${new Date(written).toISOString()}</LastModified></Contents>`;
      });
      response.end(`<?xml version="1.0"?><ListBucketResult>${keys.join("")}</ListBucketResult>`);
      return;
    }
    const id = /workers\/(.+)\.json$/.exec(pathname)?.[1] ?? "";
    read.push(id);
    response.end(JSON.stringify(records[id]));
  });
  await new Promise<void>((done) => void server.listen(0, "127.0.0.1", done));
  const { port } = server.address() as AddressInfo;
  vi.stubEnv("AWS_ENDPOINT_URL_S3", `http://127.0.0.1:${port}`);
  vi.stubEnv("AWS_ACCESS_KEY_ID", "a");
  vi.stubEnv("AWS_SECRET_ACCESS_KEY", "a");
});

afterEach(async () => {
  vi.unstubAllEnvs();
  await new Promise((done) => server.close(done));
});

test.each([
  ["behind", HOUR],
  ["ahead", -HOUR],
])("the age of a worker's record goes by the store's clock, with this machine's an hour %s", async (_, ahead) => {
  storeTime = Date.now() + ahead;
  const writtenBefore = (seconds: number) => ({ phase: "ready", written: storeTime / 1000 - seconds });
  const killed = { id: "killed", ...writtenBefore(HOUR / 1000) };
  records = { lives: { id: "lives", ...writtenBefore(20) }, gone: { id: "gone", ...writtenBefore(90) }, killed };
  const objects = await openJobObjects({ region: "us-east-1" }, "s3://bucket/jobs");
  expect((await readWorkers(objects)).map(({ id }) => id)).toEqual(["lives"]);
  // Records of killed workers stay until they expire, thousands of them.
  expect(read.sort()).toEqual(["gone", "lives"]);
});
