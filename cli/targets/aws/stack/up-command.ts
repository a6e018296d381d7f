import { formatSeconds } from "../../../../infra/units.ts";
import type { Context } from "../../../core/context.ts";
import { makePicture, type Picture } from "../../../service/images.ts";
import { checkedSettings } from "../../../stack/config.ts";
import { openService } from "../host/service.ts";
import { upInAws } from "./up.ts";

/** What `up --json` prints for a stack in AWS. */
export interface AwsUpResult {
  readonly mode: "aws";
  readonly stack: string;
  readonly url: string | null;
  readonly model: string | null;
  readonly instanceType: string;
  readonly market: "spot" | "on-demand";
  readonly pinned: Readonly<Record<string, string>>;
  readonly picture: Picture | null;
  readonly seconds: number;
}

/** `up` of a stack in AWS. `asked`: what the command line said of its config, kept for later runs. */
export async function upAwsCommand(
  context: Context,
  asked: Readonly<Record<string, string>>,
  options: { resetConfig?: boolean; picture: boolean; prompt: string },
): Promise<AwsUpResult> {
  const started = performance.now();
  const { files } = context;
  if (options.resetConfig) files.forget();
  checkedSettings({ ...files.config(), ...asked }); // A mistake must not be kept.
  if (Object.keys(asked).length > 0) files.keep(asked);
  const { outputs, host, pinned } = await upInAws(context);
  const text = (name: string) => (typeof outputs[name] === "string" ? outputs[name] : null);
  return {
    mode: "aws",
    stack: files.name,
    url: text("url"),
    model: text("modelId"),
    instanceType: host.type,
    market: host.market,
    pinned,
    picture: options.picture ? await firstPicture(context, options.prompt) : null,
    seconds: (performance.now() - started) / 1000,
  };
}

/** The picture is a proof for the eye: the service has made one already, so that no tunnel is no failure. */
async function firstPicture(context: Context, prompt: string): Promise<Picture | null> {
  const { progress, paths, signal } = context;
  try {
    const { url, tunnel } = await openService(context);
    progress.live(`making a picture of ${prompt}`);
    const making = makePicture(url, { prompt }, { folder: paths.pictures }, signal);
    return await making.finally(() => tunnel?.close());
  } catch (error) {
    signal.throwIfAborted();
    progress.line(`No picture from here: ${error instanceof Error ? error.message : String(error)}`);
    return null;
  }
}

export function describeAwsUp(result: AwsUpResult): string {
  const { model, instanceType, market, seconds, picture, stack } = result;
  const lines = [`Ready: ${model ?? "the service"} on ${instanceType} (${market}), ${formatSeconds(seconds)}`];
  if (picture) lines.push(`Picture: ${picture.path} (${picture.seconds.toFixed(1)} s)`);
  lines.push(`imagegen open --stack ${stack} shows it; imagegen stop --stack ${stack} saves the money.`);
  return lines.join("\n");
}
