/** Two groups of hosts, as far as time and number go. */
import { PROTECTED_SECONDS } from "../../infra/contract.ts";
import type { FleetGroup } from "../../infra/plan/fleet/scaling.ts";

export interface Host {
  readonly group: FleetGroup;
  readonly launchedAt: number;
  /** When its group counts it, and when its worker takes jobs. */
  readonly inServiceAt: number;
  readonly readyAt: number;
  /** The job that it makes; null: none. */
  job: { readonly arrivedAt: number; readonly endsAt: number } | null;
  /** When it last had one. */
  busyAt: number;
}

/** Seconds in which hosts of a group were there, and what they wanted. */
export class HostGroup {
  readonly name: FleetGroup;
  readonly least: number;
  readonly most: number;
  desired: number;
  hosts: Host[] = [];
  hostSeconds = 0;
  /** No policy of the simple kind acts before. */
  calmUntil = 0;

  constructor(name: FleetGroup, least: number, most: number) {
    this.name = name;
    this.least = least;
    this.most = most;
    this.desired = least;
  }

  want(hosts: number): void {
    this.desired = Math.max(this.least, Math.min(this.most, hosts));
  }

  inService(now: number): number {
    return this.hosts.filter(({ inServiceAt }) => inServiceAt <= now).length;
  }

  /** Hosts that a policy counts as on their way. */
  warming(now: number, warmUpSeconds: number): number {
    return this.hosts.filter(({ launchedAt }) => launchedAt + warmUpSeconds > now).length;
  }

  /** Ends the oldest hosts of those that are not protected from scale-in: they have no job. */
  end(count: number, now: number): void {
    const removable = this.hosts.filter(({ job, busyAt }) => job === null && now - busyAt >= PROTECTED_SECONDS);
    const order = removable.sort((a, b) => a.launchedAt - b.launchedAt);
    for (const host of order.slice(0, count)) this.lose(host);
  }

  /** Gives the time at which its job came, if it has one. */
  lose(host: Host): number[] {
    this.hosts = this.hosts.filter((one) => one !== host);
    return host.job === null ? [] : [host.job.arrivedAt];
  }
}
