import * as pulumi from "@pulumi/pulumi";
import { PROJECT } from "../../infra/contract.ts";
import { awsRule } from "./aws-rule.ts";

const GROUP = "aws:ec2/securityGroup:SecurityGroup";
const GROUPS = [GROUP, "aws:ec2/defaultSecurityGroup:DefaultSecurityGroup"];
const RULE = "aws:ec2/securityGroupRule:SecurityGroupRule";
const INGRESS = "aws:vpc/securityGroupIngressRule:SecurityGroupIngressRule";

interface Sources {
  readonly cidrBlocks?: readonly string[];
  readonly ipv6CidrBlocks?: readonly string[];
  readonly cidrIpv4?: string;
  readonly cidrIpv6?: string;
}

/** Two halves of all addresses are all addresses: nothing wider than a /8 is anybody's own network. */
const NARROWEST_OPEN_V4 = 7;
const NARROWEST_OPEN_V6 = 15;

/** Opening a GPU to the world is a decision, and stands in the stack's config. */
export const noOpenIngress = awsRule(
  "no-open-ingress",
  "Nothing is open to the world, unless the stack's config has allowPublic.",
  [...GROUPS, RULE, INGRESS],
  ({ type, props }) => {
    if (new pulumi.Config(PROJECT).getBoolean("allowPublic")) return [];
    const open = sources(type, props).filter(isOpen);
    return open.length > 0
      ? [
          `expected ingress from addresses of your own, got ${open.join(", ")}. Fix: pulumi config set allowedCidrs <yours>`,
        ]
      : [];
  },
);

function sources(type: string, props: Record<string, unknown>): string[] {
  if (GROUPS.includes(type)) return ((props.ingress ?? []) as Sources[]).flatMap(cidrs);
  return type === RULE && props.type !== "ingress" ? [] : cidrs(props as Sources);
}

function cidrs({ cidrBlocks = [], ipv6CidrBlocks = [], cidrIpv4, cidrIpv6 }: Sources): string[] {
  return [...cidrBlocks, ...ipv6CidrBlocks, ...[cidrIpv4 ?? [], cidrIpv6 ?? []].flat()];
}

function isOpen(cidr: string): boolean {
  const bits = Number(cidr.split("/")[1]);
  return bits <= (cidr.includes(":") ? NARROWEST_OPEN_V6 : NARROWEST_OPEN_V4);
}
