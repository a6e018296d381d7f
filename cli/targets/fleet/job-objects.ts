import { WORKER_LIVES_SECONDS, WORKERS_FOLDER } from "../../../infra/contract.ts";
import { parseS3Uri } from "../../../infra/plan/aws/arn.ts";
import { type AwsClientConfig, sdkOptions } from "../aws/client/client-config.ts";
import { hasAwsErrorName } from "../aws/client/errors.ts";
import type { FleetWorker } from "../target.ts";

/** The objects of a job store, by their names below its address. Errors are the SDK's own. */
export type JobObjects = Awaited<ReturnType<typeof openJobObjects>>;

/** `address`: `s3://bucket/prefix`. */
export async function openJobObjects(config: AwsClientConfig, address: string) {
  const sdk = await import("@aws-sdk/client-s3");
  const client = new sdk.S3Client(sdkOptions(config));
  let serverTime = Number.NaN;
  client.middlewareStack.add(
    (next) => async (call) => {
      const answer = await next(call);
      const { headers } = answer.response as { readonly headers?: Readonly<Record<string, string>> };
      serverTime = Date.parse(headers?.date ?? "");
      return answer;
    },
    { step: "deserialize", priority: "low" },
  );
  const { bucket: Bucket, prefix } = parseS3Uri(address);
  const keyOf = (name: string) => `${prefix}${name}`;
  const now = () => (Number.isNaN(serverTime) ? Date.now() : serverTime);
  return {
    /** The store's own clock at its last answer, in ms since 1970: this machine's may be wrong. */
    now,

    /** Null where there is no such object. */
    async read(name: string): Promise<Buffer | null> {
      try {
        const answer = await client.send(new sdk.GetObjectCommand({ Bucket, Key: keyOf(name) }));
        return Buffer.from((await answer.Body?.transformToByteArray()) ?? []);
      } catch (error) {
        if (hasAwsErrorName(error, "NoSuchKey")) return null;
        throw error;
      }
    },

    async write(name: string, data: string | Uint8Array): Promise<void> {
      await client.send(new sdk.PutObjectCommand({ Bucket, Key: keyOf(name), Body: data }));
    },

    /** Whether it was written: not where there is an object of this name. */
    async create(name: string, data: string): Promise<boolean> {
      try {
        await client.send(new sdk.PutObjectCommand({ Bucket, Key: keyOf(name), Body: data, IfNoneMatch: "*" }));
        return true;
      } catch (error) {
        if (hasAwsErrorName(error, "PreconditionFailed", "ConditionalRequestConflict")) return false;
        throw error;
      }
    },

    async remove(names: readonly string[]): Promise<void> {
      for (const name of names) await client.send(new sdk.DeleteObjectCommand({ Bucket, Key: keyOf(name) }));
    },

    /** The names that begin with `folder`; `newestMs`: of objects that were written in the last so many ms. */
    async names(folder: string, newestMs = Number.POSITIVE_INFINITY): Promise<string[]> {
      const found: string[] = [];
      const pages = sdk.paginateListObjectsV2({ client }, { Bucket, Prefix: keyOf(folder) });
      for await (const { Contents = [] } of pages) {
        const newest = Contents.filter(({ LastModified }) => now() - (LastModified?.getTime() ?? now()) <= newestMs);
        found.push(...newest.flatMap(({ Key }) => Key?.slice(prefix.length) ?? []));
      }
      return found;
    },
  };
}

/** Ten times as long as a worker counts as alive without writing its record: clocks differ. */
const RECORDS_MS = 10 * WORKER_LIVES_SECONDS * 1000;

/** The workers that have written their record of late. Older records, of workers that were killed, are not read. */
export async function readWorkers(objects: Pick<JobObjects, "names" | "now" | "read">): Promise<FleetWorker[]> {
  const names = await objects.names(WORKERS_FOLDER, RECORDS_MS);
  const records = await Promise.all(names.map((name) => objects.read(name)));
  return records.flatMap((record) => parseWorker(record?.toString() ?? "", objects.now()) ?? []);
}

/** Null for a worker that is gone, and for a record that can't be read. */
function parseWorker(text: string, now: number): FleetWorker | null {
  try {
    const { id, written, phase, busy, error, takes_jobs, drained } = JSON.parse(text) as Readonly<
      Record<string, unknown>
    >;
    if (typeof id !== "string" || typeof phase !== "string") return null;
    if (now / 1000 - Number(written) >= WORKER_LIVES_SECONDS) return null;
    const { message } = (error ?? {}) as { readonly message?: unknown };
    return {
      id,
      phase,
      busy: Number(busy ?? 0),
      takesJobs: takes_jobs !== false,
      drained: drained === true,
      error: typeof message === "string" ? message : null,
    };
  } catch {
    return null;
  }
}
