/** A host of a fleet, from user data to its spot notice: cloud-init, systemd and Docker are real, AWS is stood in for. */
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { VOLUME } from "../support/host/files.ts";
import { INSTANCE_STORE } from "../support/host/lab.ts";
import { startServiceMachine } from "../support/host/service-machine.ts";
import { blankFile, type Disk, hashOf, serialOf } from "../support/vm/disks.ts";
import type { Machine } from "../support/vm/machine.ts";

const folder = mkdtempSync(join(tmpdir(), "imagegen-fleet-"));
const volume: Disk = { file: blankFile(join(folder, "volume.img")), serial: serialOf(VOLUME) };
const store: Disk = { file: blankFile(join(folder, "store.img")), serial: INSTANCE_STORE };
const CONTAINER = "image-game-image-gen";
let machine: Machine;
let blank: string;

describe("a host of a fleet", () => {
  beforeAll(async () => {
    blank = await hashOf(volume.file);
    const plan = {
      volumeId: "",
      formatIfBlank: false,
      fleetDeployment: "aaaaaaaaaaaa",
      mirrorRoleArn: "arn:aws:iam::1:role/worker",
    };
    machine = await startServiceMachine(folder, [volume, store], plan, ["/serve", "work"]);
  });
  afterAll(async () => {
    await machine?.cutPower();
    rmSync(folder, { recursive: true });
  });

  const inspect = (format: string) => machine.must(`docker inspect --format '${format}' ${CONTAINER}`);
  const until = (condition: string, seconds: number) =>
    machine.must(
      `for _ in $(seq ${seconds}); do ${condition} && exit 0; sleep 1; done; journalctl -b --no-pager -n 40 -u 'image-gen*'; exit 1`,
      seconds + 60,
    );

  test("runs the deployment's own command, with the data directory on its instance store", async () => {
    await until(`docker inspect ${CONTAINER} >/dev/null 2>&1`, 780);
    expect(JSON.parse(await inspect("{{json .Config.Cmd}}"))).toEqual(["/serve", "work"]);
    const disk = await machine.must("findmnt -no SOURCE /data");
    expect(await machine.must(`cat /sys/block/${disk.replace("/dev/", "")}/device/serial`)).toBe(INSTANCE_STORE);
    expect(await machine.must("stat -c %u:%g /data")).toBe("10001:10001");
    await machine.must("sync");
    expect(await hashOf(volume.file)).toBe(blank);
  });

  test("gives its container the worker's role and the names to protect the host with, and writes no status", async () => {
    expect(await machine.must("grep -c 'role/worker' /var/lib/aws/calls")).not.toBe("0");
    expect(JSON.parse(await inspect("{{json .Config.Env}}"))).toContain(
      "AWS_SHARED_CREDENTIALS_FILE=/etc/image-gen/aws/credentials",
    );
    expect(JSON.parse(await inspect("{{json .Config.Env}}"))).toEqual(
      expect.arrayContaining([
        "IMAGE_GEN_AUTO_SCALING_GROUP=image-gen-spot-1",
        "IMAGE_GEN_INSTANCE_ID=i-0123456789abcdef0",
      ]),
    );
    expect(
      await machine.must(
        "ls /var/lib/aws/parameters; systemctl list-unit-files --no-legend 'image-gen-ready*' || true",
      ),
    ).toBe("_imagegen_test_deployment");
  });

  test("sends a heartbeat without the unit that writes one", async () => {
    await machine.must("systemctl start image-gen-watchdog.service");
    expect(await machine.must("grep -c 'MetricName=Heartbeat,Value=1' /var/lib/aws/calls")).not.toBe("0");
  });

  test("removes its protection from scale-in once its container was killed, before it starts the next one", async () => {
    const asked = "autoscaling set-instance-protection --auto-scaling-group-name image-gen-spot-1";
    const first = await inspect("{{.Id}}");
    await machine.must(
      `touch /run/image-gen/was-ready; ! grep '${asked}' /var/lib/aws/calls; docker kill ${CONTAINER}`,
    );
    // Of a container that is not there, Docker prints an empty line.
    await until(`docker inspect --format '{{.Id}}' ${CONTAINER} 2>/dev/null | grep . | grep -qv ${first}`, 120);
    expect(await machine.must(`grep '${asked}' /var/lib/aws/calls`)).toBe(
      `${asked} --instance-ids i-0123456789abcdef0 --no-protected-from-scale-in`,
    );
  });

  test("keeps the deployment that it was started for", async () => {
    await machine.must('/opt/test/deploy bbbbbbbbbbbb "$(cat /var/lib/aws/image-two)" other; sleep 12');
    expect(await inspect('{{index .Config.Labels "imagegen.deployment"}}')).toBe("aaaaaaaaaaaa");
  });

  test("stops its container at once on a spot notice, by SIGTERM", async () => {
    const disk = await machine.must("findmnt -no SOURCE /data");
    const begun = Date.now();
    await machine.must("touch /run/spot-notice");
    await until(`[ -z "$(docker ps --quiet --all)" ] && ! mountpoint -q /data`, 110);
    console.log(
      `spot notice to container stopped and disk unmounted: ${((Date.now() - begun) / 1000).toFixed(1)} s, on an emulated processor`,
    );
    expect(await machine.must(`mkdir -p /mnt; mount ${disk} /mnt; tail -n 1 /mnt/starts; umount /mnt`)).toBe("stopped");
    expect(await machine.must("cat /run/image-gen/trouble/spot")).toMatch(/^this spot instance is taken back: \{.*\}$/);
  });
});
