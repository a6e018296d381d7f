/** A host with a volume and a copy of the model on its instance store: cloud-init, systemd and Docker are real, AWS is stood in for. */
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { INSTANCE_STORE_MARKER, INSTANCE_STORE_PATH } from "../../infra/contract.ts";
import { VOLUME } from "../support/host/files.ts";
import { INSTANCE_STORE } from "../support/host/lab.ts";
import { recordThat, startServiceMachine } from "../support/host/service-machine.ts";
import { blankFile, type Disk, serialOf } from "../support/vm/disks.ts";
import type { Machine } from "../support/vm/machine.ts";

const folder = mkdtempSync(join(tmpdir(), "imagegen-copy-"));
const store: Disk = { file: blankFile(join(folder, "store.img")), serial: INSTANCE_STORE };
const volume: Disk = { file: blankFile(join(folder, "volume.img")), serial: serialOf(VOLUME) };
const CONTAINER = "image-game-image-gen";
let machine: Machine;

describe("a host with a copy of the model", () => {
  beforeAll(async () => {
    machine = await startServiceMachine(folder, [store, volume], { instanceStore: true });
  });
  afterAll(async () => {
    await machine?.cutPower();
    rmSync(folder, { recursive: true });
  });

  /** The record of before a reboot is still there. */
  const started = () =>
    machine.must(`until docker exec ${CONTAINER} busybox true 2>/dev/null; do sleep 0.5; done`, 240);
  const inContainer = (command: string) => machine.must(`docker exec ${CONTAINER} ${command}`);
  const serialAt = (place: string) =>
    machine.must(`cat /sys/block/$(basename "$(findmnt -no SOURCE ${place})")/device/serial`);

  test("each disk is where it belongs, and the container writes to both as its own user", async () => {
    expect((await recordThat(machine, ({ phase }) => phase === "ready", 780)).error).toBeNull();
    expect([await serialAt("/data"), await serialAt(INSTANCE_STORE_PATH)]).toEqual([serialOf(VOLUME), INSTANCE_STORE]);
    expect(await inContainer(`busybox ls -A ${INSTANCE_STORE_PATH}`)).toBe(INSTANCE_STORE_MARKER);
    await inContainer(`touch ${INSTANCE_STORE_PATH}/weights`);
    expect(await machine.must(`stat -c %u ${INSTANCE_STORE_PATH}/weights`)).toBe("10001");
  });

  test("after a reboot the copy is there, and the container starts again", async () => {
    await machine.reboot();
    await started();
    expect([await serialAt("/data"), await serialAt(INSTANCE_STORE_PATH)]).toEqual([serialOf(VOLUME), INSTANCE_STORE]);
    expect(await machine.must(`ls ${INSTANCE_STORE_PATH}`)).toBe("weights");
    expect(await machine.must("journalctl -b --no-pager -u image-gen | grep -c 'with what is on it'")).toBe("1");
  });

  test("without its disk the host serves the volume's model, has no trouble, and writes nothing in its place", async () => {
    await machine.must(`systemctl stop image-gen; umount ${INSTANCE_STORE_PATH}`);
    await machine.detach(store);
    await machine.must("systemctl start image-gen");
    await started();
    expect(await machine.must("journalctl -b --no-pager -u image-gen | grep -c 'is loaded from the volume'")).toBe("1");
    const mounts = `docker inspect --format '{{range .Mounts}}{{.Destination}} {{end}}' ${CONTAINER}`;
    expect(await machine.must(mounts)).not.toContain(INSTANCE_STORE_PATH);
    expect(await machine.must(`ls -A ${INSTANCE_STORE_PATH} /run/image-gen/trouble`)).toBe(
      `${INSTANCE_STORE_PATH}:\n\n/run/image-gen/trouble:`,
    );
  });
});
