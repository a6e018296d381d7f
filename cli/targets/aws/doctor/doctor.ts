import type { Context } from "../../../core/context.ts";
import { CliError } from "../../../core/exit.ts";
import { type Check, fail, ok, warn } from "../../../doctor/check.ts";
import { settingsFor } from "../../../stack/config.ts";
import { findPulumi } from "../../../toolchain/pulumi.ts";
import { awsClientConfig } from "../client/client-config.ts";
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
      : warn("pulumi", `${tools.reason.message} \`imagegen up\` installs one into .imagegen/pulumi.`);
    return [ok("config", "the stack's values are valid"), pulumi, ...runAwsChecks(facts)];
  } catch (error) {
    if (!(error instanceof CliError)) throw error;
    return error.details.map(({ message, fix }) => fail("config", message, fix));
  }
}
