/** Server-sent events of an answer, one after another: the JSON of each. An event `error` is thrown. */
import { ApiError } from "./api.js";

export async function* eventsOf(answer) {
  const reader = answer.body.pipeThrough(new TextDecoderStream()).getReader();
  let rest = "";
  for (;;) {
    const { done, value } = await reader.read();
    if (done) return;
    const blocks = (rest + value).replaceAll("\r\n", "\n").split("\n\n");
    rest = blocks.pop();
    for (const block of blocks) {
      const lines = block.split("\n").filter((line) => line.startsWith("data:"));
      if (lines.length === 0) continue;
      const event = JSON.parse(lines.map((line) => line.slice(5)).join("\n"));
      if (event.type === "error") throw new ApiError(500, event.error);
      yield event;
    }
  }
}
