/**
 * The program: config, then one target's line of stages: plan → image → cache → host → health → outputs.
 * Targets are loaded when they are asked for: AWS's SDK is a second that a stack on this machine need not wait.
 */
import * as pulumi from "@pulumi/pulumi";
import { loadConfig } from "./config/load.ts";
import { SERVICE_NAME } from "./contract.ts";

const { settings, secrets } = loadConfig();
const context = {
  name: SERVICE_NAME,
  stack: pulumi.getStack(),
  checkout: process.cwd(),
  preview: pulumi.runtime.isDryRun(),
  secrets,
  report: (line: string) => void pulumi.log.info(line, undefined, undefined, true),
};

export default settings.target === "aws"
  ? (await import("./aws/program.ts")).aws(settings, context)
  : (await import("./docker/program.ts")).local(settings, context);
