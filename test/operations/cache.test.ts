/** The cache on a host and its backups, as an operator's commands reach them, against AWS on loopback. */
import { readFileSync } from "node:fs";
import { DescribeSnapshotsCommand } from "@aws-sdk/client-ec2";
import { describe, expect, test } from "vitest";
import { useAccount } from "../support/fakes/moto/account.ts";

const here = useAccount();

describe("cache", () => {
  /** `docker` on the host: one container runs; `image-gen` in it says what it was asked, and ends as asked. */
  const docker = (running: string, imageGen: string) => {
    here.operator.hostAnswers();
    here.operator.hostProgram(
      "docker",
      `if [ "$1" = ps ]; then echo '${running}'; exit; fi\n[ "$1 $2 $3 $4" = "exec -i image-game-image-gen image-gen" ] || exit 99\nshift 4\n${imageGen}`,
    );
  };

  test("status prints the container's own output, whatever its length", async () => {
    const models = Array.from({ length: 400 }, (_, index) => ({
      id: `org/model-${index}`,
      revision: null,
      bytes: index,
      files: 1,
      complete: true,
      source: "volume",
    }));
    const mount = { path: "/data", is_mount: true, filesystem: "xfs", bytes_total: 5e10, bytes_free: 4e10 };
    const status = { hf_home: "/data/huggingface", hub_cache: "/data/huggingface/hub", mount, models, bytes: 1 };
    here.operator.hostProgram("answer", `cat <<'END'\n${JSON.stringify(status)}\nEND`);
    docker("abc", `[ "$*" = "status --json" ] || exit 99; answer`);
    const { stdout, exitCode } = await here.operator.imagegen("cache", "status", "--json");
    expect(exitCode).toBe(0);
    expect(JSON.parse(stdout)).toEqual(status);
  });
  test("verify ends with image-gen's exit code", async () => {
    docker("abc", 'echo damaged; echo "hashing" >&2; exit 3');
    const { stdout, stderr, exitCode } = await here.operator.imagegen("cache", "verify");
    expect([exitCode, stdout]).toEqual([3, "damaged"]);
    expect(stderr).toContain("hashing");
  });
  test("prefetch passes its arguments to the container unchanged", async () => {
    docker("abc", 'printf "%s|" "$@"');
    const { stdout } = await here.operator.imagegen(
      "cache",
      "prefetch",
      "--model",
      "org/it's",
      "--revision",
      "$(id){{ssm:x}}",
    );
    expect(stdout).toBe("prefetch|--model|org/it's|--revision|$(id){{ssm:x}}|");
  });
  test("mirror runs where the cache is, with the place that is named", async () => {
    docker("abc", 'printf "%s|" "$@"');
    const { stdout } = await here.operator.imagegen("cache", "mirror", "s3://models/prefix", "--model", "acme/tiny");
    expect(stdout).toBe("mirror|--model|acme/tiny|--output|s3://models/prefix|");
  });
  test("status without a running container ends with exit code 6", async () => {
    docker("", "exit 0");
    const { stderr, exitCode } = await here.operator.imagegen("cache", "status");
    expect(exitCode).toBe(6);
    expect(stderr).toContain(`The container image-game-image-gen does not run on ${here.instanceId}`);
  });
  test("a failure of image-gen is one line, and with --json the document as well", async () => {
    const error = { message: "There is no a/b. Fix: try c/d.", code: "MODEL_NOT_CACHED" };
    docker("abc", `echo "image-gen: ${error.message}" >&2; echo '${JSON.stringify({ error })}'; exit 1`);
    for (const json of [[], ["--json"]]) {
      const { stdout, stderr, exitCode } = await here.operator.imagegen("cache", "clear", "--model", "a/b", ...json);
      expect(exitCode).toBe(1);
      expect(stderr.match(/There is no a\/b/g)).toHaveLength(1);
      expect(stdout === "" ? [] : JSON.parse(stdout).error.message).toEqual(json.length > 0 ? error.message : []);
    }
  });
  test("clear asks, deletes and restarts", async () => {
    here.operator.hostProgram("systemctl", `echo "$@" >>${here.operator.directory}/restarts`);
    const removed = JSON.stringify({ removed: [{ id: "a/b", bytes: 2e9, in_use: true }], bytes: 2e9 });
    docker("abc", `echo "$@" >>${here.operator.directory}/asked; echo '${removed}'`);
    const { stdout, exitCode } = await here.operator.imagegen("cache", "clear", "--yes", "--restart");
    expect([exitCode, stdout]).toEqual([0, expect.stringContaining("deleted a/b (2 GB)")]);
    expect(readFileSync(`${here.operator.directory}/asked`, "utf8")).toContain("clear --all --yes --force --json");
    expect(readFileSync(`${here.operator.directory}/restarts`, "utf8")).toBe("restart image-gen.service\n");
  });
});

