import type { Parser } from "./parsers.ts";

const ID = /^[A-Za-z0-9][A-Za-z0-9_.-]*\/[A-Za-z0-9][A-Za-z0-9_.-]*$/;
/**
 * A model's page, a branch or a file there, its git repository, hf's file system (`hf://`), or `org/name@revision`; the
 * service reads the same (`split_model_id`).
 */
const PASTED =
  /^(?:(?:(?:https?:\/\/)?(?:www\.)?|git@)(?:huggingface\.co|hf\.co|hf-mirror\.com)[/:]|hf:\/\/(?:models\/)?)?([^/@]+\/[^/@]+?)(?:\.git)?(?:\/(?:tree|blob|resolve|raw|commits?)\/([^/]+).*|@(.+))?$/i;

/** An id on the hub as people paste it. One with a revision is refused, which has a key of its own, or none. */
export const hubId =
  (expected: string, revisionKey: string | null, words: readonly string[] = []): Parser<string> =>
  (text) => {
    const plain = (text.replace(/^[\s"'`<>]+|[\s"'`<>]+$/g, "").split(/[?#]/)[0] ?? "").replace(/\/+$/, "");
    if (words.includes(plain)) return { value: plain };
    const [, id = "", page, at] = PASTED.exec(plain) ?? [];
    if (!ID.test(id)) {
      const directory = /^[./~\\]/.test(plain) ? " (a model in a directory or file: the key modelDir)" : "";
      return { expected: `${expected}${directory}` };
    }
    const revision = at ?? (page === "main" ? undefined : page);
    if (revision === undefined) return { value: id };
    const place =
      revisionKey === null ? "without a revision" : `with the revision ${revision} in the key ${revisionKey}`;
    return { expected: `${id}, ${place}`, example: id };
  };
