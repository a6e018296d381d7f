/** Which of parliament's findings are faults. */
import { expect, test } from "vitest";
import { unexplained } from "../../support/parliament/findings.ts";

const documents = {
  "deploy host": {
    Version: "2012-10-17",
    Statement: [
      { Action: ["ec2:AttachVolume"], Resource: "arn:aws:ec2:us-east-1:1:volume/*" },
      { Action: ["ec2:AttachVolume"], Resource: ["arn:aws:ec2:us-east-1:1:instance/*"] },
      {
        Action: ["elasticloadbalancing:DeleteListener"],
        Resource: "arn:aws:elasticloadbalancing:us-east-1:1:listener/app/*",
      },
    ],
  },
  "drift host": { Version: "2012-10-17", Statement: [] },
};
const mismatch = (policy: string, action: string, format: string) => ({
  policy,
  issue: "RESOURCE_MISMATCH",
  severity: "MEDIUM",
  detail: `[{'action': '${action}', 'required_format': '${format}'}]`,
});

test("a mismatch is none where another statement of the role has the kind", () => {
  expect(unexplained(documents, [mismatch("deploy host", "ec2:AttachVolume", "arn:*:ec2:*:*:instance/*")], [])).toEqual(
    [],
  );
});

test.each([
  ["a kind that no statement has", "deploy host", "ec2:AttachVolume", "arn:*:ec2:*:*:subnet/*"],
  ["an action that no statement has", "deploy host", "ec2:RunInstances", "arn:*:ec2:*:*:volume/*"],
  ["a statement of another role", "drift host", "ec2:AttachVolume", "arn:*:ec2:*:*:volume/*"],
  [
    "another kind of listener",
    "deploy host",
    "elasticloadbalancing:DeleteListener",
    "arn:*:elasticloadbalancing:*:*:listener/net/*/*/*",
  ],
])("%s is a fault", (_, policy, action, format) => {
  expect(unexplained(documents, [mismatch(policy, action, format)], [])).toEqual([
    `${policy}: RESOURCE_MISMATCH (MEDIUM): ${action} on ${format}`,
  ]);
});

const finding = { policy: "deploy host", issue: "UNKNOWN_ACTION", severity: "LOW", detail: "no ec2:Attach" };
const explanation = { policy: /^deploy host$/, issue: "UNKNOWN_ACTION", detail: /ec2:Attach/, why: "", source: "" };

test("an explained finding is none, and an explanation of nothing is one", () => {
  expect(unexplained(documents, [finding], [explanation])).toEqual([]);
  expect(unexplained(documents, [finding], [])).toEqual(["deploy host: UNKNOWN_ACTION (LOW): no ec2:Attach"]);
  expect(unexplained(documents, [], [explanation])).toEqual([
    "^deploy host$: UNKNOWN_ACTION is explained, and parliament does not find it. Fix: remove it",
  ]);
});
