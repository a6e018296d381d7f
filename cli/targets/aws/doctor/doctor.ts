import type { AwsSettings } from "../../../../infra/config/aws/settings.ts";
import { commandFor } from "../../../core/command-line.ts";
import type { Context } from "../../../core/context.ts";
import { CliError, EXIT, formatDetail } from "../../../core/exit.ts";
import { type Check, fail, ok, warn } from "../../../doctor/check.ts";
import { settingsFor } from "../../../stack/config.ts";
import { findPulumi } from "../../../toolchain/pulumi.ts";
import { type AwsClientConfig, awsClientConfig } from "../client/client-config.ts";
import type { Host } from "../client/ec2-models.ts";
import type { Place } from "../stack/place.ts";
import { runAwsChecks } from "./checks.ts";
import { inspectAws } from "./inspect.ts";

/** Doctor for a stack in AWS: its config, Pulumi, then the account and the host. */
export async function awsChecks(context: Context): Promise<Check[]> {
  const { files, paths } = context;
  const config = files.config();
  try {
    const settings = settingsFor("aws", config);
    const facts = await inspectAws(context, settings, awsClientConfig(files.name, config));
    const tools = await findPulumi(paths);
    const pulumi = tools.ok
      ? ok("pulumi", `CLI ${tools.version}`)
      : warn(
          "pulumi",
          `${tools.reason.message} \`${commandFor(files.name, "up")}\` installs one into .imagegen/pulumi.`,
        );
    return [ok("config", "the stack's values are valid"), pulumi, ...runAwsChecks(facts)];
  } catch (error) {
    if (!(error instanceof CliError)) throw error;
    return error.details.map(({ message, fix }) => fail("config", message, fix));
  }
}

/** Checks of what runs already, which `up` may well fix. */
const LEFT_TO_DOCTOR = ["service", "volume", "tunnel"];

/**
 * Checks before `up` what would fail after minutes. Logs warnings; throws a CliError with every failure.
 * Returns what the run can use: the vCPUs of the types, the present host, and where it is or will be.
 */
export async function preflight(
  context: Context,
  settings: AwsSettings,
  client: AwsClientConfig,
): Promise<{ vcpus: Readonly<Record<string, number>>; host: Host | undefined; place: Place | null }> {
  context.progress.update(`checking the account and ${client.region}`);
  const { types, host, place, ...facts } = await inspectAws(context, settings, client);
  context.progress.stop();
  const checks = runAwsChecks({ types, host, place, ...facts })
    .filter(({ id }) => !LEFT_TO_DOCTOR.includes(id))
    .map(({ status, id, message, fix }) => ({ status, message: `${id}: ${message}`, fix }));
  for (const result of ["warn", "unknown"])
    for (const check of checks.filter(({ status }) => status === result)) context.progress.log(formatDetail(check));
  const failures = checks.filter(({ status }) => status === "fail");
  if (failures.length > 0) throw new CliError(failures, EXIT.missingPrerequisite);
  return {
    vcpus: types.known ? Object.fromEntries(types.value.map(({ type, vcpus }) => [type, vcpus])) : {},
    host: host.known ? host.value : undefined,
    place: place.known ? place.value : null,
  };
}
