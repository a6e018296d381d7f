/** What the history says of a picture: its name for a screen reader, the day and the minute it was made. */

export const titleOf = ({ settings }) => settings.prompt || "Without a prompt";

/** For an image: the beginning of the prompt, and the seed. */
export function altOf(facts) {
  const title = titleOf(facts);
  const short = title.length > 80 ? `${title.slice(0, 80)}…` : title;
  return `${short}, seed ${facts.seed}`;
}

const startOfDay = (time) => new Date(time).setHours(0, 0, 0, 0);

/** "Today", "Yesterday", or the date. */
export function dayOf(time) {
  const yesterday = new Date();
  yesterday.setDate(yesterday.getDate() - 1);
  if (startOfDay(time) === startOfDay(Date.now())) return "Today";
  if (startOfDay(time) === startOfDay(yesterday)) return "Yesterday";
  return new Date(time).toLocaleDateString("en-GB", {
    weekday: "long",
    day: "numeric",
    month: "long",
    year: "numeric",
  });
}

export const momentOf = (time) => new Date(time).toLocaleString("en-GB", { dateStyle: "medium", timeStyle: "short" });
