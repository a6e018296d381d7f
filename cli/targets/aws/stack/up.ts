import type { AwsSettings } from "../../../../infra/config/aws/settings.ts";
import { describeLaunchError, type LaunchError } from "../../../../infra/plan/aws/launch-errors.ts";
import type { Context } from "../../../core/context.ts";
import { CliError, EXIT } from "../../../core/exit.ts";
import { AutomationStack } from "../../../stack/automation-stack.ts";
import { qualifyAll } from "../../../stack/config.ts";
import { NOTHING, type ShellConfig, saveShell, setSecrets } from "../../../stack/shell-variables.ts";
import { ensureCli } from "../../../toolchain/pulumi.ts";
import { awsClientConfig } from "../client/client-config.ts";
import { openEc2 } from "../client/ec2.ts";
import { preflight } from "../doctor/doctor.ts";
import { startHost } from "../operations/start-stop.ts";
import { findBlankVolumes } from "./blank-volumes.ts";
import {
  type FailedLaunch,
  type LaunchCandidate,
  type LaunchPreferences,
  launchCandidates,
  nextCandidate,
  suggestFix,
} from "./launch-candidates.ts";
import { LaunchTimeout } from "./launch-timeout.ts";
import { withNextSteps } from "./next-steps.ts";
import { chosen, type Place } from "./place.ts";
import { openStack } from "./stack.ts";

/** One run of Pulumi with some values over the stack's config. Returns why the host was not launched, if so. */
type Run = (values: Readonly<Record<string, string>>) => Promise<LaunchError | undefined>;

/**
 * Checks the account, brings the stack up, and falls back to the next host of the list when one is unavailable.
 * `startStopped`: false leaves a stopped host stopped until it is replaced. `retainVolumes`: volumes that leave the stack
 * without being deleted; `blankVolumes`: those that are known to hold nothing. Returns `pinned`: what was written to the config, so that the next run launches the same host.
 */
export async function upInAws(
  context: Context,
  {
    startStopped = true,
    retainVolumes = [],
    blankVolumes = [],
    shell = NOTHING,
  }: {
    startStopped?: boolean;
    retainVolumes?: readonly string[];
    blankVolumes?: readonly string[];
    shell?: ShellConfig;
  } = {},
) {
  const { paths, files, progress, signal } = context;
  const config = files.config();
  const settings = files.settings("aws");
  const client = awsClientConfig(files.name, config);
  const { vcpus, host: present, place } = await preflight(context, settings, client);

  const tools = await ensureCli(paths, progress, signal);
  if (!tools.ok) throw new CliError(tools.reason, EXIT.missingPrerequisite);
  files.write({});
  const stack = await AutomationStack.open(context, "up", tools.root);
  await setSecrets(stack, shell);
  saveShell(context, shell);
  const now = await openStack(context);
  // What a first deployment makes is made with its flags: the commands that continue it are without them.
  if (now.state.url === null) files.keep();
  // Of an earlier generation, from an up that failed: the program does not name it any more.
  const planned = settings.volumeId === null ? settings.volumeGeneration : null;
  const stale = now.state.volumes.filter(({ generation }) => generation !== planned).map(({ id }) => id);
  const unknown = stale.filter((id) => !retainVolumes.includes(id) && !blankVolumes.includes(id));
  const remove = [
    ...stale.filter((id) => blankVolumes.includes(id)),
    ...(await findBlankVolumes(context, now, unknown)),
  ];
  await stack.releaseVolumes({ retain: retainVolumes, remove });

  if (startStopped && present?.state === "stopped") {
    progress.log(`Starting the host ${present.id}, which was stopped …`);
    await startHost(context, { name: files.name, ec2: await openEc2(client) }, present);
  }

  let outputs: Readonly<Record<string, unknown>> = {};
  const run: Run = async (values) => {
    files.write({}, qualifyAll(values));
    const launch = new LaunchTimeout((line) => progress.log(line));
    const onText = (text: string) => progress.update(text);
    try {
      const made = await stack.up({ signal, onText, onEvent: launch.onEvent, cancel: launch.signal });
      outputs = Object.fromEntries(Object.entries(made).map(([name, { value }]) => [name, value as unknown]));
      return undefined;
    } catch (error) {
      signal.throwIfAborted();
      if (launch.error) return launch.error;
      throw withNextSteps(error, { stack: files.name, region: client.region, zone: settings.availabilityZone });
    } finally {
      launch.stop();
      progress.stop();
    }
  };
  progress.log(`Bringing up the stack ${files.name} in ${client.region} with Pulumi (log ${stack.log}) …`);
  const host = await launchWithFallback(context, settings, { vcpus, place }, run);
  const pinned = pinsOf(settings, host);
  if (Object.keys(pinned).length > 0) {
    const file = files.pin(qualifyAll(pinned));
    const values = Object.entries(pinned).map(([key, value]) => `${key}=${value}`);
    progress.log(`Written to ${file}: ${values.join(", ")}`);
  }
  return { outputs, host, pinned };
}

/** Runs with one host after the other until one is launched. Throws a CliError when none is. */
export async function launchWithFallback(
  { files, progress }: Pick<Context, "files" | "progress">,
  settings: LaunchPreferences & Pick<AwsSettings, "selfHealing" | "region">,
  { vcpus, place }: { readonly vcpus: Readonly<Record<string, number>>; readonly place: Place | null },
  run: Run,
): Promise<LaunchCandidate> {
  const { zone = null, types: offered } = (place && chosen(place)) ?? {};
  const all = launchCandidates(settings);
  const possible = all.filter(({ type }) => offered?.includes(type) ?? true);
  const left = [...new Set(all.filter((one) => !possible.includes(one)).map(({ type }) => type))];
  // A self-healing group tries the list by itself.
  const candidates = settings.selfHealing ? all.slice(0, 1) : possible;
  if (left.length > 0 && !settings.selfHealing) progress.log(`${zone} offers no ${left.join(", ")}: not tried.`);
  const failed: FailedLaunch[] = [];
  for (let candidate = candidates[0]; candidate; candidate = nextCandidate(candidates, failed, vcpus)) {
    const error = await run(settings.selfHealing ? {} : valuesOf(settings, candidate));
    if (!error) return candidate;
    failed.push([candidate, error]);
    const next = nextCandidate(candidates, failed, vcpus);
    const line = describeLaunchError(candidate, error, zone);
    if (next) progress.log(`${line}. Next: ${next.type} (${next.market}) …`);
    else {
      const where = { stack: files.name, region: settings.region, otherZones: place?.otherZones ?? [] };
      throw new CliError({ message: `No host: ${line}.`, fix: suggestFix(where, failed) });
    }
  }
  throw new CliError("instanceTypes: expected at least one type, got none.", EXIT.usage);
}

/** The config of exactly this host. The market is set only where config leaves it open. */
function valuesOf({ purchaseOption }: LaunchPreferences, { type, market }: LaunchCandidate): Record<string, string> {
  const isOpen = purchaseOption === "spot-then-on-demand";
  return { pinnedInstanceType: type, ...(isOpen ? { pinnedPurchaseOption: market } : {}) };
}

/** What must be pinned, so that the next run does not replace this host by the first choice. */
export function pinsOf(
  settings: LaunchPreferences & Pick<AwsSettings, "selfHealing">,
  host: LaunchCandidate,
): Record<string, string> {
  if (settings.selfHealing) return {};
  const [first] = launchCandidates(settings);
  const same = first?.type === host.type && first.market === host.market;
  return same ? {} : valuesOf(settings, host);
}
