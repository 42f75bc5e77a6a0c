import { status } from '@grpc/grpc-js';

/** The names of gRPC status codes other than OK. */
export type GrpcStatus = Exclude<keyof typeof status, 'OK'>;

/** How the reference words each code in its logs. */
const DESCRIPTIONS: Readonly<Record<GrpcStatus, string>> = {
  CANCELLED: 'The operation was cancelled',
  UNKNOWN: 'Unknown error',
  INVALID_ARGUMENT: 'Client specified an invalid argument',
  DEADLINE_EXCEEDED: 'Deadline expired before operation could complete',
  NOT_FOUND: 'Some requested entity was not found',
  ALREADY_EXISTS: 'Some entity that we attempted to create already exists',
  PERMISSION_DENIED: 'The caller does not have permission to execute the specified operation',
  RESOURCE_EXHAUSTED: 'Some resource has been exhausted',
  FAILED_PRECONDITION: "The system is not in a state required for the operation's execution",
  ABORTED: 'The operation was aborted',
  OUT_OF_RANGE: 'Operation was attempted past the valid range',
  UNIMPLEMENTED: 'Operation is not implemented or not supported',
  INTERNAL: 'Internal error',
  UNAVAILABLE: 'The service is currently unavailable',
  DATA_LOSS: 'Unrecoverable data loss or corruption',
  UNAUTHENTICATED: 'The request does not have valid authentication credentials',
};

/** The sentence for `name` in the log lines of the reference. */
export function renderGrpcStatus(name: GrpcStatus): string {
  return DESCRIPTIONS[name];
}

const NAMES = new Map<number, GrpcStatus>(
  Object.keys(DESCRIPTIONS)
    .filter(isGrpcStatus)
    .map((name) => [status[name], name]),
);

/** The name of a numeric code; UNKNOWN for numbers that are none. */
export function grpcStatusName(code: number): GrpcStatus {
  return NAMES.get(code) ?? 'UNKNOWN';
}

/** Whether `name` is a status other than OK. */
export function isGrpcStatus(name: unknown): name is GrpcStatus {
  return typeof name === 'string' && Object.hasOwn(DESCRIPTIONS, name);
}
