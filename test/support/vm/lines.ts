import { connect, type Socket } from "node:net";

/** One JSON value a line, both ways, over a unix socket. */
export class JsonLines {
  private readonly socket: Socket;

  private constructor(socket: Socket, onValue: (value: Record<string, unknown>) => void) {
    this.socket = socket;
    let pending = "";
    socket.setEncoding("utf8");
    socket.on("data", (text: string) => {
      const lines = (pending + text).split("\n");
      pending = lines.pop() ?? "";
      for (const line of lines) if (line.trim() !== "") onValue(JSON.parse(line) as Record<string, unknown>);
    });
    socket.on("error", () => {});
  }

  static async open(path: string, onValue: (value: Record<string, unknown>) => void): Promise<JsonLines> {
    for (let attempt = 0; ; attempt += 1) {
      const socket = connect(path);
      const opened = await new Promise<boolean>((resolve) => {
        socket.once("connect", () => resolve(true));
        socket.once("error", () => resolve(false));
      });
      if (opened) return new JsonLines(socket, onValue);
      if (attempt === 100) throw new Error(`nothing listens at ${path}`);
      await new Promise((resolve) => setTimeout(resolve, 100));
    }
  }

  send(value: unknown): void {
    this.socket.write(`${JSON.stringify(value)}\n`);
  }

  close(): void {
    this.socket.destroy();
  }
}
