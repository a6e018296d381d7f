import { chmodSync, mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, describe, expect, test } from "vitest";
import { wordForPulumi } from "../../../../infra/config/problem.ts";
import type { LocalSettings } from "../../../../infra/config/settings.ts";
import { ownPathFacts, pathFacts } from "../../../../infra/io/host-paths.ts";
import { hostPathProblems, type PathFacts } from "../../../../infra/plan/host-paths.ts";
import { settingsWith } from "../../../support/settings.ts";

const folder = (uid: number, mode: number): PathFacts => ({ kind: "folder", access: { uid, gid: uid, mode } });
const file = (uid: number, mode: number): PathFacts => ({ kind: "file", access: { uid, gid: uid, mode } });
const NOTHING: PathFacts = { kind: "nothing", access: null };

function problems(changes: Partial<LocalSettings>, facts: PathFacts): readonly string[] {
  return hostPathProblems(settingsWith(changes), () => facts).map((each) => wordForPulumi(each).replace(/^[^:]+:/, ""));
}

describe("a folder of this machine in place of the volume", () => {
  const changes = { volumeName: "/srv/models" };
  test("that is not there is made by the printed command", () => {
    expect(problems(changes, NOTHING)).toEqual([
      "volumeName: expected a folder of this machine, got /srv/models, which does not exist. Fix: sudo mkdir -p /srv/models && sudo chown 10001:10001 /srv/models",
    ]);
  });
  test("that the service can't write to is named by its path here, with its owner", () => {
    expect(problems(changes, folder(1000, 0o755))).toEqual([
      "volumeName: expected a folder that user 10001:10001 of the container can write to, got /srv/models of user 1000:1000 with mode 755. " +
        "Fix: sudo chown -R 10001:10001 /srv/models",
    ]);
  });
  test.each([
    [folder(10_001, 0o700), "10001:10001"],
    [folder(1000, 0o700), "1000:1000"],
    [folder(0, 0o777), "10001:10001"],
    [{ kind: "folder", access: null } as const, "10001:10001"],
  ])("%j is fine for %s", (facts, containerUser) => {
    expect(problems({ ...changes, containerUser }, facts)).toEqual([]);
  });
  test("a volume of Docker's is no path", () => {
    expect(problems({}, NOTHING)).toEqual([]);
  });
});

test.each<[Partial<LocalSettings>, PathFacts, string | undefined]>([
  [{ hostCache: "/home/a/hf" }, folder(1000, 0o755), undefined],
  [{ hostCache: "/home/a/hf" }, folder(1000, 0o700), "Fix: pulumi config set containerUser 1000:1000"],
  [
    { hostCache: "/home/a/hf" },
    file(1000, 0o644),
    "got /home/a/hf, which is a file. Fix: pulumi config set hostCache <the path of a folder>",
  ],
  [{ modelDir: "/srv/fox" }, folder(0, 0o755), undefined],
  [{ modelDir: "/srv/fox.safetensors" }, file(0, 0o644), undefined],
  [{ modelDir: "/srv/fox" }, folder(0, 0o744), "expected a folder that user 10001:10001 of the container can read"],
  [{ modelDir: "/srv/fox.safetensors" }, file(0, 0o600), "Fix: chmod o+r /srv/fox.safetensors"],
  [
    { modelDir: "/srv/fox" },
    NOTHING,
    "expected a file or folder of this machine, got /srv/fox, which does not exist. Fix: pulumi config set modelDir",
  ],
  [{ modelMirror: "/srv/mirror" }, NOTHING, "got /srv/mirror, which does not exist"],
  [{ modelMirror: "s3://bucket" }, NOTHING, undefined],
  [{ caFile: "/srv/ca.pem" }, file(0, 0o644), undefined],
  [{ caFile: "/srv/ca.pem" }, file(0, 0o600), "Fix: chmod o+r /srv/ca.pem"],
  [{ apiKeysFile: "/srv/keys/api-keys" }, file(0, 0o600), "Fix: chmod o+r /srv/keys/api-keys"],
  [{ caFile: "/srv/my ca.pem" }, file(0, 0o600), "Fix: chmod o+r '/srv/my ca.pem'"],
  [
    { caFile: "/srv/ca.pem" },
    NOTHING,
    "got /srv/ca.pem, which does not exist. Fix: pulumi config set caFile <the path of a file>",
  ],
])("%j that is %j: %s", (changes, facts, expected) => {
  const found = problems(changes, facts);
  expect(found).toHaveLength(expected === undefined ? 0 : 1);
  if (expected) expect(found[0]).toContain(expected);
});

test.each<[Partial<LocalSettings>, PathFacts["kind"], string | undefined]>([
  [
    { hostCache: "/nonexistent" },
    "nothing",
    "hostCache: expected a folder of this machine, got /nonexistent, which does not exist",
  ],
  [{ hostCache: "/etc/passwd" }, "file", "which is a file"],
  [{ hostCache: "/root/hf" }, "unreadable", "got /root/hf, which this user may not read"],
  [{ caFile: "/nonexistent.pem" }, "nothing", "caFile: expected a file"],
  [{ modelMirror: "/nonexistent" }, "nothing", "modelMirror: expected a folder"],
  [{ volumeName: "/nonexistent" }, "nothing", undefined],
  [{ caFile: "/srv/ca.pem" }, "file", undefined],
])("a process with %j that is %s: %s", (changes, kind, expected) => {
  const found = hostPathProblems(settingsWith(changes), () => ({ kind, access: null }), "process").map(wordForPulumi);
  expect(found).toHaveLength(expected === undefined ? 0 : 1);
  if (expected) expect(found[0]).toContain(expected);
});

describe("what a path is", () => {
  const work = mkdtempSync(join(tmpdir(), "imagegen-paths-"));
  afterAll(() => rmSync(work, { recursive: true }));
  const engine = { platform: "linux", engine: "" };

  test("to the engine of a Linux machine, with its owner", () => {
    mkdirSync(join(work, "data"));
    chmodSync(join(work, "data"), 0o750);
    const { kind, access } = pathFacts(join(work, "data"), engine) ?? {};
    expect(kind).toBe("folder");
    expect([access?.uid, (access?.mode ?? 0) & 0o777]).toEqual([process.getuid?.(), 0o750]);
    expect(pathFacts(join(work, "none"), engine)).toEqual(NOTHING);
  });
  test.each([
    [{ platform: "darwin", engine: "" }],
    [{ platform: "linux", engine: "unix:///run/user/1000/docker.sock" }],
  ])("to %j, whose users are others", (other) => {
    writeFileSync(join(work, "file"), "");
    expect(pathFacts(join(work, "file"), other)).toEqual({ kind: "file", access: null });
  });
  test("to this user, as whom a process runs", () => {
    mkdirSync(join(work, "own"));
    writeFileSync(join(work, "own.pem"), "");
    expect([ownPathFacts(join(work, "own")), ownPathFacts(join(work, "own.pem"))]).toMatchObject([
      { kind: "folder" },
      { kind: "file" },
    ]);
    expect(ownPathFacts(join(work, "none"))).toEqual(NOTHING);
    expect(ownPathFacts(join(work, "own.pem", "below"))).toEqual(NOTHING);
  });
  test("to an engine elsewhere nobody here knows", () => {
    expect(pathFacts(work, { platform: "linux", engine: "ssh://other" })).toBeUndefined();
  });
});
