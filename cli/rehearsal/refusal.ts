import type { EngineEvent } from "@pulumi/pulumi/automation/index.js";
import type { Cloud } from "../../aws-fake/cloud.ts";
import { TYPES } from "../../aws-fake/facts.ts";
import { text } from "../../aws-fake/kind.ts";
import type { AwsSettings } from "../../infra/config/aws/settings.ts";
import { findLaunchError } from "../../infra/plan/aws/launch-errors.ts";
import { hostTypes } from "../../infra/plan/aws/zone.ts";
import type { Context } from "../core/context.ts";
import { CliError, type ErrorDetail } from "../core/exit.ts";
import { explainFailure } from "../stack/diagnostics.ts";
import { fixFor } from "../targets/aws/stack/next-steps.ts";
import { launchWithFallback } from "../targets/aws/stack/up.ts";
import type { EngineRun } from "./engine-run.ts";

/** What `imagegen up` says of a failed run: of one without a host, after the last type of the list, as all fail alike. */
export async function refusalOf(
  context: Context,
  settings: AwsSettings,
  cloud: Cloud,
  { events, output }: Pick<EngineRun, "events" | "output">,
): Promise<ErrorDetail> {
  const { files, progress } = context;
  const launch = events.map(launchErrorIn).find((error) => error !== undefined);
  if (launch === undefined) {
    const failure = explainFailure(events, new Error(output), files.name);
    const place = { stack: files.name, region: settings.region, zone: settings.availabilityZone };
    return { ...failure, fix: failure.fix ?? fixFor(failure.message, place) };
  }
  const zone = text(cloud.all("aws:ebs/volume:Volume")[0]?.props.availabilityZone);
  const offering = (type: string, where: string) => TYPES.get(type)?.zones.includes(where.at(-1) ?? "-") ?? false;
  const types = hostTypes(settings);
  const place = {
    choice: { zone, types: types.filter((type) => offering(type, zone)) },
    otherZones: cloud.zones.filter((each) => each !== zone && types.some((type) => offering(type, each))),
  };
  const vcpus = Object.fromEntries([...TYPES].map(([type, facts]) => [type, facts.vcpus]));
  const silent = { files, progress: { ...progress, log: () => {} } };
  try {
    await launchWithFallback(silent, settings, { vcpus, place }, () => Promise.resolve(launch));
  } catch (error) {
    if (error instanceof CliError && error.details[0]) return error.details[0];
    throw error;
  }
  throw new Error("a launch error that lets a host be launched");
}

function launchErrorIn({ diagnosticEvent }: EngineEvent) {
  return diagnosticEvent?.severity === "error" ? findLaunchError(diagnosticEvent.message) : undefined;
}
