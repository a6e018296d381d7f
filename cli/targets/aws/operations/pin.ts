import { qualifyKey } from "../../../../infra/config/problem.ts";
import { planAwsHost } from "../../../../infra/plan/aws/host.ts";
import type { Context } from "../../../core/context.ts";
import { CliError } from "../../../core/exit.ts";
import type { PinResult } from "../../target.ts";
import { toCliError } from "../client/errors.ts";
import { type AwsStack, findHost, openStack } from "../stack/stack.ts";

/**
 * Writes the machine image into the stack's config: that of the present host, so that nothing changes; the newest where
 * there is no host, or with `refresh`.
 */
export async function pinAmi(context: Context, { refresh }: { refresh?: boolean }): Promise<PinResult> {
  const { files } = context;
  const settings = files.settings("aws");
  const stack = await openStack(context);
  const host = await findHost(stack);
  const before = settings.amiId;
  const replaces = (amiId: string) => host !== undefined && host.ami !== amiId;
  if (before !== null && !refresh)
    return { amiId: before, from: "config", before, replaces: replaces(before), file: null };
  const present = refresh ? undefined : host?.ami;
  const amiId = present ?? (await newestAmi(stack, planAwsHost(settings, files.name, 0).amiParameter));
  const file = amiId === before ? null : files.pin({ [qualifyKey("amiId")]: amiId });
  return { amiId, from: present ? "host" : "newest", before, replaces: replaces(amiId), file };
}

/** The newest image of that kind in this region, as its publisher's parameter names it. */
async function newestAmi({ ssm, client }: AwsStack, parameter: string): Promise<string> {
  try {
    const found = await ssm.parameter(parameter);
    if (found && /^ami-[0-9a-f]+$/.test(found)) return found;
    throw new CliError({
      message: `${client.region} has no machine image under ${parameter}.`,
      fix: "set amiId in the stack's config, or another ami",
    });
  } catch (error) {
    throw toCliError(error, "looking up the newest machine image");
  }
}
