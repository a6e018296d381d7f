/** Parsers of AWS's own words: ids, ARNs, zones, address ranges. Pure: whether a thing exists is AWS's to say. */
import { isIP } from "node:net";
import { matching, type Parser } from "../parsers.ts";

export const REGION = /^[a-z]{2,}(?:-[a-z]+)+-\d$/;

/** `vpc-0a1b…`: eight or seventeen hexadecimal digits. */
export const ec2Id = (kind: string): Parser<string> =>
  matching(new RegExp(`^${kind}-(?:[0-9a-f]{8}|[0-9a-f]{17})$`), `an id such as ${kind}-0123456789abcdef0`);

export const amiId = ec2Id("ami");

export const instanceType = matching(/^[a-z][a-z0-9-]*\.[a-z0-9-]+$/, "an instance type such as g6.xlarge");

export const availabilityZone = matching(/^[a-z]{2,}(?:-[a-z]+)+-\d[a-z]$/, "an availability zone such as us-east-1a");

/** An ARN of one service, whose last part has a given form. */
export const arn =
  (service: string, resource: RegExp, expected: string): Parser<string> =>
  (text) => {
    const [prefix, partition, named, , account, ...rest] = text.split(":");
    const right =
      prefix === "arn" &&
      /^aws(?:-[a-z]+)*$/.test(partition ?? "") &&
      named === service &&
      /^\d{12}$/.test(account ?? "") &&
      resource.test(rest.join(":"));
    return right ? { value: text } : { expected };
  };

/** An IPv4 range whose host bits are zero: AWS refuses others. */
export const cidr: Parser<string> = (text) => {
  const expected = "an IPv4 range such as 203.0.113.0/24";
  const [address = "", length = "", ...rest] = text.split("/");
  if (rest.length > 0 || isIP(address) !== 4 || !/^\d+$/.test(length) || Number(length) > 32) return { expected };
  const bits = address.split(".").reduce((sum, part) => sum * 256 + Number(part), 0);
  return bits % 2 ** (32 - Number(length)) === 0 ? { value: text } : { expected };
};
