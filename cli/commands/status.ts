import type { Command } from "commander";
import type { PictureUse } from "../../infra/plan/prices/picture-use.ts";
import { formatBytes, formatPercent, formatSeconds, formatUsd } from "../../infra/units.ts";
import { action, alignRows, print } from "../core/context.ts";
import { CliError, EXIT } from "../core/exit.ts";
import { selectTarget } from "../targets/select.ts";
import type { StatusResult } from "../targets/target.ts";
import { fleetRows } from "./fleet-rows.ts";

const HELP = `
Examples:
  imagegen status          how the service runs, how long each phase of its start took, how big its cache is
  imagegen status --json   the same for a script; exit code 6 when nothing runs
  imagegen status --stack aws-fleet   hosts of each group, jobs, what the hosts cost, why none comes`;

export function addStatus(program: Command, signal: AbortSignal): void {
  program
    .command("status")
    .description("how the service runs, its model, its start-up phases, its cache")
    .addHelpText("after", HELP)
    .action(
      action(signal, async (context) => {
        const status = await (await selectTarget(context)).status();
        print(context, status, describeStatus);
        if (!status.running) throw new CliError("", EXIT.notRunning);
      }),
    );
}

const MODES = { docker: "Docker", process: "a process of this machine", aws: "AWS", fleet: "AWS" };

/** The result as aligned lines, for people. */
export function describeStatus(status: StatusResult): string {
  const { stack, mode, running, url, ready, state, cacheBytes, region, host, volume, heartbeatSeconds } = status;
  const place = [mode && MODES[mode], status.pid && `pid ${status.pid}`, region].filter(Boolean).join(", ");
  return alignRows(
    [
      ["stack", place ? `${stack} (${place})` : stack],
      ["host", host && `${host.id}, ${host.type} (${host.market}) in ${host.zone}, ${host.state}`],
      ["state", state],
      ...(status.fleet ? fleetRows(status.fleet) : []),
      ["heartbeat", running && typeof heartbeatSeconds === "number" ? `${formatSeconds(heartbeatSeconds)} ago` : null],
      // A gateway answers also where no host may start.
      ["url", running || status.fleet ? url : null],
      ["model", ready?.model && `${ready.model}${ready.revision ? ` at ${ready.revision.slice(0, 12)}` : ""}`],
      ["device", ready?.device],
      ["source", ready?.source],
      ["start-up", ready?.phases && describePhases(ready.phases)],
      ["pictures", status.pictures && describePictures(status.pictures)],
      ["cost", status.pictures && describeCost(status.pictures)],
      ["volume", volume && `${volume.id}, ${volume.sizeGb} GB in ${volume.zone}, ${volume.state}`],
      ["cache", cacheBytes === null ? null : formatBytes(cacheBytes)],
      ["reads too", status.hostCache],
    ],
    9,
  );
}

function describePictures({ pictures, since, secondsPerPicture, idleShare }: PictureUse): string {
  if (secondsPerPicture === null) return `none since ${since}`;
  return `${pictures} since ${since}, ${secondsPerPicture} s each, ${formatPercent(idleShare)} of the time idle`;
}

/** Null without a price or a picture. */
function describeCost({ busyUsd, usedUsd, usdPerHour, priceSource }: PictureUse): string | null {
  if (busyUsd === null || usedUsd === null) return null;
  return `${formatUsd(usedUsd)} for 1,000 pictures, ${formatUsd(busyUsd)} of it busy, at ${usdPerHour} USD an hour (${priceSource})`;
}

function describePhases(phases: Readonly<Record<string, number>>): string {
  return Object.entries(phases)
    .map(([phase, seconds]) => `${phase} ${seconds.toFixed(1)} s`)
    .join(", ");
}
