import { JsonLines } from "./lines.ts";

type Waiting = { resolve: (value: unknown) => void; reject: (error: Error) => void };

/** QEMU's monitor (QMP): orders to the machine's hardware. */
export class Monitor {
  private lines: JsonLines | undefined;
  private readonly waiting: Waiting[] = [];
  private readonly deleted = new Map<string, () => void>();

  static async open(path: string): Promise<Monitor> {
    const monitor = new Monitor();
    monitor.lines = await JsonLines.open(path, (value) => monitor.hear(value));
    await monitor.order("qmp_capabilities");
    return monitor;
  }

  order(execute: string, parameters: object = {}): Promise<unknown> {
    return new Promise((resolve, reject) => {
      this.waiting.push({ resolve, reject });
      this.lines?.send({ execute, arguments: parameters });
    });
  }

  /** Takes a device away, and waits until the guest has let it go. */
  async unplug(device: string): Promise<void> {
    const gone = new Promise<void>((resolve) => this.deleted.set(device, resolve));
    await this.order("device_del", { id: device });
    await gone;
  }

  close(): void {
    this.lines?.close();
  }

  private hear(value: Record<string, unknown>): void {
    if ("return" in value) this.waiting.shift()?.resolve(value.return);
    else if ("error" in value) this.waiting.shift()?.reject(new Error(JSON.stringify(value.error)));
    else if (value.event === "DEVICE_DELETED") {
      const { device } = value.data as { device?: string };
      if (device) this.deleted.get(device)?.();
    }
  }
}
