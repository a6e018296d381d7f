import { docker } from "./docker.ts";
import { eventually } from "./wait.ts";

/** What `GET /readyz` says; see image-gen's README section on HTTP. */
export interface Readyz {
  phase: string;
  bytes_done: number;
  bytes_total: number;
  error: { code: string; message: string; retryable: boolean } | null;
  model: string;
  revision: string | null;
  source: string | null;
  device: string | null;
  phases: Record<string, number>;
}

export async function readyz(url: string): Promise<Readyz> {
  return (await (await fetch(`${url}/readyz`, { signal: AbortSignal.timeout(10_000) })).json()) as Readyz;
}

/** Waits until the service can make pictures; a failed start ends the wait with the service's own reason. */
export async function ready(url: string, seconds = 240): Promise<Readyz> {
  let last: Readyz | undefined;
  await eventually(
    `${url} to be ready`,
    async () => {
      last = await readyz(url);
      return last.phase === "ready" || last.phase === "failed";
    },
    seconds,
  );
  if (last?.phase !== "ready") throw new Error(`the service failed: ${JSON.stringify(last?.error)}`);
  return last;
}

/** Waits for a failed start and returns its error. */
export async function failure(
  url: string,
  seconds = 120,
): Promise<{ code: string; message: string; retryable: boolean }> {
  let last: Readyz | undefined;
  await eventually(
    `${url} to fail`,
    async () => {
      last = await readyz(url);
      return last.error !== null;
    },
    seconds,
  );
  if (!last?.error) throw new Error("no error");
  return last.error;
}

const PNG = Buffer.from([0x89, 0x50, 0x4e, 0x47]);

/** Asks for one small picture and returns its bytes, checked to be a PNG. */
export async function picture(url: string, body: Record<string, unknown> = {}): Promise<Buffer> {
  const answer = await fetch(`${url}/v1/images/generations`, {
    method: "POST",
    headers: { "content-type": "application/json" },
    body: JSON.stringify({ prompt: "a lighthouse at dawn", steps: 2, seed: 7, ...body }),
  });
  const text = await answer.text();
  if (!answer.ok) throw new Error(`no picture: ${answer.status} ${text}`);
  const bytes = Buffer.from((JSON.parse(text) as { data: { b64_json: string }[] }).data[0]?.b64_json ?? "", "base64");
  if (!bytes.subarray(0, 4).equals(PNG)) throw new Error("the answer is not a PNG");
  return bytes;
}

/** A hash over every file, link and mode of a volume's Hugging Face cache: equal before and after means untouched. */
export async function cacheFingerprint(image: string, volume: string): Promise<string> {
  const script =
    "cd /data/huggingface/hub && find . -not -path '*/.locks*' | sort && find . -type f -not -path '*/.locks*' | sort | xargs -r sha256sum";
  return docker(
    "run",
    "--rm",
    "--user",
    "0",
    "--network",
    "none",
    "--entrypoint",
    "sh",
    "-v",
    `${volume}:/data:ro`,
    image,
    "-c",
    script,
  );
}
