/**
 * AWS's APIs on loopback for the command line. In: the SDK's requests. Out: moto's answers, and our own where moto has
 * none: quotas, commands on a host (which really run, in a shell of this machine), refusals that a test asks for.
 */
import { execFile } from "node:child_process";
import { randomUUID } from "node:crypto";
import { createServer, type IncomingMessage, type Server, type ServerResponse } from "node:http";
import type { AddressInfo } from "node:net";
import type { Cloud } from "../../../../aws-fake/cloud.ts";
import { answerEc2 } from "./ec2-of-cloud.ts";
import { answerAccess, type PolicyRemark } from "./iam-answers.ts";
import { Moto } from "./moto.ts";

/** How AWS cuts what a command prints (characters). */
const STDOUT_LIMIT = 24_000;
const STDERR_LIMIT = 8_000;

interface Ran {
  status: string;
  code: number;
  stdout: string;
  stderr: string;
}

type Json = Readonly<Record<string, unknown>>;

/** An answer in AWS's words: an error of that name, with its HTTP status. */
export interface Refused {
  readonly name: string;
  readonly message: string;
  readonly status?: number;
}

/** An activity of an Auto Scaling group. */
interface Activity {
  readonly at: Date;
  readonly status: string;
  readonly what: string;
  readonly message?: string;
}

interface OtherAws {
  readonly parameters?: string;
  readonly cloud?: Cloud;
}

export class AwsApi {
  readonly moto: Moto;
  readonly #server: Server;
  readonly #commands = new Map<string, Ran>();
  /** vCPUs by quota code; a code that is not there is denied. */
  readonly quotas = new Map<string, number>();
  /** Refusals by action (`StartInstances`): each is given while it is here. */
  readonly refusals = new Map<string, Refused>();
  /** What happens in the account just before an action is answered. */
  readonly before = new Map<string, () => Promise<void>>();
  /** Reads of objects whose address matches are refused, as a store does that has a fault. */
  refusedObjects: RegExp | null = null;
  /** How many were. */
  refusedReads = 0;
  /** Buckets of another account's. */
  readonly foreignBuckets = new Set<string>();
  /** Actions that IAM's simulation does not allow. */
  readonly denied = new Set<string>();
  /** What Access Analyzer says of every policy. */
  readonly remarks: PolicyRemark[] = [];
  /** What Auto Scaling did for each group, the latest first: moto has none. */
  readonly activities = new Map<string, readonly Activity[]>();
  /** Services of ECS by name, as `DescribeServices` answers: moto starts none of their tasks. */
  readonly services = new Map<string, object>();
  /** The actions asked for, in order. */
  readonly calls: string[] = [];
  /** The commands' environment and the folder that stands for the host's /run. */
  host: { readonly path: string; readonly run: string } | null = null;

  /** Another one that answers for Systems Manager's parameters, and the AWS whose hosts and disks there are, instead of moto's. */
  readonly #other: OtherAws;

  private constructor(moto: Moto, server: Server, other: OtherAws) {
    this.moto = moto;
    this.#other = other;
    this.#server = server;
    server.on("request", (request, response) => {
      this.#answer(request, response).catch((error: unknown) => response.writeHead(500).end(String(error)));
    });
  }

  static async start(options: OtherAws = {}): Promise<AwsApi> {
    const moto = await Moto.start();
    const server = createServer();
    await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
    return new AwsApi(moto, server, options);
  }

  get url(): string {
    return `http://127.0.0.1:${(this.#server.address() as AddressInfo).port}`;
  }

  /** What a program needs in its environment to talk to this AWS and no other. */
  get environment(): Record<string, string> {
    return {
      AWS_ENDPOINT_URL: this.url,
      AWS_ACCESS_KEY_ID: "test",
      AWS_SECRET_ACCESS_KEY: "test",
      AWS_EC2_METADATA_DISABLED: "true",
      AWS_CONFIG_FILE: "/dev/null",
      AWS_SHARED_CREDENTIALS_FILE: "/dev/null",
    };
  }

  async reset(): Promise<void> {
    await this.moto.reset();
    this.#commands.clear();
    this.quotas.clear();
    this.refusals.clear();
    this.before.clear();
    this.refusedObjects = null;
    this.refusedReads = 0;
    this.foreignBuckets.clear();
    this.denied.clear();
    this.remarks.length = 0;
    this.activities.clear();
    this.services.clear();
    this.calls.length = 0;
    this.host = null;
  }

  stop(): void {
    this.#server.close();
    this.#server.closeAllConnections();
    this.moto.stop();
  }

