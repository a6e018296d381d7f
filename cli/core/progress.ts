import type { WriteStream } from "node:tty";

/** Where progress goes: finished lines always, a live line (a bar) only to a terminal. Results never go here. */
export interface Progress {
  /** A finished line. */
  log(text: string): void;
  /** The current state of something long. A terminal sees each change, a log at most one every few seconds. */
  update(text: string, fraction?: number): void;
  /** Ends the live line, so that what follows starts on a fresh one. */
  stop(): void;
}

/** Seconds between two live lines where the output is not a terminal. */
const LOG_INTERVAL_S = 10;
const BAR_WIDTH = 24;

/** Progress on `stream` (stderr). Without a terminal, or with TERM=dumb, only whole lines are written. */
export function progressTo(
  stream: Pick<WriteStream, "write"> & { isTTY?: boolean; columns?: number },
  env: NodeJS.ProcessEnv = process.env,
  now: () => number = () => performance.now() / 1000,
): Progress {
  const terminal = stream.isTTY === true && env.TERM !== "dumb";
  const colour = terminal && !env.NO_COLOR;
  let open = false;
  let lastAt = Number.NEGATIVE_INFINITY;
  let lastText = "";

  const stop = () => {
    if (open) stream.write("\n");
    open = false;
  };
  return {
    stop,
    log(text) {
      stop();
      lastText = "";
      stream.write(`${text}\n`);
    },
    update(text, fraction) {
      if (text === lastText) return;
      if (terminal) {
        const bar = fraction === undefined ? "" : `${drawBar(fraction, colour)} `;
        const room = (stream.columns || 80) - (bar ? BAR_WIDTH + 1 : 0) - 1;
        stream.write(`\r\u001b[K${bar}${text.slice(0, room)}`);
        open = true;
      } else if (now() - lastAt >= LOG_INTERVAL_S) {
        stream.write(`${text}\n`);
        lastAt = now();
      } else return;
      lastText = text;
    },
  };
}

function drawBar(fraction: number, colour: boolean): string {
  const full = Math.round(Math.min(1, Math.max(0, fraction)) * BAR_WIDTH);
  const done = "█".repeat(full);
  return `${colour ? `\u001b[36m${done}\u001b[0m` : done}${"░".repeat(BAR_WIDTH - full)}`;
}
