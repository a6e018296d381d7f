/** Types of bootstrap.mjs, which stays plain JavaScript so that an old Node can read it. */
export class SetupError extends Error {}
export function satisfies(version: string, range: string): boolean;
export function nodePackage(machine: { platform: string; arch: string; musl: boolean }): string;
interface LockFile {
  packages?: Record<string, { version?: string; integrity?: string; optional?: boolean; link?: boolean }>;
}
export function isInstalled(lock: LockFile, installed: LockFile): boolean;
export function run(script: string, args: string[], root?: string): Promise<void>;
export function explainFileError(error: unknown, root?: string): { message: string; fix: string } | undefined;
export function loopbackWithoutProxy(env: NodeJS.ProcessEnv): Record<string, string>;
