/** What a GPU instance type has. */
export interface InstanceType {
  readonly vcpus: number;
  readonly gpu: string;
  /** MiB of one GPU. */
  readonly gpuMemoryMib: number;
  /** What EBS sustains and what it reaches for half an hour a day, in MB/s. */
  readonly ebsBaselineMbps: number;
  readonly ebsMaximumMbps: number;
}

const type = (
  vcpus: number,
  gpu: string,
  gpuMemoryMib: number,
  [ebsBaselineMbps, ebsMaximumMbps]: readonly [number, number],
): InstanceType => ({ vcpus, gpu, gpuMemoryMib, ebsBaselineMbps, ebsMaximumMbps });

/**
 * Types with one NVIDIA GPU, as of October 2026 in EC2's DescribeInstanceTypes (GpuInfo, EbsInfo.EbsOptimizedInfo).
 * A type that is not here may be used: it is not checked. Prices are in `../prices`.
 */
export const INSTANCE_TYPES: Readonly<Record<string, InstanceType>> = {
  "g4dn.xlarge": type(4, "T4", 16_384, [118.75, 437.5]),
  "g4dn.2xlarge": type(8, "T4", 16_384, [143.75, 437.5]),
  "g4dn.4xlarge": type(16, "T4", 16_384, [593.75, 593.75]),
  "g5.xlarge": type(4, "A10G", 22_888, [87.5, 437.5]),
  "g5.2xlarge": type(8, "A10G", 22_888, [106.25, 437.5]),
  "g5.4xlarge": type(16, "A10G", 22_888, [593.75, 593.75]),
  "g6.xlarge": type(4, "L4", 22_888, [125, 625]),
  "g6.2xlarge": type(8, "L4", 22_888, [250, 625]),
  "g6.4xlarge": type(16, "L4", 22_888, [1000, 1000]),
  "gr6.4xlarge": type(16, "L4", 22_888, [1000, 1000]),
  "g6e.xlarge": type(4, "L40S", 45_776, [125, 625]),
  "g6e.2xlarge": type(8, "L40S", 45_776, [250, 625]),
  "g6e.4xlarge": type(16, "L40S", 45_776, [1000, 1000]),
  "g7.2xlarge": type(8, "RTX PRO 4500", 32_768, [500, 1000]),
  "g7.4xlarge": type(16, "RTX PRO 4500", 32_768, [1000, 1000]),
  "g7e.2xlarge": type(8, "RTX PRO Server 6000", 98_304, [250, 625]),
  "g7e.4xlarge": type(16, "RTX PRO Server 6000", 98_304, [1000, 1000]),
  "p5.4xlarge": type(16, "H100", 81_920, [1250, 1250]),
  // A part of an L4 each: here so that they are refused by their memory, not by their name.
  "g6f.large": type(2, "L4", 2861, [117, 625]),
  "g6f.xlarge": type(4, "L4", 2861, [125, 625]),
  "g6f.2xlarge": type(8, "L4", 5722, [250, 625]),
  "g6f.4xlarge": type(16, "L4", 11_444, [750, 750]),
  "gr6f.4xlarge": type(16, "L4", 11_444, [1000, 1000]),
};

/** GB of the NVMe disks of each type, as AWS's pages of instance types have them in October 2026. A type that is not here is not checked. */
export const INSTANCE_STORE_GB: Readonly<Record<string, number>> = {
  "g4dn.xlarge": 125,
  "g4dn.2xlarge": 225,
  "g4dn.4xlarge": 225,
  "g5.xlarge": 250,
  "g5.2xlarge": 450,
  "g5.4xlarge": 600,
  "g6.xlarge": 250,
  "g6.2xlarge": 450,
  "g6.4xlarge": 600,
  "gr6.4xlarge": 600,
  "g6e.xlarge": 250,
  "g6e.2xlarge": 450,
  "g6e.4xlarge": 600,
  "g7e.2xlarge": 1900,
  "p5.4xlarge": 3800,
};

/** What the table says of types whose instance store is too small for so many bytes. */
export function smallInstanceStores(types: readonly string[], bytes: number): readonly { type: string; gb: number }[] {
  return types.flatMap((type) => {
    const gb = INSTANCE_STORE_GB[type];
    return gb !== undefined && gb * 1e9 < bytes ? [{ type, gb }] : [];
  });
}

/** What a gp3 volume has without a charge, in MiB/s. */
export const BASE_THROUGHPUT_MIB = 125;
/** More than this reads no model noticeably sooner. */
const MOST_THROUGHPUT_MIB = 300;
const MIB = 2 ** 20;

/** The throughput in MiB/s that is worth its price: what EBS sustains for the type, and never less than what is free. */
export function sustainedThroughputMib(instanceType: string, iops: number): number {
  const sustained = Math.floor(((INSTANCE_TYPES[instanceType]?.ebsBaselineMbps ?? 0) * 1e6) / MIB);
  // gp3 has a quarter of a MiB/s for each of its IOPS.
  return Math.max(BASE_THROUGHPUT_MIB, Math.min(sustained, MOST_THROUGHPUT_MIB, Math.floor(iops / 4)));
}
