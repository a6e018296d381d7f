import { awsRule } from "./aws-rule.ts";

/** What is started in a VPC without a group of its own is in this one. */
export const defaultGroupClosed = awsRule(
  "default-group-closed",
  "Default security groups have no rules.",
  ["aws:ec2/defaultSecurityGroup:DefaultSecurityGroup"],
  ({ props }) =>
    ["ingress", "egress"].flatMap((way) => {
      const rules = props[way] as readonly unknown[] | undefined;
      return rules?.length ? [`expected no ${way}, got ${rules.length}.`] : [];
    }),
);
