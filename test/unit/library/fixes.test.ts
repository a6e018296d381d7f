/** Messages of a component's program name its arguments and the tools that it has: it has no `imagegen` and no config of this project. */
import { gunzipSync } from "node:zlib";
import { describe, expect, test } from "vitest";
import { renderUserData } from "../../../infra/aws/host/user-data.ts";
import { requireSameZone } from "../../../infra/aws/volume/data-volume.ts";
import { componentFixes } from "../../../infra/library/fixes.ts";
import { explainLaunchError } from "../../../infra/plan/aws/launch-errors.ts";
import { checkReady } from "../../../infra/readiness/docker-gate.ts";
import { checkHost } from "../../../infra/readiness/host-gate.ts";
import { parseReadyState } from "../../../infra/readiness/probe-result.ts";
import { awsPlanWith } from "../../support/aws-settings.ts";
import { planWith } from "../../support/settings.ts";

const STACK = "shop-dev-images";
const LOGS = `aws logs tail /imagegen/${STACK} --follow --region us-east-1`;
const fixes = componentFixes({
  name: "images",
  stack: STACK,
  region: "us-east-1",
  serviceCommand: "docker exec a image-gen",
});
const NO_OTHER_COMMAND = /imagegen \w|pulumi config/;

const messageOf = async (made: Promise<unknown>): Promise<string> =>
  made.then(
    () => "nothing failed",
    (error: unknown) => (error as Error).message,
  );
/** Of a wait that is too short from the start. */
const deps = {
  probe: async () => ({ kind: "no-response", reason: "nobody" }) as const,
  readParameter: async () => ({ kind: "none", reason: "nothing" }) as const,
  now: () => 0,
  date: () => 0,
  sleep: async () => {},
  onProgress: () => {},
};

test("a host that is not ready names the command for its log, and the argument for a longer wait", async () => {
  const plan = { ...awsPlanWith().readiness, readyTimeoutSeconds: 0 };
  const text = await messageOf(checkHost(plan, { deployment: "d", instance: "i-1" }, deps, fixes));
  expect(text).toContain(`Fix: ${LOGS}`);
  expect(text).not.toMatch(NO_OTHER_COMMAND);
});

test("a container that is not ready names the argument for a longer wait", async () => {
  const state = { phase: "loading", error: null, model: planWith().readiness.models[0], device: null };
  const text = await messageOf(
    checkReady({
      plan: { ...planWith().readiness, readyTimeoutSeconds: 0 },
      fixes,
      containerName: "a",
      deps: { ...deps, probe: async () => ({ kind: "response", status: 503, state: parseReadyState(state) }) },
      containerReport: async () => [],
    }),
  );
  expect(text).toContain("allow more time: images: readyTimeoutSeconds: 0");
  expect(text).not.toMatch(NO_OTHER_COMMAND);
});

describe("a launch that failed", () => {
  const explain = (code: string, config: Record<string, string> = {}) =>
    explainLaunchError(
      [`api error ${code}: no.`],
      awsPlanWith(config).host,
      { zone: "us-east-1a", types: null, otherZones: ["us-east-1b"] },
      fixes,
    );

  test.each([
    [
      "InsufficientInstanceCapacity",
      'Fix: images: pinnedInstanceType: "g5.xlarge", then pulumi up; or images: volumeSnapshotId: <a snapshot of the ' +
        'volume>, availabilityZone: "us-east-1b", and volumeGeneration: <one more>',
    ],
    [
      "VcpuLimitExceeded",
      "Fix: aws service-quotas request-service-quota-increase --service-code ec2 --quota-code L-DB2E81BA " +
        '--desired-value <vCPUs> --region us-east-1, or images: replacement: "delete-first"',
    ],
    ["SpotMaxPriceTooLow", 'Fix: images: purchaseOption: "on-demand", then pulumi up'],
  ])("with %s names arguments", (code, fix) => {
    expect(explain(code)).toContain(fix);
    expect(explain(code)).not.toMatch(NO_OTHER_COMMAND);
  });

  test("after spot names the argument for a host on demand", () => {
    expect(explain("InsufficientInstanceCapacity", { purchaseOption: "spot-then-on-demand" })).toContain(
      'or images: pinnedPurchaseOption: "on-demand", then pulumi up',
    );
  });
});

test("a volume in another zone names the arguments that make it there", () => {
  expect(() => requireSameZone("us-east-1a", "us-east-1b", "vol-1", fixes)).toThrow(
    /^images: availabilityZone: expected us-east-1a, .* Fix: images: volumeSnapshotId: .*"us-east-1b"/,
  );
});

const FILES = { ...awsPlanWith().host, filesystem: "xfs" as const, registry: "r", mirrorRoleArn: "" };
const scriptsOf = (...[plan, messages]: Parameters<typeof renderUserData>) =>
  gunzipSync(Buffer.from(renderUserData(plan, messages), "base64")).toString();

test("a fleet's host is ended where one host is stopped and started: its group starts another", () => {
  const place = { name: "fleet", stack: STACK, region: "us-east-1", serviceCommand: "docker exec a image-gen" };
  const { host } = componentFixes({ ...place, isFleet: true });
  const text = scriptsOf({ ...FILES, volumeId: "", fleetDeployment: "d" }, host.inScripts);
  expect(text).toContain("Fix: aws autoscaling terminate-instance-in-auto-scaling-group --instance-id <instanceId> ");
  expect(text).toContain("fleet: decryptKmsKeyArns: <ARN of the secret's key>");
  expect(text).not.toMatch(/imagegen (?:up|logs|doctor|stop|start) /);
});

test("the host's own messages are in the same words", () => {
  const text = scriptsOf({ ...FILES, volumeId: "vol-1" }, fixes.host.inScripts);
  expect(text).toContain(`refuse \\"mkfs.xfs failed\\" \\"${LOGS}\\"`);
  expect(text).toContain("images: decryptKmsKeyArns: <ARN of the secret's key>");
  expect(text).not.toMatch(/imagegen (?:up|logs|doctor|stop|start) /);
});
