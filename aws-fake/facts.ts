/** Facts of the region, from DescribeInstanceTypes and DescribeInstanceTypeOfferings as moto 5.2 has them (October 2026). */
export interface InstanceTypeInfo {
  readonly vcpus: number;
  readonly memoryMib: number;
  readonly gpu: { readonly name: string; readonly memoryMib: number } | undefined;
  /** MB/s. */
  readonly ebsBaseline: number;
  readonly ebsMaximum: number;
  readonly ebsBaselineIops: number;
  readonly ebsMaximumIops: number;
  readonly instanceStoreGb: number;
  /** Letters of the zones that offer it. */
  readonly zones: string;
}

/** Letters of the zones that a region has here. */
export const ZONE_LETTERS = [..."abcdef"];

type Row = readonly [
  type: string,
  vcpus: number,
  memoryMib: number,
  gpu: string,
  gpuMib: number,
  ebs: readonly [baseline: number, maximum: number, baselineIops: number, maximumIops: number],
  instanceStoreGb: number,
  zones: string,
];

const ROWS: readonly Row[] = [
  ["g4dn.xlarge", 4, 16_384, "T4", 16_384, [118.75, 437.5, 3000, 20_000], 125, "abcdf"],
  ["g4dn.2xlarge", 8, 32_768, "T4", 16_384, [143.75, 437.5, 6000, 20_000], 225, "abcdf"],
  ["g5.xlarge", 4, 16_384, "A10G", 22_888, [87.5, 437.5, 3000, 15_000], 250, "abcdf"],
  ["g5.2xlarge", 8, 32_768, "A10G", 22_888, [106.25, 437.5, 3500, 15_000], 450, "abcdf"],
  ["g6.xlarge", 4, 16_384, "L4", 22_888, [125, 625, 4000, 20_000], 250, "abcdf"],
  ["g6.2xlarge", 8, 32_768, "L4", 22_888, [250, 625, 8000, 20_000], 450, "abcdf"],
  ["g6e.xlarge", 4, 32_768, "L40S", 45_776, [125, 625, 4000, 20_000], 250, "abcd"],
  ["g6f.xlarge", 4, 16_384, "L4", 2861, [125, 625, 4000, 20_000], 100, "abcd"],
  ["t3.micro", 2, 1024, "", 0, [10.875, 260.625, 500, 11_800], 0, "abcdf"],
];

export const TYPES: ReadonlyMap<string, InstanceTypeInfo> = new Map(
  ROWS.map(([type, vcpus, memoryMib, gpu, gpuMib, ebs, instanceStoreGb, zones]) => [
    type,
    {
      vcpus,
      memoryMib,
      gpu: gpu === "" ? undefined : { name: gpu, memoryMib: gpuMib },
      ebsBaseline: ebs[0],
      ebsMaximum: ebs[1],
      ebsBaselineIops: ebs[2],
      ebsMaximumIops: ebs[3],
      instanceStoreGb,
      zones,
    },
  ]),
);

/** AWS's public parameters, and what they name. A new release moves them, as in real life. */
export interface Ami {
  readonly id: string;
  readonly name: string;
  readonly rootGb: number;
}

const ecs = "al2023-ami-ecs-gpu-hvm-2023.0";
export const AMIS: readonly Ami[] = [
  { id: "ami-0ca77a28d8801702a", name: `${ecs}.20260922-kernel-6.1-x86_64-ebs`, rootGb: 30 },
  { id: "ami-0ca77a28d8801702b", name: `${ecs}.20261110-kernel-6.1-x86_64-ebs`, rootGb: 30 },
  { id: "ami-0d1a24040600000aa", name: "Deep Learning Base OSS Nvidia Driver GPU AMI (Ubuntu 24.04)", rootGb: 75 },
];

export const PUBLIC_PARAMETERS: ReadonlyMap<string, string> = new Map([
  ["/aws/service/ecs/optimized-ami/amazon-linux-2023/gpu/recommended/image_id", "ami-0ca77a28d8801702a"],
  [
    "/aws/service/deeplearning/ami/x86_64/base-oss-nvidia-driver-gpu-ubuntu-24.04/latest/ami-id",
    "ami-0d1a24040600000aa",
  ],
]);
