import { jobFolder } from "../../../infra/contract.ts";
import { CliError } from "../../core/exit.ts";

/** A job that was made. */
interface JobResult {
  /** Names of objects, in the order of the request. */
  readonly pictures: readonly { readonly object: string; readonly seed: number | null }[];
  readonly worker: string;
  /** That the GPU took. */
  readonly seconds: number;
}

interface ResultJson {
  readonly status?: string;
  readonly worker?: string;
  readonly seconds?: number;
  readonly error?: { readonly message?: string } | null;
  readonly answer?: {
    readonly data?: readonly { readonly object?: string; readonly seed?: number }[];
    readonly seed?: number;
  } | null;
}

/** Reads the object that a worker wrote. Throws a CliError where the job was not made, or the object is none of this job's. */
export function parseJobResult(id: string, data: Buffer): JobResult {
  const { status, worker = "unknown", seconds = 0, error, answer } = parse(data);
  if (status === "cancelled") throw new CliError(`The job ${id} was cancelled.`);
  if (status !== "succeeded") throw new CliError(`The job failed: ${error?.message ?? "the worker gave no reason"}`);
  const pictures = (answer?.data ?? []).map(({ object = "", seed }) => {
    // Whoever can write the store must not choose what is read.
    if (!object.startsWith(`${jobFolder(id)}pictures/`) || object.includes(".."))
      throw new CliError(`The result of ${id} names an object that is none of its pictures: ${object}`);
    return { object, seed: seed ?? answer?.seed ?? null };
  });
  if (pictures.length === 0) throw new CliError(`The result of ${id} has no picture.`);
  return { pictures, worker, seconds };
}

function parse(data: Buffer): ResultJson {
  try {
    return (JSON.parse(data.toString()) as ResultJson | null) ?? {};
  } catch {
    return { error: { message: "its result is no JSON" } };
  }
}
