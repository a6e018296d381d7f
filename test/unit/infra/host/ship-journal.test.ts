/** The host's journal on its way to CloudWatch, with a journal and an `aws` that are files. */
import { chmodSync, existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { execa } from "execa";
import { afterEach, beforeEach, expect, test } from "vitest";
import { eventually } from "../../../support/wait.ts";

const SCRIPT = "infra/aws/host/files/bin/ship-journal";
/** Prints what follows the place that it is asked for; a place that is not there is an error. */
const JOURNALCTL = `#!/bin/bash
cd "$(dirname "$0")" && printf '%s\\n' "$*" >>asked
case "$*" in
  *--boot*) cat journal ;;
  *) at=$(sed 's/.*--after-cursor \\([^ ]*\\).*/\\1/' <<<"$*")
    grep -q "\\"$at\\"" journal || exit 1
    sed "0,/\\"$at\\"/d" journal ;;
esac
`;
/** Writes each request down; "refuse" has what the next ones are refused with, a line each. */
const AWS = `#!/bin/bash
cd "$(dirname "$0")"
request=$(cat)
reason=$(head -n 1 refuse 2>/dev/null); sed -i 1d refuse 2>/dev/null
[ -z "$reason" ] || { echo "An error occurred ($reason) when calling" >&2; exit 254; }
echo "$2 $request" >>requests
`;
const NOON = Date.UTC(2026, 10, 26, 12);

let folder: string;
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), "imagegen-journal-"));
  const put = (name: string, text: string) => {
    writeFileSync(join(folder, name), text);
    chmodSync(join(folder, name), 0o755);
  };
  mkdirSync(join(folder, "units"));
  for (const unit of ["image-gen", "image-gen-data", "image-gen-watchdog", "other"]) put(`units/${unit}.service`, "");
  put("host.env", "IMAGE_GEN_LOG_GROUP=/imagegen/test\nIMAGE_GEN_REGION=eu-central-1\n");
  put("contract.env", "IMAGE_GEN_HOST_STREAM=/host\n");
  put("lib", "instance_id() { echo i-0123; }\n");
  put("journalctl", JOURNALCTL);
  put("aws", AWS);
  const script = readFileSync(SCRIPT, "utf8")
    .replaceAll("/etc/systemd/system", join(folder, "units"))
    .replaceAll("/var/lib/image-gen", join(folder, "kept"))
    .replaceAll("/etc/image-gen", folder)
    .replace(/\/opt\/image-gen(\/bin)?/g, folder)
    .replace("PAUSE, SHORT_PAUSE = 5, 1", "PAUSE, SHORT_PAUSE = 0.1, 0");
  put("ship-journal", script);
});
afterEach(() => rmSync(folder, { recursive: true, force: true }));

type Entry = Readonly<Record<string, unknown>>;
let count = 0;
const entry = (MESSAGE: unknown, fields: Entry = { _SYSTEMD_UNIT: "image-gen-data.service" }, at = NOON) => {
  count += 1;
  return { __CURSOR: `c${count};`, __REALTIME_TIMESTAMP: `${at}000`, MESSAGE, PRIORITY: "6", ...fields };
};
const journal = (...entries: Entry[]) =>
  writeFileSync(join(folder, "journal"), entries.map((one) => `${JSON.stringify(one)}\n`).join(""));
const refuse = (...reasons: string[]) =>
  writeFileSync(join(folder, "refuse"), reasons.map((one) => `${one}\n`).join(""));
const linesOf = (name: string) => {
  const path = join(folder, name);
  return existsSync(path) ? readFileSync(path, "utf8").trim().split("\n").filter(Boolean) : [];
};

interface Request {
  readonly logGroupName: string;
  readonly logStreamName: string;
  readonly logEvents: readonly { readonly timestamp: number; readonly message: string }[];
}
const requests = (command = "put-log-events") =>
  linesOf("requests").flatMap((line) => {
    const [name, ...rest] = line.split(" ");
    return name === command ? [JSON.parse(rest.join(" ")) as Request] : [];
  });
const messages = () => requests().flatMap(({ logEvents }) => logEvents.map(({ message }) => message));

/** Runs the script until it has done what is waited for, then ends it as systemd does. */
async function ship(until: () => boolean) {
  const env = { PATH: `${folder}:${process.env.PATH}` };
  const run = execa(join(folder, "ship-journal"), [], { env, reject: false, all: true });
  await eventually("the journal to be sent", until, 30).finally(() => run.kill("SIGTERM"));
  const { exitCode, all } = await run;
  expect(exitCode, all).toBe(0);
  return all;
}

