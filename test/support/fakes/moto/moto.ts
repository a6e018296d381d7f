import { type ChildProcess, spawn } from "node:child_process";
import { dirname, join } from "node:path";
import { freePort } from "../../engine.ts";
import { pythonEnvironment } from "../../python.ts";
import { eventually } from "../../wait.ts";

/** AWS as moto plays it, on loopback: real data of instance types and public parameters, records of the rest. */
export class Moto {
  readonly url: string;
  readonly #child: ChildProcess;

  private constructor(url: string, child: ChildProcess) {
    this.url = url;
    this.#child = child;
  }

  static async start(): Promise<Moto> {
    const port = await freePort();
    const program = join(dirname(await pythonEnvironment()), "moto_server");
    const child = spawn(program, ["-H", "127.0.0.1", "-p", String(port)], { stdio: "ignore" });
    const moto = new Moto(`http://127.0.0.1:${port}`, child);
    const answers = () => fetch(`${moto.url}/moto-api/`).then(({ ok }) => ok);
    await eventually("moto to answer", answers, 60);
    return moto;
  }

  async reset(): Promise<void> {
    await fetch(`${this.url}/moto-api/reset`, { method: "POST" });
  }

  stop(): void {
    this.#child.kill();
  }
}
