import { expect, test } from "vitest";
import { vcpuQuota } from "../../../../infra/contract.ts";
import { checkoutFixes } from "../../../../infra/fixes.ts";
import { explainLaunchError } from "../../../../infra/plan/aws/launch-errors.ts";
import { awsPlanWith } from "../../../support/aws-settings.ts";

const said = (code: string, message = "We do not have it.") =>
  `creating EC2 Instance: operation error EC2: RunInstances, api error ${code}: ${message}`;
const FIXES = checkoutFixes("prod");
const HERE = { zone: "us-east-1a", types: null, otherZones: ["us-east-1b", "us-east-1c"] };
const NOT_HERE = "Your requested instance type (g6e.xlarge) is not supported in your requested Availability Zone.";

test.each([
  [
    said("InsufficientInstanceCapacity"),
    {},
    "AWS has no g6.xlarge (on demand) in us-east-1a now (InsufficientInstanceCapacity). " +
      "Not tried: g5.xlarge. Fix: pulumi config set pinnedInstanceType g5.xlarge, then pulumi up; or imagegen move-az us-east-1b --stack prod",
  ],
  [
    said("InsufficientInstanceCapacity"),
    { instanceTypes: "g6.xlarge", purchaseOption: "spot" },
    "AWS has no g6.xlarge (spot) in us-east-1a now (InsufficientInstanceCapacity). " +
      "Fix: add another type to instanceTypes, then pulumi up; or imagegen move-az us-east-1b --stack prod",
  ],
  [
    said("VcpuLimitExceeded"),
    {},
    "the account's quota L-DB2E81BA (Running On-Demand G and VT instances) has no room for g6.xlarge (on demand) " +
      "(VcpuLimitExceeded). Fix: imagegen doctor --stack prod shows how to raise it, or pulumi config set replacement delete-first",
  ],
  [
    said("VcpuLimitExceeded"),
    { replacement: "delete-first", instanceTypes: "p5.4xlarge" },
    "the account's quota L-417A185B (Running On-Demand P instances) has no room for p5.4xlarge (on demand) " +
      "(VcpuLimitExceeded). Fix: imagegen doctor --stack prod shows how to raise it",
  ],
  [
    said("SpotMaxPriceTooLow"),
    { purchaseOption: "spot" },
    "g6.xlarge (spot) in us-east-1a costs more than the maximum price (SpotMaxPriceTooLow). " +
      "Fix: pulumi config set purchaseOption on-demand, then pulumi up",
  ],
  [
    said("InsufficientInstanceCapacity"),
    { instanceTypes: "g6.xlarge,g5.xlarge", purchaseOption: "spot-then-on-demand" },
    "AWS has no g6.xlarge (spot) in us-east-1a now (InsufficientInstanceCapacity). Not tried: g5.xlarge, any of them on demand. " +
      "Fix: pulumi config set pinnedInstanceType g5.xlarge, then pulumi up; or pulumi config set pinnedPurchaseOption on-demand, then pulumi up; " +
      "or imagegen move-az us-east-1b --stack prod",
  ],
  [
    said("MaxSpotInstanceCountExceeded"),
    { instanceTypes: "g6.xlarge", purchaseOption: "spot-then-on-demand", replacement: "delete-first" },
    "the account's quota L-3819A6DF (All G and VT Spot Instance Requests) has no room for g6.xlarge (spot) (MaxSpotInstanceCountExceeded). " +
      "Not tried: any of them on demand. Fix: imagegen doctor --stack prod shows how to raise it; " +
      "or pulumi config set pinnedPurchaseOption on-demand, then pulumi up",
  ],
  [
    said("InsufficientInstanceCapacity"),
    { instanceTypes: "g6.xlarge", purchaseOption: "spot-then-on-demand", pinnedPurchaseOption: "on-demand" },
    "AWS has no g6.xlarge (on demand) in us-east-1a now (InsufficientInstanceCapacity). " +
      "Fix: add another type to instanceTypes, then pulumi up; or imagegen move-az us-east-1b --stack prod",
  ],
  [
    said("Unsupported", NOT_HERE),
    { instanceTypes: "g6e.xlarge,g6.xlarge" },
    "AWS does not offer g6e.xlarge (on demand) in us-east-1a (Unsupported). " +
      "Not tried: g6.xlarge. Fix: pulumi config set pinnedInstanceType g6.xlarge, then pulumi up; or imagegen move-az us-east-1b --stack prod",
  ],
])("%s with %j is one line", (text, raw, line) => {
  const { host } = awsPlanWith(raw as Record<string, string>);
  const types = host.launchTypes.filter((type) => type !== "g4dn.xlarge");
  expect(explainLaunchError([text], host, { ...HERE, types }, FIXES)).toBe(`No host: ${line}`);
});

test("where the offers are not known, all other types of the list are named, and no zone", () => {
  const { host } = awsPlanWith();
  expect(
    explainLaunchError([said("InsufficientInstanceCapacity")], host, { zone: "", types: null, otherZones: [] }, FIXES),
  ).toBe(
    "No host: AWS has no g6.xlarge (on demand) in this zone now (InsufficientInstanceCapacity). " +
      "Not tried: g5.xlarge, g4dn.xlarge. Fix: pulumi config set pinnedInstanceType g5.xlarge, then pulumi up",
  );
});

test("another error is not explained", () => {
  const { host } = awsPlanWith();
  expect(explainLaunchError([said("UnauthorizedOperation")], host, HERE, FIXES)).toBeNull();
  expect(explainLaunchError([said("Unsupported")], host, HERE, FIXES)).toBeNull();
  expect(explainLaunchError([], host, HERE, FIXES)).toBeNull();
});

test.each([
  ["g6.xlarge", "on-demand", "L-DB2E81BA"],
  ["gr6f.4xlarge", "spot", "L-3819A6DF"],
  ["vt1.3xlarge", "on-demand", "L-DB2E81BA"],
  ["p5.4xlarge", "on-demand", "L-417A185B"],
  ["p5.4xlarge", "spot", undefined],
  ["m7i.large", "on-demand", undefined],
] as const)("the vCPU quota of %s, %s, is %s", (type, option, code) => {
  expect(vcpuQuota(type, option)?.code).toBe(code);
});