  async #answer(request: IncomingMessage, response: ServerResponse): Promise<void> {
    const chunks: Buffer[] = [];
    for await (const chunk of request) chunks.push(chunk as Buffer);
    const body = Buffer.concat(chunks);
    const target = request.headers["x-amz-target"];
    const action = typeof target === "string" ? (target.split(".").at(-1) ?? "") : queryAction(body);
    this.calls.push(action);
    await this.before.get(action)?.();
    if (request.method === "GET" && this.refusedObjects?.test(request.url ?? "")) {
      this.refusedReads += 1;
      response.writeHead(403, { "content-type": "application/xml" });
      response.end("<Error><Code>AccessDenied</Code><Message>Access Denied</Message></Error>");
      return;
    }
    const refused = this.refusals.get(action);
    if (refused) return typeof target === "string" ? refuseJson(response, refused) : refuseXml(response, refused);
    const own = typeof target === "string" ? await this.#own(action, JSON.parse(body.toString()) as Json) : undefined;
    if (own) return "name" in own ? refuseJson(response, own as Refused) : sendJson(response, 200, own);
    if (request.method === "HEAD" && this.foreignBuckets.has((request.url ?? "").replace(/^\/|\/?(\?.*)?$/g, ""))) {
      response.writeHead(403).end();
      return;
    }
    if (action === "DescribeScalingActivities") {
      const group = new URLSearchParams(body.toString()).get("AutoScalingGroupName") ?? "";
      const answer = answerActivities(this.activities.get(group) ?? []);
      response.writeHead(200, { "content-type": "text/xml" }).end(answer);
      return;
    }
    const access = answerAccess(request.url ?? "", body.toString(), this);
    if (access) {
      response.writeHead(200, { "content-type": access.type }).end(access.text);
      return;
    }
    const here = this.#other.cloud && answerEc2(this.#other.cloud, new URLSearchParams(body.toString()));
    if (here !== undefined) {
      response.writeHead(200, { "content-type": "text/xml" }).end(here);
      return;
    }
    await this.#forward(request, body, response);
  }

  /** What moto lacks. */
  async #own(action: string, input: Json): Promise<Json | Refused | undefined> {
    if (action === "GetServiceQuota") {
      const value = this.quotas.get(String(input.QuotaCode));
      const denied = "User: arn:aws:iam::1:user/x is not authorized to perform: servicequotas:GetServiceQuota";
      return value === undefined
        ? { name: "AccessDeniedException", message: denied }
        : { Quota: { QuotaCode: input.QuotaCode, Value: value } };
    }
    if (action === "DescribeServices") {
      const found = (input.services as string[]).flatMap((name) => this.services.get(name) ?? []);
      return { services: found, failures: [] };
    }
    if (action === "SendCommand") return this.#send(input);
    if (action === "CancelCommand") return {};
    if (action !== "GetCommandInvocation") return undefined;
    const ran = this.#commands.get(String(input.CommandId));
    if (!ran) return { name: "InvocationDoesNotExist", message: "" };
    return {
      Status: ran.status,
      StatusDetails: ran.status,
      ResponseCode: ran.code,
      StandardOutputContent: ran.stdout.slice(0, STDOUT_LIMIT),
      StandardErrorContent: ran.stderr.slice(0, STDERR_LIMIT),
    };
  }

  #send(input: Json): Json | Refused {
    if (!this.host) return { name: "InvalidInstanceId", message: "Instances not in a valid state for account" };
    const { commands } = input.Parameters as { commands: string[] };
    const script = commands.join("\n");
    if (/\{\{/.test(script)) return { name: "InvalidParameters", message: "a parameter reference in a command" };
    const id = randomUUID();
    const ran: Ran = { status: "InProgress", code: -1, stdout: "", stderr: "" };
    this.#commands.set(id, ran);
    const env = { PATH: this.host.path };
    const here = script.replaceAll("/run/imagegen-", `${this.host.run}/imagegen-`);
    execFile("/bin/sh", ["-c", here], { env, maxBuffer: 1e9 }, (error, stdout, stderr) => {
      const code = error ? Number(error.code ?? 1) : 0;
      Object.assign(ran, { status: code === 0 ? "Success" : "Failed", code, stdout, stderr });
    });
    return { Command: { CommandId: id, Status: "Pending" } };
  }

  async #forward({ url, method, headers }: IncomingMessage, body: Buffer, response: ServerResponse): Promise<void> {
    const kept = Object.entries(headers).filter(
      ([name, value]) =>
        typeof value === "string" && !["host", "connection", "content-length", "expect"].includes(name),
    ) as [string, string][];
    const isParameter = /^AmazonSSM\.(Get|Put)Parameter/.test(String(headers["x-amz-target"]));
    const upstream = (isParameter ? this.#other.parameters : undefined) ?? this.moto.url;
    const answer = await fetch(`${upstream}${url}`, {
      method: method ?? "POST",
      headers: kept,
      ...(method === "GET" || method === "HEAD" ? {} : { body: new Uint8Array(body) }),
    });
    const content = Buffer.from(await answer.arrayBuffer());
    const own = ["connection", "content-encoding", "content-length", "keep-alive", "transfer-encoding"];
    const passed = [...answer.headers].filter(([name]) => !own.includes(name));
    response.writeHead(answer.status, { "content-type": "text/xml", ...Object.fromEntries(passed) }).end(content);
  }
}

function answerActivities(activities: readonly Activity[]): string {
  const members = activities.map(
    ({ at, status, what, message = "" }) =>
      `<member><StartTime>${at.toISOString()}</StartTime><StatusCode>${status}</StatusCode><Description>${what}</Description><StatusMessage>${message}</StatusMessage></member>`,
  );
  const result = `<DescribeScalingActivitiesResult><Activities>${members.join("")}</Activities></DescribeScalingActivitiesResult>`;
  return `<DescribeScalingActivitiesResponse xmlns="http://autoscaling.amazonaws.com/doc/2011-01-01/">${result}</DescribeScalingActivitiesResponse>`;
}

function queryAction(body: Buffer): string {
  return new URLSearchParams(body.toString()).get("Action") ?? "";
}

function sendJson(response: ServerResponse, status: number, body: Json): void {
  response.writeHead(status, { "content-type": "application/x-amz-json-1.1" }).end(JSON.stringify(body));
}

function refuseJson(response: ServerResponse, { name, message, status = 400 }: Refused): void {
  sendJson(response, status, { __type: name, message });
}

function refuseXml(response: ServerResponse, { name, message, status = 400 }: Refused): void {
  const error = `<Error><Code>${name}</Code><Message>${message}</Message></Error>`;
  response.writeHead(status, { "content-type": "text/xml" });
  response.end(`<Response><Errors>${error}</Errors><RequestID>1</RequestID></Response>`);
}
