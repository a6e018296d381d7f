import { rmSync } from "node:fs";
import { join } from "node:path";
import { blankFile, type Disk, hashOf, serialOf } from "../vm/disks.ts";
import { type GuestResult, Machine } from "../vm/machine.ts";
import { scriptsInPlace, VOLUME } from "./files.ts";

/** The machine's instance store: blank, of the same size as the volume, and the first disk that a script would meet. */
export const INSTANCE_STORE = "AWS0A1B2C3D4E5F60718";
const NO_DOCKER = ["docker.service", "docker.socket", "containerd.service"];

export interface HostSettings {
  readonly volume?: string;
  readonly formatIfBlank?: boolean;
  readonly waitSeconds?: number;
  readonly model?: string;
  readonly selfAttach?: boolean;
}

/** A machine for what the scripts do with disks: the scripts in their place, nothing started by itself. */
export class Lab {
  readonly machine: Machine;
  /** The instance store. */
  readonly decoy: Disk;
  private readonly decoyHash: string;
  private readonly folder: string;

  private constructor(machine: Machine, decoy: Disk, decoyHash: string, folder: string) {
    this.machine = machine;
    this.decoy = decoy;
    this.decoyHash = decoyHash;
    this.folder = folder;
  }

  static async start(folder: string, name: string, disks: readonly Disk[] = []): Promise<Lab> {
    const work = join(folder, name);
    rmSync(work, { recursive: true, force: true });
    const decoy = { file: blankFile(join(folder, `${name}-decoy.img`)), serial: INSTANCE_STORE };
    const decoyHash = await hashOf(decoy.file);
    const tar = await scriptsInPlace(join(folder, `${name}-files`));
    const machine = await Machine.start({ work, bringIn: tar, disks: [decoy, ...disks], masked: NO_DOCKER });
    return new Lab(machine, decoy, decoyHash, folder);
  }

  disk(name: string, volume: string = VOLUME): Disk {
    return { file: join(this.folder, `${name}.img`), serial: serialOf(volume) };
  }

  blank(name: string, volume: string = VOLUME): Disk {
    blankFile(this.disk(name, volume).file);
    return this.disk(name, volume);
  }

  /** Forgets all that the last host knew, and writes host.env. */
  async newHost(settings: HostSettings = {}): Promise<void> {
    const values = {
      IMAGE_GEN_REGION: "us-east-1",
      IMAGE_GEN_STACK: "test",
      IMAGE_GEN_PARAMETERS: "/imagegen/test",
      IMAGE_GEN_VOLUME_ID: settings.volume ?? VOLUME,
      IMAGE_GEN_FORMAT_IF_BLANK: (settings.formatIfBlank ?? true) ? "1" : "0",
      IMAGE_GEN_FILESYSTEM: "xfs",
      IMAGE_GEN_SELF_ATTACH: settings.selfAttach ? "1" : "0",
      IMAGE_GEN_VOLUME_WAIT: String(settings.waitSeconds ?? 20),
      IMAGE_GEN_DISK_MODEL: JSON.stringify(settings.model ?? "QEMU NVMe Ctrl"),
      IMAGE_GEN_STORE_MODEL: JSON.stringify(settings.model ?? "QEMU NVMe Ctrl"),
      IMAGE_GEN_STORE_WAIT: "2",
    };
    const text = Object.entries(values).map(([key, value]) => `${key}=${value}`);
    await this.machine.must(
      `rm -rf /run/image-gen /var/lib/aws; mkdir -p /etc/image-gen; cat >/etc/image-gen/host.env <<'END'\n${text.join("\n")}\nEND`,
    );
  }

  script(line: string, timeoutSeconds?: number): Promise<GuestResult> {
    return this.machine.run(`/opt/image-gen/bin/${line}`, timeoutSeconds);
  }

  /** A host comes up with these settings, and mounts. */
  async mount(settings: HostSettings = {}): Promise<GuestResult> {
    await this.newHost(settings);
    return this.script("data-volume mount");
  }

  async release(...disks: readonly Disk[]): Promise<void> {
    await this.machine.must("mountpoint -q /data && umount /data; mountpoint -q /mnt && umount /mnt; true");
    for (const disk of disks) await this.machine.detach(disk);
  }

  /** The one assertion about the instance store: not a byte of it has changed. */
  async decoyIsUntouched(): Promise<boolean> {
    await this.machine.must("sync");
    return (await hashOf(this.decoy.file)) === this.decoyHash;
  }
}
