/** Numbers as people read them. */

export function bytes(count) {
  const units = ["B", "kB", "MB", "GB", "TB"];
  let unit = 0;
  let left = count;
  while (left >= 999.5 && unit < units.length - 1) {
    left /= 1000;
    unit += 1;
  }
  return `${unit === 0 || left >= 100 ? Math.round(left) : left.toPrecision(3)} ${units[unit]}`;
}

export function time(seconds) {
  const whole = Math.round(seconds);
  if (whole < 60) return `${whole} s`;
  const minutes = Math.floor(whole / 60);
  return minutes < 60 ? `${minutes} min ${whole % 60} s` : `${Math.floor(minutes / 60)} h ${minutes % 60} min`;
}

/** Short times, of which a tenth counts. */
export const seconds = (count) => (count < 60 ? `${count.toFixed(1)} s` : time(count));

/** A moment of the API, seconds since 1970, as the reader's own date and time. */
export const moment = (at) =>
  new Date(at * 1000).toLocaleString(undefined, { dateStyle: "medium", timeStyle: "short" });

/** A message of the service: what happened, and its fix or "". */
export function fixOf(message) {
  const at = message.indexOf(" Fix: ");
  return at < 0 ? [message, ""] : [message.slice(0, at), message.slice(at + 1)];
}

/** `832x1216` as `832 × 1216`. */
export const sides = (size) => size.replace("x", " × ");