describe("backups", () => {
  const s3 = (aws: string) => {
    here.operator.hostAnswers();
    here.operator.hostProgram(
      "docker",
      `if [ "$1" = ps ]; then echo abc; exit; fi\nif [ "$5" = backup ]; then echo "tar $6 $7 $8"; else echo "restored $(cat)"; fi`,
    );
    here.operator.hostProgram("aws", aws);
  };

  test("are streamed to S3 and from it, on the host", async () => {
    s3(
      `if [ "$2" = ls ]; then echo "2026-11-22 12:00:00 $(wc -c <${here.operator.directory}/object) models.tar.zst"; elif [ "$3" = - ]; then cat >${here.operator.directory}/object; else cat ${here.operator.directory}/object; fi`,
    );
    const { stdout, exitCode } = await here.operator.imagegen("cache", "backup", "s3://bucket/models.tar.zst");
    expect([exitCode, stdout]).toEqual([0, "s3://bucket/models.tar.zst: 22 B"]);
    const restored = await here.operator.imagegen("cache", "restore", "s3://bucket/models.tar.zst");
    expect(restored.stdout).toBe("restored tar --output - --zstd");
  });
  test("name the permission that the host's role lacks", async () => {
    s3(
      'cat >/dev/null; echo "upload failed: An error occurred (AccessDenied) when calling the CreateMultipartUpload operation" >&2; exit 1',
    );
    const { stderr, exitCode } = await here.operator.imagegen("cache", "backup", "s3://bucket/models.tar");
    expect(exitCode).toBe(1);
    expect(stderr).toMatch(/The host's role has no access to s3:\/\/bucket\/models\.tar\. Fix: grant s3:PutObject/);
  });
  test("of a whole volume are restored by another command", async () => {
    const { stderr, exitCode } = await here.operator.imagegen("cache", "restore", "snap-0123");
    expect([exitCode, stderr]).toEqual([
      2,
      expect.stringContaining("Fix: imagegen volume restore snap-0123 --stack aws-volume"),
    ]);
  });
  test.each([["models.tar"], ["s3://bucket"], ["s3://bucket/"], ["s3://bucket/a b"], ["-"]])(
    "refuse %s as a place",
    async (place) => {
      const { stderr, exitCode } = await here.operator.imagegen("cache", "backup", place);
      expect(exitCode).toBe(2);
      expect(stderr).toMatch(/expected s3:\/\/<bucket>\/<name>\.tar, got .*--snapshot/);
    },
  );
  test("as a snapshot wait until it is complete", async () => {
    const { stdout, exitCode } = await here.operator.imagegen("cache", "backup", "--snapshot");
    expect(exitCode).toBe(0);
    expect(stdout).toMatch(new RegExp(`^snap-[0-9a-f]+: a snapshot of ${here.volumeId}$`));
    const { Snapshots } = await here.ec2.send(
      new DescribeSnapshotsCommand({ Filters: [{ Name: "volume-id", Values: [here.volumeId] }] }),
    );
    expect(Snapshots?.[0]?.Tags).toContainEqual({ Key: "imagegen:stack", Value: "aws-volume" });
  });
});
