import type { Context } from "../../../core/context.ts";
import { CliError } from "../../../core/exit.ts";
import type { Finding } from "../../../doctor/checks.ts";
import { checkedSettings } from "../../../stack/config.ts";
import { findPulumi } from "../../../toolchain/pulumi.ts";
import { accessOf } from "../client/client-config.ts";
import { judgeAws } from "./checks.ts";
import { lookAtAws } from "./preflight.ts";

/** Doctor for a stack in AWS: its config, Pulumi, then the account and the host. */
export async function examineAws(context: Context): Promise<Finding[]> {
  const { files, paths } = context;
  const config = files.config();
  try {
    const settings = checkedSettings(config);
    if (settings.target !== "aws") return [];
    const tools = await findPulumi(paths);
    const pulumi: Finding = tools.ok
      ? { level: "ok", about: "pulumi", text: `CLI ${tools.version}` }
      : { level: "warn", about: "pulumi", text: "no fitting CLI; `imagegen up` installs one into .imagegen/pulumi." };
    const valid: Finding = { level: "ok", about: "config", text: "the stack's values are valid" };
    return [valid, pulumi, ...judgeAws(await lookAtAws(context, settings, accessOf(files.name, config)))];
  } catch (error) {
    if (!(error instanceof CliError)) throw error;
    return error.message.split("\n").map((text) => ({ level: "fail", about: "config", text }));
  }
}
