/** Stable names of what can go wrong in the lab; new ones may be added in a minor version. */
export type LabErrorCode =
  | 'LAB_PLATFORM_UNSUPPORTED'
  | 'LAB_TOOL_MISSING'
  | 'LAB_NAMESPACES_FORBIDDEN'
  | 'LAB_KERNEL_LACKS'
  | 'LAB_ARGUMENT_INVALID'
  | 'LAB_TOPOLOGY_INVALID'
  | 'LAB_POLICY_INVALID'
  | 'LAB_STATE_UNSAFE'
  | 'LAB_ALREADY_RUNNING'
  | 'LAB_NOT_RUNNING'
  | 'LAB_START_FAILED'
  | 'LAB_DIED'
  | 'LAB_COMMAND_FAILED'
  | 'LAB_PORT_TAKEN'
  | 'LAB_ZTUNNEL_NOT_READY'
  | 'LAB_ENROL_FAILED'
  | 'LAB_NAME_UNKNOWN'
  | 'LAB_TOO_MANY_CAPTURES'
  | 'LAB_TIMEOUT'
  | 'LAB_CLOSED';

/** Failure of the lab. Branch on `code` (stable); the message is one line, says what to do, and may change. */
export class LabError extends Error {
  override readonly name = 'LabError';
  readonly code: LabErrorCode;
  /** The message without `details`. */
  readonly summary: string;
  /** Where several things are wrong: one line for each. They are in the message, too. */
  readonly details: readonly string[];

  constructor(
    code: LabErrorCode,
    summary: string,
    options: ErrorOptions & { readonly details?: readonly string[] } = {},
  ) {
    const { details = [], ...rest } = options;
    super(details.length === 0 ? summary : `${summary}: ${details.join('; ')}`, rest);
    this.code = code;
    this.summary = summary;
    this.details = details;
  }
}

/** The text of anything thrown. */
export function messageOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}

/** `error` as a `LabError`: itself if it is one, otherwise with `code` and the error's own code and text. */
export function asLabError(error: unknown, code: LabErrorCode): LabError {
  if (error instanceof LabError) return error;
  const own = error instanceof Error && 'code' in error && typeof error.code === 'string' ? `${error.code}: ` : '';
  return new LabError(code, `${own}${messageOf(error)}`, { cause: error });
}
