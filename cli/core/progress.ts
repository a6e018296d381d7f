import type { WriteStream } from "node:tty";

/** Where progress goes: finished lines always, a live line (a bar) only to a terminal. Results never go here. */
export interface Progress {
  /** A finished line. */
  log(text: string): void;
  /** The current state of something long. A terminal sees each change, a log at most one every few seconds. */
  update(text: string, fraction?: number): void;
  /** Ends the live line, so that what follows starts on a fresh one. */
  stop(): void;
  /** Runs something long. While it writes nothing, its last line is repeated with the seconds that it has taken. */
  busy<T>(action: () => Promise<T>): Promise<T>;
}

/** Seconds between two live lines where the output is not a terminal, and after which silence is broken: 5 s at most. */
const QUIET_S = 4;
/** Milliseconds between two looks at how long it has been silent. */
const LOOK_MS = 500;
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
  let writtenAt = Number.NEGATIVE_INFINITY;
  let busySince = Number.NEGATIVE_INFINITY;
  let updatedAt = Number.NEGATIVE_INFINITY;
  /** What is going on, and since when; "" when it has no name. */
  let current: { text: string; since: number; fraction?: number | undefined } = { text: "", since: now() };

  const write = (text: string) => {
    writtenAt = now();
    stream.write(text);
  };
  const begin = (text: string, fraction?: number) => {
    if (text !== current.text) current = { text, since: now(), fraction };
  };
  const end = () => {
    if (open) stream.write("\n");
    open = false;
  };
  const stop = () => {
    end();
    current = { text: "", since: now() };
  };
  const show = (text: string, fraction?: number) => {
    const bar = fraction === undefined ? "" : `${drawBar(fraction, colour)} `;
    const room = (stream.columns || 80) - (bar ? BAR_WIDTH + 1 : 0) - 1;
    write(`\r\u001b[K${bar}${shorten(text, room)}`);
    open = true;
  };
  const tick = () => {
    const { text, since, fraction } = current;
    if (now() - Math.max(writtenAt, busySince) < QUIET_S) return;
    const line = `${text || "working"} (${Math.round(now() - since)} s)`;
    if (terminal) show(line, fraction);
    else write(`${line}\n`);
  };
  return {
    stop,
    log(text) {
      end();
      begin(text);
      write(`${text}\n`);
    },
    update(text, fraction) {
      if (text === current.text) return;
      begin(text, fraction);
      if (terminal) show(text, fraction);
      else if (now() - updatedAt >= QUIET_S) {
        updatedAt = now();
        write(`${text}\n`);
      }
    },
    async busy(action) {
      busySince = now();
      const timer = setInterval(tick, LOOK_MS);
      timer.unref();
      try {
        return await action();
      } finally {
        clearInterval(timer);
        stop();
      }
    },
  };
}

/** A live line has to fit: what is cut off is marked. */
function shorten(text: string, room: number): string {
  return text.length <= room ? text : `${text.slice(0, Math.max(0, room - 1))}…`;
}

function drawBar(fraction: number, colour: boolean): string {
  const full = Math.round(Math.min(1, Math.max(0, fraction)) * BAR_WIDTH);
  const done = "█".repeat(full);
  return `${colour ? `\u001b[36m${done}\u001b[0m` : done}${"░".repeat(BAR_WIDTH - full)}`;
}