test("what the host's units, systemd, Docker and the kernel say is sent, and of the container what Docker says", async () => {
  const of = (unit: string, more: Entry = {}) => ({ _SYSTEMD_UNIT: `${unit}.service`, ...more });
  const kernel = { _TRANSPORT: "kernel" };
  journal(
    entry("formatting nvme1n1"),
    entry("the service does not answer", of("image-gen-watchdog")),
    entry("Failed with result 'exit-code'.", of("init", { UNIT: "image-gen-data.service" })),
    entry("pull failed", of("docker")),
    entry("[image-gen] a line of the container", of("image-gen", { SYSLOG_IDENTIFIER: "container" })),
    entry(
      'docker: Error response from daemon: could not select device driver "nvidia"',
      of("image-gen", { SYSLOG_IDENTIFIER: "container" }),
    ),
    entry("no credentials for the mirror", of("image-gen", { SYSLOG_IDENTIFIER: "run" })),
    entry("NVRM: Xid (PCI:0000:00:1e): 79, GPU has fallen off the bus", kernel),
    entry("Out of memory: Killed process 4242 (python)", kernel),
    entry("usb 1-1: new device", kernel),
    entry("a warning of any kind", { ...kernel, PRIORITY: "4" }),
    entry([0x62, 0xff, 0x79]),
    entry("x".repeat(5000)),
    entry(null),
    entry("  "),
  );
  await ship(() => messages().length >= 11);
  expect(messages()).toEqual([
    "image-gen-data: formatting nvme1n1",
    "image-gen-watchdog: the service does not answer",
    "systemd: Failed with result 'exit-code'.",
    "docker: pull failed",
    'image-gen: docker: Error response from daemon: could not select device driver "nvidia"',
    "image-gen: no credentials for the mirror",
    "kernel: NVRM: Xid (PCI:0000:00:1e): 79, GPU has fallen off the bus",
    "kernel: Out of memory: Killed process 4242 (python)",
    "kernel: a warning of any kind",
    "image-gen-data: b�y",
    `image-gen-data: ${"x".repeat(984)}`,
  ]);
  expect(requests()[0]).toMatchObject({ logGroupName: "/imagegen/test", logStreamName: "i-0123/host" });
  const [asked = ""] = linesOf("asked");
  expect(asked).toContain("--boot _SYSTEMD_UNIT=image-gen-data.service _SYSTEMD_UNIT=image-gen-watchdog.service");
  // Each of its starts would be a line, every 20 seconds.
  expect(asked).not.toContain(" UNIT=image-gen-watchdog.service");
  expect(asked).not.toContain("other.service");
});

test("nothing is lost while CloudWatch can't be reached, nor at a restart, and nothing is sent twice", async () => {
  journal(entry("one"), entry("two"));
  refuse("ResourceNotFoundException", "ServiceUnavailable", "ServiceUnavailable", "ServiceUnavailable");
  const said = await ship(() => messages().length === 2);
  expect(said?.match(/the journal can not be sent: .*ServiceUnavailable/g)).toHaveLength(1);
  expect(messages()).toEqual(["image-gen-data: one", "image-gen-data: two"]);

  writeFileSync(join(folder, "journal"), `${JSON.stringify(entry("three"))}\n`, { flag: "a" });
  await ship(() => messages().length === 3);
  expect(messages().at(-1)).toBe("image-gen-data: three");
  expect(linesOf("asked").at(-1)).toContain("--after-cursor");
});

test("a stream that is not there is made", async () => {
  journal(entry("one"));
  refuse("ResourceNotFoundException");
  await ship(() => messages().length === 1);
  expect(requests("create-log-stream")).toEqual([{ logGroupName: "/imagegen/test", logStreamName: "i-0123/host" }]);
});

test("many lines go in requests of 200, in order, and one holds no more than a day", async () => {
  const many = Array.from({ length: 450 }, (_, index) => entry(`line ${index}`, undefined, NOON + index));
  journal(...many, entry("the next week", undefined, NOON + 7 * 86_400_000));
  await ship(() => messages().length === 451);
  expect(requests().map(({ logEvents }) => logEvents.length)).toEqual([200, 200, 50, 1]);
  expect(messages().slice(0, 450)).toEqual(many.map(({ MESSAGE }) => `image-gen-data: ${MESSAGE as string}`));
});

test("lines that CloudWatch refuses for ever do not hold up the others", async () => {
  journal(entry("one"));
  refuse("InvalidParameterException");
  await ship(() => existsSync(join(folder, "kept/journal-place")));
  writeFileSync(join(folder, "journal"), `${JSON.stringify(entry("two"))}\n`, { flag: "a" });
  await ship(() => messages().length === 1);
  expect(messages()).toEqual(["image-gen-data: two"]);
});

test("where the journal has lost the place, it is read from the boot's start", async () => {
  mkdirSync(join(folder, "kept"));
  writeFileSync(join(folder, "kept/journal-place"), "gone;");
  journal(entry("one"));
  await ship(() => messages().length === 1);
});

test("a host without a log group sends nothing, and is done", async () => {
  writeFileSync(join(folder, "host.env"), "IMAGE_GEN_LOG_GROUP=\nIMAGE_GEN_REGION=x\n");
  const env = { PATH: `${folder}:${process.env.PATH}` };
  expect((await execa(join(folder, "ship-journal"), [], { env })).exitCode).toBe(0);
  expect(linesOf("asked")).toEqual([]);
});
