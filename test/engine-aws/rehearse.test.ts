/** `imagegen rehearse`, as its user types it: the whole deployment on this machine, whatever credentials and state the shell names. */
import { mkdirSync, mkdtempSync, readdirSync, rmSync } from "node:fs";
import { createServer, type Server } from "node:http";
import type { AddressInfo } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { execa } from "execa";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import type { Rehearsal } from "../../cli/rehearsal/rehearse.ts";
import { missingForAws } from "../support/fakes/aws-provider/needs.ts";
import { paths } from "../support/paths.ts";

const missing = await missingForAws();
if (missing) console.warn(`LEFT OUT: imagegen rehearse: ${missing}`);

describe.skipIf(missing !== undefined)("imagegen rehearse", () => {
  const folder = mkdtempSync(join(tmpdir(), "imagegen-rehearse-test-"));
  const requests: string[] = [];
  let elsewhere: Server;
  let env: Record<string, string>;

  beforeAll(async () => {
    for (const name of ["state", "tmp"]) mkdirSync(join(folder, name));
    // Stands for AWS, a proxy and the backend of the shell: a rehearsal asks none of them.
    elsewhere = createServer((request, response) => {
      requests.push(`${request.method} ${request.url}`);
      response.writeHead(500).end();
    });
    elsewhere.on("connect", (request, socket) => {
      requests.push(`CONNECT ${request.url}`);
      socket.destroy();
    });
    await new Promise<void>((resolve) => elsewhere.listen(0, "127.0.0.1", resolve));
    const url = `http://127.0.0.1:${(elsewhere.address() as AddressInfo).port}`;
    env = {
      AWS_PROFILE: "of-the-shell",
      AWS_ENDPOINT_URL: url,
      AWS_ENDPOINT_URL_SSM: url,
      HTTPS_PROXY: url,
      HTTP_PROXY: url,
      PULUMI_BACKEND_URL: `file://${join(folder, "state")}`,
      TMPDIR: join(folder, "tmp"),
    };
  });
  afterAll(() => {
    elsewhere.close();
    rmSync(folder, { recursive: true });
  });

  const rehearsed = async (...args: string[]) => {
    const command = [join(paths.root, "cli/main.ts"), "rehearse", "--stack", "aws-volume", "--json", ...args];
    const { exitCode, stdout, stderr } = await execa(process.execPath, command, {
      cwd: paths.root,
      env,
      reject: false,
    });
    expect([exitCode, stderr]).toEqual([0, stderr]);
    return JSON.parse(stdout) as Rehearsal;
  };

  test("makes the whole stack in order, says what up says, and touches neither AWS nor the state of the shell", async () => {
    const cases = ["rights-role", "quota-volume", "capacity", "service"];
    const { resources, cases: said, onlyAws } = await rehearsed(...cases.flatMap((name) => ["--case", name]));
    const types = resources.map(({ type }) => type);
    const at = (type: string) => types.indexOf(type);
    expect(types.length).toBeGreaterThan(30);
    expect(at("aws:ec2/vpc:Vpc")).toBeLessThan(at("aws:ec2/subnet:Subnet"));
    expect(at("aws:ec2/subnet:Subnet")).toBeLessThan(at("aws:ec2/instance:Instance"));
    expect(at("aws:ec2/instance:Instance")).toBeLessThan(at("aws:ec2/volumeAttachment:VolumeAttachment"));
    const seconds = resources.map((each) => each.seconds);
    expect(seconds).toEqual([...seconds].sort((a, b) => a - b));
    expect(said.map(({ name }) => name)).toEqual(cases);
    const [role, volume, capacity, service] = said;
    expect(role?.message).toContain("not authorized to perform: iam:CreateRole");
    expect(role?.fix).toBe("allow iam:CreateRole for these credentials, then imagegen up --stack aws-volume");
    expect(volume?.fix).toMatch(/^aws service-quotas request-service-quota-increase --service-code ebs /);
    expect(capacity?.message).toMatch(/^No host: AWS has no g4dn\.xlarge \(on demand\) in us-east-1a now/);
    expect(capacity?.fix).toMatch(/or imagegen move-az us-east-1b --stack aws-volume$/);
    expect(service?.message).toContain("is not ready: the weights are damaged");
    // What was made stays; the service's failure comes last.
    expect(service?.made).toBe(resources.length);
    expect(role?.made).toBeLessThan(resources.length);
    expect(onlyAws.length).toBeGreaterThan(10);
    expect(requests).toEqual([]);
    expect(readdirSync(join(folder, "state"))).toEqual([]);
    expect(readdirSync(join(folder, "tmp")).filter((name) => name.startsWith("imagegen-"))).toEqual([]);
  });

  test("of a self-healing stack behind a load balancer, in another region and an existing network, is made too", async () => {
    const account = "arn:aws:secretsmanager:eu-west-1:123456789012:secret:key-AbCdEf";
    const config = {
      "aws:region": "eu-west-1",
      selfHealing: "true",
      access: "alb",
      certificateArn: "arn:aws:acm:eu-west-1:123456789012:certificate/c0ffee",
      allowedCidrs: "203.0.113.0/24",
      apiKeySecretArn: account,
      subnetId: "subnet-0123456789abcdef0",
      albSubnetIds: "subnet-0123456789abcdef0,subnet-0123456789abcdef1",
      volumeId: "vol-0123456789abcdef0",
    };
    const flags = Object.entries(config).flatMap(([key, value]) => ["--config", `${key}=${value}`]);
    const { region, resources, cases, assumed } = await rehearsed("--case", "capacity-group", ...flags);
    expect(region).toBe("eu-west-1");
    expect(resources.map(({ type }) => type)).toContain("aws:autoscaling/group:Group");
    expect(assumed).toEqual(["subnetId", "albSubnetIds", "volumeId"]);
    expect(cases.map(({ name }) => name)).toEqual(["capacity-group"]);
    expect(cases[0]?.message).toMatch(/^No host: AWS has no g6\.xlarge \(on demand\) in eu-west-1a now/);
  });
});
