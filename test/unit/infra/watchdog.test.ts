/** The host's watchdog over a service that is not ready any more: what is left to the service, and what restarts it. */
import {
  chmodSync,
  cpSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readFileSync,
  rmSync,
  utimesSync,
  writeFileSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { execa } from "execa";
import { afterEach, beforeEach, expect, test } from "vitest";

const SCRIPT = join(import.meta.dirname, "../../../infra/aws/host/files/bin/watchdog");
let folder: string;
let state: string;

/** A directory in which the script runs with stand-ins of everything that it calls. */
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), "imagegen-watchdog-"));
  state = join(folder, "state");
  mkdirSync(join(state, "trouble"), { recursive: true });
  cpSync(SCRIPT, join(folder, "watchdog"));
  const script = (name: string, text: string) => {
    writeFileSync(join(folder, name), `#!/bin/bash\n${text}\n`);
    chmodSync(join(folder, name), 0o755);
  };
  const names = `state=${state} container=c service=http://x IMAGE_GEN_READY_PATH=/readyz IMAGE_GEN_STACK=s`;
  const more = "IMAGE_GEN_DATA=/ IMAGE_GEN_METRICS_NAMESPACE=n IMAGE_GEN_HEARTBEAT_METRIC=Heartbeat";
  const trouble = `trouble() { printf '%s' "$2" >"$state/trouble/$1"; }; resolved() { rm -f "$state/trouble/$1"; }`;
  script("lib", `set -euo pipefail\n${names} ${more}\nsay() { :; }\n${trouble}`);
  script("docker", "date --iso-8601=seconds");
  script("systemctl", `[ "$1" = is-active ] && exec test ! -e ${folder}/dead\necho "$@" >>${folder}/systemctl.calls`);
  script("aws", `echo "$@" >>${folder}/aws.calls`);
  script("curl", `printf '%s\\n%s' "$(cat ${folder}/body)" "$(cat ${folder}/code)"`);
  for (const name of ["deployment", "idle-stop", "data-volume", "journalctl", "mirror-credentials", "api-keys"])
    script(name, ":");
});
afterEach(() => rmSync(folder, { recursive: true }));

async function look(code: string, body: object | string, times = 1) {
  writeFileSync(join(folder, "body"), typeof body === "string" ? body : JSON.stringify(body).replace(/":/g, '": '));
  writeFileSync(join(folder, "code"), code);
  for (let count = 0; count < times; count++)
    await execa(join(folder, "watchdog"), { env: { PATH: `${folder}:${process.env.PATH}` } });
  return {
    restarted: existsSync(join(folder, "systemctl.calls")),
    trouble: existsSync(join(state, "trouble/health")) ? readFileSync(join(state, "trouble/health"), "utf8") : null,
  };
}

const READY = { phase: "ready", error: null };
const FAILED = { phase: "failed", error: { code: "GPU_FAULT", message: "The GPU reported a fault", retryable: false } };
const LOADING = { phase: "loading", error: null };

test("a first start may take as long as it takes", async () => {
  expect(await look("503", FAILED, 4)).toEqual({ restarted: false, trouble: null });
});

test("a service that was ready and has failed is restarted at the third look", async () => {
  await look("200", READY);
  const second = await look("503", FAILED, 2);
  expect(second).toEqual({
    restarted: false,
    trouble: "the service was ready, and is not any more (HTTP 503, failed) (2 of 3)",
  });
  expect((await look("503", FAILED)).restarted).toBe(true);
});

test("a service that starts its engine again is left alone, for a quarter of an hour", async () => {
  await look("200", READY);
  expect(await look("503", LOADING, 4)).toEqual({ restarted: false, trouble: null });
  const earlier = Date.now() / 1000 - 16 * 60;
  utimesSync(join(state, "at-work"), earlier, earlier);
  expect((await look("503", LOADING, 3)).restarted).toBe(true);
});

test("looks at a failed service count, though it loads between them", async () => {
  await look("200", READY);
  for (const body of [FAILED, LOADING, FAILED, LOADING]) expect((await look("503", body)).restarted).toBe(false);
  expect((await look("503", FAILED)).restarted).toBe(true);
});

test("an answer that is not the service's counts as a failure", async () => {
  await look("200", READY);
  expect((await look("502", "<html>bad gateway</html>", 3)).restarted).toBe(true);
});

test("a heartbeat is sent while the host's other scripts run, and not when one has ended", async () => {
  await look("200", READY);
  expect(readFileSync(join(folder, "aws.calls"), "utf8")).toContain("MetricName=Heartbeat,Value=1,");
  rmSync(join(folder, "aws.calls"));
  rmSync(join(state, "metrics-sent"));
  writeFileSync(join(folder, "dead"), "");
  await look("200", READY);
  const sent = readFileSync(join(folder, "aws.calls"), "utf8");
  expect(sent).toContain("MetricName=VolumeLost");
  expect(sent).not.toContain("Heartbeat");
});

test.each([
  ["credentials for the mirror", "mirror-credentials", "mirror"],
  ["API keys", "api-keys", "keys"],
])("%s that could not be renewed are named until they are", async (_, name, part) => {
  writeFileSync(join(state, "current.json"), "{}");
  const script = join(folder, name);
  writeFileSync(script, "#!/bin/bash\necho none: denied\nexit 1\n");
  await look("200", READY);
  expect(readFileSync(join(state, "trouble", part), "utf8")).toBe("none: denied");
  writeFileSync(script, "#!/bin/bash\n:\n");
  await look("200", READY);
  expect(existsSync(join(state, "trouble", part))).toBe(false);
});

test("an AWS that does not answer keeps no idle host running, nor old credentials in place", async () => {
  const script = (name: string, text: string) => writeFileSync(join(folder, name), `#!/bin/bash\n${text}\n`);
  writeFileSync(join(folder, "timeout"), `#!/bin/bash\nexec /usr/bin/timeout 0.2 "${"$"}{@:2}"\n`, { mode: 0o755 });
  script("aws", "exec /usr/bin/sleep 30");
  for (const name of ["idle-stop", "mirror-credentials"]) script(name, `touch ${folder}/${name}.called`);
  const started = performance.now();
  await look("200", READY);
  expect(performance.now() - started).toBeLessThan(20_000);
  expect(["idle-stop", "mirror-credentials"].map((name) => existsSync(join(folder, `${name}.called`)))).toEqual([
    true,
    true,
  ]);
});
