/**
 * The program: config, then one target's line of stages: plan → image → cache → host → health → outputs. The target `ci` has no
 * service: plan → bucket, key and roles → outputs. The target `fleet`: image → jobs → network → hosts and what scales them → outputs.
 * Targets are loaded when they are asked for: AWS's SDK is a second that a stack on this machine need not wait.
 */
import * as pulumi from "@pulumi/pulumi";
import { loadConfig } from "./config/load.ts";
import { SERVICE_NAME } from "./contract.ts";
import { checkoutFixes } from "./fixes.ts";

const { settings, secrets } = loadConfig();
const context = {
  name: SERVICE_NAME,
  stack: pulumi.getStack(),
  checkout: process.cwd(),
  preview: pulumi.runtime.isDryRun(),
  secrets,
  fixes: checkoutFixes(pulumi.getStack()),
  report: (line: string) => void pulumi.log.info(line, undefined, undefined, true),
};

export default await run();

async function run(): Promise<object> {
  if (settings.target === "local") return (await import("./docker/program.ts")).local(settings, context);
  if (settings.target === "ci") return (await import("./aws/ci/program.ts")).ci(settings, context);
  if (settings.target === "fleet") return (await import("./aws/fleet/program.ts")).fleet(settings, context);
  return (await import("./aws/program.ts")).aws(settings, context);
}
