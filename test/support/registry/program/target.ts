/** Where the program of the registry suite pushes to, and by which builder. */
export interface Target {
  readonly repositoryUrl: string;
  readonly address: string;
  readonly username: string;
  readonly password: string;
  readonly builder: string;
  readonly sbomGenerator: string;
}
