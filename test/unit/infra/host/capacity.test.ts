import { expect, test } from "vitest";
import { explainRefusal } from "../../../../infra/aws/host/launch-errors.ts";
import { awsPlanWith } from "../../../support/aws-settings.ts";

const said = (code: string) =>
  `creating EC2 Instance: operation error EC2: RunInstances, api error ${code}: We do not have it.`;

test.each([
  [
    "InsufficientInstanceCapacity",
    {},
    "No host: EC2 has no g6.xlarge (on-demand) in this zone now. Fix: pulumi config set instanceType g5.xlarge, or imagegen move-az",
  ],
  [
    "InsufficientInstanceCapacity",
    { instanceTypes: "g6.xlarge", capacity: "spot" },
    "No host: EC2 has no g6.xlarge (spot) in this zone now. Fix: add another type to instanceTypes, or imagegen move-az",
  ],
  [
    "VcpuLimitExceeded",
    {},
    "No host: the account's quota for GPU instances (L-DB2E81BA) is too small for the new host beside the old one. " +
      "Fix: imagegen doctor says how to raise it, or pulumi config set replacement delete-first",
  ],
  [
    "VcpuLimitExceeded",
    { replacement: "delete-first" },
    "No host: the account's quota for GPU instances (L-DB2E81BA) is too small for the host. Fix: imagegen doctor says how to raise it",
  ],
  [
    "SpotMaxPriceTooLow",
    { capacity: "spot" },
    "No host: the spot price is above the on-demand price. Fix: pulumi config set capacity on-demand",
  ],
  [
    "Unsupported",
    { instanceTypes: "g6e.xlarge,g6.xlarge" },
    "No host: g6e.xlarge is not offered in this zone. Fix: pulumi config set instanceType g6.xlarge, or imagegen move-az",
  ],
])("%s with %j", (code, raw, line) => {
  expect(explainRefusal([said(code)], awsPlanWith(raw as Record<string, string>).host)).toBe(line);
});

test("another error is not explained away", () => {
  expect(explainRefusal([said("UnauthorizedOperation")], awsPlanWith().host)).toBeNull();
  expect(explainRefusal([], awsPlanWith().host)).toBeNull();
});
