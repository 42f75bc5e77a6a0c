export type { DenialReport } from './client/denials.ts';
export type { ExecOptions, ExecResult, FrameCapture } from './client/lab-client.ts';
export { LabClient } from './client/lab-client.ts';
export { attachLab, endLab, type LabOptions, launchLab, type StartedLab, startLab } from './client/start-lab.ts';
export type { CertificateStatus, LabStatus, NodeStatus, PodStatus, ProcessStatus } from './control-protocol.ts';
export { LabError, type LabErrorCode } from './errors.ts';
export type { PolicyChange, PolicyReport, PolicyStatus, RefusedPolicy } from './policies/policy-report.ts';
export type { PolicyText } from './policies/policy-texts.ts';
export { podNetworking } from './supervisor/pod-networking.ts';
export {
  DEFAULT_TOPOLOGY,
  type NodeSpec,
  type PodProgram,
  type PodSpec,
  type ServiceSpec,
  type Topology,
} from './topology/topology.ts';
export { parseTopology } from './topology/topology-file.ts';
