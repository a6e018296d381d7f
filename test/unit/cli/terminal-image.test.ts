import { chmodSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, expect, test } from "vitest";
import { type ImageViewer, requireViewer, showImage } from "../../../cli/core/terminal-image.ts";

let folder = "";
beforeAll(() => {
  folder = mkdtempSync(join(tmpdir(), "imagegen-terminal-"));
});
afterAll(() => rmSync(folder, { recursive: true }));

const ESCAPE = "\u001b";
const nothing = { PATH: "/nowhere" };

test.each([
  [{ TERM: "xterm-kitty" }, "png", { protocol: "kitty" }],
  [{ KITTY_WINDOW_ID: "1" }, "png", { protocol: "kitty" }],
  [{ TERM_PROGRAM: "ghostty" }, "png", { protocol: "kitty" }],
  [{ TERM_PROGRAM: "iTerm.app" }, "jpeg", { protocol: "iterm2" }],
  [{ LC_TERMINAL: "iTerm2" }, "webp", { protocol: "iterm2" }],
  [{ TERM_PROGRAM: "WezTerm" }, "png", { protocol: "iterm2" }],
] as const)("%o is given %s by its own protocol", (env, format, viewer) => {
  expect(requireViewer(format, true, { ...nothing, ...env })).toEqual(viewer);
});

test("another terminal, and kitty where the picture is no PNG, by a program", async () => {
  const program = join(folder, "img2sixel");
  writeFileSync(program, `#!/bin/sh\necho "$1" > ${folder}/shown\n`);
  chmodSync(program, 0o755);
  const viewer: ImageViewer = { protocol: "program", path: program };
  expect(requireViewer("png", true, { PATH: folder })).toEqual(viewer);
  expect(requireViewer("jpeg", true, { PATH: folder, TERM: "xterm-kitty" })).toEqual(viewer);
  await showImage("/a picture.jpg", viewer);
  expect(readFileSync(join(folder, "shown"), "utf8")).toBe("/a picture.jpg\n");
});

test("without a way it is said before a picture is made", () => {
  expect(() => requireViewer("png", true, nothing)).toThrow(
    /neither chafa nor img2sixel is on PATH\. Fix: sudo apt install chafa$/,
  );
  expect(() => requireViewer("png", false, { TERM: "xterm-kitty" })).toThrow(
    "--show needs a terminal. Fix: leave --show out",
  );
});

test("kitty gets the file in chunks, iTerm2 in one sequence", async () => {
  const file = join(folder, "x.png");
  const data = Buffer.from(Array.from({ length: 5000 }, (_, index) => index % 256));
  writeFileSync(file, data);
  const written: string[] = [];
  await showImage(file, { protocol: "kitty" }, (text) => void written.push(text));
  const parts = (written[0] ?? "").split(`${ESCAPE}\\`).slice(0, -1);
  const [keys, chunks] = [0, 1].map((index) => parts.map((part) => part.replace(`${ESCAPE}_G`, "").split(";")[index]));
  expect(keys).toEqual(["a=T,f=100,m=1", "m=0"]);
  expect(chunks?.every((chunk) => chunk !== undefined && chunk.length <= 4096)).toBe(true);
  expect(Buffer.from(chunks?.join("") ?? "", "base64").equals(data)).toBe(true);
  await showImage(file, { protocol: "iterm2" }, (text) => void written.push(text));
  expect(written[1]).toBe(`\u001b]1337;File=inline=1;size=5000:${data.toString("base64")}\u0007\n`);
});
