import { appendFileSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, test, vi } from "vitest";
import { progressTo } from "../../../cli/core/progress.ts";
import { followFile, readTail } from "../../../cli/targets/process/follow-log.ts";

function stream(isTTY: boolean) {
  const written: string[] = [];
  return { isTTY, columns: 60, written, write: (text: string | Uint8Array) => written.push(String(text)) > 0 };
}

/** Of the fake clock. */
const sleep = (milliseconds: number) => vi.advanceTimersByTimeAsync(milliseconds);

describe("progress", () => {
  beforeEach(() => {
    vi.useFakeTimers({ toFake: ["setInterval", "clearInterval", "performance"] });
  });
  afterEach(() => {
    vi.useRealTimers();
  });

  test("a log gets a line now and then, and no bar", () => {
    const log = stream(false);
    let now = 0;
    const progress = progressTo(log, {}, () => now);
    progress.log("begin");
    progress.update("10 %", 0.1);
    now = 3;
    progress.update("20 %", 0.2);
    now = 5;
    progress.update("30 %", 0.3);
    progress.stop();
    expect(log.written).toEqual(["begin\n", "10 %\n", "30 %\n"]);
  });

  test("a terminal gets a bar on one line, in colour unless NO_COLOR says otherwise", () => {
    const terminal = stream(true);
    const progress = progressTo(terminal, { NO_COLOR: "1" });
    progress.update("half", 0.5);
    progress.log("done");
    expect(terminal.written).toEqual([`\r\u001b[K${"█".repeat(12)}${"░".repeat(12)} half`, "\n", "done\n"]);

    const coloured = stream(true);
    progressTo(coloured, {}).update("half", 0.5);
    expect(coloured.written[0]).toContain("\u001b[36m");
  });

  test("what is silent is repeated with its seconds, until it ends", async () => {
    const log = stream(false);
    let now = 0;
    const progress = progressTo(log, {}, () => now);
    await progress.busy(async () => {
      progress.log("Installing …");
      now = 3;
      await sleep(1100);
      expect(log.written).toEqual(["Installing …\n"]);
      now = 5;
      await sleep(1100);
    });
    now = 20;
    await sleep(1100);
    expect(log.written).toEqual(["Installing …\n", "Installing … (5 s)\n"]);
  });

  test("what has no name is no silence either: after the end of a line, and before the first", async () => {
    const log = stream(false);
    let now = 100;
    const progress = progressTo(log, {}, () => now);
    await progress.busy(async () => {
      now = 103;
      await sleep(600);
      expect(log.written).toEqual([]);
      now = 104;
      await sleep(600);
      progress.log("Pulling …");
      progress.stop();
      now = 108;
      await sleep(600);
    });
    expect(log.written).toEqual(["working (4 s)\n", "Pulling …\n", "working (4 s)\n"]);
  });

  test("a slow command leaves no gap of 5 s", async () => {
    const log = stream(false);
    const at: number[] = [performance.now()];
    const progress = progressTo({ ...log, write: (text) => at.push(performance.now()) > 0 && log.write(text) });
    await progress.busy(async () => {
      await sleep(1700);
      progress.update("installing");
      await sleep(9500);
    });
    at.push(performance.now());
    const gaps = at.slice(1).map((each, index) => each - (at[index] ?? each));
    expect(log.written.slice(1)).toEqual(
      Array.from({ length: 2 }, () => expect.stringMatching(/^installing \(\d s\)\n$/)),
    );
    expect(Math.max(...gaps)).toBeLessThan(5000);
  });

  test("a live line never wraps", () => {
    const terminal = stream(true);
    progressTo(terminal, {}).update("x".repeat(200));
    expect(terminal.written[0]?.replace("\r\u001b[K", "").length).toBeLessThan(60);
  });
});

describe("a followed log", () => {
  test("shows the last lines, then what is added, also after the file was truncated", async () => {
    const folder = mkdtempSync(join(tmpdir(), "imagegen-follow-"));
    const file = join(folder, "log");
    writeFileSync(file, "a\nb\nc\n");
    const { text, end } = readTail(file, 2);
    expect(text).toBe("b\nc\n");
    expect(readTail(file, 0).text).toBe("");

    const controller = new AbortController();
    let seen = "";
    const until = async (expected: string) => {
      while (seen !== expected) await new Promise((done) => setTimeout(done, 20));
    };
    const write = (text: string) => {
      seen += text;
    };
    const following = followFile(file, end, write, controller.signal);
    appendFileSync(file, "d\n");
    await until("d\n");
    writeFileSync(file, "e\n");
    await until("d\ne\n");
    controller.abort();
    await following;
    rmSync(folder, { recursive: true });
  });
});
