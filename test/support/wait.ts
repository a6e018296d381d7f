/** Waits until `holds` does; throws with `what` after `seconds`. An error inside counts as "not yet". */
export async function eventually(
  what: string,
  holds: () => boolean | Promise<boolean>,
  seconds: number,
): Promise<void> {
  const end = Date.now() + seconds * 1000;
  let last: unknown;
  while (Date.now() < end) {
    try {
      if (await holds()) return;
    } catch (error) {
      last = error;
    }
    await new Promise((resolve) => setTimeout(resolve, 200));
  }
  throw new Error(`waited ${seconds} s in vain for ${what}${last instanceof Error ? `: ${last.message}` : ""}`);
}
