import { describe, expect, test } from "vitest";
import { buildFailure, describeBuild } from "../../../../infra/plan/build-log.ts";

const BEGIN = `#0 building with "default" instance using docker driver
#1 [internal] load build definition from Dockerfile
#1 DONE 0.0s
#5 [deps 1/3] FROM python:3.12
#5 CACHED
#6 [deps 2/3] RUN --mount=type=cache,target=/root/.cache/uv --mount=type=secret,id=ca   python3 -m venv /opt/uv   && /opt/uv/bin/python -m pip install --quiet "uv==0.13.9" and more than a line
#6 1.512 Collecting uv
`;

describe("the live line", () => {
  test("has time, steps, bytes and, where a narrow terminal may cut it, the step without its mounts", () => {
    expect(describeBuild(BEGIN, 65, 1.5e9)).toBe(
      "building the image for 1 min 5 s · 1 step done · 1.5 GB written · " +
        "[deps 2/3] RUN python3 -m venv /opt/uv && /opt/uv/bin/python -m pip install --qu…",
    );
  });

  test("where Docker's disk can't be seen, it has no bytes; files that come and go are not below 0", () => {
    expect(describeBuild(BEGIN, 1, null)).toMatch(/^building the image for 1 s · 1 step done · \[deps/);
    expect(describeBuild(BEGIN, 1, -5)).toContain(" · 0 B written · ");
  });

  test("follows the step that is still going on", () => {
    const log = `${BEGIN}#7 [code 1/2] COPY src /src\n#7 DONE 0.1s\n`;
    expect(describeBuild(log, 1, null)).toMatch(/2 steps done · \[deps 2\/3\] RUN/);
    expect(describeBuild(`${log}#6 DONE 9.9s\n#9 exporting to image\n#9 exporting layers\n`, 1, null)).toMatch(
      /3 steps done · exporting to image$/,
    );
  });

  test("the line that names the builder is no step, whatever comes after it", () => {
    const exporting = `${BEGIN}#6 DONE 9.9s\n#9 exporting to image\n#9 DONE 1.0s\n`;
    expect(describeBuild(exporting, 1, null)).toMatch(/3 steps done · exporting to image$/);
  });

  test("before the first step there is none", () => {
    expect(describeBuild("", 0, null)).toBeNull();
  });
});

describe("the cause of a failure", () => {
  const fail = (...output: string[]) =>
    buildFailure(
      `${BEGIN}${output.map((line) => `#6 2.0 ${line}\n`).join("")}#6 ERROR: process "/bin/sh -c x" did not complete successfully: exit code: 1\n` +
        "------\n > [deps 2/3] RUN x:\n2.0 last\n------\n",
    );

  test("is the step's last line that names a failure, else its last line, else BuildKit's own", () => {
    expect(fail("Could not reach the index: connection refused.", "hint: try again")?.cause).toBe(
      "Could not reach the index: connection refused",
    );
    expect(fail("so near")?.cause).toBe("so near");
    expect(buildFailure('#1 [a 1/1] COPY x y\n#1 ERROR: failed to calculate checksum: "/x": not found\n')?.cause).toBe(
      'failed to calculate checksum: "/x": not found',
    );
  });

  test.each(["OSError: [Errno 28] No space left on device", "write /x: no space left on device", "DISK_FULL: 3 GB"])(
    "%s is a full disk, with what gives room",
    (line) =>
      expect(fail(line, "exit")).toMatchObject({
        cause: "Docker's disk is full",
        fix: expect.stringContaining("docker image prune") as string,
      }),
  );

  test("a log without a failed step gives none", () => {
    expect(buildFailure("")).toBeNull();
    expect(buildFailure(BEGIN)).toBeNull();
  });
});
