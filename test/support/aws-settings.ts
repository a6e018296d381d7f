import type { AwsSettings } from "../../infra/config/aws/settings.ts";
import { parseSettings } from "../../infra/config/parse.ts";
import { wordForPulumi } from "../../infra/config/problem.ts";
import { type AwsPlan, makeAwsPlan } from "../../infra/plan/aws/plan.ts";
import { manifest } from "./settings.ts";

/** The settings of a stack on AWS with this config and nothing else. */
export function awsSettings(raw: Readonly<Record<string, string>> = {}, region = "us-east-1"): AwsSettings {
  const parsed = parseSettings({ target: "aws", ...raw }, { region });
  if ("problems" in parsed) throw new Error(parsed.problems.map(wordForPulumi).join("\n"));
  if (parsed.settings.target !== "aws") throw new Error("another target");
  return parsed.settings;
}

/** The problems of such a config. */
export function awsProblemsOf(raw: Readonly<Record<string, string>>, region = "us-east-1"): readonly string[] {
  const parsed = parseSettings({ target: "aws", ...raw }, { region });
  return "problems" in parsed ? parsed.problems.map(wordForPulumi) : [];
}

export function awsPlanWith(raw: Readonly<Record<string, string>> = {}, region = "us-east-1"): AwsPlan {
  return makeAwsPlan(awsSettings(raw, region), manifest, "prod");
}

/** Config of a load balancer that is as it must be. */
export const ALB = {
  access: "alb",
  certificateArn: "arn:aws:acm:us-east-1:123456789012:certificate/c0ffee",
  allowedCidrs: "203.0.113.0/24",
  apiKeySecretArn: "arn:aws:secretsmanager:us-east-1:123456789012:secret:key-AbCdEf",
} as const;

export const OIDC = {
  ...ALB,
  authentication: "oidc",
  apiKeySecretArn: "",
  oidcIssuer: "https://id.example",
  oidcAuthorizationEndpoint: "https://id.example/authorize",
  oidcTokenEndpoint: "https://id.example/token",
  oidcUserInfoEndpoint: "https://id.example/user",
  oidcClientId: "image-gen",
  oidcClientSecretArn: "arn:aws:secretsmanager:us-east-1:123456789012:secret:client-AbCdEf",
} as const;
