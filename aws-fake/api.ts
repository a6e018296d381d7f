/** AWS's own HTTP interface on loopback, for what asks it by the SDK: parameters (JSON) and the caller's identity. */
import { createServer, type IncomingMessage, type Server } from "node:http";
import type { AddressInfo } from "node:net";
import { setTimeout as sleep } from "node:timers/promises";
import { AwsError } from "./aws-error.ts";
import type { Cloud } from "./cloud.ts";
import type { HostPlayer } from "./host-player.ts";
import { type Props, record, text, texts } from "./kind.ts";
import { getParameter, putParameter } from "./kinds/parameters.ts";

export class AwsApi {
  readonly #server: Server;
  readonly url: string;

  private constructor(server: Server, url: string) {
    this.#server = server;
    this.url = url;
  }

  static async start(cloud: Cloud, hosts: HostPlayer): Promise<AwsApi> {
    const server = createServer((request, response) => {
      void answer(cloud, hosts, request).then(({ status, body }) => {
        response.writeHead(status, { "content-type": "application/x-amz-json-1.1" });
        response.end(JSON.stringify(body));
      });
    });
    await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
    return new AwsApi(server, `http://127.0.0.1:${(server.address() as AddressInfo).port}`);
  }

  async stop(): Promise<void> {
    this.#server.closeAllConnections();
    await new Promise((resolve) => this.#server.close(resolve));
  }
}

/** A slow line: what asks every few seconds is not sent away for what comes in the next one. */
const LATENCY = 2000;

async function answer(
  cloud: Cloud,
  hosts: HostPlayer,
  request: IncomingMessage,
): Promise<{ status: number; body: Props }> {
  const parts: Buffer[] = [];
  for await (const part of request) parts.push(part as Buffer);
  const target = text(request.headers["x-amz-target"]);
  const slowest = performance.now() + LATENCY;
  while (target === "AmazonSSM.GetParameter" && !hosts.settled && performance.now() < slowest) await sleep(20);
  try {
    const operation = OPERATIONS[target];
    if (!operation) throw new AwsError("UnknownOperationException", `the fake of AWS has no ${target || request.url}`);
    return { status: 200, body: operation(cloud, record(JSON.parse(Buffer.concat(parts).toString() || "{}"))) };
  } catch (error) {
    if (!(error instanceof AwsError))
      return { status: 500, body: { __type: "InternalServerError", message: String(error) } };
    return { status: 400, body: { __type: error.code, message: error.message } };
  }
}

const OPERATIONS: Readonly<Record<string, (cloud: Cloud, args: Props) => Props>> = {
  "AmazonSSM.GetParameter": (cloud, { Name }) => ({ Parameter: parameter(cloud, text(Name)) }),
  "AmazonSSM.GetParameters": (cloud, { Names }) => {
    const found = texts(Names).map((name) => ({ name, value: attempt(() => parameter(cloud, name)) }));
    return {
      Parameters: found.flatMap(({ value }) => value ?? []),
      InvalidParameters: found.filter(({ value }) => !value).map(({ name }) => name),
    };
  },
  "AmazonSSM.PutParameter": (cloud, { Name, Value, Overwrite }) => {
    const put = putParameter(cloud, text(Name), text(Value), { overwrite: Overwrite === true, by: "cli" });
    return { Version: put.props.version, Tier: "Standard" };
  },
};

function parameter(cloud: Cloud, name: string): Props {
  const released = cloud.knobs.released.get(name);
  if (released !== undefined) return { Name: name, Value: released, Type: "String", Version: 1 };
  const { value, version, arn } = getParameter(cloud, name);
  return { Name: name, Value: value, Type: "String", Version: version, ARN: arn };
}

function attempt<T>(work: () => T): T | undefined {
  try {
    return work();
  } catch (error) {
    if (error instanceof AwsError) return undefined;
    throw error;
  }
}
