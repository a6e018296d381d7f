/** `npm run bench:room` with a Docker that gives fixed answers. */
import { chmodSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { execa } from "execa";
import { afterEach, beforeEach, expect, test } from "vitest";
import { SERVICE_NAME } from "../../../infra/contract.ts";
import { BUILD_BYTES } from "../../../infra/plan/room.ts";

let folder: string;
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), "imagegen-room-"));
});
afterEach(() => rmSync(folder, { recursive: true, force: true }));

const gigabytes = (bytes: number) => `${bytes / 1e9}GB`;

test.each([
  ["as counted", 1, "1", 0],
  ["a fifth larger", 1.2, "1", 1],
  ["as counted, with bars of nothing", 1.01, "0", 1],
])("an image that is %s", async (_, times, bars, code) => {
  const usage = {
    BuildCache: [
      { CacheType: "exec.cachemount", Description: "/root/.cache/uv", Size: gigabytes(BUILD_BYTES.downloads) },
      { CacheType: "regular", Description: "sh /build/install-packages", Size: gigabytes(BUILD_BYTES.packages) },
    ],
    Images: [{ Repository: SERVICE_NAME, Tag: "x", Size: gigabytes(BUILD_BYTES.image * times) }],
  };
  writeFileSync(join(folder, "usage"), JSON.stringify(usage));
  const answers = `info) echo dockerd ;; run) echo '{"torch": 1}' ;; *) cat "${folder}/usage" ;;`;
  writeFileSync(join(folder, "docker"), `#!/bin/sh\ncase "$1" in ${answers} esac\n`);
  chmodSync(join(folder, "docker"), 0o755);
  const env = { PATH: `${folder}:${process.env.PATH}` };
  const ended = await execa(process.execPath, ["bench/room.ts", "--bars", bars], { env, reject: false, all: true });
  expect([ended.exitCode, ended.all]).toEqual([code, expect.stringContaining(code ? "WRONG" : "right")]);
});
