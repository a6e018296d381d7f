import { TABLE_PRICES } from "../../../infra/plan/prices/prices.ts";
import { commandFor } from "../../core/command-line.ts";
import type { Context } from "../../core/context.ts";
import { CliError, EXIT, firstLine } from "../../core/exit.ts";
import { makeImages } from "../../service/images.ts";
import { refuseRates } from "../../service/machine-rates.ts";
import { awsPlanOf } from "../../stack/model.ts";
import type { Target } from "../target.ts";
import { currentPrices } from "./client/prices.ts";
import { awsChecks } from "./doctor/doctor.ts";
import { openConnection } from "./host/connection.ts";
import { imageGenOnHost } from "./host/image-gen.ts";
import { printLogs } from "./host/logs.ts";
import { backupToS3, restoreFromS3 } from "./operations/backup.ts";
import { move } from "./operations/move-az.ts";
import { pinAmi } from "./operations/pin.ts";
import { snapshotVolume } from "./operations/snapshot.ts";
import { restartInAws, startInAws, stopInAws } from "./operations/start-stop.ts";
import { awsStatus } from "./operations/status.ts";
import { downInAws } from "./stack/down.ts";
import { awsPlanRows } from "./stack/plan-rows.ts";
import { openStack } from "./stack/stack.ts";
import { upInAws } from "./stack/up.ts";

/** A host in AWS. */
export function awsTarget(context: Context): Target {
  const { files, paths, signal, progress } = context;
  const target: Target = {
    stack: files.name,
    mode: "aws",
    async up({ prompt, shell }) {
      const started = performance.now();
      const { outputs, host, pinned } = await upInAws(context, { shell });
      const text = (name: string) => (typeof outputs[name] === "string" ? outputs[name] : null);
      // The service has made an image already to become ready, so that a missing tunnel is no failure of `up`.
      const withoutPicture = (error: unknown) => {
        signal.throwIfAborted();
        progress.log(`No picture was made: ${firstLine(error)}`);
        return null;
      };
      return {
        stack: files.name,
        mode: "aws",
        url: text("url"),
        model: text("modelId"),
        device: text("device"),
        source: null,
        phases: {},
        picture: prompt === null ? null : await target.images({ prompt }).catch(withoutPicture),
        seconds: (performance.now() - started) / 1000,
        instanceType: host.type,
        market: host.market,
        pinned,
      };
    },
    down: (options) => downInAws(context, options),
    status: () => awsStatus(context),
    async plan({ seconds, idle, offline = false, ...others } = {}) {
      refuseRates(files.name, others);
      const settings = files.settings("aws");
      const idleShare = idle === undefined ? undefined : idle / 100;
      const prices = offline ? TABLE_PRICES : await currentPrices(context, settings);
      const plan = await awsPlanOf(paths, settings, files.name, { prices, seconds, idleShare });
      return { plan, rows: awsPlanRows(plan) };
    },
    checks: () => awsChecks(context),
    logs: (options) => printLogs(context, options),
    open: (port) => openConnection(context, port),
    async images(request, options) {
      const connection = await target.open();
      return makeImages(context, connection.url, request, options).finally(() => connection.close());
    },
    exec: (args) => imageGenOnHost(context, args),
    restart: (options) => restartInAws(context, options),
    backup: async (place = "") => ({ file: place, bytes: await backupToS3(context, place) }),
    restore(place) {
      if (!/^snap-[0-9a-f]+$/.test(place)) return restoreFromS3(context, place);
      const fix = commandFor(files.name, `volume restore ${place}`);
      throw new CliError({ message: `${place} is a snapshot of a whole volume.`, fix }, EXIT.usage);
    },
    host: {
      stop: () => stopInAws(context),
      start: (options) => startInAws(context, options),
      pin: (options) => pinAmi(context, options),
      moveAz: (zone, options) => move(context, { zone, snapshot: null }, options),
      restoreVolume: (snapshot, { zone = null, ...options }) => move(context, { zone, snapshot }, options),
      async snapshot() {
        const { id, volumeId } = await snapshotVolume(context, await openStack(context));
        return { snapshot: id, volume: volumeId };
      },
    },
  };
  return target;
}
